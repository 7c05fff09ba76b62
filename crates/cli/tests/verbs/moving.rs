//! Export and import, as a person and a program see them.

use std::path::Path;

use crate::{
    program::{Run, program},
    server::Server,
};

/// A verb in a folder, without a server.
fn run_in(folder: &Path, arguments: &[&str]) -> Run {
    program(arguments).current_dir(folder).output().unwrap().into()
}

#[test]
fn an_export_goes_into_another_data_directory_and_says_what_it_came_to() {
    let server = Server::start();
    let folder = server.folder_handle();
    server.json(&["account", "users", "create", "--name", "Bo", "--email", "bo@example.com"]);
    server.json(&["keys", "create"]);
    let while_used = server.run(&["export", "used.export"]);
    assert_eq!(while_used.code, 0, "{while_used:?}");
    assert!(while_used.err.starts_with("note: node '") && while_used.err.contains("stop it first when you move"), "{while_used:?}");
    server.signal("TERM");
    assert!(server.ended().success());

    let folder = folder.path();
    let exported = run_in(folder, &["export", "moving.export"]);
    assert_eq!((exported.code, exported.err.as_str()), (0, ""), "{exported:?}");
    let bytes = std::fs::metadata(folder.join("moving.export")).unwrap().len();
    let last = exported.out.lines().last().unwrap();
    assert!(last.starts_with("moving.export written, "), "{exported:?}");
    assert!(last.ends_with(&format!(" rows, {bytes} bytes; the key of its secrets is not in it")), "{exported:?}");
    run_in(folder, &["export", "moving.export"]).refused(1, "exists; name a file that does not");
    run_in(folder, &["export", "other.export", "--data-dir", "nowhere"]).refused(1, "name the data directory of the server");

    let checked = run_in(folder, &["import", "moving.export", "--check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let tables = |text: &str| text.lines().take_while(|line| !line.starts_with("moving.export")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(tables(&checked.out), tables(&exported.out), "the same tables, rows and hashes");
    run_in(folder, &["import", "moving.export", "--data-dir", "second"]).refused(1, "key file second/secret.key is missing");
    std::fs::create_dir(folder.join("second")).unwrap();
    std::fs::write(folder.join("second/secret.key"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
    run_in(folder, &["import", "moving.export", "--data-dir", "second"]).refused(1, "use the key of the store it was exported from");
    assert!(!folder.join("second/countersign.db").exists(), "nothing was made");
    std::fs::copy(folder.join("countersign-data/secret.key"), folder.join("second/secret.key")).unwrap();
    run_in(folder, &["import", "moving.export"]).refused(1, "is not empty: table account has rows; import into an empty one");

    let imported = run_in(folder, &["import", "moving.export", "--data-dir", "second", "--json"]);
    assert_eq!(imported.code, 0, "{imported:?}");
    let imported = imported.json();
    assert_eq!((&imported["into"], &imported["bytesBefore"]), (&"data directory second".into(), &0.into()), "{imported}");
    let users = imported["tables"].as_array().unwrap().iter().find(|table| table["name"] == "object").unwrap();
    assert!(users["rows"].as_u64() > Some(2) && users["sha256"].as_str().unwrap().len() == 64, "{imported}");
    let again = run_in(folder, &["export", "again.export", "--data-dir", "second", "--json"]).json();
    assert_eq!(again["tables"], imported["tables"]);
}

#[test]
fn what_is_no_export_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.export");
    for (bytes, words) in [
        (&b"SQLite format 3\0"[..], "is not a countersign export"),
        (b"countersign export 7\n", "is an export of form 7, this program knows 1; use the newer program that made it"),
        (b"countersign export 1\n", "is not whole: it ends at byte 21; take a complete copy, or export again"),
        (b"countersign export 1\nR\0\0\0\0................................", "is damaged between bytes 21 and 58 (its hash differs)"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        run_in(folder.path(), &["import", "a.export", "--check"]).refused(1, words);
    }
    run_in(folder.path(), &["import", "missing.export", "--check"]).refused(1, "missing.export: No such file");
}
