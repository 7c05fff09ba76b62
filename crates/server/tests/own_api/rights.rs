//! Every route and the right it needs; a request with less is refused, whatever it says.

use countersign_core::account::Right;

use crate::house::{House, Tenant, api_path};

/// Method, path below the account, least right. Names in braces stand for ids.
pub(crate) const ROUTES: &[(&str, &str, Right)] = &[
    ("GET", "", Right::Read),
    ("PUT", "", Right::Admin),
    ("GET", "/backlog", Right::Read),
    ("GET", "/deliveries", Right::Read),
    ("POST", "/deliveries/replay", Right::Write),
    ("GET", "/deliveries/{delivery}", Right::Read),
    ("GET", "/deliveries/{delivery}/attempts/{attempt}/body", Right::Read),
    ("POST", "/deliveries/{delivery}/retry", Right::Write),
    ("POST", "/deliveries/{delivery}/replay", Right::Write),
    ("POST", "/deliveries/{delivery}/cancel", Right::Write),
    ("GET", "/events", Right::Read),
    ("POST", "/events", Right::Write),
    ("GET", "/events/{event}", Right::Read),
    ("GET", "/events/{event}/matches", Right::Read),
    ("GET", "/integration-keys", Right::Read),
    ("POST", "/integration-keys", Right::Admin),
    ("GET", "/integration-keys/{key}", Right::Read),
    ("PUT", "/integration-keys/{key}", Right::Admin),
    ("POST", "/integration-keys/{key}/secret", Right::Admin),
    ("DELETE", "/integration-keys/{key}/secret", Right::Admin),
    ("POST", "/integration-keys/{key}/key-pairs", Right::Admin),
    ("DELETE", "/integration-keys/{key}", Right::Admin),
    ("GET", "/jobs", Right::Read),
    ("GET", "/jobs/{job}", Right::Read),
    ("POST", "/jobs/{job}/cancel", Right::Write),
    ("GET", "/tokens", Right::Admin),
    ("POST", "/tokens", Right::Admin),
    ("DELETE", "/tokens/{token}", Right::Admin),
    ("GET", "/users", Right::Read),
    ("POST", "/users", Right::Admin),
    ("GET", "/users/{user}", Right::Read),
    ("PUT", "/users/{user}", Right::Admin),
    ("DELETE", "/users/{user}", Right::Admin),
];

/// The path with ids that exist nowhere.
fn nowhere(path: &str) -> String {
    path.replace("{key}", "00000000-0000-4000-8000-000000000000")
        .replace("{user}", "00000000-0000-4000-8000-000000000000")
        .replace("{delivery}", "dlv_0000000000001")
        .replace("{attempt}", "att_0000000000001")
        .replace("{event}", "evt_0000000000001")
        .replace("{job}", "job_0000000000001")
        .replace("{token}", "crd_0000000000001")
}

#[tokio::test]
async fn each_route_asks_for_its_right_and_no_more() {
    let house = House::new().await;
    let Tenant { account, user, .. } = house.home.clone();
    let mut tokens = Vec::new();
    for right in [Right::Read, Right::Write, Right::Admin] {
        tokens.push((right, house.token(&account, user, right).await));
    }
    for (method, path, needed) in ROUTES {
        let path = api_path(&house.home, &nowhere(path));
        assert_eq!(house.call("", method, &path, None).await.status, 401, "{method} {path} without a token");
        for (right, token) in &tokens {
            let status = house.call(token, method, &path, None).await.status.as_u16();
            assert_eq!(status == 403, right < needed, "{method} {path} with {right:?} answers {status}");
            assert_ne!(status, 401, "{method} {path} with {right:?}");
            assert!(status < 500, "{method} {path} with {right:?} answers {status}");
        }
    }
    for (right, token) in &tokens {
        let status = house.call(token, "GET", "/api/v1/nodes", None).await.status.as_u16();
        assert_eq!(status == 403, *right < Right::Admin, "nodes with {right:?} answers {status}");
    }
}

#[tokio::test]
async fn what_is_not_there_answers_in_the_form_of_its_surface() {
    let house = House::new().await;
    for (path, content_type) in [
        ("/api/v1/nothing", "application/problem+json"),
        ("/restapi/v2.1/nothing", "application/json"),
        (&api_path(&house.home, "/deliveries/replay"), "application/problem+json"),
    ] {
        let answer = house.call(&house.home.token, "DELETE", path, None).await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{path}: {}", answer.status);
        assert_eq!(answer.headers["content-type"], content_type, "{path}");
        assert!(!answer.json().is_null(), "{path}");
    }
}
