//! A proxy that makes the network bad.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Bytes carried at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// Connections carried at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 1_024;

/// What the proxy does. A change takes effect on open connections too, at their next byte at the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyMode {
    /// Carries bytes both ways.
    #[default]
    Pass,
    /// Carries each piece (up to 16 KiB) only after this time, both ways.
    Delay(Duration),
    /// Closes connections. With bytes unread the system turns that into a reset, as it does for any server.
    Drop,
    /// Resets connections (RST).
    Reset,
    /// Ends the answering half at once (the client sees FIN); what the client sends is still carried.
    HalfClose,
    /// Accepts connections, reads everything and carries nothing.
    BlackHole,
    /// Closes a connection on which the client sends these bytes in one piece, without carrying them.
    CutBefore(&'static [u8]),
    /// Carries these bytes of the client and closes the connection: whether they did anything the client does not hear.
    CutBehind(&'static [u8]),
    /// Carries this many bytes of the answers on a connection, then closes it.
    CutAnswerAfter(usize),
    /// Carries this many bytes of the answers on a connection, then resets it.
    ResetAnswerAfter(usize),
}

/// Numbers of one proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Bytes carried from clients.
    pub bytes_up: u64,
    /// Bytes carried to clients.
    pub bytes_down: u64,
}

/// A TCP proxy on 127.0.0.1 in front of one address. It and its connections end when this is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    mode: watch::Sender<ProxyMode>,
    counts: Arc<watch::Sender<ProxyCounts>>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts a proxy in front of this address; it passes everything until told otherwise.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(upstream: SocketAddr) -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the system has a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let mode = watch::Sender::default();
        let counts = Arc::new(watch::Sender::default());
        let route = Route { upstream, mode: mode.subscribe(), counts: Arc::clone(&counts) };
        let accepting = tokio::spawn(accept(socket, route));
        Self { address, mode, counts, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves like this from now on.
    pub fn set(&self, mode: ProxyMode) {
        self.mode.send_replace(mode);
    }

    /// The numbers as they are now.
    #[must_use]
    pub fn counts(&self) -> ProxyCounts {
        *self.counts.borrow()
    }

    /// Waits until the numbers are as wanted, and gives them.
    ///
    /// # Panics
    /// After 30 seconds.
    pub async fn wait_until(&self, wanted: impl FnMut(&ProxyCounts) -> bool) -> ProxyCounts {
        let patience = Duration::from_secs(30);
        let mut counts = self.counts.subscribe();
        match tokio::time::timeout(patience, counts.wait_for(wanted)).await {
            Ok(Ok(counts)) => *counts,
            _ => panic!("the proxy waited {patience:?} in vain; it saw {:?}", self.counts()),
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What a connection needs to know.
#[derive(Clone)]
struct Route {
    upstream: SocketAddr,
    mode: watch::Receiver<ProxyMode>,
    counts: Arc<watch::Sender<ProxyCounts>>,
}

/// Why a connection ends before both sides are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Close,
    Reset,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// One less open connection, whatever way it ends.
struct Open(Arc<watch::Sender<ProxyCounts>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.open_connections -= 1);
    }
}

/// Accepts connections for ever; their tasks end with this one.
async fn accept(socket: TcpListener, route: Route) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept(), if connections.len() < CONNECTIONS_MAX => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(carry(client, route.clone()));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn carry(mut client: TcpStream, mut route: Route) {
    route.counts.send_modify(|counts| {
        counts.connections += 1;
        counts.open_connections += 1;
    });
    let _open = Open(Arc::clone(&route.counts));
    let end = match on_arrival(&mut client, &mut route.mode).await {
        Some(end) => end,
        None => match TcpStream::connect(route.upstream).await {
            Ok(mut upstream) => {
                let end = both_ways(&mut client, &mut upstream, &route).await;
                finish(&upstream, end);
                end
            }
            // As if the upstream's own refusal came through, one step later.
            Err(_) => End::Reset,
        },
    };
    finish(&client, end);
}

/// Modes that do not touch the upstream. `None`: go on to it.
async fn on_arrival(client: &mut TcpStream, mode: &mut watch::Receiver<ProxyMode>) -> Option<End> {
    let now = *mode.borrow_and_update();
    match now {
        ProxyMode::Drop => Some(End::Close),
        ProxyMode::Reset => Some(End::Reset),
        ProxyMode::BlackHole => {
            let mut swallowed = [0; PIECE_BYTES];
            loop {
                tokio::select! {
                    // Bytes are lost by now, so that no other mode can go on with this connection.
                    changed = mode.changed() => return Some(match changed {
                        Ok(()) if *mode.borrow_and_update() == ProxyMode::Reset => End::Reset,
                        _ => End::Close,
                    }),
                    read = client.read(&mut swallowed) => match read {
                        Ok(0) | Err(_) => return Some(End::Close),
                        Ok(_) => {}
                    },
                }
            }
        }
        _ => None,
    }
}

async fn both_ways(client: &mut TcpStream, upstream: &mut TcpStream, route: &Route) -> End {
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    let up = pump(from_client, to_upstream, Direction::Up, route.clone());
    let down = pump(from_upstream, to_client, Direction::Down, route.clone());
    match tokio::try_join!(up, down) {
        Ok(((), ())) => End::Close,
        Err(end) => end,
    }
}

/// Carries one direction until its source ends (`Ok`) or the connection shall end (`Err`).
async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, direction: Direction, route: Route) -> Result<(), End> {
    let Route { mut mode, counts, .. } = route;
    let mut carried = 0;
    let mut piece = vec![0; PIECE_BYTES];
    // The mode in force now is new to this connection.
    mode.mark_changed();
    loop {
        let read = tokio::select! {
            biased;
            changed = mode.changed() => {
                if changed.is_err() {
                    return Err(End::Close);
                }
                let now = *mode.borrow_and_update();
                take_effect(now, direction, &mut to).await?;
                continue;
            }
            read = from.read(&mut piece) => read,
        };
        let bytes = match read {
            Ok(0) => {
                let _ = to.shutdown().await;
                return Ok(());
            }
            Ok(read) => &piece[..read],
            Err(_) => return Err(End::Reset),
        };
        let now = *mode.borrow();
        let is_sent = |sought: &[u8]| direction == Direction::Up && bytes.windows(sought.len()).any(|part| part == sought);
        if matches!(now, ProxyMode::CutBefore(sought) if is_sent(sought)) {
            return Err(End::Close);
        }
        let allowed = allowance(now, direction, carried, bytes.len());
        if let ProxyMode::Delay(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&bytes[..allowed]).await.is_err() {
            return Err(End::Reset);
        }
        carried += allowed;
        counts.send_modify(|counts| match direction {
            Direction::Up => counts.bytes_up += allowed as u64,
            Direction::Down => counts.bytes_down += allowed as u64,
        });
        match now {
            ProxyMode::CutBehind(sought) if is_sent(sought) => return Err(End::Close),
            ProxyMode::CutAnswerAfter(limit) if direction == Direction::Down && carried >= limit => return Err(End::Close),
            ProxyMode::ResetAnswerAfter(limit) if direction == Direction::Down && carried >= limit => return Err(End::Reset),
            _ => {}
        }
    }
}

