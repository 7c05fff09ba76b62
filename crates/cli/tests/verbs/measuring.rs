//! `bench`: it measures nothing but what it starts itself, and leaves nothing behind.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::program::{Run, closed_address, program};

/// How long a start may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn bench_measures_its_own_server_whatever_the_settings_of_this_folder_are() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("postgresql://nobody@{}/production", closed_address());
    std::fs::write(folder.path().join("countersign.toml"), format!("database-url = '{database}'\n")).unwrap();
    let mut bench = program(&["bench", "intake", "--events", "100", "--rounds", "1", "--json"]);
    bench.current_dir(folder.path()).env("COUNTERSIGN_DATABASE_URL", &database).env("COUNTERSIGN_DISK_BUDGET_MIB", "1");
    let run: Run = bench.output().unwrap().into();
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    assert_eq!(run.json().as_array().map(Vec::len), Some(2), "{run:?}");
}

#[test]
fn bench_that_is_ended_takes_its_servers_and_their_folders_along() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = program(&["bench", "deliveries", "--events", "1000000", "--rounds", "1"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !has_a_database(folder.path()) {
            assert!(began.elapsed() < PATIENCE, "its server starts");
            assert!(bench.try_wait().unwrap().is_none(), "it goes on until it is ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(Command::new("kill").args([&format!("-{signal}"), &bench.id().to_string()]).status().unwrap().success());
        assert_eq!(bench.wait().unwrap().code(), Some(code), "{signal}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{signal}: no folder is left");
        assert_eq!(processes_that_name(folder.path()), Vec::<String>::new(), "{signal}: no process is left");
    }
}

fn has_a_database(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| entry.path().join("data/countersign.db").exists())
}

/// The command lines, of all processes, in which the folder stands.
fn processes_that_name(folder: &Path) -> Vec<String> {
    let lines = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(folder.to_str().unwrap())).collect()
}
