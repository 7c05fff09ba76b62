//! Durable jobs and the replay.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use countersign_core::{
    delivery::ParkReason,
    id::{Incarnation, JobId},
};
use countersign_server::{
    App, background,
    jobs::{self, JobKind, Life, StepError, Stepped},
};
use countersign_store::{
    Store,
    job::{Job, JobState},
    settle::Next,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::house::{EVENT, House};

fn life(by: Incarnation) -> Life {
    Arc::new(move || by)
}

/// A job that takes this long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Runs jobs until these have ended.
async fn run_until_over(house: &House, by: Incarnation, kinds: Vec<Box<dyn JobKind>>, jobs: &[&str]) -> Vec<Value> {
    let runner = tokio::spawn(jobs::run(Arc::clone(&house.app), life(by), kinds));
    let mut ended = Vec::new();
    for job in jobs {
        let over = async {
            loop {
                let shown = house.api("GET", &format!("/jobs/{job}"), None).await.expect(200);
                if shown["state"] != "running" {
                    break shown;
                }
                tokio::task::yield_now().await;
            }
        };
        ended.push(tokio::time::timeout(HANGS_AFTER, over).await.expect("the job ends"));
    }
    runner.abort();
    let _ = runner.await;
    ended
}

/// Delivered, parked and waiting ones, `count` of each.
async fn mixed(house: &House, count: usize) -> Incarnation {
    house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, 2 * count).await;
    let listed = house.deliveries(&house.home).await;
    let half: Vec<String> = listed[..count].iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect();
    let by = house.node(1).await;
    house
        .settle_all(
            by,
            |id| {
                if half.contains(&id.to_string()) { (200, Next::Delivered) } else { (500, Next::Parked(ParkReason::Exhausted)) }
            },
        )
        .await;
    house.post_events(&house.home, EVENT, count).await;
    house.clock.advance(Duration::from_secs(1));
    by
}

async fn replay(house: &House, filter: Value) -> String {
    let job = house.api("POST", "/deliveries/replay", Some(json!({"filter": filter}))).await.expect(202);
    assert_eq!((&job["kind"], &job["state"]), (&json!("replay"), &json!("running")));
    job["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_replay_sends_everything_that_fits_once_more() {
    let house = House::new().await;
    let by = mixed(&house, 3).await;
    let dry = json!({"filter": {}, "dryRun": true});
    let counted = house.api("POST", "/deliveries/replay", Some(dry)).await.expect(200);
    assert_eq!(counted, json!({"dryRun": true, "retried": 6, "replayed": 3, "skipped": 0, "complete": true}));
    assert_eq!(house.deliveries(&house.home).await.len(), 9, "a dry run changes nothing");

    let job = replay(&house, json!({})).await;
    let done = run_until_over(&house, by, background::kinds(), &[&job]).await.remove(0);
    assert_eq!(done["state"], "finished");
    let progress = &done["progress"];
    assert_eq!((&progress["retried"], &progress["replayed"], &progress["skipped"]), (&json!(6), &json!(3), &json!(0)), "{progress}");
    let listed = house.deliveries(&house.home).await;
    assert_eq!(listed.len(), 12);
    assert_eq!(listed.iter().filter(|delivery| delivery["state"] == "waiting").count(), 9);
    assert_eq!(listed.iter().filter(|delivery| delivery["replayOf"].is_string()).count(), 3);
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.settle_all(by, |_| (200, Next::Delivered)).await, 9);
}

#[tokio::test]
async fn a_replay_takes_only_what_its_filter_names_and_says_what_it_passed_over() {
    let house = House::new().await;
    let by = mixed(&house, 2).await;
    let job = replay(&house, json!({"state": ["delivered"], "event": EVENT})).await;
    let done = run_until_over(&house, by, background::kinds(), &[&job]).await.remove(0);
    assert_eq!((&done["progress"]["retried"], &done["progress"]["replayed"]), (&json!(0), &json!(2)));

    // Without its subscription nobody listens any more.
    let subscription = house.deliveries(&house.home).await[0]["subscription"].as_str().unwrap().parse().unwrap();
    let account = house.home.account.id;
    house.store.delete_subscription(account, countersign_core::id::SubscriptionId(subscription), house.clock.now()).await.unwrap().unwrap();
    house.app.configs.invalidate(account);
    let job = replay(&house, json!({"state": "delivered"})).await;
    let done = run_until_over(&house, by, background::kinds(), &[&job]).await.remove(0);
    assert_eq!((&done["progress"]["replayed"], &done["progress"]["skipped"]), (&json!(0), &json!(2)));

    for body in [json!({}), json!({"filter": {"colour": "red"}}), json!({"filter": []}), json!({"filter": {}, "rate": 1})] {
        house.api("POST", "/deliveries/replay", Some(body.clone())).await.expect(400);
    }
}

