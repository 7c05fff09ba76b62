//! Transactions, single statements and reads, tried again where that is safe.
//!
//! What failed before its commit was sent did not happen, so it is tried again on a new connection, or after whoever was in
//! the way. A connection that breaks while the commit is under way leaves it open whether it happened: a transaction is never tried
//! again then. The caller is told that it is not known ([`crate::StoreError::Unknown`]), and what it does next is safe either way, since
//! every row has an id that its maker chose. A statement that commits by itself has no such moment: see [`in_one_statement`].

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    fault::{Fault, Severity, words},
    pool::{Conn, Pool},
};
use crate::StoreError;

/// How often in all a transaction that met others in its way is tried.
const TRIES_MAX: u32 = 6;
/// How often in all it is tried when the connection turns out to be broken: once more than connections may be idle and dead would be
/// right; a pool finds its dead ones by itself, so that two more are enough.
const CONNECTIONS_MAX: u32 = 3;
/// The wait before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(5);

/// An open transaction. Dropped without an end it takes its connection with it, and the server rolls it back.
pub(super) struct Tx {
    conn: Conn,
    began: Instant,
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl Tx {
    /// Begins on a free connection.
    pub(super) async fn begin(pool: &Arc<Pool>) -> Result<Self, Fault> {
        let conn = pool.take().await?;
        // From here on a connection that is let go in the middle is of no use to others.
        conn.give_up();
        let began = Instant::now();
        conn.run("BEGIN").await?;
        Ok(Self { conn, began })
    }

    /// Commits. After an error it may have happened only where that is said ([`Fault::Unknown`]).
    pub(super) async fn commit(self) -> Result<(), Fault> {
        match self.conn.run("COMMIT").await {
            Ok(()) => {
                self.conn.committed_in(self.began.elapsed());
                Ok(())
            }
            Err(Fault::Late) => Err(Fault::Unknown("no answer in time".into())),
            Err(fault) if fault.severity() == Severity::Lost => match fault {
                Fault::Sql(error) => Err(Fault::Unknown(words(&error))),
                other => Err(other),
            },
            Err(fault) => Err(fault),
        }
    }

    /// Takes everything back. Where a statement was left behind the server does so, when the connection ends.
    pub(super) async fn roll_back(self) {
        if !self.conn.is_left_behind() && self.conn.run("ROLLBACK").await.is_ok() {
            self.conn.is_clean_again();
        }
    }
}

/// Decides whether what failed is tried again.
#[derive(Debug, Default)]
pub(super) struct Tries {
    made: u32,
}

impl Tries {
    /// Waits a little and answers `Ok` to try again; otherwise gives the fault back.
    pub(super) async fn again(&mut self, fault: Fault) -> Result<(), Fault> {
        self.made += 1;
        let tries_max = match fault.severity() {
            Severity::Again => TRIES_MAX,
            Severity::Lost => CONNECTIONS_MAX,
            Severity::Item | Severity::Full | Severity::Other => 1,
        };
        if self.made >= tries_max {
            return Err(fault);
        }
        tokio::time::sleep(PAUSE * (1 << (self.made - 1).min(6))).await;
        Ok(())
    }
}

/// Runs an expression in a transaction of its own, as often as [`Tries`] says. The expression names the transaction and
/// answers `Result<_, Fault>`; it may run more than once, the last run counts.
macro_rules! in_transaction {
    ($pool:expr, $tx:ident => $work:expr) => {{
        let mut tries = $crate::postgres::transaction::Tries::default();
        loop {
            let done: Result<_, $crate::postgres::fault::Fault> = async {
                let $tx = $crate::postgres::transaction::Tx::begin($pool).await?;
                match $work.await {
                    Ok(value) => {
                        $tx.commit().await?;
                        Ok(value)
                    }
                    Err(fault) => {
                        $tx.roll_back().await;
                        Err(fault)
                    }
                }
            }
            .await;
            match done {
                Ok(value) => break Ok(value),
                Err(fault) => {
                    if let Err(fault) = tries.again(fault).await {
                        break Err(fault);
                    }
                }
            }
        }
    }};
}
pub(super) use in_transaction;

/// Runs an expression that only reads, as often as [`Tries`] says.
macro_rules! reading {
    ($pool:expr, $conn:ident => $work:expr) => {{
        let mut tries = $crate::postgres::transaction::Tries::default();
        loop {
            let done: Result<_, $crate::postgres::fault::Fault> = async {
                let $conn = $pool.take().await?;
                $work.await
            }
            .await;
            match done {
                Ok(value) => break Ok(value),
                Err(fault) => {
                    if let Err(fault) = tries.again(fault).await {
                        break Err(fault);
                    }
                }
            }
        }
    }};
}
pub(super) use reading;

/// Runs an expression of one statement that writes and commits by itself, as often as [`Tries`] says, which is also when the connection
/// broke, so that it may have happened. Hence the statement either does no harm when it is done twice, or its expression answers
/// [`Fault::Unknown`] then, which is not tried again.
macro_rules! in_one_statement {
    ($pool:expr, $conn:ident => $work:expr) => {
        $crate::postgres::transaction::reading!($pool, $conn => $work)
    };
}
pub(super) use in_one_statement;

/// A fault as the trait's callers see it.
pub(super) fn answered<T>(done: Result<T, Fault>) -> Result<T, StoreError> {
    done.map_err(StoreError::from)
}
