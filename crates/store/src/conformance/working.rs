//! Rows about timers and jobs.

use countersign_core::id::{AccountId, EnvelopeId, Incarnation};

use super::world::{LONG, START, World, at, record};
use crate::{
    Refused,
    envelopes::EnvelopeRow,
    job::{Job, JobState},
    record::{EnvelopeChange, EnvelopeVersion, Record, Recorded},
    timer::{NewTimer, Timer},
};

async fn put_timers(world: &World, row: &EnvelopeRow, read: Option<EnvelopeVersion>, due: &[(&str, u64)]) -> Vec<NewTimer> {
    let timers: Vec<NewTimer> =
        due.iter().map(|(kind, seconds)| NewTimer { id: world.timer_id(), kind: (*kind).to_owned(), due_at: at(*seconds) }).collect();
    let change = EnvelopeChange { read, row: row.clone(), timers: timers.clone() };
    let item = Record { envelope: Some(change), ..record(row.account) };
    assert_eq!(world.store.record(vec![item]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    timers
}

fn claimed(timer: &NewTimer, account: AccountId, envelope: EnvelopeId, by: Incarnation) -> Timer {
    Timer { id: timer.id, account, envelope, kind: timer.kind.clone(), due_at: timer.due_at, leased_by: by }
}

/// Due timers are leased once, oldest first, and forgotten when done.
pub async fn due_timers_are_leased_once_and_forgotten_when_done(world: World) {
    let account = world.account().await;
    let (by, other) = (world.node().await, world.node().await);
    assert_eq!(world.store.next_timer().await.expect("read"), None);
    let row = world.envelope_row(account);
    let timers = put_timers(&world, &row, None, &[("expire", 30), ("remind", 10), ("purge", 99)]).await;
    assert_eq!(world.store.next_timer().await.expect("read"), Some(at(10)));
    assert!(world.store.claim_timers(by, at(9), 10).await.expect("claimed").is_empty());
    let first = world.store.claim_timers(by, at(30), 1).await.expect("claimed");
    assert_eq!(first, [claimed(&timers[1], account, row.id, by)]);
    let second = world.store.claim_timers(other, at(30), 10).await.expect("claimed");
    assert_eq!(second, [claimed(&timers[0], account, row.id, other)]);
    world.store.finish_timers(by, vec![timers[0].id, timers[1].id]).await.expect("stored");
    assert_eq!(world.store.next_timer().await.expect("read"), Some(at(99)));
    let next = world.store.register_node("next", 3, START + LONG, LONG).await.expect("stored").incarnation;
    let again = world.store.claim_timers(next, START + LONG, 10).await.expect("claimed");
    let expected = [claimed(&timers[2], account, row.id, next), claimed(&timers[0], account, row.id, next)];
    assert_eq!(again, expected, "one was never leased, the other's holder died before it was done");
    world.store.retire_node(by, START).await.expect("retired");
    assert!(world.store.claim_timers(by, START, 10).await.expect("claimed").is_empty(), "it is not alive");
}

/// A change of the envelope replaces its timers, leased ones included, and those of no other.
pub async fn a_change_replaces_the_envelopes_timers(world: World) {
    let account = world.account().await;
    let by = world.node().await;
    let (row, other) = (world.envelope_row(account), world.envelope_row(account));
    put_timers(&world, &row, None, &[("expire", 10), ("remind", 20)]).await;
    let kept = put_timers(&world, &other, None, &[("expire", 15)]).await;
    assert_eq!(world.store.claim_timers(by, at(10), 10).await.expect("claimed").len(), 1);
    let version = world.store.envelope(account, row.id).await.expect("read").expect("exists").version;
    let new = put_timers(&world, &row, Some(version), &[("expire", 40)]).await;
    let left = world.store.claim_timers(by, at(99), 10).await.expect("claimed");
    assert_eq!(left, [claimed(&kept[0], account, other.id, by), claimed(&new[0], account, row.id, by)]);
}

/// A job is leased once, written by its holder alone, and goes to another when its holder dies.
pub async fn a_job_belongs_to_its_holder_until_that_dies(world: World) {
    let account = world.account().await;
    let (by, other) = (world.node().await, world.node().await);
    let job = Job {
        id: world.job_id(),
        account,
        kind: "replay".into(),
        state: JobState::Running,
        spec: "{}".into(),
        progress: "{\"done\":0}".into(),
        created_at: START,
        changed_at: START,
        leased_by: None,
    };
    world.store.create_job(job.clone()).await.expect("stored");
    assert_eq!(world.store.job(account, job.id).await.expect("read"), Some(job.clone()));
    assert_eq!(world.store.job(world.account().await, job.id).await.expect("read"), None);
    let leased = Job { leased_by: Some(by), ..job.clone() };
    assert_eq!(world.store.claim_jobs(by, START, 10).await.expect("claimed"), [leased]);
    assert!(world.store.claim_jobs(other, START, 10).await.expect("claimed").is_empty());
    let write = async |by, state, progress: &str, seconds| {
        world.store.write_job(by, job.id, state, progress.to_owned(), at(seconds)).await.expect("answered")
    };
    assert_eq!(write(by, JobState::Running, "1", 1).await, Ok(()));
    assert_eq!(write(other, JobState::Running, "9", 1).await, Err(Refused::LeaseLost));
    let late = START + LONG;
    let next = world.store.register_node("next", 3, late, LONG).await.expect("stored").incarnation;
    let taken = world.store.claim_jobs(next, late, 10).await.expect("claimed");
    assert_eq!((taken.len(), taken[0].progress.as_str(), taken[0].leased_by), (1, "1", Some(next)));
    assert_eq!(write(by, JobState::Running, "2", 3_601).await, Err(Refused::LeaseLost));
    assert_eq!(write(next, JobState::Finished, "3", 3_602).await, Ok(()));
    let done = world.store.job(account, job.id).await.expect("read").expect("exists");
    let expected = Job { state: JobState::Finished, progress: "3".into(), changed_at: at(3_602), leased_by: None, ..job.clone() };
    assert_eq!(done, expected);
    assert_eq!(write(next, JobState::Running, "4", 3_603).await, Err(Refused::WrongState("finished".into())));
}

/// A cancelled job tells its holder so at its next step; others cannot cancel it.
pub async fn a_cancelled_job_stops_its_holder(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let by = world.node().await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let id = world.job_id();
        jobs.push(id);
        let job = Job {
            id,
            account,
            kind: "replay".into(),
            state: JobState::Running,
            spec: "{}".into(),
            progress: "0".into(),
            created_at: START,
            changed_at: START,
            leased_by: None,
        };
        world.store.create_job(job).await.expect("stored");
    }
    assert_eq!(world.store.claim_jobs(by, START, 2).await.expect("claimed").len(), 2);
    assert_eq!(world.store.cancel_job(other, jobs[0], at(1)).await.expect("answered"), Err(Refused::NotFound));
    assert_eq!(world.store.cancel_job(account, jobs[0], at(1)).await.expect("answered"), Ok(()));
    let again = world.store.cancel_job(account, jobs[0], at(2)).await.expect("answered");
    assert_eq!(again, Err(Refused::WrongState("cancelled".into())));
    let written = world.store.write_job(by, jobs[0], JobState::Running, "1".into(), at(2)).await.expect("answered");
    assert_eq!(written, Err(Refused::WrongState("cancelled".into())));
    assert_eq!(world.store.cancel_job(account, jobs[2], at(1)).await.expect("answered"), Ok(()));
    assert!(world.store.claim_jobs(by, at(3), 10).await.expect("claimed").is_empty(), "what is cancelled is not claimed");
    let listed: Vec<_> = world.store.jobs(account, 2).await.expect("read").into_iter().map(|job| job.id).collect();
    assert_eq!(listed, [jobs[2], jobs[1]], "newest first");
    assert!(world.store.jobs(other, 10).await.expect("read").is_empty());
}
