//! One connection of a listener, from handshake to end.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    answer::{AnswerBody, Ending, NoAnswer},
    received::Received,
    script::Script,
    socket::{Socket, SocketControl},
};

/// Bytes of one body; the largest message that is sent anywhere is 64 MiB.
const BODY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Header fields of one request: a hundred signatures and what else there is, with room to spare.
const HEADERS_MAX: usize = 512;

/// What every connection of a listener has in common.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) script: Script,
    pub(crate) bodies: Bodies,
}

/// What happens to request bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    Read,
    /// They stay in the sender's and the system's buffers.
    LeftUnread,
}

/// What is known about a connection before its first request.
#[derive(Clone, Debug)]
struct Peer {
    connection: u64,
    address: SocketAddr,
    certificate: Option<Vec<u8>>,
}

/// An open connection, until this is dropped.
struct Open<'a>(&'a Script);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.count(|counts| counts.open_connections -= 1);
    }
}

/// A request under way, until this is dropped: by its answer, or with its task because the client left.
struct InFlight<'a> {
    script: &'a Script,
    answered: bool,
}

impl<'a> InFlight<'a> {
    fn begin(script: &'a Script) -> Self {
        script.count(|counts| {
            counts.in_flight += 1;
            counts.in_flight_max = counts.in_flight_max.max(counts.in_flight);
        });
        Self { script, answered: false }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.script.count(|counts| {
            counts.in_flight -= 1;
            counts.abandoned += u64::from(!self.answered);
        });
    }
}

/// Serves a connection until one side ends it.
pub(crate) async fn serve(serving: Arc<Serving>, tls: Option<TlsAcceptor>, stream: TcpStream, address: SocketAddr) {
    let mut connection = 0;
    serving.script.count(|counts| {
        counts.connections += 1;
        counts.open_connections += 1;
        connection = counts.connections;
    });
    let _open = Open(&serving.script);
    let (socket, control) = Socket::new(stream);
    let peer = Peer { connection, address, certificate: None };
    let Some(tls) = tls else { return serve_http(&serving, socket, control, peer).await };
    match tls.accept(socket).await {
        Ok(stream) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|certificate| certificate.to_vec());
            serve_http(&serving, stream, control, Peer { certificate, ..peer }).await;
        }
        Err(_) => serving.script.count(|counts| counts.tls_failures += 1),
    }
}

async fn serve_http(serving: &Arc<Serving>, io: impl AsyncRead + AsyncWrite + Unpin + 'static, control: SocketControl, peer: Peer) {
    let service = service_fn(|request| answer(Arc::clone(serving), control.clone(), peer.clone(), request));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().max_headers(HEADERS_MAX);
    // It ends with an error whenever a test wants it to; what matters is in the counts.
    let _ = pin!(server.serve_connection(TokioIo::new(io), service)).await;
}

async fn answer(
    serving: Arc<Serving>,
    control: SocketControl,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, NoAnswer> {
    let script = &serving.script;
    let arrived_at = Instant::now();
    let mut in_flight = InFlight::begin(script);
    let (head, mut incoming) = request.into_parts();
    let (body, complete) = match serving.bodies {
        Bodies::Read => read(&mut incoming).await,
        Bodies::LeftUnread => (Bytes::new(), false),
    };
    // Before the request is recorded, so that a release right after it was seen is not missed.
    let mut releases = script.releases();
    let answer = script.record(Received {
        number: 0,
        connection: peer.connection,
        peer: peer.address,
        method: head.method,
        path: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
        version: head.version,
        headers: head.headers,
        body,
        complete,
        arrived_at,
        client_certificate: peer.certificate,
    });
    if let Some(delay) = answer.delay {
        tokio::time::sleep(delay).await;
    }
    if answer.held {
        // The sender lives in the script, so the channel is open.
        let _ = releases.changed().await;
    }
    in_flight.answered = true;
    control.drip(answer.drip);
    match answer.ending {
        Ending::Answered => Ok(answer.into_response()),
        Ending::Closed => Err(NoAnswer),
        Ending::Reset => {
            control.reset();
            Err(NoAnswer)
        }
    }
}

/// The body, and whether it came to its end.
async fn read(incoming: &mut Incoming) -> (Bytes, bool) {
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else { return (body.freeze(), false) };
        let Some(data) = frame.data_ref() else { continue };
        if body.len() + data.len() > BODY_BYTES_MAX {
            return (body.freeze(), false);
        }
        body.extend_from_slice(data);
    }
    (body.freeze(), true)
}
