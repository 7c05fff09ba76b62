//! Every operation and the right it needs; a request with less is refused, whatever it says.

use countersign_core::account::Right;
use countersign_server::openapi::{OPERATIONS, Operation};

use crate::house::{House, Tenant, api_path};

/// The path with ids that exist nowhere.
pub(crate) fn nowhere(path: &str, tenant: &Tenant) -> String {
    const GUID: &str = "00000000-0000-4000-8000-000000000000";
    [
        ("{account_id}", tenant.account.guid.to_string().as_str()),
        ("{client_id}", GUID),
        ("{user_id}", GUID),
        ("{envelope_id}", GUID),
        ("{recipient_id}", "1"),
        ("{delivery_id}", "dlv_0000000000001"),
        ("{attempt_id}", "att_0000000000001"),
        ("{event_id}", "evt_0000000000001"),
        ("{job_id}", "job_0000000000001"),
        ("{token_id}", "crd_0000000000001"),
        ("{key_id}", "crd_0000000000001"),
        ("{certificate_id}", "crd_0000000000001"),
        ("{bin_id}", "bin_0000000000000000000000000000000000000000"),
        ("{arrival_id}", "arr_0000000000001"),
        ("{subscription_id}", "99999999"),
    ]
    .iter()
    .fold(format!("/api/v1{path}"), |path, (name, id)| path.replace(name, id))
}

#[tokio::test]
async fn each_operation_asks_for_its_right_and_no_more() {
    let house = House::new().await;
    let Tenant { account, user, .. } = house.home.clone();
    let mut tokens = Vec::new();
    for right in [Right::Read, Right::Write, Right::Admin] {
        tokens.push((right, house.token(&account, user, right).await));
    }
    for Operation { method, path, right: needed, .. } in OPERATIONS {
        let path = nowhere(path, &house.home);
        assert!(!path.contains('{'), "no id for {path}");
        assert_eq!(house.call("", method, &path, None).await.status, 401, "{method} {path} without a token");
        for (right, token) in &tokens {
            let status = house.call(token, method, &path, None).await.status.as_u16();
            assert_eq!(status == 403, right < needed, "{method} {path} with {right:?} answers {status}");
            assert_ne!(status, 401, "{method} {path} with {right:?}");
            assert!(status < 500, "{method} {path} with {right:?} answers {status}");
        }
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
