//! The two kinds of write on the path of an event, coalesced: recording and settling.

use std::{collections::HashSet, sync::Arc, time::Instant};

use super::{
    batch::{Answers, Kind},
    fault::{Fault, Severity},
    pool::{Conn, Pool},
    record, record_at_once, settle,
    settle::Prepared,
    settle_at_once,
    transaction::{in_one_statement, in_transaction},
};
use crate::{
    Refused, StoreError,
    record::{Record, Recorded},
    vault::Vault,
};

/// Recording.
pub(super) struct Recording {
    pub(super) pool: Arc<Pool>,
    pub(super) vault: Arc<Vault>,
}

impl Kind for Recording {
    type Item = Record;
    type Answer = Recorded;

    async fn write(&self, items: &[&Record]) -> Result<Answers<Recorded>, StoreError> {
        // What can be recorded at once is not kept waiting by the rest, which may be nothing.
        let (plain, rest): (Vec<&Record>, Vec<&Record>) = items.iter().copied().partition(|item| record_at_once::is_plain(item));
        let (at_once, in_steps) = tokio::join!(self.at_once(&plain), self.in_steps(&rest));
        if plain.len() == items.len() {
            return at_once;
        }
        let mut at_once = each(at_once, plain.len()).into_iter();
        let mut in_steps = each(in_steps, rest.len()).into_iter();
        let next = |item: &&Record| if record_at_once::is_plain(item) { at_once.next() } else { in_steps.next() };
        Ok(items.iter().filter_map(next).collect())
    }
}

impl Recording {
    async fn at_once(&self, items: &[&Record]) -> Result<Answers<Recorded>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let work = async |conn: &Conn| {
            let answers = record_at_once::record(conn, items).await?;
            conn.committed_in(began.elapsed());
            Ok(answers)
        };
        match in_one_statement!(&self.pool, conn => work(&conn)) {
            // One of them spoiled it for all.
            Err(fault) if fault.severity() == Severity::Item => self.in_steps(items).await,
            Err(fault) => Err(fault.into()),
            Ok(answers) => Ok(answers.into_iter().map(Ok).collect()),
        }
    }

    async fn in_steps(&self, items: &[&Record]) -> Result<Answers<Recorded>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let together = in_transaction!(&self.pool, tx => record::record(&tx, &self.vault, items));
        match answers(together, items.len())? {
            Some(answers) => Ok(answers),
            None => {
                let mut answers = Vec::with_capacity(items.len());
                for item in items {
                    let alone = in_transaction!(&self.pool, tx => record::record(&tx, &self.vault, &[*item]));
                    answers.push(alone_answer(alone));
                }
                Ok(answers)
            }
        }
    }
}

/// Settling.
pub(super) struct Settling {
    pub(super) pool: Arc<Pool>,
}

impl Kind for Settling {
    type Item = Prepared;
    type Answer = ();

    async fn write(&self, items: &[&Prepared]) -> Result<Answers<()>, StoreError> {
        let began = Instant::now();
        let work = async |conn: &Conn| {
            let settled = settle_at_once::settle(conn, items).await?;
            if !settled.is_empty() {
                conn.committed_in(began.elapsed());
            }
            Ok(settled)
        };
        let mut settled = match in_one_statement!(&self.pool, conn => work(&conn)) {
            Ok(settled) => settled,
            // One of them spoiled it for all.
            Err(fault) if fault.severity() == Severity::Item => HashSet::new(),
            Err(fault) => return Err(fault.into()),
        };
        // The first one of a delivery that was settled is the one that did it.
        let done: Vec<bool> = items.iter().map(|item| settled.remove(&item.settlement.delivery)).collect();
        let rest: Vec<&Prepared> = items.iter().zip(&done).filter(|(_, done)| !**done).map(|(item, _)| *item).collect();
        let mut answers = self.in_steps(&rest).await?.into_iter();
        let answer = |done: &bool| if *done { Some(Ok(Ok(()))) } else { answers.next() };
        Ok(done.iter().filter_map(answer).collect())
    }
}

impl Settling {
    async fn in_steps(&self, items: &[&Prepared]) -> Result<Answers<()>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let together = in_transaction!(&self.pool, tx => settle::settle(&tx, items));
        match answers(together, items.len())? {
            Some(answers) => Ok(answers),
            None => {
                let mut answers = Vec::with_capacity(items.len());
                for item in items {
                    let alone = in_transaction!(&self.pool, tx => settle::settle(&tx, &[*item]));
                    answers.push(alone_answer(alone));
                }
                Ok(answers)
            }
        }
    }
}

/// What each item of a part is answered when the whole batch is not.
fn each<A>(part: Result<Answers<A>, StoreError>, count: usize) -> Answers<A> {
    part.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
}

/// The answers of a batch; `None` when one of its items spoiled it for all, so that each must be written on its own.
fn answers<A>(together: Result<Vec<Result<A, Refused>>, Fault>, count: usize) -> Result<Option<Answers<A>>, StoreError> {
    match together {
        Ok(answers) => Ok(Some(answers.into_iter().map(Ok).collect())),
        Err(fault) if fault.severity() == Severity::Item && count == 1 => Ok(Some(vec![alone_answer(Err(fault))])),
        Err(fault) if fault.severity() == Severity::Item => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// The answer of an item that was written on its own. A broken constraint means that one of its ids is in use.
fn alone_answer<A>(alone: Result<Vec<Result<A, Refused>>, Fault>) -> Result<Result<A, Refused>, StoreError> {
    match alone {
        Ok(answers) => answers.into_iter().next().ok_or_else(|| StoreError::Backend("an item was not answered".into())),
        Err(fault) if fault.is_duplicate() => Ok(Err(Refused::Exists)),
        Err(fault) => Err(fault.into()),
    }
}