#[tokio::test]
async fn a_replay_makes_nothing_for_a_subscription_that_another_node_has_just_deleted() {
    let house = House::new().await;
    let by = mixed(&house, 2).await;
    let subscription = house.deliveries(&house.home).await[0]["subscription"].as_str().unwrap().parse().unwrap();
    let account = house.home.account.id;
    // Remembered here, and deleted behind the back of this node.
    assert!(house.app.configs.account(account).await.unwrap().is_some());
    house.store.delete_subscription(account, countersign_core::id::SubscriptionId(subscription), house.clock.now()).await.unwrap().unwrap();
    let job = replay(&house, json!({"state": "delivered"})).await;
    let done = run_until_over(&house, by, background::kinds(), &[&job]).await.remove(0);
    assert_eq!((&done["state"], &done["progress"]["replayed"], &done["progress"]["skipped"]), (&json!("finished"), &json!(0), &json!(2)));
    assert!(house.deliveries(&house.home).await.iter().all(|delivery| delivery["replayOf"].is_null()));
}

/// Does what another kind does, but never lets go of a step that was done: as if the process died before it was written down.
struct DiesAfterStep {
    inner: Box<dyn JobKind>,
    stepped: Arc<Notify>,
    survives: usize,
    steps: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl JobKind for DiesAfterStep {
    fn word(&self) -> &'static str {
        self.inner.word()
    }

    async fn step(&self, app: &App, job: &Job) -> Result<Stepped, StepError> {
        let stepped = self.inner.step(app, job).await;
        if self.steps.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= self.survives {
            self.stepped.notify_one();
            std::future::pending::<()>().await;
        }
        stepped
    }
}

/// Runs the jobs until one step is done, and dies before it is written down.
async fn die_after_a_step(house: &House, by: Incarnation, survives: usize) {
    let stepped = Arc::new(Notify::new());
    let dying: Vec<Box<dyn JobKind>> = background::kinds()
        .into_iter()
        .map(|inner| {
            Box::new(DiesAfterStep { inner, stepped: Arc::clone(&stepped), survives, steps: std::sync::atomic::AtomicUsize::new(0) })
                as Box<dyn JobKind>
        })
        .collect();
    let runner = tokio::spawn(jobs::run(Arc::clone(&house.app), life(by), dying));
    stepped.notified().await;
    runner.abort();
    let _ = runner.await;
}

#[tokio::test]
async fn a_step_done_twice_sends_nothing_twice_whatever_became_of_its_deliveries_meanwhile() {
    const COUNT: usize = 10;
    for (row, delivered, meanwhile) in [
        ("only retried ones, delivered meanwhile", 0, Next::Delivered),
        ("retried and new ones, delivered meanwhile", 4, Next::Delivered),
        ("retried and new ones, given up meanwhile", 4, Next::Parked(ParkReason::Gone)),
        ("only new ones", COUNT, Next::Delivered),
    ] {
        let house = House::new().await;
        house.subscription(&house.home.account, "https://hooks.example/").await;
        house.post_events(&house.home, EVENT, COUNT).await;
        let listed = house.deliveries(&house.home).await;
        let done: Vec<String> = listed[..delivered].iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect();
        let by = house.node(1).await;
        let first = |id: countersign_core::id::DeliveryId| {
            if done.contains(&id.to_string()) { (200, Next::Delivered) } else { (500, Next::Parked(ParkReason::Exhausted)) }
        };
        assert_eq!(house.settle_all(by, first).await, COUNT, "{row}");
        house.clock.advance(Duration::from_secs(1));
        let job = replay(&house, json!({})).await;
        // The clock stands where the job was asked for: what a step marks is after that all the same.
        die_after_a_step(&house, by, 0).await;
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(house.settle_all(by, |_| (500, meanwhile)).await, COUNT, "{row}: each once");

        house.clock.advance(Duration::from_secs(60));
        let next = house.node(2).await;
        let ended = run_until_over(&house, next, background::kinds(), &[&job]).await.remove(0);
        assert_eq!(ended["state"], "finished", "{row}: {ended}");
        assert_eq!(ended["progress"]["replayed"], delivered, "{row}: {ended}");
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(house.settle_all(next, |_| (200, Next::Delivered)).await, 0, "{row}: nothing goes out a second time");
        assert_eq!(house.deliveries(&house.home).await.len(), COUNT + delivered, "{row}");
    }
}

