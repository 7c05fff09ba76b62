//! `countersign serve` as a process of its own.

use std::{net::SocketAddr, path::PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use super::{http::Client, process::Running};

/// The account of every server here.
pub(crate) const ACCOUNT: &str = "7c2b1a9e-5d44-4f0b-9a61-2f3c8e6d1b07";
/// Its API token.
pub(crate) const TOKEN: &str = "test-token-of-thirty-two-characters-and-more";

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    listen: Option<SocketAddr>,
    program: Option<PathBuf>,
    dev: bool,
}

/// A running server. It is killed when this is dropped, and its data with it.
pub(crate) struct Server {
    /// Where it listens, without a trailing slash.
    pub(crate) url: String,
    /// The certificate of its development CA.
    pub(crate) ca: Option<PathBuf>,
    https: Option<String>,
    authority: Option<String>,
    options: Options,
    running: Running,
    data_dir: TempDir,
}

impl Options {
    /// A server for development.
    pub(crate) fn dev() -> Self {
        Self { dev: true, ..Self::default() }
    }

    /// A server as in production.
    pub(crate) fn production() -> Self {
        Self::default()
    }

    /// With further arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// With a variable in its environment.
    pub(crate) fn environment(mut self, variable: &str, value: &str) -> Self {
        self.environment.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Of another build.
    pub(crate) fn program(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// Reached from outside as `public_url`, and listening here.
    pub(crate) fn behind(mut self, public_url: &str, listen: SocketAddr) -> Self {
        self.listen = Some(listen);
        self.with(&["--public-url", public_url])
    }

    fn command(&self, data_dir: &TempDir) -> Command {
        let program = self.program.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_countersign").into());
        let mut command = Command::new(program);
        command
            .arg("serve")
            .args(["--listen", &self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))).to_string()])
            .arg("--data-dir")
            .arg(data_dir.path())
            .args(&self.arguments)
            .env("COUNTERSIGN_ACCOUNT_ID", ACCOUNT)
            .env("COUNTERSIGN_API_TOKEN", TOKEN)
            .envs(self.environment.iter().map(|(variable, value)| (variable, value)))
            // A file of settings that lies about must not have a say.
            .current_dir(data_dir.path());
        if self.dev {
            command.arg("--dev");
        }
        command
    }
}

impl Server {
    /// Starts one with empty data.
    pub(crate) async fn start(options: Options) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let mut running = Running::start("countersign serve", options.command(&data_dir));
        let said = running.says("countersign listens on ").await;
        // Behind another server it names that one.
        let url = options.listen.map_or(said, |listen| format!("http://{listen}"));
        let mut server = Self { url, ca: None, https: None, authority: None, options, running, data_dir };
        if server.options.dev {
            let https = server.running.says("https for development on ").await;
            let (url, ca) = https.split_once(" (CA: ").expect("the line names the CA");
            server.https = Some(url.to_owned());
            server.ca = Some(server.data_dir.path().join(ca.trim_end_matches(')')));
            let authority = server.running.says("development authorization server at ").await;
            server.authority = Some(authority.split(' ').next().unwrap_or_default().to_owned());
        }
        server.ready().await;
        server
    }

    /// Kills it like a crash and starts it again with the same data at the same address, `between` the two.
    pub(crate) async fn crash_and_restart(&mut self, between: impl Future<Output = ()>) {
        self.kill().await;
        between.await;
        self.start_again().await;
    }

    /// Ends it like a crash.
    pub(crate) async fn kill(&mut self) {
        self.running.kill().await;
    }

    /// Ends it as an operator does, who starts it again when it is gone.
    pub(crate) async fn restart(&mut self) {
        let status = self.running.terminate().await;
        assert!(status.success(), "serve ended with {status} when told to{}", self.words());
        self.start_again().await;
    }

    /// Starts it again after its end, with the same data at the same address.
    pub(crate) async fn start_again(&mut self) {
        let address = self.url.rsplit('/').next().and_then(|address| address.parse().ok());
        self.options.listen = Some(address.expect("the URL ends in an address"));
        self.running = Running::start("countersign serve", self.options.command(&self.data_dir));
        self.running.says("countersign listens on ").await;
    }

    /// Sends it a signal, such as `-STOP`.
    pub(crate) async fn signal(&self, signal: &str) {
        self.running.signal(signal).await;
    }

    /// Ends it as an operator does.
    pub(crate) async fn terminate(mut self) {
        let status = self.running.terminate().await;
        assert!(status.success(), "serve ended with {status} when told to{}", self.words());
    }

    /// `/api/v1/accounts/{account}`.
    pub(crate) fn api(&self) -> Client {
        Client::new(format!("{}/api/v1/accounts/{ACCOUNT}", self.url), Some(TOKEN))
    }

    /// `/restapi/v2.1/accounts/{account}`.
    pub(crate) fn restapi(&self) -> Client {
        Client::new(format!("{}/restapi/v2.1/accounts/{ACCOUNT}", self.url), Some(TOKEN))
    }

    /// What a script is told, by name of the environment variable.
    pub(crate) fn for_scripts(&self) -> Vec<(&'static str, String)> {
        let mut told = vec![("TARGET_URL", self.url.clone()), ("TARGET_ACCOUNT", ACCOUNT.to_owned()), ("TARGET_TOKEN", TOKEN.to_owned())];
        if let (Some(https), Some(ca)) = (&self.https, &self.ca) {
            told.push(("TARGET_HTTPS_URL", https.clone()));
            told.push(("TARGET_CA", ca.display().to_string()));
        }
        if let Some(authority) = &self.authority {
            told.push(("TARGET_AUTHORITY", authority.clone()));
        }
        told
    }

    /// The processes that it has started and that have not ended, by their ids.
    pub(crate) fn children(&self) -> Vec<u32> {
        self.running.children()
    }

    /// The most memory it has held so far, in bytes.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        self.running.memory_peak_bytes()
    }

    /// What it has said, for a failing test.
    pub(crate) fn words(&self) -> String {
        self.running.words()
    }

    async fn ready(&self) {
        let reply = Client::new(self.url.clone(), None).send(http::Method::GET, "/readyz", None).await;
        match reply {
            Ok(reply) if reply.status == 200 => {}
            other => panic!("the server is not ready: {other:?}{}", self.words()),
        }
    }
}
