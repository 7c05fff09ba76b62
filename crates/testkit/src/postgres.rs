//! A PostgreSQL server of its own, and a pooler before it.
//!
//! The server's programs come from the system's package. Where they are missing a test says loudly that it is skipped, and fails
//! where `COUNTERSIGN_TEST_SKIP_NONE` is set. Everything lies in a temporary folder; nothing that runs on the machine is touched.
//! Both servers refuse to run as root, so they run as the package's user then.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::tls::Identity;

/// How long a server may take to start: after a crash it goes through its log first.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// How often a port is chosen anew when another process was faster.
const PORTS_TRIED: usize = 5;
/// The user, in the server alone, that everything belongs to.
const USER: &str = "countersign";
/// Settings that make it small, and true to what it promises.
const SETTINGS: &str = "shared_buffers = 32MB\nmax_connections = 150\nmax_wal_size = 256MB\nfsync = on\nsynchronous_commit = on\n\
    full_page_writes = on\nlog_min_messages = warning\n";

/// A PostgreSQL server. It is killed when the value goes.
#[derive(Debug)]
pub struct PostgresServer {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    running: Option<Running>,
}

impl PostgresServer {
    /// Starts one in a fresh folder. `None` when its programs are not installed; the test is skipped then.
    ///
    /// # Panics
    /// When they are missing and `COUNTERSIGN_TEST_SKIP_NONE` is set, or the server does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let programs = programs_with("initdb", "postgresql")?;
        let folder = folder();
        let data = folder.path().join("data");
        let made = as_server_user(&programs.join("initdb"))
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", USER, "--pgdata"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = data.join("postgresql.conf");
        let text = fs::read_to_string(&settings).expect("the settings") + SETTINGS;
        fs::write(&settings, text).expect("the settings");
        let mut server = Self { folder, programs, port: 0, running: None };
        for _ in 0..PORTS_TRIED {
            server.port = crate::unused_address().port();
            if server.resume() {
                return Some(server);
            }
        }
        panic!("the server does not start");
    }

    /// Starts it again with TLS and this certificate, and takes no other connections over TCP from then on unless `also_plain`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn turn_tls_on(&mut self, identity: &Identity, also_plain: bool) {
        self.end("-INT");
        let data = self.folder.path().join("data");
        for (name, text) in [("server.crt", identity.certificate_pem().to_owned()), ("server.key", identity.key_pem())] {
            let file = data.join(name);
            fs::write(&file, text).expect("written");
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("the owner's alone");
            if let Some((user, group)) = server_user() {
                std::os::unix::fs::chown(&file, Some(user), Some(group)).expect("given to the server's user");
            }
        }
        let settings = data.join("postgresql.conf");
        let text = fs::read_to_string(&settings).expect("the settings") + "ssl = on\n";
        fs::write(&settings, text).expect("the settings");
        let kind = if also_plain { "host" } else { "hostssl" };
        fs::write(data.join("pg_hba.conf"), format!("local all all trust\n{kind} all all 127.0.0.1/32 trust\n")).expect("who may connect");
        assert!(self.resume(), "the server does not start with TLS");
    }

    /// Starts a standby of it, which takes its log from now on.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn standby(&self) -> Self {
        let folder = folder();
        let copied = as_server_user(&self.programs.join("pg_basebackup"))
            .args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--pgdata"])
            .arg(folder.path().join("data"))
            .arg("--dbname")
            .arg(self.url("postgres"))
            .output()
            .expect("pg_basebackup runs");
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        let mut standby = Self { folder, programs: self.programs.clone(), port: 0, running: None };
        for _ in 0..PORTS_TRIED {
            standby.port = crate::unused_address().port();
            if standby.resume_until("database system is ready to accept read-only connections") {
                return standby;
            }
        }
        panic!("the standby does not start");
    }

    /// Changes a setting for all sessions from now on.
    ///
    /// # Panics
    /// When that fails.
    pub fn set(&self, setting: &str, value: &str) {
        self.query("postgres", &format!("ALTER SYSTEM SET {setting} = '{value}'"));
        self.query("postgres", "SELECT pg_reload_conf()");
        // The main process reads the file, then tells the others.
        while self.query("postgres", &format!("SHOW {setting}")).trim() != value {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it again after [`PostgresServer::kill`] or [`PostgresServer::stop`], on the same port and data. False when it does not start.
    pub fn resume(&mut self) -> bool {
        self.resume_until("database system is ready to accept connections")
    }

    fn resume_until(&mut self, ready: &'static str) -> bool {
        self.running = None;
        let mut command = as_server_user(&self.programs.join("postgres"));
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        // It says on its log that it is ready, in English under this locale.
        command.env("LC_MESSAGES", "C").args(["-c", "log_min_messages=log"]);
        self.running = Running::start(command, ready);
        self.running.is_some()
    }

    /// Ends it as a crash does: nothing is written any more, and it goes through its log at the next start. (`SIGQUIT`: the main process
    /// kills the others and ends; killed itself it would leave them behind for a while.)
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill(&mut self) {
        self.end("-QUIT");
    }

    /// Ends its main process with `SIGKILL` and starts it again as soon as that can be. The other processes notice by themselves; until the
    /// last of them has gone a new one does not start.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn kill_at_once(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.signal("-KILL");
            running.child.wait().expect("it ends");
        }
        let deadline = Instant::now() + START_TIME_MAX;
        while !self.resume() {
            assert!(Instant::now() < deadline, "the server does not start again");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stops it as an operator does who does not wait for clients (`SIGINT`: fast shutdown).
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        self.end("-INT");
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut running) = self.running.take() {
            running.signal(signal);
            running.child.wait().expect("it ends");
        }
    }

    /// The URL of a database, without password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database as a copy of another one, which nobody may be connected to; `template1` is an empty one.
    ///
    /// # Panics
    /// When that fails.
    pub fn create_database(&self, name: &str, copy_of: &str) {
        self.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE {copy_of}"));
    }

    /// Runs SQL and answers the rows as lines, columns apart by `|`.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn ask(&self, database: &str, sql: &str) -> Vec<String> {
        self.query(database, sql).lines().map(str::to_owned).collect()
    }

    fn query(&self, database: &str, sql: &str) -> String {
        let asked = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", sql])
            .arg(self.url(database))
            .output()
            .expect("psql runs");
        assert!(asked.status.success(), "{sql}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8_lossy(&asked.stdout).into_owned()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Its folder goes next, which all of its processes must have let go of.
        self.end("-QUIT");
    }
}

