//! A change of nftables that a version before made live, at one end of address translation alone, and this
//! one is to confirm.

use super::Scene;
use crate::support::host::Kind;

const LOADED: &str = "/var/lib/mailward/access/load.nft";

/// What `nft` was given, without the chain in front of the translation.
fn at_one_end(script: &str) -> String {
    let (before, rest) = script.split_once("\tchain prerouting {").unwrap();
    let (_, after) = rest.split_once("\t}\n").unwrap();
    format!("{before}{after}")
}

#[test]
fn a_table_at_one_end_is_confirmed_where_it_was_loaded_so_and_not_where_somebody_took_the_other_out() {
    for loaded in [true, false] {
        let Some(scene) = Scene::new(Kind::SysV, "nftables", "120s") else {
            return;
        };
        scene.apply();
        let script = at_one_end(&scene.host.read_text(LOADED));
        let path = if loaded { LOADED } else { "/root/load.nft" };
        scene.host.write(path, &script);
        scene.host.run(&["nft", "-f", path]).success();
        let confirmed = scene.run("confirm --allow unproven-confirm");
        if loaded {
            assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
            scene.assert_restricted();
            let (code, said) = scene.plan();
            assert_eq!(code, 2, "{said}");
            assert!(!said.contains("never confirmed"), "{said}");
            scene.apply_for_good();
            let (code, said) = scene.plan();
            assert_eq!(code, 0, "{said}");
        } else {
            assert_eq!(confirmed.code(), 7, "{confirmed:#?}");
            assert!(scene.state("window.json"));
        }
    }
}
