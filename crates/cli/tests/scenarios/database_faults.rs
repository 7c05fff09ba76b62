//! The database away, slow, cut off in the middle of a commit, full, read-only, restarted: intake answers 503 with `Retry-After`
//! (507 when it is full), nothing acknowledged is lost, deliveries go on when it is back, no attempt is recorded twice.

use std::{net::SocketAddr, time::Duration};

use countersign_testkit::{FaultProxy, PostgresServer, ProxyMode};
use http::{Method, StatusCode};
use serde_json::json;

use super::support::{
    Server,
    fleet::{self, Load, Sink, all_is_delivered, ask},
    until,
};

/// Clients that post at the same time.
const CLIENTS: usize = 6;
/// Between two events of one client.
const PAUSE: Duration = Duration::from_millis(5);
/// How a commit stands in the wire protocol: a simple query (`Q`) of eleven bytes.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// How long each trouble lasts, beside what it lasts by itself.
const TROUBLE: Duration = Duration::from_millis(400);

/// A node whose way to the database is in our hands.
struct Scene {
    database: PostgresServer,
    proxy: FaultProxy,
    server: Server,
    sink: Sink,
}

impl Scene {
    async fn set() -> Option<Self> {
        let database = fleet::database().await?;
        let url = database.url(fleet::DATABASE);
        let at: SocketAddr = url.split(['@', '/']).nth(3).and_then(|at| at.parse().ok()).expect("host and port");
        let proxy = FaultProxy::start(at).await;
        let server = Server::start(fleet::serve(&url.replace(&at.to_string(), &proxy.address().to_string()))).await;
        let sink = Sink::start().await;
        fleet::subscribe(&server.restapi(), &sink.listener.url("/hook")).await;
        Some(Self { database, proxy, server, sink })
    }

    async fn end(self, load: Load) {
        load.go_on(20).await;
        let posted = load.end().await;
        let events = posted.acknowledged.len() as u64;
        println!("{events} events; {} requests were turned away", posted.turned_away);
        all_is_delivered(&self.database, &self.sink, events, &[self.server.words()]).await;
        self.server.terminate().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_the_middle_of_a_commit_lose_and_repeat_nothing() {
    let Some(scene) = Scene::set().await else { return };
    let load = Load::start(std::slice::from_ref(&scene.server), CLIENTS, PAUSE);
    // A commit that never arrived, one whose answer never came, and a connection that breaks wherever it is.
    for mode in [ProxyMode::CutBefore(COMMIT), ProxyMode::CutBehind(COMMIT), ProxyMode::Reset].repeat(4) {
        load.go_on(20).await;
        let before = scene.proxy.counts().connections;
        scene.proxy.set(mode);
        // New connections mean that others were cut.
        scene.proxy.wait_until(|counts| counts.connections > before).await;
        tokio::time::sleep(TROUBLE).await;
        scene.proxy.set(ProxyMode::Pass);
    }
    scene.end(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_slow_silent_or_restarted_delays_and_loses_nothing() {
    let Some(mut scene) = Scene::set().await else { return };
    let load = Load::start(std::slice::from_ref(&scene.server), CLIENTS, PAUSE);
    for mode in [ProxyMode::Delay(Duration::from_millis(100)), ProxyMode::BlackHole, ProxyMode::Drop] {
        load.go_on(20).await;
        scene.proxy.set(mode);
        tokio::time::sleep(TROUBLE * 5).await;
        scene.proxy.set(ProxyMode::Pass);
    }
    load.go_on(20).await;
    tokio::task::block_in_place(|| {
        scene.database.stop();
        std::thread::sleep(TROUBLE * 2);
        assert!(scene.database.resume(), "the database starts again");
    });
    scene.end(load).await;
}

/// The server itself cannot be filled here, so a trigger says what it says then.
const FULL: &str = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION full_disk();";
/// A failover to a server that is a standby still looks the same to those who write.
const READ_ONLY: &str = "ALTER DATABASE nodes SET default_transaction_read_only = on;
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'nodes' AND pid <> pg_backend_pid();";
const WRITABLE: &str = "ALTER DATABASE nodes RESET default_transaction_read_only;
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'nodes' AND pid <> pg_backend_pid();";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_full_or_read_only_takes_nothing_and_goes_on_afterwards() {
    let Some(scene) = Scene::set().await else { return };
    let api = scene.server.api();
    let event = json!({"event": "click-agreed", "data": {"number": 0}});
    let answered = async |status: StatusCode| {
        let look = async || {
            let reply = api.send_under(Method::POST, "/events", Some(&event), Some("event-0")).await.expect("an answer");
            assert!(reply.status == status || reply.status == StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text);
            (reply.status == status).then_some(reply)
        };
        until("the answer", look).await
    };
    let postgres = |sql: &str| tokio::task::block_in_place(|| drop(scene.database.ask("postgres", sql)));

    drop(ask(&scene.database, FULL));
    answered(StatusCode::INSUFFICIENT_STORAGE).await;
    drop(ask(&scene.database, "DROP TRIGGER full_disk ON event"));
    postgres(READ_ONLY);
    let refused = answered(StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(refused.retry_after.is_some(), "{}", refused.text);
    postgres(WRITABLE);
    answered(StatusCode::ACCEPTED).await;

    // Under load, so that deliveries are under way when it begins.
    let load = Load::start(std::slice::from_ref(&scene.server), CLIENTS, PAUSE);
    for _ in 0..2 {
        load.go_on(20).await;
        postgres(READ_ONLY);
        tokio::time::sleep(TROUBLE).await;
        postgres(WRITABLE);
    }
    scene.end(load).await;
}
