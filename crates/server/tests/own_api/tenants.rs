//! Accounts never see each other's data by any id (TM-28).

use countersign_store::settle::Next;
use serde_json::{Value, json};

use crate::{
    house::{EVENT, House, Tenant, api_path},
    rights::ROUTES,
};

/// One of everything that has an id, made in this account.
async fn ids(house: &House, tenant: &Tenant) -> Vec<(&'static str, String)> {
    let make = async |path: &str, body: Value, id: &str| {
        let made = house.call(&tenant.token, "POST", &api_path(tenant, path), Some(body)).await.json();
        made[id].as_str().unwrap_or_else(|| panic!("{path}: {made}")).to_owned()
    };
    house.subscription(&tenant.account, "https://hooks.example/").await;
    let event = house.post_events(tenant, EVENT, 1).await.remove(0);
    let by = house.node(7).await;
    house.settle_all(by, |_| (200, Next::Delivered)).await;
    let delivery = house.deliveries(tenant).await[0]["id"].as_str().unwrap().to_owned();
    let path = api_path(tenant, &format!("/deliveries/{delivery}"));
    let attempt = house.call(&tenant.token, "GET", &path, None).await.json()["attempts"][0]["id"].as_str().unwrap().to_owned();
    vec![
        ("{token}", make("/tokens", json!({"name": "t", "right": "read"}), "id").await),
        ("{user}", make("/users", json!({"name": "u", "email": "u@example.com"}), "id").await),
        ("{key}", make("/integration-keys", json!({"name": "k"}), "clientId").await),
        ("{job}", make("/deliveries/replay", json!({"filter": {"state": "parked"}}), "id").await),
        ("{event}", event),
        ("{delivery}", delivery),
        ("{attempt}", attempt),
    ]
}

fn filled(path: &str, ids: &[(&'static str, String)]) -> String {
    ids.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
}

#[tokio::test]
async fn no_id_of_another_account_leads_anywhere() {
    let house = House::new().await;
    let stranger = house.tenant().await;
    let home = house.home.clone();
    let own = ids(&house, &home).await;
    let foreign = ids(&house, &stranger).await;
    let body = Some(json!({}));
    for (method, path, _) in ROUTES {
        // The stranger's account with the home token, whatever the id.
        for ids in [&own, &foreign] {
            let answer = house.call(&home.token, method, &api_path(&stranger, &filled(path, ids)), body.clone()).await;
            assert_eq!(answer.status, 404, "{method} {path} of a foreign account");
        }
        if !path.contains('{') {
            continue;
        }
        // The home account with the stranger's ids: told apart from ids that do not exist by nothing.
        let answer = house.call(&home.token, method, &api_path(&home, &filled(path, &foreign)), body.clone()).await;
        assert_eq!(answer.status, 404, "{method} {path} with a foreign id: {}", answer.json());
    }
    // Nothing of the stranger's was touched.
    for (method, path, _) in ROUTES.iter().filter(|(method, path, _)| *method == "GET" && path.contains('{')) {
        let answer = house.call(&stranger.token, method, &api_path(&stranger, &filled(path, &foreign)), None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
    }
    // Nor can it be found by a filter.
    for (name, id) in &foreign {
        let query = match *name {
            "{event}" => format!("event={id}"),
            _ => continue,
        };
        let page = house.api("GET", &format!("/deliveries?{query}"), None).await.expect(200);
        assert_eq!(page["deliveries"], json!([]), "{query}");
    }
}
