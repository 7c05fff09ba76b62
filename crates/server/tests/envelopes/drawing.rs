//! What recipients wrote, drawn on the documents.

use std::io::{Cursor, Read};

use countersign_core::envelope::Content;
use serde_json::{Value, json};

use crate::house::{House, base64, definition, pdf, signer, with};

fn text_of(bytes: &[u8], page: u32) -> String {
    lopdf::Document::load_mem(bytes).unwrap().extract_text(&[page]).unwrap()
}

fn at(page: u32, x: u32, y: u32, more: Value) -> Value {
    with(json!({"documentId": "1", "pageNumber": page.to_string(), "xPosition": x.to_string(), "yPosition": y.to_string()}), more)
}

/// One tab of each kind that is drawn.
fn tabs() -> Value {
    json!({
        "signHereTabs": [at(1, 100, 100, json!({}))],
        "initialHereTabs": [at(2, 100, 100, json!({}))],
        "dateSignedTabs": [at(1, 300, 100, json!({}))],
        "fullNameTabs": [at(1, 100, 160, json!({}))],
        "textTabs": [
            at(1, 100, 200, json!({"tabLabel": "City", "font": "Helvetica", "fontSize": "Size12"})),
            at(1, 100, 220, json!({"tabLabel": "Secret", "concealValueOnDocument": "true"})),
            at(9, 100, 240, json!({"tabLabel": "Nowhere"})),
            {"tabLabel": "Anchored", "documentId": "1", "anchorString": "/x/"},
        ],
        "checkboxTabs": [at(2, 100, 200, json!({"tabLabel": "Agree"}))],
        "listTabs": [at(2, 100, 220, json!({"tabLabel": "Color", "listItems": [{"text": "Red", "value": "r"}, {"text": "Green", "value": "g"}]}))],
        "radioGroupTabs": [{"groupName": "Size", "documentId": "1", "radios": [
            {"value": "s", "pageNumber": "2", "xPosition": "100", "yPosition": "240"},
            {"value": "l", "pageNumber": "2", "xPosition": "140", "yPosition": "240"},
        ]}],
    })
}

fn values() -> Value {
    json!({"City": "Zürich", "Secret": "hunter2", "Nowhere": "off the page", "Anchored": "adrift", "Agree": true, "Color": "g", "Size": "l"})
}

/// Two signers with a document of two pages and a text.
fn two_signers() -> Value {
    let signers = json!([with(signer("1", "1"), json!({"name": "Ada Lovelace", "tabs": tabs()})), signer("2", "2")]);
    let prefilled = json!({"prefillTabs": {"textTabs": [at(1, 300, 300, json!({"value": "Flat 7"}))]}});
    json!({
        "status": "sent",
        "emailSubject": "Please sign",
        "documents": [
            {"documentId": "1", "name": "Lease", "documentBase64": base64(pdf(2)), "tabs": prefilled},
            {"documentId": "2", "name": "notes.txt", "documentBase64": base64("as it is")},
        ],
        "recipients": {"signers": signers},
    })
}

