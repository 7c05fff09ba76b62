//! PDFs that came from outside are read by a process of its own: this program once more, with little memory, little time and nothing
//! to know. It is given the documents on its standard input and answers on its standard output.
//!
//! Its word is looked for before the command line is: it is no command for people, has no help and stands in no completion.

use std::{
    ffi::OsString,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use bytes::Bytes;
use countersign_server::documents::{
    Press,
    press::{FRAME_BYTES_MAX, Frame, Jam, Order, Product},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// The one argument of the process.
const WORD: &str = "read-documents";
/// Memory that it may fill, in bytes: many times what the largest real files take. Counted is what can be written to (`RLIMIT_DATA`,
/// Linux 4.7 and later), since allocators set aside far more addresses than they fill.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// Processor time it may take, in seconds. It is stopped long before; this ends it when there is nobody left to do that.
const PROCESSOR_SECONDS_MAX: u64 = 60;
/// What Linux is told to end first when the whole machine runs out of memory; 1,000 is the most.
const FIRST_TO_GO: &str = "1000";
/// Settings of the allocator, where it is mimalloc: addresses that it sets aside do not count as filled.
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("MIMALLOC_EAGER_COMMIT", "0")];

/// True when this process was started to read documents.
pub(crate) fn is_asked_for() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == WORD)
}

/// Carries out the order on standard input. Anything that goes wrong ends the process, which tells enough.
pub(crate) fn answer() -> ExitCode {
    let answered = || {
        confine().ok()?;
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(FRAME_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
        let made = Order::parse(bytes.into()).ok()?.carry_out().frame().ok()?;
        let mut out = std::io::stdout().lock();
        made.pieces().try_for_each(|piece| out.write_all(piece)).and_then(|()| out.flush()).ok()
    };
    answered().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// Takes from this process what reading documents does not need, before it has seen one.
#[cfg(unix)]
fn confine() -> rustix::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    for (resource, most) in [(Resource::Core, 0), (Resource::Data, MEMORY_BYTES_MAX), (Resource::Cpu, PROCESSOR_SECONDS_MAX)] {
        // Whoever started the server may have set less.
        let most = getrlimit(resource).maximum.map_or(most, |set| set.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    // Where there is no such file nobody is chosen to go, either.
    let _ = std::fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
    Ok(())
}

#[cfg(not(unix))]
fn confine() -> Result<(), std::convert::Infallible> {
    Ok(())
}

/// Has each order carried out by a process that ends with it.
#[derive(Clone, Debug)]
pub(crate) struct Apart {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Apart {
    /// With this very program.
    ///
    /// # Errors
    /// When the system does not tell where it is.
    pub(crate) fn try_new() -> std::io::Result<Self> {
        // Leads to the program that runs even after an update has put another in its place.
        let running = Path::new("/proc/self/exe");
        let program = if running.exists() { running.to_owned() } else { std::env::current_exe()? };
        Ok(Self { program, arguments: vec![WORD.into()] })
    }

    fn start(&self) -> Result<Child, Jam> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(ALLOCATOR)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Jam::Closed(format!("no process can be started for it: {error}")))
    }
}

#[async_trait::async_trait]
impl Press for Apart {
    async fn carry_out(&self, order: Order, time_max: Duration) -> Result<Product, Jam> {
        let order = order.frame().map_err(|_| Jam::Broken)?;
        let mut child = self.start()?;
        let made = tokio::time::timeout(time_max, exchange(&mut child, &order)).await;
        // It has answered, failed or had its time. Killing what has ended does nothing; in any case it is waited for.
        if let Err(error) = child.kill().await {
            tracing::warn!(%error, "the process that read documents could not be ended");
        }
        let bytes = made.map_err(|_| Jam::TooSlow)?.map_err(|_| Jam::Broken)?;
        Product::parse(bytes).map_err(|_| Jam::Broken)
    }
}

/// Gives it the order and takes what it answers, both at once: one that answers before it has read everything must not make either
/// wait for the other. When it dies over it the answer is nothing.
async fn exchange(child: &mut Child, order: &Frame) -> std::io::Result<Bytes> {
    let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else { return Ok(Bytes::new()) };
    let give = async move {
        for piece in order.pieces() {
            to.write_all(piece).await?;
        }
        // It begins when it has seen the end, which comes with dropping the pipe here.
        Ok(())
    };
    let take = async {
        let mut bytes = Vec::new();
        from.take(FRAME_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await?;
        Ok(bytes)
    };
    tokio::try_join!(give, take).map(|((), bytes)| bytes.into())
}

#[cfg(all(test, unix))]
mod tests {
    use countersign_server::documents::{File, press::Task};

    use super::*;

    fn apart(program: &str, arguments: &[&str]) -> Apart {
        Apart { program: program.into(), arguments: arguments.iter().map(Into::into).collect() }
    }

    fn order() -> Order {
        Order { task: Task::Measure, files: vec![File { name: "a".into(), extension: "pdf".into(), bytes: vec![b'x'; 1 << 20].into() }] }
    }

    #[tokio::test]
    async fn whoever_answers_nonsense_dies_or_stays_silent_is_told_apart() {
        for (row, apart, expected) in [
            ("gone at once", apart("/bin/sh", &["-c", "exit 3"]), Jam::Broken),
            ("gone without a word", apart("/bin/sh", &["-c", "cat >/dev/null"]), Jam::Broken),
            ("an echo", apart("/bin/cat", &[]), Jam::Broken),
            ("killed", apart("/bin/sh", &["-c", "kill -9 $$"]), Jam::Broken),
        ] {
            assert_eq!(apart.carry_out(order(), Duration::from_secs(60)).await, Err(expected), "{row}");
        }
        let silent = apart("/bin/sh", &["-c", "exec cat /dev/zero >/dev/null"]);
        assert_eq!(silent.carry_out(order(), Duration::from_millis(50)).await, Err(Jam::TooSlow));
        let nobody = apart("/nowhere/countersign", &[]).carry_out(order(), Duration::from_secs(60)).await;
        assert!(matches!(nobody, Err(Jam::Closed(_))), "{nobody:?}");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_kept() {
        let endless = apart("/bin/sh", &["-c", "cat >/dev/null; exec cat /dev/zero"]);
        assert_eq!(endless.carry_out(order(), Duration::from_secs(60)).await, Err(Jam::Broken));
    }
}
