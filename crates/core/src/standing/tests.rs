use std::collections::BTreeSet;

use super::*;
use crate::{
    delivery::Hold,
    id::{AccountId, SubscriptionId},
    outcome::FailureKind,
    shape::MessageShape,
    subscription::{Pace, Proofs, Scope, Users, WantedEvents},
};

const START: Timestamp = Timestamp::from_secs(1_763_800_000);
const FORTNIGHT: Duration = Duration::from_secs(14 * DAY_SECONDS);
const FAILED: Outcome = Outcome::Failed(FailureKind::Timeout);

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY_SECONDS)
}

fn subscription(failing_since: Option<Timestamp>) -> Subscription {
    Subscription {
        id: SubscriptionId::FIRST,
        account: AccountId(1),
        scope: Scope::Account,
        name: "Mine".into(),
        url: "https://hooks.example/?token=secret".parse().expect("a URL"),
        activity: Activity::Active,
        paused: false,
        users: Users::All,
        events: WantedEvents::default(),
        shape: MessageShape::JsonSim,
        include: BTreeSet::new(),
        proofs: Proofs::default(),
        pace: Pace::default(),
        headers: Vec::new(),
        require_acknowledgement: true,
        log: true,
        created_at: START,
        failing_since,
        times_gone: 0,
        revision: 0,
        extra: serde_json::Map::new(),
    }
}

fn watch(told: Option<u64>) -> Watch {
    Watch { told: told.map(|told| (START, days(told))), ..Watch::begins(START) }
}

#[test]
fn each_outcome_asks_for_its_step() {
    let tell = |after| Step::Tell { since: START, told_after: days(after) };
    let since = Some(START);
    for (row, failing_since, told, outcome, after, expected) in [
        ("a hiccup", None, None, FAILED, WRITTEN_AFTER / 2, Step::Nothing),
        ("it lasts", None, None, FAILED, WRITTEN_AFTER, Step::Mark { since: START }),
        ("written, not yet told", since, None, FAILED, days(6), Step::Nothing),
        ("a week", since, None, FAILED, days(7), tell(7)),
        ("a week, told", since, Some(7), FAILED, days(8), Step::Nothing),
        ("twelve days", since, Some(7), FAILED, days(12), tell(12)),
        ("twelve days, after a restart", since, None, FAILED, days(13), tell(12)),
        ("twelve days, told", since, Some(12), FAILED, days(13), Step::Nothing),
        ("a fortnight", since, Some(12), FAILED, FORTNIGHT, Step::Disable { since: START }),
        ("a fortnight, never told", since, None, FAILED, FORTNIGHT * 2, Step::Disable { since: START }),
        ("a success", since, Some(7), Outcome::Accepted { status: 200 }, days(8), Step::Clear { since: START }),
        ("a success as always", None, None, Outcome::Accepted { status: 200 }, days(8), Step::Nothing),
        ("gone", None, None, Outcome::Rejected { status: 410, retry_after: None }, Duration::ZERO, Step::Pause),
        ("nothing was sent", since, None, Outcome::Held(Hold::NoToken), days(20), Step::Nothing),
        ("cut off", since, None, Outcome::Interrupted, days(20), Step::Nothing),
    ] {
        let step = step(&subscription(failing_since), &outcome, watch(told), FORTNIGHT, START + after);
        assert_eq!(step, expected, "{row}");
    }
    let paused = Subscription { paused: true, ..subscription(since) };
    let gone = Outcome::Rejected { status: 410, retry_after: None };
    assert_eq!(step(&paused, &gone, watch(Some(12)), FORTNIGHT, START + days(13)), Step::Nothing, "once is enough");
    let disabled = Subscription { activity: Activity::Disabled { reason: "it failed".into(), at: START }, ..subscription(since) };
    assert_eq!(step(&disabled, &FAILED, watch(None), FORTNIGHT, START + days(20)), Step::Nothing, "once is enough");
    let other_failure = Watch { told: Some((START.minus(days(1)), days(7))), ..watch(None) };
    assert_eq!(
        step(&subscription(since), &FAILED, other_failure, FORTNIGHT, START + days(7)),
        tell(7),
        "what was told was of another time"
    );
}

