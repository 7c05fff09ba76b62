//! The page "Check an HMAC by hand": its commands, run in their order.

use std::process::Command;

const PAGE: &str = include_str!("../../../../docs/guide/check-an-hmac.md");

/// What stands in the code blocks for a shell.
fn blocks() -> Vec<&'static str> {
    PAGE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_commands_of_the_page_do_what_it_says() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 7, "{blocks:?}");
    let folder = tempfile::tempdir().unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut said = Vec::new();
    for block in &blocks {
        let output =
            Command::new("bash").args(["-euo", "pipefail", "-c", block]).current_dir(folder.path()).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{block}\n{output:?}");
        said.push(String::from_utf8(output.stdout).unwrap());
    }
    let matches = |text: &str| text.matches("match: key 1 fits X-DocuSign-Signature-1").count();
    assert_eq!(said[0], "");
    assert_eq!((matches(&said[1]), matches(&said[2])), (1, 2));
    assert_eq!(said[3], "match\n");
    assert!(said[4].contains("proved     body-pretty-printed") && said[4].ends_with("exit code 1\n"), "{}", said[4]);
    assert!(said[6].contains("proved     key-other") && said[6].ends_with("exit code 1\n"), "{}", said[6]);
}

#[test]
fn the_page_names_every_cause_there_is() {
    for cause in countersign_signature::explain::Cause::ALL {
        assert!(PAGE.contains(&format!("`{}`", cause.id())), "{}", cause.id());
    }
}
