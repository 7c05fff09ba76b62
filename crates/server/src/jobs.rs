//! Durable jobs: work that outlives its request, done in steps by whichever node holds the lease.
//!
//! A step does a bounded piece of work and says how far it came; that is written before the next one begins. A process that dies
//! in between leaves the job to another (or to its own next life), which repeats the last step: a step therefore does no harm
//! when done twice. A job that a person cancels ends before its next step; one that cannot go on is kept with its reason.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use countersign_core::id::Incarnation;
use countersign_store::{
    Refused, StoreError,
    job::{Job, JobState},
};
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::App;

/// Jobs in the hands of one node at once; their steps take turns.
const JOBS_MAX: u32 = 8;
/// How long to wait for a job when nobody rings, and after the store failed.
const POLL: Duration = Duration::from_secs(1);

/// Tells the present life of this node, to which jobs are leased.
pub type Life = Arc<dyn Fn() -> Incarnation + Send + Sync>;

/// What a step did.
#[derive(Clone, PartialEq, Debug)]
pub struct Stepped {
    /// How far the job is: cursor and counts, for the next step and for people.
    pub progress: Value,
    /// Nothing is left to be done.
    pub done: bool,
}

/// A step that did not come off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Trouble of ours that passes: the same step is tried again.
    #[error("{0}")]
    Later(String),
    /// The job cannot go on.
    #[error("{0}")]
    Final(String),
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Full(_) | StoreError::Suspect(_) => {
                Self::Later(error.to_string())
            }
            StoreError::Damaged(_) | StoreError::Sealed(_) | StoreError::Backend(_) => Self::Final(error.to_string()),
        }
    }
}

/// A kind of work.
#[async_trait]
pub trait JobKind: Send + Sync {
    /// The word under which jobs of this kind are stored.
    fn word(&self) -> &'static str;

    /// Does the next piece, from what [`Job::spec`] asks for and [`Job::progress`] says. Done twice, it must do no harm.
    async fn step(&self, app: &App, job: &Job) -> Result<Stepped, StepError>;
}

/// Creates a job and rings for a runner.
///
/// # Errors
/// The store's.
pub async fn create(app: &App, job: Job) -> Result<(), StoreError> {
    app.store.create_job(job).await?;
    app.new_job.notify_one();
    Ok(())
}

/// Does jobs of these kinds until the process stops. Dropped in the middle, it leaves its jobs to the next one.
pub async fn run(app: Arc<App>, life: Life, kinds: Vec<Box<dyn JobKind>>) {
    let mut held: VecDeque<Job> = VecDeque::new();
    while !app.stopping.is_cancelled() {
        let room = JOBS_MAX.saturating_sub(u32::try_from(held.len()).unwrap_or(JOBS_MAX));
        if room > 0 {
            match app.store.claim_jobs(life(), app.now(), room).await {
                Ok(claimed) => {
                    // What was leased to an earlier life of this node goes on under it, until somebody claims it when that life has
                    // ended: this node, as here, or another, which the next write shows.
                    held.retain(|job| claimed.iter().all(|again| again.id != job.id));
                    held.extend(claimed);
                }
                Err(error) => {
                    tracing::warn!(%error, "jobs cannot be claimed; trying again");
                    if matches!(error, StoreError::Unknown(_)) {
                        app.hand_over.doubt();
                    }
                }
            }
        }
        let Some(job) = held.pop_front() else {
            tokio::select! {
                () = app.stopping.cancelled() => {}
                () = app.new_job.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            continue;
        };
        match turn(&app, &kinds, job).await {
            Turn::Again(job) => held.push_back(job),
            Turn::Over => {}
            Turn::Later(job) => {
                held.push_back(job);
                tokio::select! {
                    () = app.stopping.cancelled() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }
}

enum Turn {
    /// More is to be done.
    Again(Job),
    /// The same once more, after a pause.
    Later(Job),
    /// Finished, failed, cancelled, or somebody else's by now.
    Over,
}

/// One step of one job, and its progress written.
async fn turn(app: &App, kinds: &[Box<dyn JobKind>], mut job: Job) -> Turn {
    let Some(by) = job.leased_by else {
        tracing::error!(job.id = %job.id, "a claimed job was not leased");
        return Turn::Over;
    };
    let stepped = match kinds.iter().find(|kind| kind.word() == job.kind) {
        None => Err(StepError::Final(format!("this version does not know jobs of the kind '{}'", job.kind))),
        Some(kind) => match AssertUnwindSafe(kind.step(app, &job)).catch_unwind().await {
            Ok(stepped) => stepped,
            Err(_) => Err(StepError::Final("the step panicked, which is a fault of Countersign; the log says more".to_owned())),
        },
    };
    let (state, progress) = match stepped {
        Ok(Stepped { progress, done }) => (if done { JobState::Finished } else { JobState::Running }, progress.to_string()),
        Err(StepError::Later(reason)) => {
            tracing::warn!(job.id = %job.id, job.kind, reason, "a step of a job did not come off; trying again");
            return Turn::Later(job);
        }
        Err(StepError::Final(reason)) => {
            tracing::error!(job.id = %job.id, job.kind, reason, "a job cannot go on");
            (JobState::Failed, with_error(&job.progress, &reason))
        }
    };
    match app.store.write_job(by, job.id, state, progress.clone(), app.now()).await {
        Ok(Ok(())) if state == JobState::Running => {
            job.progress = progress;
            Turn::Again(job)
        }
        Ok(Ok(())) => {
            tracing::info!(job.id = %job.id, job.kind, state = state.as_str(), "a job ended");
            Turn::Over
        }
        Ok(Err(Refused::WrongState(_))) => {
            tracing::info!(job.id = %job.id, job.kind, "a job was cancelled");
            Turn::Over
        }
        Ok(Err(refused)) => {
            tracing::info!(job.id = %job.id, job.kind, %refused, "a job passed to another node");
            Turn::Over
        }
        // Whether it was written is not known: the step is done again from the progress that is.
        Err(error) => {
            tracing::warn!(job.id = %job.id, %error, "the progress of a job cannot be written; trying again");
            Turn::Later(job)
        }
    }
}

fn with_error(progress: &str, reason: &str) -> String {
    let mut progress = match serde_json::from_str(progress) {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    progress.insert("error".to_owned(), json!(reason));
    Value::Object(progress).to_string()
}
