//! A PDF that is made to harm takes neither the server nor the envelope with it.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Value, json};

use tokio::task::JoinSet;

use super::support::{Client, Server, process::state_of, server::Options};

/// Entries of the table of the hostile file that lead to one object. A reader that keeps a copy for each needs 12 GB.
const ENTRIES: usize = 300;
/// Numbers in that object.
const NUMBERS: usize = 1_000_000;
/// What the server may have held at most: documents of a few megabytes several times over, and nothing of what reading one takes.
const SERVER_BYTES_MAX: u64 = 400 << 20;

/// What one file may take to be read.
const READING_MAX: Duration = Duration::from_secs(30);
/// Files that are measured at once.
const AT_ONCE: usize = 2;
/// Files that may wait for that.
const WAITING_MAX: usize = 128;
/// Files that are too many.
const OVER: usize = 8;
/// Far beyond what any upload takes here.
const PATIENCE: Duration = Duration::from_secs(150);

/// A PDF of one page, and a list of numbers to which so many entries lead.
fn pdf(numbers: usize, entries: usize) -> Vec<u8> {
    let mut pdf = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for object in [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]>>".to_owned(),
        format!("[{}]", "0 ".repeat(numbers)),
    ] {
        places.push(pdf.len());
        write!(pdf, "{} 0 obj\n{object}\nendobj\n", places.len()).unwrap();
    }
    let list = places[3];
    places.extend(std::iter::repeat_n(list, entries - 1));
    let table = pdf.len();
    write!(pdf, "xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).unwrap();
    for place in &places {
        writeln!(pdf, "{place:010} 00000 n ").unwrap();
    }
    write!(pdf, "trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n", places.len() + 1).unwrap();
    pdf.into_bytes()
}

fn document(id: &str, name: &str, bytes: &[u8]) -> Value {
    json!({"documentId": id, "name": name, "fileExtension": "pdf", "documentBase64": STANDARD.encode(bytes)})
}

/// An envelope with this one document, for one signer.
fn envelope_with(pdf: &[u8]) -> Value {
    json!({
        "emailSubject": "A lease", "status": "sent", "documents": [document("1", "Lease", pdf)],
        "recipients": {"signers": [{"name": "Ada", "email": "ada@example.com", "recipientId": "1", "routingOrder": "1"}]},
    })
}

/// Halts a process that the server has started and that is none of these, once there is one: whoever reads then takes for ever.
async fn halt_another(server: &Server, known: &[u32]) -> Option<u32> {
    let id = server.children().into_iter().find(|id| !known.contains(id))?;
    let told = tokio::process::Command::new("kill").args(["-STOP", &id.to_string()]).status().await.expect("kill is a program");
    (told.success() && state_of(id).is_some_and(|(state, _)| state == 'T')).then_some(id)
}

/// The text of what is answered, however binary it is.
async fn text(client: &Client, path: &str) -> String {
    let reply = client.send(Method::GET, path, None).await.expect("an answer");
    assert!(reply.status.is_success(), "{path} was answered {}", reply.status);
    reply.text
}

#[tokio::test]
async fn a_pdf_that_takes_all_memory_stands_as_one_page_and_the_server_goes_on() {
    let server = Server::start(Options::dev()).await;
    let (restapi, api) = (server.restapi(), server.api());
    let hostile = pdf(NUMBERS, ENTRIES);
    let definition = json!({
        "emailSubject": "A lease", "status": "sent",
        "documents": [document("1", "Tame", &pdf(10, 3)), document("2", "Hostile", &hostile)],
        "recipients": {"signers": [{"name": "Ada", "email": "ada@example.com", "recipientId": "1", "routingOrder": "1"}]},
    });
    let id = restapi.post("/envelopes", &definition).await["envelopeId"].as_str().expect("an id").to_owned();
    api.post(&format!("/envelopes/{id}/recipients/1/actions"), &json!({"action": "complete"})).await;
    let envelope = format!("/envelopes/{id}");
    assert_eq!(restapi.get(&envelope).await["status"], "completed");

    let combined = text(&restapi, &format!("{envelope}/documents/combined")).await;
    assert!(combined.contains(&format!("This document is a .pdf file of {} bytes", hostile.len())), "a page stands for the hostile one");
    assert!(combined.contains("300 400") && combined.contains("Envelope ID"), "the tame one has its own page, drawn on");
    assert_eq!(combined.matches("/Type/Page/").count() + combined.matches("/Type /Page\n").count(), combined.matches("/MediaBox").count());
    assert_eq!(combined.matches("/MediaBox").count(), 2, "one page each");

    let audit = restapi.get(&format!("{envelope}/audit_events")).await.to_string();
    let said = "Nothing was drawn on document 2, which is kept as it came: reading it as a PDF fails or takes too much memory.";
    assert!(audit.contains("Not Drawn") && audit.contains(said), "{audit}");
    assert!(!audit.contains("drawn on document 1"), "{audit}");
    let own = text(&restapi, &format!("{envelope}/documents/2")).await;
    assert_eq!(own.as_bytes(), hostile, "its own bytes are under its id");
    assert!(text(&restapi, &format!("{envelope}/documents/archive")).await.contains("Hostile.pdf"), "and in the archive");

    let peak = server.memory_peak_bytes();
    println!("the server held {} MiB at most", peak >> 20);
    assert!(peak < SERVER_BYTES_MAX, "the server itself took {peak} bytes");
    server.terminate().await;
}

