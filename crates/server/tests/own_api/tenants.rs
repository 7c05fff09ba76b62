//! Accounts never see each other's data by any id (TM-28).

use countersign_server::openapi::{Answer, OPERATIONS, Operation};
use countersign_store::settle::Next;
use serde_json::{Value, json};

use crate::house::{EVENT, House, Tenant, api_path};

/// One of everything that has an id, made in this account.
pub(crate) async fn one_of_each(house: &House, tenant: &Tenant) -> Vec<(&'static str, String)> {
    let make = async |path: &str, body: Value, id: &str| {
        let made = house.call(&tenant.token, "POST", &api_path(tenant, path), Some(body)).await.json();
        made[id].as_str().unwrap_or_else(|| panic!("{path}: {made}")).to_owned()
    };
    let subscription = house.subscription(&tenant.account, "https://hooks.example/").await;
    let event = house.post_events(tenant, EVENT, 1).await.remove(0);
    let by = house.node(7).await;
    house.settle_all(by, |_| (200, Next::Delivered)).await;
    let delivery = house.deliveries(tenant).await[0]["id"].as_str().unwrap().to_owned();
    let path = api_path(tenant, &format!("/deliveries/{delivery}"));
    let attempt = house.call(&tenant.token, "GET", &path, None).await.json()["attempts"][0]["id"].as_str().unwrap().to_owned();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = ca.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let envelope = json!({
        "emailSubject": "Please sign", "status": "created",
        "recipients": {"signers": [{"name": "Ada", "email": "ada@example.com", "recipientId": "1"}]},
    });
    let path = format!("/restapi/v2.1/accounts/{}/envelopes", tenant.account.guid);
    let envelope = house.call(&tenant.token, "POST", &path, Some(envelope)).await.expect(201);
    let bin = make("/bins", json!({}), "id").await;
    // Two, so that the second one has one to be compared with.
    for body in ["first", "second"] {
        house.send(http::Request::post(format!("/i/{bin}")).body(body.into()).unwrap()).await.expect(200);
    }
    let arrivals = house.call(&tenant.token, "GET", &api_path(tenant, &format!("/bins/{bin}/arrivals")), None).await.expect(200);
    let arrival = arrivals["arrivals"][0]["id"].as_str().unwrap().to_owned();
    vec![
        ("{bin_id}", bin),
        ("{arrival_id}", arrival),
        ("{account_id}", tenant.account.guid.to_string()),
        ("{token_id}", make("/tokens", json!({"name": "t", "right": "read"}), "id").await),
        ("{user_id}", make("/users", json!({"name": "u", "email": "u@example.com"}), "id").await),
        ("{client_id}", make("/integration-keys", json!({"name": "k"}), "clientId").await),
        ("{job_id}", make("/deliveries/replay", json!({"filter": {"state": "parked"}}), "id").await),
        ("{key_id}", make("/keys", json!({}), "id").await),
        ("{certificate_id}", make("/certificates", json!({"name": "ca", "ca": ca}), "id").await),
        ("{envelope_id}", envelope["envelopeId"].as_str().unwrap().to_owned()),
        ("{recipient_id}", "1".to_owned()),
        ("{subscription_id}", subscription.to_string()),
        ("{event_id}", event),
        ("{delivery_id}", delivery),
        ("{attempt_id}", attempt),
    ]
}

/// The path with these ids.
pub(crate) fn filled(path: &str, ids: &[(&'static str, String)]) -> String {
    ids.iter().fold(format!("/api/v1{path}"), |path, (name, id)| path.replace(name, id))
}

#[tokio::test]
async fn no_id_of_another_account_leads_anywhere() {
    let house = House::new().await;
    let stranger = house.tenant().await;
    let home = house.home.clone();
    let own = one_of_each(&house, &home).await;
    let foreign = one_of_each(&house, &stranger).await;
    // The stranger's ids below the home account.
    let mixed: Vec<_> =
        foreign.iter().map(|(name, id)| (*name, if *name == "{account_id}" { own[0].1.clone() } else { id.clone() })).collect();
    // The home account's ids below the stranger's.
    let turned: Vec<_> =
        own.iter().map(|(name, id)| (*name, if *name == "{account_id}" { foreign[0].1.clone() } else { id.clone() })).collect();
    for Operation { method, path, .. } in OPERATIONS.iter().filter(|operation| operation.path.contains("{account_id}")) {
        let body = Some(if path.ends_with("/actions") { json!({"action": "deliver"}) } else { json!({}) });
        for (row, ids) in [("a foreign account", &foreign), ("own ids in a foreign account", &turned)] {
            let answer = house.call(&home.token, method, &filled(path, ids), body.clone()).await;
            assert_eq!(answer.status, 404, "{method} {path}, {row}: {}", answer.json());
        }
        if path.matches('{').count() > 1 {
            let answer = house.call(&home.token, method, &filled(path, &mixed), body.clone()).await;
            assert_eq!(answer.status, 404, "{method} {path}, a foreign id: {}", answer.json());
        }
    }
    // Nothing of the stranger's was touched.
    for Operation { path, .. } in OPERATIONS.iter().filter(|operation| operation.method == "GET" && operation.path.matches('{').count() > 1)
    {
        let answer = house.call(&stranger.token, "GET", &filled(path, &foreign), None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
    }
    // Nor do lists and filters show any of it.
    let foreign_ids: Vec<&String> = foreign.iter().filter(|(name, _)| *name != "{recipient_id}").map(|(_, id)| id).collect();
    for Operation { method, path, answer, .. } in OPERATIONS {
        if *method == "GET"
            && path.matches('{').count() <= 1
            && matches!(answer, Answer::Json(_))
            && *path != "/accounts/{account_id}/oauth"
        {
            let listed = house.call(&home.token, "GET", &filled(path, &own), None).await.expect(200).to_string();
            assert!(!foreign_ids.iter().any(|id| listed.contains(id.as_str())), "{path}: {listed}");
        }
    }
    for (filter, name) in [("event", "{event_id}"), ("envelope", "{envelope_id}"), ("subscription", "{subscription_id}")] {
        let id = &foreign.iter().find(|(known, _)| *known == name).unwrap().1;
        let page = house.api("GET", &format!("/deliveries?{filter}={id}"), None).await.expect(200);
        assert_eq!(page["deliveries"], json!([]), "{filter}");
    }
}
