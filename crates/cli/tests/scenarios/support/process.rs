//! A program that was started, what it says, and its end.

use std::{
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

/// Longest wait for a line or an end: far beyond what a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines kept of each stream; a program that says more has said enough.
const LINES_MAX: usize = 10_000;

/// A running program. It is killed when this is dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    out: Lines,
    err: Lines,
}

/// The lines of one stream so far.
struct Lines {
    kept: Arc<Mutex<Vec<String>>>,
    /// How many there are, and whether the stream has ended.
    seen: watch::Receiver<(usize, bool)>,
    reading: JoinHandle<()>,
}

impl Running {
    /// Starts a program. Its environment is ours without `COUNTERSIGN_*`: settings are given by the test or not at all.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("COUNTERSIGN_") && !is_set(&command, &variable) {
                command.env_remove(variable);
            }
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let out = Lines::of(child.stdout.take().expect("it is piped"));
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        Self { name: name.to_owned(), child, out, err }
    }

    /// The rest of the first line on stdout that begins so.
    pub(crate) async fn says(&mut self, beginning: &str) -> String {
        let found = self.says_what(|line| line.strip_prefix(beginning).map(str::to_owned)).await;
        found.unwrap_or_else(|| panic!("{} did not say '{beginning}'{}", self.name, self.words()))
    }

    /// What is found in the first line on stdout in which there is something; `None` when no such line came in time.
    pub(crate) async fn says_what<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.out.first(find).await
    }

    /// Waits for a line on stderr that holds these words.
    pub(crate) async fn notes(&self, words: &str) {
        let found = self.err.first(|line| line.contains(words).then_some(())).await;
        found.unwrap_or_else(|| panic!("{} did not note '{words}'{}", self.name, self.words()));
    }

    /// Waits for the end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        // A program that reads its input to the end must see one.
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(PATIENCE * 3, self.child.wait()).await;
        let Ok(status) = ended else { panic!("{} does not end{}", self.name, self.words()) };
        for lines in [&mut self.out, &mut self.err] {
            // What it said last is read before the words are looked at.
            let _ = lines.seen.wait_for(|(_, ended)| *ended).await;
        }
        status.expect("a child can be waited for")
    }

    /// Ends it like a crash: `SIGKILL`, without a word of warning.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Ends it like an operator: `SIGTERM`, and waits until it is gone.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM").await;
        self.end().await
    }

    /// Sends it a signal, such as `-STOP`.
    pub(crate) async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args([signal, &id]).status().await.expect("kill is a program");
        assert!(told.success(), "{} cannot be sent {signal}", self.name);
    }

    /// The processes that it has started and that have not ended, by their ids.
    pub(crate) fn children(&self) -> Vec<u32> {
        let parent = self.child.id().expect("it runs");
        let processes = std::fs::read_dir("/proc").expect("the system lists processes").flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|&id| state_of(id).is_some_and(|(state, of)| of == parent && state != 'Z')).collect()
    }

    /// The most memory it has held so far, in bytes; what its own children hold is not in it.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the system says what a process holds");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak.expect("its peak is among it") * 1_024
    }

    /// What it has said, for a failing test.
    pub(crate) fn words(&self) -> String {
        format!("\n--- {} on stdout\n{}\n--- on stderr\n{}\n---", self.name, self.out.all().join("\n"), self.err.all().join("\n"))
    }
}

impl Lines {
    fn of(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (sender, seen) = watch::channel((0, false));
        let filling = Arc::clone(&kept);
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let count = {
                    let mut kept = filling.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.len() < LINES_MAX {
                        kept.push(line);
                    }
                    kept.len()
                };
                sender.send_replace((count, false));
            }
            sender.send_modify(|state| state.1 = true);
        });
        Self { kept, seen, reading }
    }

    async fn first<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut seen = self.seen.clone();
        let search = async {
            loop {
                if let Some(found) = self.all().iter().find_map(|line| find(line)) {
                    return Some(found);
                }
                if seen.borrow_and_update().1 || seen.changed().await.is_err() {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.ok().flatten()
    }

    fn all(&self) -> Vec<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// What a process does (`T` is halted, `Z` ended), and who started it; `None` when there is no such process.
pub(crate) fn state_of(id: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Its name stands in brackets, and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

fn is_set(command: &Command, variable: &std::ffi::OsStr) -> bool {
    command.as_std().get_envs().any(|(name, value)| name == variable && value.is_some())
}
