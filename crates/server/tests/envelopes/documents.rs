//! Documents: bytes in, bytes out, and what is made of them.

use std::io::{Cursor, Read};

use axum::body::Body;
use http::{Request, header};
use serde_json::json;

use crate::house::{House, base64, definition, document, pdf, with};

fn pages(bytes: &[u8]) -> usize {
    lopdf::Document::load_mem(bytes).unwrap().get_pages().len()
}

#[tokio::test]
async fn a_document_comes_out_as_it_went_in() {
    let house = House::new().await;
    let bytes = pdf(3);
    let body = json!({
        "emailSubject": "Docs",
        "documents": [
            {"documentId": "2", "name": "Lease", "documentBase64": base64(&bytes)},
            {"documentId": "7", "name": "notes.txt", "documentBase64": base64("hello"), "documentFields": [{"name": "a", "value": "b"}]},
        ],
    });
    let id = house.envelope(body).await;
    let path = format!("/envelopes/{id}/documents");
    let lease = house.get(&format!("{path}/2")).await;
    assert_eq!((lease.header("content-type"), lease.header("x-content-type-options")), ("application/pdf", "nosniff"));
    assert_eq!(lease.header("content-disposition"), "file; filename=\"Lease.pdf\"; documentid=\"2\"");
    assert_eq!(lease.body, bytes);
    let notes = house.get(&format!("{path}/7")).await;
    assert_eq!(notes.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(notes.body, "hello");
    assert_eq!(house.get(&format!("{path}/7?encoding=base64")).await.body, base64("hello"));
    let list = house.get(&path).await.expect(200);
    assert_eq!(list["envelopeId"], id);
    let listed = list["envelopeDocuments"].as_array().unwrap();
    assert_eq!(listed[0]["pages"].as_array().unwrap().len(), 3);
    assert_eq!(listed[0]["pages"][0]["height"], "842");
    assert_eq!(listed[1]["documentFields"][0]["value"], "b");
    assert_eq!(listed[0]["uri"], format!("/envelopes/{id}/documents/2"));
}

#[tokio::test]
async fn combined_archive_and_certificate_are_made() {
    let house = House::new().await;
    let documents = json!([
        {"documentId": "1", "name": "One", "documentBase64": base64(pdf(2))},
        {"documentId": "2", "name": "Two", "fileExtension": "txt", "documentBase64": base64("text")},
        {"documentId": "3", "name": "Three", "fileExtension": "docx", "documentBase64": base64("PK")},
    ]);
    let id = house.envelope(with(definition("sent", 1), json!({"documents": documents}))).await;
    let path = format!("/envelopes/{id}/documents");
    for completed in [false, true] {
        if completed {
            house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
        }
        let combined = house.get(&format!("{path}/combined")).await;
        assert_eq!(combined.header("content-type"), "application/pdf");
        assert_eq!(pages(&combined.body), 4, "completed: {completed}");
        let certificate = house.get(&format!("{path}/certificate")).await;
        assert_eq!(certificate.header("content-type"), "application/pdf");
        let text = lopdf::Document::load_mem(&certificate.body).unwrap().extract_text(&[1]).unwrap();
        assert!(text.contains(&id) && text.contains("Signer 1 <signer1@example.com>"), "{text}");
        assert!(pages(&house.get(&format!("{path}/combined?certificate=true")).await.body) > 4);
        let archive = house.get(&format!("{path}/archive")).await;
        assert_eq!(archive.header("content-type"), "application/zip");
        let mut zip = zip::ZipArchive::new(Cursor::new(archive.body)).unwrap();
        let mut names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        names.sort();
        assert_eq!(names, ["One.pdf", "Summary.pdf", "Three.docx", "Two.txt"]);
        let mut text = String::new();
        zip.by_name("Two.txt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
    house.get(&format!("{path}/portfolio")).await.refused(501, "NOT_IMPLEMENTED");
    house.get(&format!("{path}/9")).await.refused(404, "DOCUMENT_DOES_NOT_EXIST");
}

#[tokio::test]
async fn a_hostile_pdf_keeps_no_envelope_from_completing() {
    let house = House::new().await;
    let nested = [&b"%PDF-1.4\n1 0 obj\n"[..], &b"[".repeat(50_000)].concat();
    let hostile = [Vec::from(&b"%PDF-"[..]), nested, pdf(1)[..60].to_vec()];
    let documents: Vec<_> = hostile
        .iter()
        .enumerate()
        .map(|(n, bytes)| json!({"documentId": n + 1, "name": "x", "fileExtension": "pdf", "documentBase64": base64(bytes)}))
        .collect();
    let id = house.envelope(with(definition("sent", 1), json!({"documents": documents}))).await;
    let done = house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    assert_eq!(done["envelope"]["status"], "completed");
    assert_eq!(pages(&house.get(&format!("/envelopes/{id}/documents/combined")).await.body), 3);
}

#[tokio::test]
async fn documents_of_a_draft_are_added_replaced_renamed_and_removed() {
    let house = House::new().await;
    let id = house.envelope(definition("created", 1)).await;
    let path = format!("/envelopes/{id}/documents");
    let two = json!({"documents": [document("2"), {"documentId": "1", "name": "Renamed"}]});
    let list = house.put(&path, two).await.expect(200);
    let names: Vec<_> = list["envelopeDocuments"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Renamed", "Document 2"]);
    let request = Request::put(format!("/restapi/v2.1/accounts/{}{path}/3", house.home.account.guid))
        .header(header::AUTHORIZATION, format!("Bearer {}", house.home.token))
        .header(header::CONTENT_TYPE, "text/plain")
        .header(header::CONTENT_DISPOSITION, "file; filename=\"raw.txt\"; fileExtension=txt; documentId=3")
        .body(Body::from("raw bytes"))
        .unwrap();
    let put = house.send(request).await.expect(200);
    assert_eq!(put["name"], "raw.txt");
    assert_eq!(house.get(&format!("{path}/3")).await.body, "raw bytes");
    house.delete(&path, json!({"documents": [{"documentId": "2"}]})).await.expect(200);
    house.delete(&path, json!({"documents": [{"documentId": "2"}]})).await.refused(400, "DOCUMENT_DOES_NOT_EXIST");
    house.delete(&path, json!({})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.put(&path, json!({"documents": [{"documentId": "9", "name": "no bytes"}]})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.put(&format!("/envelopes/{id}"), json!({"status": "sent"})).await.expect(200);
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    house.put(&path, json!({"documents": [document("4")]})).await.refused(400, "ENVELOPE_INVALID_STATUS");
}
