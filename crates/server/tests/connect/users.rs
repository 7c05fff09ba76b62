//! `/connect/{connectId}/users` and `/connect/{connectId}/all/users`.

use serde_json::{Value, json};

use crate::house::{House, text};

fn names(answer: &Value) -> Vec<String> {
    let mut names: Vec<String> = answer["users"].as_array().unwrap().iter().map(|user| text(user, "userName").to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn users_are_listed_with_whether_the_configuration_includes_them() {
    let house = House::new().await;
    let account = house.home.account.clone();
    let ada = house.user(&account, "Ada Lovelace", "ada@claimed.example").await;
    house.user(&account, "Charles Babbage", "charles@example.com").await;
    let id = house.configuration(&json!({"allUsers": "false", "userIds": [ada]})).await;

    let included = house.rest("GET", &format!("/connect/{id}/users"), None).await.expect(200);
    assert_eq!(names(&included), ["Ada Lovelace"]);
    assert_eq!((&included["allUsersSelected"], &included["totalSetSize"]), (&json!("false"), &json!("1")));
    assert_eq!(
        included["users"][0],
        json!({
            "email": "ada@claimed.example",
            "isIncluded": "true",
            "userId": ada,
            "userName": "Ada Lovelace",
            "userStatus": "Active",
        })
    );
    let whole = house.rest("GET", &format!("/connect/{id}/users?list_included_users=false"), None).await.expect(200);
    assert_eq!(whole["totalSetSize"], "3");
    let all = house.rest("GET", &format!("/connect/{id}/all/users"), None).await.expect(200);
    assert_eq!(names(&all), ["Account Administrator", "Ada Lovelace", "Charles Babbage"]);
    let included: Vec<bool> = all["users"].as_array().unwrap().iter().map(|user| user["isIncluded"] == "true").collect();
    assert_eq!(included.iter().filter(|included| **included).count(), 1);
}

#[tokio::test]
async fn users_are_filtered_and_paged() {
    let house = House::new().await;
    let mut account = house.home.account.clone();
    account.recipient_domains.insert("claimed.example".to_owned());
    countersign_store::Store::update_account(&house.store, account.clone()).await.unwrap().unwrap();
    house.app.configs.invalidate(account.id);
    for n in 0..5 {
        house.user(&account, &format!("User {n}"), &format!("u{n}@Claimed.example")).await;
    }
    let id = house.configuration(&json!({})).await;
    for (query, count) in [
        ("", 6),
        ("email_substring=U1@", 1),
        ("user_name_substring=user", 5),
        ("domain_users_only=true", 5),
        ("status=Active,Closed", 6),
        ("status=closed", 0),
    ] {
        let answer = house.rest("GET", &format!("/connect/{id}/all/users?{query}"), None).await.expect(200);
        assert_eq!(answer["users"].as_array().unwrap().len(), count, "{query}");
    }
    let mut path = format!("/connect/{id}/all/users?count=4&user_name_substring=user");
    let mut seen = Vec::new();
    let mut pages = 0;
    while !path.is_empty() {
        let page = house.rest("GET", &path, None).await.expect(200);
        seen.extend(names(&page));
        assert_eq!(page["previousUri"] == "", pages == 0, "{page}");
        pages += 1;
        path = text(&page, "nextUri").to_owned();
    }
    assert_eq!((pages, seen.len()), (2, 5));
    for query in ["status=Asleep", "count=0", "start_position=-1", "colour=red", "domain_users_only=maybe"] {
        house.rest("GET", &format!("/connect/{id}/all/users?{query}"), None).await.expect(400);
    }
    house.rest("GET", "/connect/10999999/users", None).await.expect(404);
}
