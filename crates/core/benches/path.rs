//! The decisions on the path of an event: who wants it, its body, and whether its token will do. `cargo bench -p countersign-core`.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use countersign_core::{
    Secret, Timestamp,
    account::Account,
    auth::token::{CachedToken, token_step},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, EventId, SubscriptionId},
    matching::{Occasion, matching},
    message::{Contents, Message},
    subscription::{Activity, MessageShape, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

/// 2026-11-28
const NOW: Timestamp = Timestamp::from_secs(1_795_824_000);

fn subscription(number: i64, event: &str) -> Subscription {
    Subscription {
        id: SubscriptionId(10_000_001 + number),
        account: AccountId(1),
        scope: Scope::Account,
        name: format!("subscription {number}"),
        url: "https://hooks.example.com/in".parse().expect("a URL"),
        activity: Activity::Active,
        paused: false,
        users: Users::All,
        events: WantedEvents { names: [EventName::try_new(event).expect("a name")].into(), ..WantedEvents::default() },
        shape: MessageShape::JsonSim,
        include: BTreeSet::new(),
        proofs: Proofs::default(),
        pace: Pace::default(),
        headers: Vec::new(),
        require_acknowledgement: true,
        log: true,
        created_at: NOW,
        failing_since: None,
        times_gone: 0,
        revision: 0,
        extra: serde_json::Map::new(),
    }
}

/// A verdict for each subscription of an account, of which one in ten wants the event.
#[divan::bench(args = [1, 10, 100, 1_000])]
fn match_subscriptions(bencher: Bencher<'_, '_>, count: i64) {
    let wanted = |number| if number % 10 == 0 { "invoice.paid" } else { "invoice.sent" };
    let subscriptions: Vec<Subscription> = (0..count).map(|number| subscription(number, wanted(number))).collect();
    let name = EventName::try_new("invoice.paid").expect("a name");
    let occasion = Occasion { name: &name, user: None, envelope: None, recipient_domains: &[], about: None };
    let counter = ItemsCount::new(subscriptions.len());
    bencher.counter(counter).bench_local(|| matching(black_box(&occasion), black_box(&subscriptions)));
}

fn event(bytes: usize) -> Event {
    let data = format!("{{\"envelopeId\":\"71799c95-8417-4b16-90d5-86ff24a91d09\",\"note\":\"{}\"}}", "x".repeat(bytes));
    Event {
        id: EventId::from_raw(77),
        account: AccountId(1),
        name: EventName::try_new("invoice.paid").expect("a name"),
        at: NOW,
        user: None,
        envelope: None,
        detail: EventDetail::default(),
        snapshot: Snapshot::Posted(Bytes::from(data)),
    }
}

fn account() -> Account {
    Account {
        id: AccountId(1),
        guid: AccountGuid("8b411bfe-54f5-47fc-bbf2-55d9a71a200f".parse().expect("a GUID")),
        name: "World & Co".into(),
        created_at: NOW,
        recipient_domains: BTreeSet::new(),
        time_zone: "Pacific Standard Time".into(),
        time_zone_offset_hours: -8,
    }
}

/// The body of a posted event, whole, as an attempt sends it.
#[divan::bench(args = [2_048, 10_240, 1 << 20])]
fn assemble_a_body(bencher: Bencher<'_, '_>, bytes: usize) {
    let (account, event, include) = (account(), event(bytes), BTreeSet::new());
    bencher.bench_local(|| {
        let message = Message {
            account: &account,
            configuration: SubscriptionId(10_000_001),
            shape: MessageShape::JsonSim,
            include: &include,
            generated_at: NOW,
            event: black_box(&event),
        };
        message.prepare(&Contents::new()).map(|body| body.render(0))
    });
}

/// Whether a cached token will do: asked for every message with OAuth.
#[divan::bench]
fn decide_about_a_token(bencher: Bencher<'_, '_>) {
    let token = CachedToken::try_new(Secret::new("t".repeat(500)), Some(Duration::from_secs(60)), NOW, 0.5).expect("a token");
    let now = NOW + Duration::from_secs(30);
    bencher.bench_local(|| token_step(black_box(Some(&token)), black_box(now)));
}

/// The header of a cached token.
#[divan::bench]
fn write_a_token_into_a_header(bencher: Bencher<'_, '_>) {
    let token = CachedToken::try_new(Secret::new("t".repeat(500)), Some(Duration::from_secs(60)), NOW, 0.5).expect("a token");
    bencher.bench_local(|| black_box(&token).header());
}