#[tokio::test]
async fn readers_that_hang_are_ended_and_whoever_finds_too_many_waiting_is_told_to_come_again() {
    let server = Server::start(Options::dev()).await;
    let restapi = server.restapi().patient(PATIENCE);
    let upload = |definition: Value| {
        let restapi = restapi.clone();
        async move { restapi.send(Method::POST, "/envelopes", Some(&definition)).await.expect("an answer") }
    };
    let (mut hanging, mut halted, began) = (JoinSet::new(), Vec::new(), Instant::now());
    for nth in 0.. {
        assert!(nth < 20, "none of these could be halted while it was read{}", server.words());
        // Each is another file: what was found unreadable is not read again.
        let mut one = Box::pin(upload(envelope_with(&pdf(NUMBERS + nth, ENTRIES))));
        let id = loop {
            tokio::select! {
                // It was over before anybody could halt it.
                _ = &mut one => break None,
                () = tokio::time::sleep(Duration::from_millis(1)) => {
                    if let Some(id) = halt_another(&server, &halted).await {
                        break Some(id);
                    }
                }
            }
        };
        if let Some(id) = id {
            halted.push(id);
            hanging.spawn(one);
        }
        if halted.len() == AT_ONCE {
            break;
        }
    }

    // Nobody reads now: so many wait, and the others are told so at once.
    let mut tame = JoinSet::new();
    for _ in 0..WAITING_MAX + OVER {
        tame.spawn(upload(envelope_with(&pdf(10, 3))));
    }
    for nth in 0..OVER {
        let refused = tame.join_next().await.expect("one").expect("no panic");
        assert_eq!((refused.status.as_u16(), refused.retry_after.as_deref()), (503, Some("1")), "{nth}: {}", refused.text);
        assert!(refused.text.contains("TOO_MANY_DOCUMENTS"), "{}", refused.text);
    }
    assert!(began.elapsed() < READING_MAX, "all that while the two were being read: {:?}", began.elapsed());

    // Their time is over, and everybody has their turn.
    let mut slow = Vec::new();
    while let Some(answered) = hanging.join_next().await {
        let answered = answered.expect("no panic");
        assert!(answered.status.is_success(), "{}", answered.text);
        slow.push(answered.json()["envelopeId"].as_str().expect("an id").to_owned());
    }
    let waited = began.elapsed();
    assert!(waited >= READING_MAX && waited < READING_MAX * 3, "{waited:?}");
    while let Some(answered) = tame.join_next().await {
        let answered = answered.expect("no panic");
        assert!(answered.status.is_success(), "{}", answered.text);
    }
    println!("two readers halted: their uploads answered after {waited:.1?}, the {WAITING_MAX} behind them after {:.1?}", began.elapsed());
    assert_eq!(server.children(), [0_u32; 0], "whoever was halted is gone");

    // That was paid for once.
    let (api, again) = (server.api(), Instant::now());
    for id in &slow {
        api.post(&format!("/envelopes/{id}/recipients/1/actions"), &json!({"action": "complete"})).await;
        let audit = restapi.get(&format!("/envelopes/{id}/audit_events")).await.to_string();
        assert!(audit.contains("Not Drawn") && audit.contains("reading it as a PDF takes too long."), "{audit}");
    }
    assert!(again.elapsed() < READING_MAX, "{:?}", again.elapsed());
    server.terminate().await;
}
