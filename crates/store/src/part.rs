//! A file on its way to its name: it is written under another one beside it, and renamed when it is whole and synced.

use std::{
    fs, iter,
    path::{Path, PathBuf},
};

/// What SQLite keeps beside a database while it is written.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The name under which `file` is written until it is whole.
#[must_use]
pub fn of(file: &Path) -> PathBuf {
    with_ending(file, ".part")
}

/// Removes what is written of `file` so far, and what SQLite keeps beside that. `file` itself stays, and so does what cannot be removed: the
/// next one who writes `file` begins it anew.
pub fn remove(file: &Path) {
    let part = of(file);
    let beside = BESIDE.map(|ending| with_ending(&part, ending));
    for name in iter::once(part).chain(beside) {
        // Most of them were never there.
        let _ = fs::remove_file(name);
    }
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
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
        remove(&folder.path().join("a.db"));
        let left = fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("read").file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["a.db", "b.part"]);
    }
}
