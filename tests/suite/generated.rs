//! What is generated from the types: schemas, completions, manual pages, help.

use std::process::Command;

use crate::support::in_time::CommandInTime as _;

fn mailward(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_mailward")).args(arguments).output_in_time().unwrap()
}

#[test]
fn the_schemas_on_disk_are_current() {
    for document in ["plan", "outcome", "show", "check", "manifest"] {
        let printed = mailward(&["schema", document]).stdout;
        let path = format!("schema/{document}.schema.json");
        if std::env::var_os("MAILWARD_BLESS").is_some() {
            std::fs::write(&path, &printed).unwrap();
        }
        let printed: serde_json::Value = serde_json::from_slice(&printed).unwrap();
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(printed, kept, "{path} is stale; run with MAILWARD_BLESS=1");
    }
}

#[test]
fn what_the_commands_print_as_json_fits_its_schema() {
    let tree = "examples/office/host";
    let manifest = "examples/office/mailward.toml";
    for (document, arguments) in [
        ("plan", vec!["plan", "--root", tree, "--format", "json", manifest]),
        ("show", vec!["show", "--root", tree, "--format", "json", manifest]),
        ("check", vec!["check", "--root", tree, "--format", "json", manifest]),
    ] {
        let printed: serde_json::Value = serde_json::from_slice(&mailward(&arguments).stdout).unwrap();
        let schema: serde_json::Value =
            serde_json::from_slice(&mailward(&["schema", document]).stdout).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&printed)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{document}: {errors:#?}");
    }
}

#[test]
fn completions_and_manual_pages_are_printed_for_every_shell_and_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = mailward(&["completions", shell]);
        assert!(output.status.success() && !output.stdout.is_empty(), "{shell}");
    }
    for command in
        ["plan", "apply", "confirm", "revert", "check", "show", "validate", "schema", "completions", "man"]
    {
        let output = mailward(&["man", command]);
        assert!(output.status.success(), "{command}");
        assert!(output.stdout.starts_with(b".ie"), "{command}");
    }
    assert_eq!(mailward(&["man", "nothing"]).status.code(), Some(4));
}

#[test]
fn a_usage_error_is_exit_4_and_help_is_exit_0() {
    assert_eq!(mailward(&["plan"]).status.code(), Some(4));
    assert_eq!(mailward(&["no-such-command"]).status.code(), Some(4));
    assert_eq!(mailward(&["--help"]).status.code(), Some(0));
    assert_eq!(mailward(&["--version"]).status.code(), Some(0));
}
