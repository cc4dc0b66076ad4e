//! The vendor's command misbehaves: nothing is claimed that is not seen, and what failed goes back.

use super::{Kind, LONG, MANIFEST, SHORT, Scene, code, says};
use crate::support::firewall::{Knob, Trouble, Verb};
use crate::support::host::{Family, Reach};

#[test]
fn an_apply_that_does_not_load_the_whole_list_fails_and_is_taken_back() {
    let Some(scene) = Scene::new(Kind::Systemd, SHORT) else {
        return;
    };
    let troubles = [
        (Verb::Set, Trouble::Lie),
        (Verb::Set, Trouble::Fail),
        (Verb::Set, Trouble::OthersEdit("submission", "192.0.2.77")),
        (Verb::List, Trouble::NewIds),
        (Verb::Apply, Trouble::Lie),
        (Verb::Apply, Trouble::Fail),
        (Verb::Apply, Trouble::HalfLoaded),
        (Verb::Apply, Trouble::DoAndFail),
    ];
    for (verb, trouble) in troubles {
        scene.firewall.misbehave(&scene.host, verb, &trouble);
        let applied = scene.apply();
        scene.firewall.behave(&scene.host);
        assert_eq!(applied.code(), 8, "{verb:?} {trouble:?}: {applied:#?}");
        scene.assert_as_before();
        code(&scene.check(), 2);
    }
    scene.firewall.set(&scene.host, Knob::ApplyEndsAtOnce);
    let half = Trouble::HalfLoaded;
    scene.firewall.misbehave_once(&scene.host, Verb::Apply, &half);
    code(&scene.apply(), 8);
    scene.assert_as_before();
    scene.firewall.confirm_within(&scene.host, LONG);
    scene.make_last();
    scene.assert_restricted();
}

#[test]
fn a_list_of_ipv4_alone_goes_live_only_where_ipv6_is_closed_by_it() {
    let Some(scene) = Scene::new(Kind::SysV, SHORT) else {
        return;
    };
    scene.declare(r#"imap = ["four"]"#);
    let plan = scene.plan();
    code(&plan, 2);
    says(&plan, "closed on IPv6");
    let reaches = |name: &str, family| scene.client(name).reaches(143, family);
    scene.firewall.set(&scene.host, Knob::OtherFamilyOpen);
    let open = scene.apply();
    code(&open, 8);
    says(&open, "::/0");
    scene.assert_as_before();
    scene.firewall.set(&scene.host, Knob::OtherFamilyPolicy);
    code(&scene.apply(), 3);
    assert_eq!(reaches("six", Family::V6), Reach::Silent, "the policy is deny");
    code(&scene.say("revert"), 0);
    scene.firewall.set(&scene.host, Knob::OtherFamilyClosed);
    scene.firewall.confirm_within(&scene.host, LONG);
    scene.make_last();
    for (name, family, expected) in [
        ("office", Family::V4, Reach::Connects),
        ("office", Family::V6, Reach::Silent),
        ("vpn", Family::V4, Reach::Silent),
        ("six", Family::V6, Reach::Silent),
    ] {
        assert_eq!(reaches(name, family), expected, "{name} {family:?}");
    }
}

#[test]
fn a_confirmation_is_claimed_only_when_it_is_seen() {
    let Some(scene) = Scene::new(Kind::SysV, SHORT) else {
        return;
    };
    scene.firewall.misbehave(&scene.host, Verb::Confirm, &Trouble::Lie);
    code(&scene.apply(), 3);
    let lost = scene.say("confirm");
    code(&lost, 8);
    says(&lost, "did not keep the change");
    scene.assert_as_before();
    code(&scene.check(), 2);

    let manifest = scene.host.read_text(MANIFEST);
    let ssh = scene.ssh();
    let away = ssh.mailward(&["apply", "--yes", "-"]).stdin(manifest);
    code(&away.within(LONG).run(), 8);
    scene.assert_as_before();

    scene.firewall.behave(&scene.host);
    scene.firewall.confirm_within(&scene.host, LONG);
    let fail = Trouble::Fail;
    scene.firewall.misbehave_once(&scene.host, Verb::Confirm, &fail);
    code(&scene.apply(), 3);
    code(&scene.say("confirm"), 3);
    assert!(scene.imap_is_shut());
    let done = Trouble::DoAndFail;
    scene.firewall.misbehave_once(&scene.host, Verb::Confirm, &done);
    code(&scene.say("confirm"), 0);
    scene.assert_restricted();
    code(&scene.check(), 0);
}
