//! The pages that problem documents name.

use std::{collections::BTreeSet, fs, path::Path};

use axum::body::Body;
use countersign_server::problems;
use http::Request;

use crate::house::{Answer, House};

/// Words in capitals that stand in quotes and are no codes.
const NO_CODES: [&str; 2] = ["CARGO_PKG_VERSION", "PAYMENT_TABS"];

/// Every code that a source file of the server names, in the form it has under `/api`.
fn codes_of_sources(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_of_sources(&path, codes);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let is_code = |word: &&str| {
            let words: Vec<&str> = word.split('_').collect();
            let capitals = words.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase()));
            capitals && (words.len() > 1 || *word == "CONFLICT") && !NO_CODES.contains(word)
        };
        codes.extend(text.split('"').filter(is_code).map(|code| code.to_ascii_lowercase().replace('_', "-")));
    }
}

fn text(page: &Answer) -> String {
    String::from_utf8_lossy(&page.body).into_owned()
}

fn header<'a>(page: &'a Answer, name: &str) -> &'a str {
    page.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let mut used = BTreeSet::new();
    codes_of_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    assert!(used.len() > 40, "the search finds them: {used:?}");
    let described: BTreeSet<String> = problems::codes().into_iter().map(str::to_owned).collect();
    assert_eq!(described.len(), problems::codes().len(), "each once");
    assert_eq!(used, described);
}

#[tokio::test]
async fn the_type_of_a_problem_is_an_address_with_its_page() {
    let house = House::new().await;
    let refused = house.send(Request::get("/api/v1/accounts").body(Body::empty()).unwrap()).await;
    assert_eq!(refused.status, 401);
    let address = refused.json()["type"].as_str().unwrap().to_owned();
    let page = house.send(Request::get(&address).body(Body::empty()).unwrap()).await;
    assert_eq!((page.status.as_u16(), header(&page, "content-type")), (200, "text/html; charset=utf-8"), "{}", text(&page));
    assert!(header(&page, "content-security-policy").starts_with("default-src 'none'; style-src 'self';"));
    let body = text(&page);
    assert!(body.contains("<code>authorization-invalid-token</code>") && body.contains("There is no bearer token"), "{body}");
    for code in problems::codes() {
        let page = house.send(Request::get(format!("/docs/problems/{code}")).body(Body::empty()).unwrap()).await;
        assert_eq!(page.status, 200, "{code}");
        assert!(!text(&page).contains("<script") && text(&page).contains("<p>"), "{code}: {}", text(&page));
    }
}

#[tokio::test]
async fn a_code_that_nobody_has_is_answered_with_all_of_them() {
    let house = House::new().await;
    for (path, status) in [("/docs/problems", 200), ("/docs/problems/%3Cscript%3E", 404), ("/docs/problems/none", 404)] {
        let page = house.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(page.status, status, "{path}");
        let body = text(&page);
        assert!(body.contains("href=\"/docs/problems/storage-full\"") && !body.contains("<script"), "{path}: {body}");
    }
    let style = house.send(Request::get("/docs/problems/style.css").body(Body::empty()).unwrap()).await;
    assert_eq!(header(&style, "content-type"), "text/css; charset=utf-8");
}
