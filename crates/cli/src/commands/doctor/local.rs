//! Checks of this machine: settings and data directory.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use countersign_store::{
    postgres,
    sqlite::{DATABASE_FILE, KEY_FILE},
};

use super::finding::Finding;
use crate::{
    database::postgres_settings,
    settings::{self, ServeSettings},
};

/// The data directory when none is given.
const DATA_DIR: &str = "countersign-data";
/// Locked while a process uses the data directory.
const LOCK_FILE: &str = "countersign.lock";

/// `server_is_local`: the server asked is on this machine, so that its data directory may well be here.
pub(super) async fn check(config: Option<&Path>, server_is_local: bool) -> Vec<Finding> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let given = ServeSettings {
        data_dir: path("COUNTERSIGN_DATA_DIR"),
        database_url: std::env::var("COUNTERSIGN_DATABASE_URL").ok(),
        database_password_file: path("COUNTERSIGN_DATABASE_PASSWORD_FILE"),
        database_ca: path("COUNTERSIGN_DATABASE_CA"),
        ..ServeSettings::default()
    };
    let mut findings = Vec::new();
    let settings = settings::merge(config, given).and_then(|settings| Ok((postgres_settings(&settings)?, settings)));
    let (database, data_dir) = match settings {
        Ok((database, settings)) => {
            findings.push(Finding::fine("settings", "file and environment are understood"));
            (database, settings.data_dir.unwrap_or_else(|| DATA_DIR.into()))
        }
        Err(error) => {
            findings.push(Finding::failed("settings", format!("{error:#}")));
            (None, DATA_DIR.into())
        }
    };
    if let Some(asked) = database {
        findings.push(database_of(&asked).await);
        findings.push(Finding::skipped("data directory", "the store is in the database"));
    } else if server_is_local {
        findings.extend(data_directory(&data_dir));
    } else {
        findings.push(Finding::skipped("data directory", "the server is on another machine"));
    }
    findings
}

/// The database as an export would find it: it is only read.
async fn database_of(asked: &postgres::Settings) -> Finding {
    const NAME: &str = "database";
    match postgres::PostgresSource::open(asked).await {
        Ok(source) => Finding::fine(
            NAME,
            match source.used_by() {
                Some(_) => "it answers, its tables are as this program knows them, and nodes use it",
                None => "it answers, its tables are as this program knows them; no node uses it",
            },
        ),
        Err(error) => Finding::failed(NAME, error.to_string()),
    }
}

fn data_directory(path: &Path) -> Vec<Finding> {
    const NAME: &str = "data directory";
    let shown = path.display();
    let about = match fs::metadata(path) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => return vec![Finding::failed(NAME, format!("{shown} is not a folder"))],
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec![Finding::skipped(NAME, format!("there is no {shown} here; COUNTERSIGN_DATA_DIR names another"))];
        }
        Err(error) => return vec![Finding::failed(NAME, format!("{shown}: {error}"))],
    };
    let mut findings = Vec::new();
    let database = fs::metadata(path.join(DATABASE_FILE)).map(|about| about.len()).unwrap_or_default();
    findings.push(match in_use(path) {
        Ok(true) => Finding::fine(NAME, format!("{shown} is in use by a process, {} MiB of data", database >> 20)),
        Ok(false) => Finding::fine(NAME, format!("{shown} is not in use, {} MiB of data", database >> 20)),
        Err(error) => Finding::failed(NAME, format!("{shown} cannot be used by this user: {error}")),
    });
    if let Some(words) = open_to_others(path, &about) {
        findings.push(Finding::odd(NAME, words));
    }
    if database > 0 && !path.join(KEY_FILE).exists() && std::env::var_os("COUNTERSIGN_SECRET_KEY").is_none() {
        findings.push(Finding::failed(
            "secret key",
            format!("there is data in {shown}, and neither {KEY_FILE} in it nor COUNTERSIGN_SECRET_KEY: its secrets cannot be read"),
        ));
    }
    findings
}

/// Whether a process holds the lock.
fn in_use(path: &Path) -> std::io::Result<bool> {
    let lock = match File::open(path.join(LOCK_FILE)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    // Shared and given back at once: a server that starts in this very moment is not kept from it for long.
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Other users of the machine may look into it, or into a file of it.
#[cfg(unix)]
fn open_to_others(path: &Path, about: &fs::Metadata) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = |about: &fs::Metadata| about.permissions().mode() & 0o077 != 0;
    if open(about) {
        return Some(format!("other users of this machine may look into {0}; 'chmod 700 {0}' keeps them out", path.display()));
    }
    let key = path.join(KEY_FILE);
    let key_open = fs::metadata(&key).is_ok_and(|about| open(&about));
    key_open.then(|| format!("other users of this machine may read {0}; 'chmod 600 {0}' keeps them out", key.display()))
}

#[cfg(not(unix))]
fn open_to_others(_: &Path, _: &fs::Metadata) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, os::unix::fs::PermissionsExt as _};

    use super::{super::finding::State, *};

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temp folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("ours");
        folder
    }

    #[test]
    fn a_directory_in_use_is_told_from_one_that_is_not() {
        let folder = folder();
        assert!(data_directory(folder.path())[0].words.contains("is not in use"));
        let lock = OpenOptions::new().create(true).write(true).truncate(false).open(folder.path().join(LOCK_FILE)).expect("a file");
        lock.try_lock().expect("nobody else has it");
        assert!(data_directory(folder.path())[0].words.contains("is in use by a process"));
    }

    #[test]
    fn what_others_may_read_and_a_missing_key_are_told() {
        let folder = folder();
        fs::write(folder.path().join(DATABASE_FILE), [0; 10]).expect("writing");
        let findings = data_directory(folder.path());
        assert_eq!(findings.last().map(|finding| (finding.check.as_str(), finding.state)), Some(("secret key", State::Failed)));
        fs::write(folder.path().join(KEY_FILE), [0; 10]).expect("writing");
        fs::set_permissions(folder.path().join(KEY_FILE), fs::Permissions::from_mode(0o644)).expect("ours");
        let findings = data_directory(folder.path());
        assert_eq!(findings.last().map(|finding| finding.state), Some(State::Odd));
        assert!(findings.last().is_some_and(|finding| finding.words.contains("chmod 600")));
    }
}