#[tokio::test]
async fn a_step_refused_because_a_subscription_changed_is_done_again_whole() {
    let house = House::new().await;
    let by = mixed(&house, 3).await;
    let account = house.home.account.id;
    let other = house.subscription(&house.home.account, "https://other.example/").await;
    assert!(house.app.configs.account(account).await.unwrap().is_some());
    // Behind the back of this node: what the step was matched with is stale when it is recorded.
    house.store.delete_subscription(account, other, house.clock.now()).await.unwrap().unwrap();
    let job = replay(&house, json!({})).await;
    let done = run_until_over(&house, by, background::kinds(), &[&job]).await.remove(0);
    assert_eq!(done["state"], "finished", "{done}");
    let progress = &done["progress"];
    assert_eq!((&progress["retried"], &progress["replayed"], &progress["skipped"]), (&json!(6), &json!(3), &json!(0)), "{progress}");
}

#[tokio::test]
async fn a_replay_survives_a_runner_dropped_in_the_middle() {
    // More than two steps' worth, so that one is written, one is done and not written, and some are left.
    const COUNT: usize = 450;
    let house = House::new().await;
    house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, COUNT).await;
    let listed = house.deliveries(&house.home).await;
    let odd: Vec<String> = listed.iter().step_by(2).map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect();
    let by = house.node(1).await;
    house
        .settle_all(
            by,
            |id| {
                if odd.contains(&id.to_string()) { (200, Next::Delivered) } else { (500, Next::Parked(ParkReason::Exhausted)) }
            },
        )
        .await;
    house.clock.advance(Duration::from_secs(1));
    let job = replay(&house, json!({})).await;
    house.clock.advance(Duration::from_secs(1));

    die_after_a_step(&house, by, 1).await;
    let midway = house.api("GET", &format!("/jobs/{job}"), None).await.expect(200);
    assert_eq!(midway["state"], "running");
    assert!(midway["progress"]["cursor"].is_string(), "the first step was written: {midway}");

    // The dead life's lease is over; the next one goes on.
    house.clock.advance(Duration::from_secs(60));
    let next = house.node(2).await;
    let done = run_until_over(&house, next, background::kinds(), &[&job]).await.remove(0);
    assert_eq!(done["state"], "finished", "{done}");

    let listed = house.deliveries(&house.home).await;
    let mut sources: Vec<&str> = listed.iter().filter_map(|delivery| delivery["replayOf"].as_str()).collect();
    sources.sort_unstable();
    let mut delivered: Vec<&str> = odd.iter().map(String::as_str).collect();
    delivered.sort_unstable();
    assert_eq!(sources, delivered, "each delivered one was sent anew once");
    let retried: Vec<&Value> = listed.iter().filter(|delivery| delivery["replayOf"].is_null() && delivery["state"] == "waiting").collect();
    assert_eq!(retried.len(), COUNT - odd.len());
    assert!(retried.iter().all(|delivery| delivery["retryCount"] == 1), "one attempt came before the next message of each");
}

/// Waits in its step until told, and then has more to do for ever.
struct Endless(Arc<Notify>);

#[async_trait]
impl JobKind for Endless {
    fn word(&self) -> &'static str {
        "endless"
    }

    async fn step(&self, _: &App, job: &Job) -> Result<Stepped, StepError> {
        self.0.notify_one();
        tokio::task::yield_now().await;
        let count = serde_json::from_str::<Value>(&job.progress).unwrap()["count"].as_u64().unwrap_or(0);
        Ok(Stepped { progress: json!({"count": count + 1}), done: false })
    }
}

