//! Two versions side by side on one database: the program from before the newest migration, and this one.
//!
//! `cargo xtask two-versions` builds the former, says where it is in `COUNTERSIGN_TEST_FORMER_PROGRAM`, and runs this. `ci/test` leaves it
//! out by name and says so, since the build takes as long as that of this program; what a migration may do to the programs before it
//! is tested there by `crates/store/tests/postgres_migrations.rs`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::support::{
    Server,
    fleet::{self, Load, Sink, all_is_delivered, ask},
};

/// The former program.
const FORMER: &str = "COUNTERSIGN_TEST_FORMER_PROGRAM";
/// How long both serve.
const TOGETHER: Duration = Duration::from_secs(60);
/// Clients that post at the same time.
const CLIENTS: usize = 4;
/// Between two events of one client.
const PAUSE: Duration = Duration::from_millis(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_former_version_goes_on_beside_this_one() {
    let Some(former) = std::env::var_os(FORMER).map(PathBuf::from) else {
        let why = format!("{FORMER} is not set; cargo xtask two-versions builds the former program and runs this test");
        assert!(std::env::var_os("COUNTERSIGN_TEST_SKIP_NONE").is_none(), "{why}");
        eprintln!("SKIPPED: {why}");
        return;
    };
    let Some(database) = fleet::database().await else { return };
    let url = database.url(fleet::DATABASE);
    let schema = || ask(&database, "SELECT max(version) FROM schema_migrations").concat();
    let mut old = Server::start(fleet::serve(&url).program(former)).await;
    let sink = Sink::start().await;
    fleet::subscribe(&old.restapi(), &sink.listener.url("/hook")).await;
    let load = Load::start(std::slice::from_ref(&old), CLIENTS, PAUSE);
    load.go_on(50).await;
    // The new one migrates the tables while the old one works on them.
    let before = schema();
    let mut new = Server::start(fleet::serve(&url)).await;
    let after = schema();
    assert_ne!(before, after, "the former program is from before the newest migration");
    load.add(&new);
    let began = Instant::now();
    tokio::time::sleep(TOGETHER).await;
    let together = load.acknowledged();
    let alone = load.turned_away();
    assert_eq!(alone, 0, "no request failed, while the tables were migrated or afterwards{}{}", old.words(), new.words());

    // An old node that is started again finds the new tables, and a new one goes and comes.
    old.restart().await;
    load.go_on(50).await;
    new.restart().await;
    load.go_on(50).await;
    let posted = load.end().await;
    let events = posted.acknowledged.len() as u64;
    all_is_delivered(&database, &sink, events, &[old.words(), new.words()]).await;
    assert_eq!(sink.twice(), 0, "nothing goes out twice");
    for (which, node) in [("former", &old), ("this", &new)] {
        assert!(!node.words().contains("ERROR"), "the {which} version is content{}", node.words());
    }
    println!("schema {before} to {after} under load; {together} events in {:.1?} side by side, {events} in all, no error", began.elapsed());
    old.terminate().await;
    new.terminate().await;
}