/// What a mode does to a direction as soon as it is set.
async fn take_effect(mode: ProxyMode, direction: Direction, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), End> {
    match mode {
        ProxyMode::Drop => Err(End::Close),
        ProxyMode::Reset => Err(End::Reset),
        ProxyMode::HalfClose if direction == Direction::Down => {
            let _ = to.shutdown().await;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How many of these bytes may be carried.
fn allowance(mode: ProxyMode, direction: Direction, carried: usize, wanted: usize) -> usize {
    match (mode, direction) {
        (ProxyMode::BlackHole, _) | (ProxyMode::HalfClose, Direction::Down) => 0,
        (ProxyMode::CutAnswerAfter(limit) | ProxyMode::ResetAnswerAfter(limit), Direction::Down) => {
            wanted.min(limit.saturating_sub(carried))
        }
        _ => wanted,
    }
}

fn finish(stream: &TcpStream, end: End) {
    if end == End::Reset {
        // Closing with zero linger sends RST in place of FIN.
        let _ = stream.set_zero_linger();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_limits_only_what_it_is_about() {
        let rows = [
            (ProxyMode::Pass, Direction::Down, 0, 10),
            (ProxyMode::BlackHole, Direction::Up, 0, 0),
            (ProxyMode::BlackHole, Direction::Down, 0, 0),
            (ProxyMode::HalfClose, Direction::Up, 0, 10),
            (ProxyMode::HalfClose, Direction::Down, 0, 0),
            (ProxyMode::CutAnswerAfter(4), Direction::Down, 0, 4),
            (ProxyMode::CutAnswerAfter(4), Direction::Down, 3, 1),
            (ProxyMode::CutAnswerAfter(4), Direction::Down, 9, 0),
            (ProxyMode::CutAnswerAfter(4), Direction::Up, 0, 10),
            (ProxyMode::ResetAnswerAfter(20), Direction::Down, 5, 10),
        ];
        for (mode, direction, carried, expected) in rows {
            assert_eq!(allowance(mode, direction, carried, 10), expected, "{mode:?} after {carried}");
        }
    }
}
