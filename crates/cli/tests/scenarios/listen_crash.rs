//! What the inbox acknowledged reaches the application, whatever is killed in between: the promise of its 200.
//!
//! Senders post a thousand signed messages, each until it is acknowledged. The application answers 503 for the first part of the run; the
//! listener is killed at a random instant thirty times and started again on the same store and port. At the end every message must have
//! arrived, byte for byte and with its signature, and always under one delivery id.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_listener::DUPLICATE_HEADER;
use countersign_signature::{HmacKey, verify};
use countersign_testkit::{Answer, Listener, Received};
use tokio::{sync::Semaphore, task::JoinSet};

use super::support::{
    Listening, Sender,
    listening::{KEY, message, signed},
    until,
};

/// Messages.
const MESSAGES: u64 = 1_000;
/// Kills.
const KILLS: u64 = 30;
/// Senders at the same time.
const SENDERS: usize = 12;
/// The application is down until this kill.
const DOWN_UNTIL: u64 = 20;

#[derive(Default)]
struct Ledger {
    acknowledged: HashSet<u64>,
    /// Acknowledgements that said the message had come before.
    told_duplicate: u64,
    /// By number: under which delivery ids it arrived, and how often.
    arrived: HashMap<u64, (HashSet<String>, u64)>,
    faults: Vec<String>,
}

type Shared = Arc<Mutex<Ledger>>;

fn locked(ledger: &Shared) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_message_is_lost_when_the_listener_is_killed_thirty_times_and_the_application_is_down() {
    let began = Instant::now();
    let (application, ledger, down) = (Listener::start().await, Shared::default(), Arc::new(AtomicBool::new(true)));
    let (sink, is_down) = (Arc::clone(&ledger), Arc::clone(&down));
    application.answer_with(move |received| {
        if is_down.load(Ordering::Relaxed) {
            return Answer::status(503);
        }
        note(&sink, received);
        Answer::ok()
    });
    let gaps = vec!["200ms"; 100].join(",");
    let url = application.url("/connect");
    let arguments = ["--hmac-key", KEY, "--store", "inbox", "--forward", &url, "--retry-schedule", &gaps, "--quiet"];
    let mut listening = Listening::start(&arguments).await;

    let (next, turns) = (Arc::new(AtomicU64::new(1)), Arc::new(Semaphore::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(send_until_acknowledged(listening.url.clone(), Arc::clone(&next), Arc::clone(&turns), Arc::clone(&ledger)));
    }
    let per_kill = MESSAGES / (KILLS + 1);
    for kill in 1..=KILLS {
        let before = locked(&ledger).acknowledged.len();
        turns.add_permits(per_kill as usize);
        until("an acknowledged message", async || (locked(&ledger).acknowledged.len() > before).then_some(())).await;
        tokio::time::sleep(random_within(0, 40)).await;
        listening.crash_and_restart().await;
        if kill == DOWN_UNTIL {
            down.store(false, Ordering::Relaxed);
        }
    }
    turns.add_permits(MESSAGES as usize);
    while let Some(ended) = senders.join_next().await {
        ended.expect("a sender does not panic");
    }
    // A message sent once more after all that is told to have come before, and is not forwarded again.
    let again = Sender::new().send(&listening.url, &message("envelope-sent", 1)).await;
    assert_eq!((again.0.as_u16(), again.1.get(DUPLICATE_HEADER).is_some()), (200, true));

    let arrived_all = async || (locked(&ledger).arrived.len() as u64 >= MESSAGES).then_some(());
    let waited = tokio::time::timeout(Duration::from_secs(45), until("every message", arrived_all)).await;
    let words = listening.terminate().await;
    let ledger = locked(&ledger);
    let twice: u64 = ledger.arrived.values().map(|(_, times)| times - 1).sum();
    println!(
        "{KILLS} kills in {:.1?}: {} acknowledged, {} of them told as duplicates, {} arrived, {twice} more than once",
        began.elapsed(),
        ledger.acknowledged.len(),
        ledger.told_duplicate,
        ledger.arrived.len(),
    );
    let missing: Vec<_> = ledger.acknowledged.iter().filter(|number| !ledger.arrived.contains_key(number)).collect();
    assert!(waited.is_ok() && missing.is_empty(), "acknowledged and lost: {missing:?}{words}");
    assert_eq!(ledger.acknowledged.len() as u64, MESSAGES);
    assert_eq!(ledger.faults, Vec::<String>::new());
    let several: Vec<_> = ledger.arrived.iter().filter(|(_, (ids, _))| ids.len() != 1).collect();
    assert!(several.is_empty(), "a message that arrives twice carries one delivery id: {several:?}");
    assert!(words.contains(" duplicate") && !words.contains(" 0 duplicates"), "the last life counts them{words}");
}

/// One message after the other, each until it is acknowledged: what was not answered may have been stored, so it comes again.
async fn send_until_acknowledged(url: String, next: Arc<AtomicU64>, turns: Arc<Semaphore>, ledger: Shared) {
    let sender = Sender::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number > MESSAGES {
            return;
        }
        turns.acquire().await.expect("it is never closed").forget();
        let body = message("envelope-sent", number);
        let headers = signed(&body);
        loop {
            match sender.post(&url, &headers, body.clone()).await {
                Ok((status, headers)) if status.is_success() => {
                    let mut ledger = locked(&ledger);
                    ledger.acknowledged.insert(number);
                    ledger.told_duplicate += u64::from(headers.contains_key(DUPLICATE_HEADER));
                    break;
                }
                Ok((status, _)) if status.as_u16() == 503 => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok((status, _)) => {
                    locked(&ledger).faults.push(format!("message {number} was answered {status}"));
                    return;
                }
                // Killed: it is back within a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

fn note(ledger: &Shared, received: &Received) {
    let key = HmacKey::try_new(KEY).expect("a key");
    let headers = received.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let signed = verify(std::slice::from_ref(&key), headers, &received.body).is_ok();
    let delivery = received.header("x-countersign-delivery").unwrap_or_default().to_owned();
    let number = received.json()["data"]["number"].as_u64().unwrap_or_default();
    let same = received.body == message("envelope-sent", number);
    let mut ledger = locked(ledger);
    if signed && same && !delivery.is_empty() && received.header("x-countersign-verified") == Some("hmac=1") {
        let (ids, times) = ledger.arrived.entry(number).or_default();
        ids.insert(delivery);
        *times += 1;
    } else {
        ledger.faults.push(format!("a message that is not as it was sent: {received:?}"));
    }
}

fn random_within(least_ms: u64, most_ms: u64) -> Duration {
    let dice = getrandom::u32().expect("the system has random bytes");
    Duration::from_millis(least_ms + u64::from(dice) % (most_ms - least_ms))
}
