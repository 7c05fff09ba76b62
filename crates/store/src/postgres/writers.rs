//! The two kinds of write on the path of an event, coalesced: recording and settling.

use std::sync::Arc;

use super::{
    batch::{Answers, Kind},
    fault::{Fault, Severity},
    pool::Pool,
    record, settle,
    settle::Prepared,
    transaction::in_transaction,
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
