//! Killed in the middle, and given again.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use countersign_store::{
    conformance::World,
    transfer::{Stage, check},
};
use countersign_testkit::PostgresServer;

use super::support::{KEY, Place, full_store, runtime, vault};

/// Tells a run of this test binary that it is the child, and what to import where.
const CHILD: &str = "COUNTERSIGN_STORE_TRANSFER_CHILD";
/// Kills of one import.
const KILLS: usize = 10;

/// A child that imports, stopping before each block until it is told to go on.
struct Importing {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
    told: ChildStdin,
}

impl Importing {
    fn start(test: &str, file: &Path, into: &Place) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, format!("{}\n{}", file.display(), into.words()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let says = BufReader::new(child.stdout.take().expect("piped")).lines();
        let told = child.stdin.take().expect("piped");
        Self { child, says, told }
    }

    /// True when it stands before a block, false when it has ended.
    fn stands(&mut self) -> bool {
        self.says.by_ref().any(|line| line.is_ok_and(|line| line.ends_with("before a block")))
    }

    fn go_on(&mut self) {
        self.told.write_all(b"\n").expect("it listens");
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

/// What the child does; `false` in the parent.
fn is_child() -> bool {
    let Ok(words) = std::env::var(CHILD) else { return false };
    let (file, into) = words.split_once('\n').expect("two lines");
    runtime().block_on(async {
        let checked = check(Path::new(file), Some(&vault(KEY)), &mut |_| {}).expect("whole");
        let done = Place::of(into)
            .import_told(&checked, &mut |progress| {
                if progress.stage == Stage::Importing {
                    println!("before a block");
                    let mut line = String::new();
                    std::io::stdin().read_line(&mut line).expect("it is told");
                }
            })
            .await;
        done.expect("imported");
    });
    true
}

#[test]
fn an_import_into_postgresql_that_is_killed_ten_times_goes_on() {
    const TEST: &str = "interrupted::an_import_into_postgresql_that_is_killed_ten_times_goes_on";
    if is_child() {
        return;
    }
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("killed", "template1");
    killed_ten_times(TEST, |_| Place::Postgres(server.url("killed")));
}

#[test]
fn an_import_into_the_embedded_store_that_is_killed_ten_times_goes_on() {
    const TEST: &str = "interrupted::an_import_into_the_embedded_store_that_is_killed_ten_times_goes_on";
    if is_child() {
        return;
    }
    killed_ten_times(TEST, |folder| Place::embedded(folder, "killed"));
}

fn killed_ten_times(test: &str, place: impl FnOnce(&Path) -> Place) {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, again) = (folder.path().join("a.export"), folder.path().join("b.export"));
    let (manifest, to) = runtime().block_on(async {
        let (first, _) = full_store(folder.path()).await;
        (first.export(&file).await.expect("exported"), place(folder.path()))
    });
    for kill in 0..KILLS {
        let mut importing = Importing::start(test, &file, &to);
        // One block is taken whole. Every other time the kill comes while it stands before the next one, otherwise while it takes that.
        assert!(importing.stands(), "kill {kill}: it has not come to the end");
        importing.go_on();
        assert!(importing.stands(), "kill {kill}: it has not come to the end");
        if kill % 2 == 1 {
            importing.go_on();
        }
        importing.kill();
        runtime().block_on(async {
            let refused = to.try_open().await.err().expect("it is not opened");
            assert!(refused.contains("an import that is not complete; give the same countersign import again"), "{refused}");
            let refused = to.export(&again).await.expect_err("it is not exported");
            assert!(refused.to_string().contains("complete it before you export"), "{refused}");
        });
    }
    runtime().block_on(async {
        let before = to.import(&file).await.expect("goes on");
        assert!(before > 0, "it went on where it stood");
        assert_eq!(to.export(&again).await.expect("exported"), manifest);
        assert_eq!(std::fs::read(&file).expect("read"), std::fs::read(&again).expect("read"));
        let world: World = to.world().await;
        world.store.close().await;
    });
}

/// Nothing stands under the name of a file that is not whole, and what was left behind is in nobody's way.
#[test]
fn an_export_that_was_broken_off_is_begun_anew() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, _) = full_store(folder.path()).await;
        let file = folder.path().join("a.export");
        let broken_off = tokio::spawn({
            let (first, file) = (first.clone(), file.clone());
            // Whoever is told panics: nothing is cleaned up, as after a kill.
            async move { first.export_told(&file, &mut |progress| assert!(progress.done < 20, "broken off")).await.map(drop) }
        });
        assert!(broken_off.await.is_err(), "it panicked");
        let part = folder.path().join("a.export.part");
        assert_eq!((file.exists(), part.exists()), (false, true));
        first.export(&file).await.expect("exported");
        assert_eq!((file.exists(), part.exists()), (true, false));
        check(&file, Some(&vault(KEY)), &mut |_| {}).expect("whole");
    });
}
