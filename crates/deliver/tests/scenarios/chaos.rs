//! Two nodes over one store, everything going wrong by chance: calls that fail or lose their answer, listeners that refuse, hang and
//! answer late, nodes that stop and start. What is promised holds all the same.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    delivery::{Delivery, DeliveryState},
    id::ListenerId,
    limits::{Limits, Rate},
    subscription::Pace,
};
use countersign_deliver::Settings;
use countersign_store::Store;
use countersign_testkit::{FaultyStore, StoreFault};

use crate::support::{
    house::{House, Running},
    played::{Played, Plays},
};

/// A stream of numbers of its own for each seed (SplitMix64).
#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn draw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % below
    }
}

const NODES: usize = 2;
/// No attempt is longer, so that each ends within the life of its lease.
const LATE_MAX_MS: u64 = 8_000;

async fn story(seed: u64) {
    let mut chance = Chance(seed);
    let house = House::new().await;
    let free = house.subscribe("https://one.example/a", Pace::default()).await.id;
    let limited = house.subscribe("https://one.example/b", Pace::default()).await.id;
    let executor = Played::new(&house, &[1; 60], move |item, now| {
        // By delivery and attempt, so that a run is the same however it is scheduled.
        let mut chance = Chance(seed ^ item.delivery.id.raw() ^ now.as_micros().cast_unsigned());
        match chance.draw(10) {
            0 => Plays::Answers(500),
            1 => Plays::Silence,
            2..=4 => Plays::Late(Duration::from_millis(chance.draw(LATE_MAX_MS)), if chance.draw(3) == 0 { 503 } else { 200 }),
            _ => Plays::Answers(200),
        }
    });
    executor.limit(limited, Limits { concurrency_max: std::num::NonZeroU32::new(2), rate: std::num::NonZeroU32::new(20).map(Rate) });

    let stores: Vec<Arc<FaultyStore>> = (0..NODES).map(|_| FaultyStore::before(house.store.real())).collect();
    for store in &stores {
        let mut chance = Chance(chance.draw(u64::MAX));
        store.fail_by(move |_| match chance.draw(25) {
            0 => Some(StoreFault::NotMade),
            1 => Some(StoreFault::AnswerLost),
            _ => None,
        });
    }
    let settings = Settings { grace: Duration::from_secs(5), ..Settings::default() };
    let start = async |node: usize| -> Running {
        house.work_over(Arc::clone(&stores[node]) as Arc<dyn Store>, executor.clone(), settings.clone()).await
    };
    let mut nodes = Vec::new();
    for node in 0..NODES {
        nodes.push(start(node).await);
    }

    let mut all: Vec<Delivery> = Vec::new();
    for _ in 0..20 {
        let lane = ListenerId(chance.draw(3).cast_signed());
        let of = if chance.draw(3) == 0 { limited } else { free };
        all.extend(house.waiting(of, lane, 1 + usize::try_from(chance.draw(4)).expect("a few")).await);
        nodes[usize::try_from(chance.draw(NODES as u64)).expect("a node")].wait_a_second_or_for_news().await;
        if chance.draw(8) == 0 {
            // A node stops, its grace perhaps too short for what it has begun, and starts again.
            let node = usize::try_from(chance.draw(NODES as u64)).expect("a node");
            let stopping = std::mem::replace(&mut nodes[node], start(node).await);
            stopping.worker.shut_down().await;
        }
    }
    let mut waits = 0;
    loop {
        let backlog = house.store.backlog(None, None).await.expect("read");
        if (backlog.waiting, backlog.leased) == (0, 0) {
            break;
        }
        waits += 1;
        assert!(waits < 600, "seed {seed}: after ten minutes there is still {backlog:?}");
        nodes[0].wait_a_second_or_for_news().await;
    }
    for node in nodes {
        node.worker.shut_down().await;
    }

    let journal = executor.journal();
    assert!(journal.twice.is_empty(), "seed {seed}: two attempts of one delivery at once: {:?}", journal.twice);
    for delivery in &all {
        let read = house.read(delivery.id).await;
        assert!(matches!(read.listed.delivery.state, DeliveryState::Delivered { .. }), "seed {seed}: {read:?}");
        let counted: Vec<u32> = read.attempts.iter().filter(|attempt| attempt.counted).map(|attempt| attempt.retry_count).collect();
        assert_eq!(counted, (0..read.listed.delivery.attempts_made).collect::<Vec<_>>(), "seed {seed}: each is counted once");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_each_delivery_ends_once_and_no_two_attempts_meet() {
    for seed in 1..=20 {
        story(seed).await;
    }
}