/// A pooler in transaction mode before a [`PostgresServer`]. It is killed when the value goes.
#[derive(Debug)]
pub struct PgBouncer {
    _folder: tempfile::TempDir,
    port: u16,
    _running: Running,
}

impl PgBouncer {
    /// Starts one. `None` when it is not installed; the test is skipped then.
    ///
    /// # Panics
    /// When it is missing and `COUNTERSIGN_TEST_SKIP_NONE` is set, or does not start.
    #[must_use]
    pub fn start(before: &PostgresServer) -> Option<Self> {
        let program = programs_with("pgbouncer", "pgbouncer")?.join("pgbouncer");
        for _ in 0..PORTS_TRIED {
            let (folder, port) = (folder(), crate::unused_address().port());
            let users = folder.path().join("users.txt");
            let settings = folder.path().join("pgbouncer.ini");
            let text = format!(
                "[databases]\n* = host=127.0.0.1 port={} user={USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\nmax_client_conn = 500\n\
                 default_pool_size = 6\n",
                before.port,
                users.display()
            );
            fs::write(&users, format!("\"{USER}\" \"\"\n")).expect("its users");
            fs::write(&settings, text).expect("its settings");
            let mut command = as_server_user(&program);
            command.arg(&settings);
            if let Some(running) = Running::start(command, "process up") {
                return Some(Self { _folder: folder, port, _running: running });
            }
        }
        panic!("the pooler does not start");
    }

    /// The URL of a database through it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://{USER}@127.0.0.1:{}/{database}", self.port)
    }
}

/// A server process that said it was ready.
#[derive(Debug)]
struct Running {
    child: Child,
}

impl Running {
    /// `None` when it ended without a word of being ready.
    fn start(mut command: Command, ready: &'static str) -> Option<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("its log"));
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            // To the end, so that it never waits for somebody to read.
            for line in log.lines().map_while(Result::ok) {
                if line.contains(ready) {
                    let _ = said.send(());
                } else if (line.contains("FATAL") && !line.contains("the database system is ")) || line.contains("PANIC") {
                    eprintln!("{line}");
                }
            }
        });
        let running = Self { child };
        heard.recv_timeout(START_TIME_MAX).ok().map(|()| running)
    }

    fn signal(&mut self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "the process is not there any more");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where a program lies: on the path, or where Debian keeps those of each version of the server, the newest first.
fn programs_with(program: &str, package: &str) -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let mut versions: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let admin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = versions.into_iter().rev().chain(on_path).chain(admin).find(|folder| folder.join(program).is_file());
    if found.is_none() {
        let said = format!("'{program}' is missing: install the package {package}");
        assert!(std::env::var_os("COUNTERSIGN_TEST_SKIP_NONE").is_none(), "{said}");
        eprintln!("SKIPPED: {said}");
    }
    found
}

/// A folder that the server's user may use, short enough for a socket's path.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("csg").tempdir().expect("a folder");
    if let Some((user, group)) = server_user() {
        std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).expect("given to the server's user");
    }
    folder
}

/// The user and group that servers run as, when this process is root.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let asked = Command::new("id").args(arguments).output().expect("id runs");
        String::from_utf8_lossy(&asked.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

/// A command that runs as the server's user, with the same process id as the program itself.
fn as_server_user(program: &Path) -> Command {
    match server_user() {
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
