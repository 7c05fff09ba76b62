//! A PostgreSQL server of a run's own: in a temporary folder, with the extension that counts statements, gone when the run is.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::own_process::end_by;

/// The user, in the server alone, that everything belongs to.
const USER: &str = "countersign";
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);
/// How often it is asked whether it takes connections.
const LOOK: Duration = Duration::from_millis(50);
/// As true to its disk as one in production has to be.
const SETTINGS: &str = "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nmax_wal_size = 1GB\nshared_buffers = 128MB\n\
    shared_preload_libraries = 'pg_stat_statements'\n";

/// The server.
pub(crate) struct Postgres {
    child: Child,
    programs: PathBuf,
    port: u16,
    // Last, so that the server goes first.
    _folder: TempDir,
}

impl Postgres {
    /// Starts one.
    ///
    /// # Errors
    /// When its programs are not installed (Debian: `postgresql`), or it does not start.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let programs = programs().context("'initdb' is missing; install PostgreSQL's server (Debian: the package postgresql)")?;
        let folder = tempfile::Builder::new().prefix("csb").tempdir().context("a folder for the database")?;
        let owner = server_user().await;
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).context("giving the folder to the database's user")?;
        }
        let data = folder.path().join("data");
        let initdb = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "--pgdata"];
        said(as_user(owner, &programs.join("initdb")).args(initdb).arg(&data)).await?;
        let settings = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&settings).context("the database's settings")? + SETTINGS;
        std::fs::write(&settings, text).context("the database's settings")?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("a port")?.port();
        let child = as_user(owner, &programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting the database")?;
        let server = Self { child, programs, port, _folder: folder };
        let began = Instant::now();
        while server.ask("postgres", "SELECT 1").await.is_err() {
            if began.elapsed() > START_MAX {
                bail!("the database does not start");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(server)
    }

    /// Makes an empty database that counts its statements.
    pub(crate) async fn create_database(&self, name: &str) -> anyhow::Result<()> {
        self.ask("postgres", &format!("CREATE DATABASE {name}")).await?;
        self.ask(name, "CREATE EXTENSION pg_stat_statements").await.map(drop)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgresql://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Statements that were run in a database so far, BEGIN and COMMIT included.
    pub(crate) async fn statements(&self, database: &str) -> anyhow::Result<u64> {
        let sql = format!(
            "SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
             WHERE d.datname = '{database}' AND s.query NOT LIKE '%pg_stat_statements%'"
        );
        self.ask(database, &sql).await?.parse().context("the count of statements")
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id() {
            Command::new("kill").args(["-INT", &pid.to_string()]).status().await.context("ending the database")?;
        }
        tokio::time::timeout(START_MAX, self.child.wait()).await.context("the database did not end in time")??;
        Ok(())
    }

    async fn ask(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", sql]);
        said(psql.arg(self.url(database))).await
    }
}

impl Drop for Postgres {
    /// It is gone before its folder is.
    fn drop(&mut self) {
        // Its immediate shutdown: nothing of it is kept.
        end_by("QUIT", &mut self.child);
    }
}

/// What a command prints, when it succeeds.
async fn said(command: &mut Command) -> anyhow::Result<String> {
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("the database's programs")?;
    if !done.status.success() {
        bail!("the database's programs: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Where the server's programs are: where Debian keeps those of each version, the newest first, or on the path.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    versions.into_iter().rev().chain(on_path).find(|folder| folder.join("initdb").is_file())
}

/// The user and group of the server, which refuses to run as root.
async fn server_user() -> Option<(u32, u32)> {
    let id = async |arguments: &[&str]| {
        let asked = Command::new("id").args(arguments).output().await.ok()?;
        String::from_utf8_lossy(&asked.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]).await != Some(0) {
        return None;
    }
    for name in ["postgres", "nobody"] {
        if let (Some(user), Some(group)) = (id(&["-u", name]).await, id(&["-g", name]).await) {
            return Some((user, group));
        }
    }
    None
}

fn as_user(owner: Option<(u32, u32)>, program: &Path) -> Command {
    match owner {
        None => Command::new(program),
        Some((user, group)) => {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups", "--"]).arg(program);
            // Its home is where it may write.
            command.current_dir("/");
            command
        }
    }
}
