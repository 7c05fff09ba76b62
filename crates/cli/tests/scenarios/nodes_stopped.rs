//! A node that is stopped (`SIGSTOP`) past its lease and woken does not overwrite its successor's result.

use countersign_testkit::Answer;
use http::Method;

use super::support::{
    Client,
    fleet::{self, Load, Sink, all_is_delivered, ask},
    server::TOKEN,
    until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_past_its_lease_does_not_overwrite_what_its_successor_wrote() {
    let Some(database) = fleet::database().await else { return };
    let url = database.url(fleet::DATABASE);
    let nodes = fleet::nodes(2, &url).await;
    let (sleeper, successor) = (&nodes[0], &nodes[1]);
    // The first time it hangs, and comes to 500 in the end; the second time all is well.
    let sink = Sink::start_with(|number, before| if (number, before) == (0, 0) { Answer::status(500).held() } else { Answer::ok() }).await;
    fleet::subscribe(&sleeper.restapi(), &sink.listener.url("/hook")).await;

    fleet::post(&[sleeper.api()], 0, 0, &Default::default()).await;
    sink.listener.wait_for(1).await;
    sleeper.signal("-STOP").await;
    let delivered = async || {
        let deliveries = successor.api().get("/deliveries").await["deliveries"].take();
        (deliveries[0]["state"] == "delivered").then_some(())
    };
    until("the other node to take over", delivered).await;
    let before = ask(&database, "SELECT state, at, attempts_made FROM delivery");

    sink.listener.release();
    sleeper.signal("-CONT").await;
    // It hears of the 500, and that the delivery is not its own any more.
    let figures = Client::new(sleeper.url.clone(), Some(TOKEN));
    let refused = async || {
        let metrics = figures.send(Method::GET, "/metrics", None).await.ok()?.text;
        metrics.contains("countersign_deliveries_settled_total{result=\"lease_lost\"} 1").then_some(())
    };
    until("the late result to be refused", refused).await;
    assert_eq!(ask(&database, "SELECT state, at, attempts_made FROM delivery"), before);
    assert_eq!(ask(&database, "SELECT status FROM attempt"), ["200"], "the successor's attempt stands alone");

    // It goes on as another life.
    let load = Load::of(vec![sleeper.api()], 1, std::time::Duration::ZERO);
    load.go_on(5).await;
    let posted = load.end().await;
    all_is_delivered(&database, &sink, posted.acknowledged.len() as u64, &[sleeper.words()]).await;
    for node in nodes {
        node.terminate().await;
    }
}
