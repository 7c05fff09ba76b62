//! The processes that a run starts: this program once more, in another role. None of them knows the settings of whoever measures, and
//! none outlives the run.

use std::{
    ffi::OsString,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::process::{Child, ChildStdout, Command};

/// What the names of our settings in the environment begin with.
const PREFIX: &[u8] = b"COUNTERSIGN_";
/// A settings file without a setting, so that `countersign.toml` of the folder is not read.
const NO_SETTINGS: &str = "/dev/null";
/// How long a process that was killed may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(5);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A process that is killed, and gone, when this is dropped: only then the folder that it works in can be removed.
pub(crate) struct OwnProcess(Child);

/// This program, without the settings of whoever measures: a server that is measured must not find the data directory or the database of
/// one in production.
pub(crate) fn this_program() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    for name in std::env::vars_os().map(|(name, _)| name).filter(is_setting) {
        command.env_remove(name);
    }
    command.env("COUNTERSIGN_CONFIG", NO_SETTINGS).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

fn is_setting(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX)
}

impl OwnProcess {
    /// Starts it; its standard output is to be read.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<(Self, ChildStdout)> {
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().context("its output")?;
        Ok((Self(child), stdout))
    }

    /// Its process id; `None` when it has ended.
    pub(crate) fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.0.wait().await
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        kill(&mut self.0);
    }
}

/// Kills a process and waits until it is gone.
pub(crate) fn kill(child: &mut Child) {
    // An error says that it has ended.
    let _ = child.start_kill();
    wait_until_gone(child);
}

/// Ends a process that has processes of its own, which it takes along when it gets this signal.
pub(crate) fn end_by(signal: &str, child: &mut Child) {
    if let Some(pid) = child.id() {
        let _ = std::process::Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
        wait_until_gone(child);
        kill(child);
    }
}

fn wait_until_gone(child: &mut Child) {
    let began = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && began.elapsed() < GONE_MAX {
        std::thread::sleep(LOOK);
    }
}
