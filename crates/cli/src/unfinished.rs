//! A file that is being written, and what becomes of it when somebody wants the end: it is removed, so that nobody takes it for whole.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use tokio::task::JoinHandle;

use crate::{output, signals::Signals};

/// What lies beside the name asked for until the file is whole: the file as far as it is, and what SQLite keeps beside it.
const PARTS: [&str; 4] = [".part", ".part-journal", ".part-wal", ".part-shm"];

/// Watches for SIGINT and SIGTERM until it is dropped.
pub(crate) struct Unfinished(JoinHandle<()>);

impl Unfinished {
    /// From now on either signal removes what is written of `file`, and ends the process with the exit code that shells have for it.
    ///
    /// # Errors
    /// When the system lets us hear no signals.
    pub(crate) fn watch(file: &Path) -> anyhow::Result<Self> {
        let mut signals = Signals::hear()?;
        let file = file.to_owned();
        Ok(Self(tokio::spawn(async move {
            let code = signals.exit_code().await;
            remove_parts(&file);
            output::note(&format!("countersign: interrupted; nothing is left of {}", file.display()));
            // The thread that writes cannot be asked to stop; what it writes from here on has no name any more.
            std::process::exit(code.into());
        })))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn remove_parts(file: &Path) {
    for part in PARTS {
        // Most of them were never there.
        let _ = fs::remove_file(beside(file, part));
    }
}

fn beside(file: &Path, part: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(part);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_a_file_goes_and_its_neighbours_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.db", "a.db.part", "a.db.part-journal", "b.part"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        remove_parts(&folder.path().join("a.db"));
        let left = fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("read").file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["a.db", "b.part"]);
    }
}