#[tokio::test]
async fn what_a_signer_wrote_stands_on_the_document_once_they_have_finished() {
    let house = House::new().await;
    let id = house.envelope(two_signers()).await;
    let path = format!("/envelopes/{id}/documents");
    let stamp = format!("Envelope ID: {}", id.to_uppercase());

    house.play(&id, "1", json!({"action": "finish-later", "tabs": {"City": "Riga"}})).await.expect(200);
    let sent = house.get(&format!("{path}/1")).await.body;
    let first = text_of(&sent, 1);
    assert!(first.contains(&stamp) && first.contains("Flat 7") && !first.contains("Riga"), "{first}");

    house.play(&id, "1", json!({"action": "complete", "tabs": values()})).await.expect(200);
    for completed in [false, true] {
        if completed {
            house.play(&id, "2", json!({"action": "complete"})).await.expect(200);
        }
        let document = house.get(&format!("{path}/1")).await.body;
        let combined = house.get(&format!("{path}/combined")).await.body;
        let archive = house.get(&format!("{path}/archive")).await.body;
        let mut zipped = Vec::new();
        zip::ZipArchive::new(Cursor::new(archive)).unwrap().by_name("Lease.pdf").unwrap().read_to_end(&mut zipped).unwrap();
        for (what, bytes) in [("document", &document[..]), ("combined", &combined), ("archive", &zipped)] {
            let (first, second) = (text_of(bytes, 1), text_of(bytes, 2));
            for words in [&stamp, "Flat 7", "Signed by:", "Ada Lovelace", "11/1/2025", "Zürich", "*******"] {
                assert!(first.contains(words), "{what}, completed {completed}: {words} in {first}");
            }
            for words in [&stamp, "AL", "X", "Green", "\u{2022}"] {
                assert!(second.contains(words), "{what}, completed {completed}: {words} in {second}");
            }
            for words in ["hunter2", "off the page", "adrift"] {
                assert!(!first.contains(words) && !second.contains(words), "{what}: {words}");
            }
        }
        assert_eq!(house.get(&format!("{path}/2")).await.body, "as it is");
    }
    let (_, envelope) = countersign_server::envelopes::find(&house.app, house.home.account.id, id.parse().unwrap()).await.unwrap();
    let kept = house.get(&format!("{path}/1")).await.body;
    assert_eq!(envelope.documents[0].shown(), Some(Content::of(&kept)), "messages carry what is shown");
}

#[tokio::test]
async fn a_draft_and_an_envelope_without_stamp_and_tabs_keep_their_bytes() {
    let house = House::new().await;
    let bytes = pdf(1);
    let document = json!([{"documentId": "1", "name": "Lease", "documentBase64": base64(&bytes)}]);
    let unstamped = with(definition("created", 1), json!({"documents": document, "envelopeIdStamping": "false"}));
    let id = house.envelope(unstamped).await;
    let path = format!("/envelopes/{id}");
    assert_eq!(house.get(&format!("{path}/documents/1")).await.body, bytes);
    house.put(&path, json!({"status": "sent"})).await.expect(200);
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    assert_eq!(house.get(&format!("{path}/documents/1")).await.body, bytes);
    let draft = house.envelope(with(definition("created", 1), json!({"documents": document}))).await;
    assert_eq!(house.get(&format!("/envelopes/{draft}/documents/1")).await.body, bytes);
}

/// A PDF whose form says that somebody signed its bytes.
fn signed() -> Vec<u8> {
    use lopdf::{Object, dictionary};
    let mut document = lopdf::Document::load_mem(&pdf(1)).unwrap();
    let form = document.add_object(dictionary! { "SigFlags" => 3, "Fields" => Vec::<Object>::new() });
    document.catalog_mut().unwrap().set("AcroForm", form);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn what_cannot_be_drawn_on_stays_as_it_came_and_the_audit_trail_says_so() {
    let house = House::new().await;
    let nested = [&b"%PDF-1.4\n1 0 obj\n"[..], &b"[".repeat(50_000)].concat();
    let odd = [b"%PDF-".to_vec(), nested, pdf(1)[..60].to_vec(), signed()];
    let documents: Vec<Value> = (1..)
        .zip(&odd)
        .map(|(n, bytes)| json!({"documentId": n.to_string(), "name": "x", "fileExtension": "pdf", "documentBase64": base64(bytes)}))
        .collect();
    let signers = json!({"signers": [with(signer("1", "1"), json!({"tabs": tabs()}))]});
    let id = house.envelope(with(definition("sent", 1), json!({"documents": documents, "recipients": signers}))).await;
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    for (n, bytes) in (1..).zip(&odd) {
        assert_eq!(house.get(&format!("/envelopes/{id}/documents/{n}")).await.body, bytes[..], "document {n}");
    }
    let audit = house.get(&format!("/envelopes/{id}/audit_events")).await.text();
    for (n, why) in [(1, "cannot be read"), (2, "cannot be read"), (3, "cannot be read"), (4, "digital signature")] {
        let words = format!("Nothing was drawn on document {n}, which is kept as it came: it ");
        let told = audit.split(&words).nth(1).unwrap_or_else(|| panic!("document {n} in {audit}"));
        assert!(told.starts_with(why) || told.starts_with(&format!("bears a {why}")), "document {n}: {told}");
    }
}
