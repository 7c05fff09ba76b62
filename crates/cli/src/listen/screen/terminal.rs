//! The real terminal: drawn on, listened to for keys, and given back as it was, whatever happens.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    curl,
    draw::draw,
    view::{Act, Key, View},
};
use crate::{
    listen::{
        arrival::Forwarded,
        outlet::Outflow,
        receiver::{Again, Receiver},
    },
    output::{cut, escape},
};

/// How often the keyboard is asked whether it was stopped.
const KEYS_PATIENCE: Duration = Duration::from_millis(100);
/// Keys that wait, at most: nobody types faster.
const KEYS_MAX: usize = 64;
/// What is told between two drawings, at most.
const TOLD_PER_FRAME: usize = 256;
/// Longest text for the clipboard, in bytes: terminals take no more.
const CLIPBOARD_BYTES_MAX: usize = 64 * 1024;

/// What a person asked for and what came of it.
type Answered = (u64, Result<Vec<Forwarded>, String>);

/// Shows the list until a person quits or `stop` is cancelled. The terminal is as before when it returns, and after a panic.
pub(crate) async fn run(
    outflow: Outflow,
    receiver: &Arc<Receiver>,
    title: String,
    origin: &str,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    // This also hangs itself before the panic hook.
    let mut terminal = ratatui::try_init().context("the terminal cannot be drawn on; pipe the output or use --json")?;
    let done = watch(&mut terminal, outflow, receiver, title, origin, stop).await;
    ratatui::restore();
    done
}

async fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    mut outflow: Outflow,
    receiver: &Arc<Receiver>,
    title: String,
    origin: &str,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (keys_in, mut keys) = mpsc::channel(KEYS_MAX);
    let ended = Arc::new(AtomicBool::new(false));
    let keyboard = read_keys(keys_in, Arc::clone(&ended));
    let (answer, mut answers) = mpsc::channel::<Answered>(KEYS_MAX);
    let mut view = View::new(title);
    let mut batch = Vec::with_capacity(TOLD_PER_FRAME);
    let done = loop {
        view.untold += outflow.take_untold();
        if let Err(error) = terminal.draw(|frame| draw(&view, frame)) {
            break Err(error.into());
        }
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            count = outflow.queue.recv_many(&mut batch, TOLD_PER_FRAME) => match count {
                0 => break Ok(()),
                _ => batch.drain(..).for_each(|told| view.told(told)),
            },
            Some((number, answered)) = answers.recv() => match answered {
                Ok(forwarded) => {
                    view.note = match forwarded.len() {
                        0 => format!("recorded again: {number} is forwarded by the inbox"),
                        _ => format!("forwarded again: {number}"),
                    };
                    view.book.forwarded_again(number, forwarded);
                }
                Err(why) => view.note = escape(&why).into_owned(),
            },
            key = keys.recv() => match key {
                None => break Ok(()),
                // The terminal was resized.
                Some(None) => {}
                Some(Some(key)) => match view.pressed(key) {
                    Act::Nothing => {}
                    Act::Quit => break Ok(()),
                    Act::ForwardAgain(number) => forward_again(&mut view, receiver, number, answer.clone()),
                    Act::Copy(number) => copy(&mut view, number, origin),
                },
            },
        }
    };
    ended.store(true, Ordering::Relaxed);
    let _ = keyboard.join();
    done
}

/// A thread, since a terminal can only be waited for by blocking. `None` is a new size.
fn read_keys(keys: mpsc::Sender<Option<Key>>, ended: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            let read = match event::poll(KEYS_PATIENCE) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let told = match read {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => match key_of(key.code, key.modifiers) {
                    Some(key) => Some(key),
                    None => continue,
                },
                Ok(Event::Resize(..)) => None,
                Ok(_) => continue,
                // The terminal is gone.
                Err(_) => return,
            };
            if keys.blocking_send(told).is_err() {
                return;
            }
        }
    })
}

fn key_of(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    Some(match code {
        KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Key::Interrupt,
        KeyCode::Char(_) if modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}

fn forward_again(view: &mut View, receiver: &Arc<Receiver>, number: u64, answer: mpsc::Sender<Answered>) {
    let Some(arrival) = view.book.get(number).cloned() else { return };
    view.note = "forwarding again".to_owned();
    let receiver = Arc::clone(receiver);
    tokio::spawn(async move {
        let answered = match receiver.again(&arrival).await {
            Again::Forwarded(forwarded) => Ok(forwarded),
            Again::Recorded => Ok(Vec::new()),
            Again::Not(why) => Err(why),
        };
        // Nobody hears when the screen is closed.
        let _ = answer.send((number, answered)).await;
    });
}

/// Shows the command, and asks the terminal to put it on the clipboard (OSC 52).
fn copy(view: &mut View, number: u64, origin: &str) {
    let Some(arrival) = view.book.get(number) else { return };
    let command = curl::command(arrival, origin);
    view.note = if command.len() > CLIPBOARD_BYTES_MAX {
        "the message is too long for the clipboard".to_owned()
    } else {
        let mut out = std::io::stdout();
        // Base64 holds nothing that a terminal obeys. Those without a clipboard pass over it.
        let _ = write!(out, "\x1b]52;c;{}\x07", STANDARD.encode(&command)).and_then(|()| out.flush());
        format!("copied: {}", cut(&escape(&command), 300))
    };
}
