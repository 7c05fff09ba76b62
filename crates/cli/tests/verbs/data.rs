//! The verbs of the operator, on a data directory.

use std::process::{Command, Stdio};

use crate::{
    program::{Run, program},
    server::{ACCOUNT, Server},
};

/// A verb in a folder, without a server.
fn run_in(folder: &std::path::Path, arguments: &[&str]) -> Run {
    program(arguments).current_dir(folder).output().unwrap().into()
}

#[test]
fn a_backup_of_a_running_server_is_restored_elsewhere() {
    let server = Server::start();
    let folder = server.folder.path().to_owned();
    server.json(&["account", "users", "create", "--name", "Bo", "--email", "bo@example.com"]);
    let made = server.json(&["backup", "backup.db"]);
    assert_eq!(made["bytes"], std::fs::metadata(folder.join("backup.db")).unwrap().len());
    server.run(&["backup", "backup.db"]).refused(1, "exists; name a file that does not");
    server.run(&["restore", "backup.db"]).refused(1, "has a database");
    server.run(&["backup", "other.db", "--data-dir", "nowhere"]).refused(1, "name the data directory of the server");

    let restored = run_in(&folder, &["restore", "backup.db", "--data-dir", "elsewhere"]);
    assert_eq!((restored.code, restored.out.as_str()), (0, "backup.db restored into elsewhere\n"), "{restored:?}");
    assert!(restored.err.contains("put the key of its secrets at elsewhere/secret.key"), "{restored:?}");
    std::fs::copy(folder.join("countersign-data/secret.key"), folder.join("elsewhere/secret.key")).unwrap();
    let again = Server::start_in(server.folder_handle(), &["--data-dir", "elsewhere"]);
    assert!(again.text(&["account", "users"]).contains("bo@example.com"));
    std::fs::write(folder.join("text.db"), "no backup").unwrap();
    run_in(&folder, &["restore", "text.db", "--data-dir", "third"]).refused(1, "is not a countersign backup");
    assert!(!folder.join("third").exists(), "nothing is made of what is no backup");
}

#[test]
fn the_operator_makes_accounts_and_assigns_domains_while_no_server_runs() {
    let server = Server::start();
    let folder = server.folder_handle();
    server.run(&["account", "create", "--name", "Second"]).refused(1, "is in use by another countersign process");
    drop(server);

    let made = run_in(folder.path(), &["account", "create", "--name", "Second", "--user-email", "ed@example.com", "--json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let made = made.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    run_in(folder.path(), &["account", "create", "--name", "Third", "--id", id]).refused(1, "there is an account");
    run_in(folder.path(), &["account", "domains"]).refused(2, "there are several accounts");
    let domains =
        run_in(folder.path(), &["account", "domains", id, "--add", "Example.com", "--add", "example.org", "--remove", "example.org"]);
    assert_eq!((domains.code, domains.out.as_str()), (0, "example.com\n"), "{domains:?}");
    run_in(folder.path(), &["account", "domains", ACCOUNT, "--add", "example.com"]).refused(1, "is assigned to account");
    run_in(folder.path(), &["account", "domains", id, "--add", "nonsense"]).refused(2, "is not a domain");
    run_in(folder.path(), &["account", "domains", id, "--data-dir", "nowhere"]).refused(2, "there is no data directory nowhere");

    let server = Server::start_in(folder, &[]);
    let account = server.json(&["account", "--token", token]);
    assert_eq!((&account["name"], &account["recipientDomains"][0]), (&"Second".into(), &"example.com".into()), "{account}");
    assert!(server.text(&["account", "users", "--token", token]).contains("ed@example.com"));
    server.run(&["account", "--token", token, "--account", ACCOUNT]).refused(1, "the server answered 404");
}

#[test]
fn secrets_are_sealed_under_another_key_and_still_read() {
    let server = Server::start();
    let folder = server.folder_handle();
    let key = server.json(&["keys", "create"]);
    server.run(&["rotate-secret-key"]).refused(1, "is in use by another countersign process");
    drop(server);
    let file = folder.path().join("countersign-data/secret.key");
    let before = std::fs::read(&file).unwrap();
    let rotated = run_in(folder.path(), &["rotate-secret-key", "--json"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(rotated.json()["resealed"].as_u64() >= Some(1), "{rotated:?}");
    assert_ne!(std::fs::read(&file).unwrap(), before);
    let server = Server::start_in(folder, &[]);
    assert_eq!(server.json(&["keys"])["keys"][0]["id"], key["id"]);
    server.run(&["rotate-secret-key", "--data-dir", "nowhere"]).refused(2, "there is no data directory nowhere");
}

#[test]
fn standard_streams_that_are_closed_are_no_reason_to_panic() {
    let output = Command::new("sh")
        .args(["-c", &format!("{} --help >&- 2>&-", env!("CARGO_BIN_EXE_countersign"))])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(101), "{output:?}");
}
