//! What the server is and does, as far as durability depends on it.

use tokio_postgres::Client;

use super::{
    fault::{Fault, OLDEST_VERSION, OpenError, words},
    pool::Conn,
    value::column,
};

/// A server as it was found.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Server {
    /// As it says it, such as `15.13 (Debian 15.13-0+deb12u1)`.
    version: String,
    /// `server_version_num`: 150013 stands for 15.13.
    version_number: u32,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    synchronous_standby_names: String,
    is_standby: bool,
    is_read_only: bool,
    /// Standbys that take the log at this moment. Which of them do so synchronously is shown to privileged roles alone.
    standbys: i64,
}

const LOOK: &str = "SELECT current_setting('server_version'), current_setting('server_version_num'), current_setting('fsync'),
    current_setting('full_page_writes'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
    pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
    (SELECT count(*) FROM pg_stat_replication)";

impl Server {
    /// Asks it, at the start.
    pub(super) async fn of(client: &Client) -> Result<Self, OpenError> {
        let rows = client.query_typed(LOOK, &[]).await.map_err(|e| OpenError::Failed(words(&e)))?;
        let row = rows.first().ok_or_else(|| OpenError::Failed("it says nothing of its settings".into()))?;
        Self::read(row).map_err(|fault| OpenError::Failed(crate::StoreError::from(fault).to_string()))
    }

    /// Asks it again: a failover leads to another one.
    pub(super) async fn now(conn: &Conn) -> Result<Self, Fault> {
        Self::read(&conn.only(LOOK, &[]).await?)
    }

    fn read(row: &tokio_postgres::Row) -> Result<Self, Fault> {
        Ok(Self {
            version: column(row, 0)?,
            version_number: column::<&str>(row, 1)?.parse().unwrap_or(0),
            fsync: column(row, 2)?,
            full_page_writes: column(row, 3)?,
            synchronous_commit: column(row, 4)?,
            synchronous_standby_names: column(row, 5)?,
            is_standby: column(row, 6)?,
            is_read_only: column(row, 7)?,
            standbys: column(row, 8)?,
        })
    }

    /// True when it takes no writes.
    pub(super) fn takes_no_writes(&self) -> bool {
        self.is_standby || self.is_read_only
    }

    /// Refuses a server on which an answer 202 would promise what it does not keep.
    pub(super) fn check(&self, at: &str) -> Result<(), OpenError> {
        if self.version_number / 10_000 < OLDEST_VERSION {
            return Err(OpenError::TooOld { found: self.version.clone() });
        }
        if self.takes_no_writes() {
            return Err(OpenError::ReadOnly { at: at.to_owned() });
        }
        for (setting, value) in [("fsync", &self.fsync), ("synchronous_commit", &self.synchronous_commit)] {
            if value == "off" {
                return Err(OpenError::Unsafe { setting, value: value.clone() });
            }
        }
        Ok(())
    }

    /// What an operator should know, one line each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.fsync == "off" || self.synchronous_commit == "off" {
            warnings
                .push("the server does not wait for the disk (fsync or synchronous_commit is off): a crash loses what was accepted".into());
        }
        if self.full_page_writes == "off" {
            warnings
                .push("full_page_writes is off: a power failure may damage the database unless the file system prevents torn pages".into());
        }
        if self.takes_no_writes() {
            warnings.push("the server takes no writes: it is a standby, or read-only".into());
        }
        if self.standbys > 0 && self.synchronous_standby_names.is_empty() {
            warnings.push(format!(
                "{} standby servers, none of them synchronous: a failover may lose what was accepted last (synchronous_standby_names)",
                self.standbys
            ));
        }
        if self.standbys == 0 && !self.synchronous_standby_names.is_empty() {
            warnings.push("synchronous_standby_names is set and no standby is seen: commits may wait for one".into());
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Server {
        Server {
            version: "15.13".into(),
            version_number: 150_013,
            fsync: "on".into(),
            full_page_writes: "on".into(),
            synchronous_commit: "on".into(),
            ..Server::default()
        }
    }

    #[test]
    fn a_server_that_would_lose_what_was_accepted_is_refused() {
        for (row, server, refused) in [
            ("sound", sound(), None),
            (
                "old",
                Server { version: "14.9".into(), version_number: 140_009, ..sound() },
                Some(OpenError::TooOld { found: "14.9".into() }),
            ),
            ("a standby", Server { is_standby: true, ..sound() }, Some(OpenError::ReadOnly { at: "h".into() })),
            ("read-only", Server { is_read_only: true, ..sound() }, Some(OpenError::ReadOnly { at: "h".into() })),
            ("no fsync", Server { fsync: "off".into(), ..sound() }, Some(OpenError::Unsafe { setting: "fsync", value: "off".into() })),
            (
                "early answers",
                Server { synchronous_commit: "off".into(), ..sound() },
                Some(OpenError::Unsafe { setting: "synchronous_commit", value: "off".into() }),
            ),
            ("torn pages", Server { full_page_writes: "off".into(), ..sound() }, None),
        ] {
            assert_eq!(server.check("h").err(), refused, "{row}");
        }
    }

    #[test]
    fn what_an_operator_should_know_is_said() {
        assert!(sound().warnings().is_empty());
        for (row, server, word) in [
            ("torn pages", Server { full_page_writes: "off".into(), ..sound() }, "full_page_writes"),
            ("asynchronous", Server { standbys: 2, ..sound() }, "none of them synchronous"),
            ("a missing standby", Server { synchronous_standby_names: "*".into(), ..sound() }, "no standby is seen"),
            ("changed sides", Server { is_standby: true, ..sound() }, "takes no writes"),
        ] {
            assert!(server.warnings().iter().any(|line| line.contains(word)), "{row}: {:?}", server.warnings());
        }
        assert!(Server { standbys: 2, synchronous_standby_names: "*".into(), ..sound() }.warnings().is_empty());
    }
}
