//! Who says what they read of a subscription overwrites nobody else's change.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Request, header};
use serde_json::json;

use crate::house::{Answer, House};

fn etag(answer: &Answer) -> String {
    answer.headers.get(header::ETAG).expect("an ETag").to_str().unwrap().to_owned()
}

async fn put(house: &House, id: &str, name: &str, if_match: &[&str]) -> Answer {
    let mut request = Request::put(format!("/api/v1/accounts/{}/subscriptions/{id}", house.home.account.guid))
        .header(header::AUTHORIZATION, format!("Bearer {}", house.home.token))
        .header(header::CONTENT_TYPE, "application/json");
    for tag in if_match {
        request = request.header(header::IF_MATCH, *tag);
    }
    house.send(request.body(Body::from(json!({"name": name}).to_string())).unwrap()).await
}

#[tokio::test]
async fn a_change_that_names_what_was_read_is_refused_once_somebody_else_has_changed_it() {
    let house = House::new().await;
    let made = house.api("POST", "/subscriptions", Some(json!({"name": "A", "url": "https://listener.example/", "events": ["*"]}))).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let first = etag(&made);
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let read = house.api("GET", &format!("/subscriptions/{id}"), None).await;
    assert_eq!(etag(&read), first, "reading tells the same as making");

    let mine = put(&house, &id, "mine", &[&first]).await;
    let second = etag(&mine);
    assert_ne!(second, first);
    assert_eq!(mine.expect(200)["name"], "mine");
    let theirs = put(&house, &id, "theirs", &[&first]).await;
    assert_eq!(theirs.expect(412)["code"], "precondition-failed");
    for (row, tags, status) in [
        ("a tag of another thing", vec!["\"0.1\""], 412),
        ("a weak one", vec!["W/\"x\""], 412),
        ("no tag at all", vec![""], 412),
        ("one of several", vec!["\"x\", \"y\"", second.as_str()], 200),
        ("any", vec!["*"], 200),
        ("nothing said: the last one wins", vec![], 200),
    ] {
        let answer = put(&house, &id, row, &tags).await;
        assert_eq!(answer.status, status, "{row}: {}", answer.json());
    }
    let read = house.api("GET", &format!("/subscriptions/{id}"), None).await;
    assert_eq!(read.json()["name"], "nothing said: the last one wins");
}

#[tokio::test]
async fn a_change_by_docusigns_calls_is_a_change() {
    let house = House::new().await;
    let made = house.api("POST", "/subscriptions", Some(json!({"name": "A", "url": "https://listener.example/", "events": ["*"]}))).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let first = etag(&made);
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/restapi/v2.1/accounts/{}/connect", house.home.account.guid);
    house.call(&house.home.token, "PUT", &path, Some(json!({"connectId": id, "name": "theirs"}))).await.expect(200);
    put(&house, &id, "mine", &[&first]).await.expect(412);
}

#[tokio::test]
async fn each_of_several_changes_at_once_has_a_tag_of_its_own() {
    let house = House::new().await;
    let made = house.api("POST", "/subscriptions", Some(json!({"name": "A", "url": "https://listener.example/", "events": ["*"]}))).await;
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let (a, b, c) = tokio::join!(put(&house, &id, "a", &[]), put(&house, &id, "b", &[]), put(&house, &id, "c", &[]));
    let tags: BTreeSet<String> = [a, b, c].iter().map(etag).collect();
    assert_eq!(tags.len(), 3, "{tags:?}");
    let read = house.api("GET", &format!("/subscriptions/{id}"), None).await;
    assert_eq!(Some(&etag(&read)), tags.last(), "the last one stands");
}
