//! With `--redact-accounts` no message names anybody, whatever is wrong.

use super::judge::{on, said};
use crate::support::panel::{Generation, Knob, OnFalse, PanelWorld, When};

/// A name that is in no other word that is printed.
const NAME: &str = "zorkmid";

#[test]
fn no_error_of_a_manifest_names_an_account() {
    let world = PanelWorld::tree(Generation::Ten);
    let long = format!("{NAME}.{}", "x".repeat(200));
    let many: Vec<String> =
        (0..20).map(|n| format!("\"{NAME}.number.{n}.of.many@example.jp\" = tru")).collect();
    let inline: Vec<String> =
        (0..20).map(|n| format!("\"{NAME}.number.{n}.of.many@example.jp\" = 3")).collect();
    for manifest in [
        format!("[panel_access.accounts]\n{NAME} = true\n"),
        format!("[panel_access.accounts]\n{NAME}@example.jp = true\n"),
        format!("[panel_access.accounts]\n\"{NAME}\" = true\n"),
        format!("[panel_access.accounts]\n\"{long}@example.jp\" = 3\n"),
        format!("[panel_access.accounts]\n\"{NAME} x@example.jp\" = true\n"),
        format!("[panel_access.accounts]\n\"{NAME}\\\" x@example.jp\" = true\n"),
        format!(
            "[panel_access.accounts]\n\"{NAME}@example.jp\" = true\n\"{}@example.jp\" = true\n",
            NAME.to_uppercase()
        ),
        format!("[panel_access.accounts]\n\"{NAME}@example.jp\".x = true\n"),
        format!("[panel_access]\naccounts = {{ {} }}\n", many.join(", ")),
        format!("[panel_access]\naccounts = {{ {} }}\n", inline.join(", ")),
        format!("[panel_access.accounts]\n\"{NAME}@example.jp\" = true\n"),
        format!("[panel_access.domains]\n\"{NAME}@example.jp\" = true\n"),
    ] {
        let output = on(&world, "plan", &manifest, &["--redact-accounts"]);
        assert_eq!(output.status.code(), Some(4), "{manifest}{}", said(&output));
        let told = said(&output).to_lowercase();
        assert!(!told.contains(NAME), "{manifest}{told}");
        assert!(told.contains("manifest.toml:"), "{told}");
    }
}

#[test]
fn no_probe_names_a_login() {
    for format in ["text", "json"] {
        let world = PanelWorld::tree(Generation::Ten);
        let deny = "[panel_access]\ndefault = false\n[safety]\nmax_account_changes = \"100%\"\n";
        let login = format!("UPDATE smb_users SET login = '{NAME}, x' WHERE id = @user;");
        world.misbehave(&Knob::Meddle(login), When::At(1));
        world.set_on_false(OnFalse::Lock);
        let more = ["--yes", "--redact-accounts", "--format", format];
        let output = on(&world, "apply", deny, &more);
        assert_eq!(output.status.code(), Some(9), "{}", said(&output));
        let told = said(&output);
        for name in [NAME, "Sales", "nobox"] {
            assert!(!told.contains(name), "{name}: {told}");
        }
        assert!(told.contains("with the login …"), "{told}");
    }
}
