//! What operators and load balancers ask.

use countersign_core::delivery::ParkReason;
use countersign_server::{Settings, router};
use countersign_store::{Store, settle::Next};
use serde_json::json;

use crate::house::{EVENT, House};

#[tokio::test]
async fn the_process_is_alive_and_ready_until_it_stops() {
    let house = House::new().await;
    house.call("", "GET", "/healthz", None).await.expect(200);
    house.call("", "GET", "/readyz", None).await.expect(200);
    house.app.stopping.cancel();
    assert_eq!(house.call("", "GET", "/readyz", None).await.expect(503)["status"], "stopping");
    house.call("", "GET", "/healthz", None).await.expect(200);
}

#[tokio::test]
async fn without_its_store_it_is_alive_and_refuses_events() {
    let house = House::new().await;
    house.store.close().await;
    house.call("", "GET", "/healthz", None).await.expect(200);
    house.api("POST", "/events", Some(serde_json::json!({"event": EVENT, "data": 1}))).await.expect(503);
}

#[tokio::test]
async fn metrics_count_requests_events_and_the_backlog_without_naming_accounts() {
    let house = House::new().await;
    house.subscription(&house.home.account, "https://hooks.example/secret-path").await;
    house.post_events(&house.home, EVENT, 3).await;
    house.call("", "GET", "/restapi/v2.1/login_information", None).await.expect(401);
    let answer = house.call("", "GET", "/metrics", None).await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "countersign_events_total 3",
        "countersign_deliveries_recorded_total 3",
        "countersign_requests_total{surface=\"api\",status=\"2xx\"} 1",
        "countersign_requests_total{surface=\"restapi\",status=\"4xx\"} 1",
        "countersign_deliveries{state=\"waiting\"} 3",
        "countersign_store_up 1",
        "countersign_store_writable 1",
        "countersign_storage_full 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "no '{line}' in\n{text}");
    }
    assert!(!text.contains("hooks.example"), "no URL is a label");
    assert!(!text.contains(&house.home.account.guid.to_string()), "no account is a label");
}

#[tokio::test]
async fn others_register_their_figures_beside_ours() {
    let house = House::new().await;
    let lanes = prometheus_client::metrics::gauge::Gauge::<i64>::default();
    house.app.metrics.register(|registry| registry.register("lanes", "Lanes", lanes.clone()));
    lanes.set(4);
    let text = house.call("", "GET", "/metrics", None).await.body;
    assert!(String::from_utf8_lossy(&text).contains("countersign_lanes 4"));
}

#[tokio::test]
async fn operations_can_have_an_address_of_their_own() {
    let house = House::with(Settings { operations_apart: true, ..Settings::default() }).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        house.call("", "GET", path, None).await.expect(404);
    }
    let apart = House { router: router::operations(&house.app), ..house };
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(apart.call("", "GET", path, None).await.status, 200, "{path}");
    }
    apart.call(&apart.home.token, "GET", "/api/v1/accounts", None).await.expect(404);
}

#[tokio::test]
async fn every_answer_of_the_docusign_surface_has_a_trace_token() {
    let house = House::new().await;
    let mut seen = Vec::new();
    for path in ["/restapi/service_information", "/restapi/v2.1/login_information", "/restapi/nothing"] {
        let answer = house.call("", "GET", path, None).await;
        seen.push(answer.headers["x-docusign-tracetoken"].to_str().unwrap().to_owned());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "each its own");
}

#[tokio::test]
async fn nodes_and_the_store_are_shown_to_administrators() {
    let house = House::new().await;
    let by = house.node(3).await;
    let shown = house.call(&house.home.token, "GET", "/api/v1/nodes", None).await.expect(200);
    assert_eq!(shown["nodes"][0]["incarnation"], by.to_string());
    assert_eq!(shown["nodes"][0]["live"], true);
    assert_eq!(shown["store"]["backend"], "sqlite");
    assert_eq!(shown["backlog"], json!({"waiting": 0, "held": 0, "leased": 0, "parked": 0, "oldestDueAt": null}));
    assert!(shown["lanes"].is_null(), "nothing delivers here");
}

#[tokio::test]
async fn the_backlog_beside_the_nodes_is_that_of_all_accounts() {
    let house = House::new().await;
    let by = house.node(3).await;
    house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, 3).await;
    house.settle_all(by, |_| (500, Next::Parked(ParkReason::Exhausted))).await;
    let other = house.tenant().await;
    house.subscription(&other.account, "https://other.example/").await;
    let due = house.clock.now();
    house.post_events(&other, EVENT, 2).await;
    let shown = house.call(&house.home.token, "GET", "/api/v1/nodes", None).await.expect(200);
    let backlog = json!({"waiting": 2, "held": 0, "leased": 0, "parked": 3, "oldestDueAt": due.to_seven_digits()});
    assert_eq!(shown["backlog"], backlog);
}