#[test]
fn what_is_told_names_the_subscription_and_the_next_step_and_no_address() {
    let now = START + days(7) + Duration::from_secs(3_600);
    let tell = Step::Tell { since: START, told_after: days(7) };
    let news = news(&subscription(Some(START)), tell, &FAILED, FORTNIGHT, now).expect("news");
    assert_eq!(news.name, EventName::SUBSCRIPTION_FAILING);
    assert_eq!(
        news.data,
        json!({
            "subscriptionId": "10000001",
            "name": "Mine",
            "failingSince": START.to_seven_digits(),
            "days": 7,
            "lastOutcome": "timeout",
            "nextStep": format!("it is disabled at {} unless an attempt succeeds before", (START + FORTNIGHT).to_seven_digits()),
        })
    );
    assert!(!news.data.to_string().contains("secret"));
}

#[test]
fn each_occasion_has_a_key_of_its_own_that_no_caller_can_send() {
    let now = START + FORTNIGHT;
    let mut keys = BTreeSet::new();
    let mut count = 0;
    for since in [START, START + days(1)] {
        for step in [
            Step::Tell { since, told_after: days(7) },
            Step::Tell { since, told_after: days(12) },
            Step::Disable { since },
            Step::Clear { since },
        ] {
            keys.insert(news(&subscription(Some(since)), step, &FAILED, FORTNIGHT, now).expect("news").key);
            count += 1;
        }
    }
    for times_gone in 0..3 {
        let gone = Subscription { times_gone, ..subscription(None) };
        keys.insert(news(&gone, Step::Pause, &FAILED, FORTNIGHT, now).expect("news").key);
        count += 1;
    }
    assert_eq!(keys.len(), count);
    assert!(keys.iter().all(|key| !key.is_ascii() && key.len() <= 255), "{keys:?}");
    let again = news(&subscription(Some(START)), Step::Disable { since: START }, &FAILED, FORTNIGHT, now + days(1)).expect("news");
    assert!(keys.contains(&again.key), "two attempts that race name the same occasion");
}

#[test]
fn what_was_not_told_to_fail_is_not_told_to_have_recovered() {
    let clear = Step::Clear { since: START };
    let told = |after| news(&subscription(Some(START)), clear, &Outcome::Accepted { status: 200 }, FORTNIGHT, START + after);
    assert_eq!(told(days(6)), None);
    assert_eq!(told(days(7)).map(|news| news.name), Some(EventName::SUBSCRIPTION_RECOVERED));
}

#[test]
fn a_subscription_hears_of_others_and_not_of_itself() {
    use crate::{
        matching::{Occasion, Reason, wants},
        subscription::EventPattern,
    };
    let events = WantedEvents { patterns: vec![EventPattern::try_new("*").expect("a pattern")], ..WantedEvents::default() };
    let hears = |about| {
        let occasion = Occasion { name: &EventName::SUBSCRIPTION_FAILING, user: None, envelope: None, recipient_domains: &[], about };
        wants(&occasion, &Subscription { events: events.clone(), ..subscription(None) })
    };
    assert_eq!(hears(Some(SubscriptionId::FIRST)), Err(Reason::AboutItself));
    assert_eq!(hears(Some(SubscriptionId(SubscriptionId::FIRST.0 + 1))), Ok(()));
    assert_eq!(hears(None), Ok(()));

    // An inbox passes on what came in, and news did not.
    let inbox = Subscription { events: events.clone(), shape: MessageShape::AsReceived, ..subscription(None) };
    let about = Some(SubscriptionId(SubscriptionId::FIRST.0 + 1));
    let news = Occasion { name: &EventName::SUBSCRIPTION_FAILING, user: None, envelope: None, recipient_domains: &[], about };
    assert_eq!(wants(&news, &inbox), Err(Reason::EventNotInShape));
}

#[test]
fn the_time_begins_anew_when_a_person_takes_back_what_was_written() {
    let later = START + FORTNIGHT;
    let (failing, taken_back) = (subscription(Some(START)), subscription(None));
    let watch = Watch::begins(START).after_failure(&taken_back, START + WRITTEN_AFTER);
    assert_eq!(watch.failing_since, START, "not yet written");
    let watch = watch.after_failure(&failing, later).after_failure(&failing, later);
    assert_eq!((watch.failing_since, watch.written), (START, true));
    let watch = watch.after_failure(&taken_back, later);
    assert_eq!(watch, Watch::begins(later));
    assert_eq!(step(&taken_back, &FAILED, watch, FORTNIGHT, later), Step::Nothing, "what failed before a person acted does not count");
}