/// A node that lost an answer of the store goes on as another incarnation, while the former one lives on for what is leased to it.
#[tokio::test]
async fn a_job_goes_on_when_its_node_begins_another_life() {
    let house = House::new().await;
    let (former, next) = (house.node(1).await, house.node(2).await);
    create(&house, "endless", &Value::Null).await;
    let (stepped, is_next) = (Arc::new(Notify::new()), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let now = Arc::clone(&is_next);
    let life: Life = Arc::new(move || if now.load(std::sync::atomic::Ordering::Relaxed) { next } else { former });
    let runner = tokio::spawn(jobs::run(Arc::clone(&house.app), life, vec![Box::new(Endless(Arc::clone(&stepped)))]));
    stepped.notified().await;
    is_next.store(true, std::sync::atomic::Ordering::Relaxed);
    for step in 0..10 {
        tokio::time::timeout(HANGS_AFTER, stepped.notified()).await.unwrap_or_else(|_| panic!("it stands still after {step} steps"));
    }
    // The former life ends: whoever claims the job has it from now on, here the same node.
    house.store.retire_node(former, house.clock.now()).await.unwrap();
    for _ in 0..10 {
        tokio::time::timeout(HANGS_AFTER, stepped.notified()).await.expect("it goes on");
    }
    house.app.stopping.cancel();
    runner.await.unwrap();
}

struct Broken;

#[async_trait]
impl JobKind for Broken {
    fn word(&self) -> &'static str {
        "broken"
    }

    async fn step(&self, _: &App, job: &Job) -> Result<Stepped, StepError> {
        match job.spec.as_str() {
            "\"panic\"" => panic!("a fault planted for this test"),
            _ => Err(StepError::Final("there is nothing to work with".into())),
        }
    }
}

async fn create(house: &House, kind: &str, spec: &Value) -> String {
    let now = house.clock.now();
    let job = Job {
        id: house.app.job_id(now),
        account: house.home.account.id,
        kind: kind.into(),
        state: JobState::Running,
        spec: spec.to_string(),
        progress: json!({"count": 0}).to_string(),
        created_at: now,
        changed_at: now,
        leased_by: None,
    };
    let id: JobId = job.id;
    jobs::create(&house.app, job).await.unwrap();
    id.to_string()
}

#[tokio::test]
async fn a_cancelled_job_ends_before_its_next_step() {
    let house = House::new().await;
    let by = house.node(1).await;
    let job = create(&house, "endless", &Value::Null).await;
    let stepped = Arc::new(Notify::new());
    let runner = tokio::spawn(jobs::run(Arc::clone(&house.app), life(by), vec![Box::new(Endless(Arc::clone(&stepped)))]));
    stepped.notified().await;
    let cancelled = house.api("POST", &format!("/jobs/{job}/cancel"), None).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    let again = house.api("POST", &format!("/jobs/{job}/cancel"), None).await.expect(409);
    assert_eq!(again["code"], "wrong-state");
    house.app.stopping.cancel();
    runner.await.unwrap();
    assert_eq!(house.api("GET", &format!("/jobs/{job}"), None).await.expect(200)["state"], "cancelled");
}

#[tokio::test]
async fn jobs_take_turns_and_one_that_cannot_go_on_says_why() {
    let house = House::new().await;
    let by = house.node(1).await;
    let endless = create(&house, "endless", &Value::Null).await;
    let (broken, panics, unknown) = (
        create(&house, "broken", &Value::Null).await,
        create(&house, "broken", &json!("panic")).await,
        create(&house, "from-the-future", &Value::Null).await,
    );
    let kinds: Vec<Box<dyn JobKind>> = vec![Box::new(Endless(Arc::default())), Box::new(Broken)];
    let ended = run_until_over(&house, by, kinds, &[&broken, &panics, &unknown]).await;
    for (ended, words) in ended.iter().zip(["nothing to work with", "panicked", "from-the-future"]) {
        assert_eq!(ended["state"], "failed", "{ended}");
        assert!(ended["progress"]["error"].as_str().unwrap().contains(words), "{ended}");
        assert_eq!(ended["progress"]["count"], 0, "how far it came is kept");
    }
    assert_eq!(house.api("GET", &format!("/jobs/{endless}"), None).await.expect(200)["state"], "running");
    let listed = house.api("GET", "/jobs?limit=2", None).await.expect(200);
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(listed["jobs"][0]["id"], unknown.as_str(), "newest first");
}
