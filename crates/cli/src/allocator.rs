//! The allocator, and how it keeps what a burst has left.

use std::process::Command;

/// Small values are made and freed by the dozen for each delivery, often on another thread than the one that made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's option: for how long a page that is free stays with the process, in milliseconds.
const OPTION: &str = "MIMALLOC_PURGE_DELAY";
/// A second, as later versions of it have by default. Traffic comes in bursts, one for each commit; with mimalloc's 10 ms a page that one
/// burst has left is given back to the system before the next one asks for it, and its first touch costs a fault: a tenth of the
/// processor time of a delivery, for 2 to 5 MB of memory.
const KEPT_FOR: &str = "1000";

/// Sets the option for a process that lives long. mimalloc reads its options from the environment, once, before `main`; so the process
/// starts its program anew with the option set: the same process id, arguments and files. Whoever has set the option keeps it. Where that
/// does not work everything goes on as it is, only dearer.
pub(crate) fn keep_pages() {
    if std::env::var_os(OPTION).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut anew = Command::new(program);
    anew.env(OPTION, KEPT_FOR);
    let name = arguments.next();
    anew.args(arguments);
    start_anew(anew, name);
}

#[cfg(unix)]
fn start_anew(mut program: Command, name: Option<std::ffi::OsString>) {
    use std::os::unix::process::CommandExt as _;
    if let Some(name) = name {
        program.arg0(name);
    }
    // Comes back only when it failed.
    let _ = program.exec();
}

#[cfg(not(unix))]
fn start_anew(_program: Command, _name: Option<std::ffi::OsString>) {}
