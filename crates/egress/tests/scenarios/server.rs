//! A server that does what a test tells it, byte by byte.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign_core::{Timestamp, address::TargetPolicy};
use countersign_egress::{Clock, Egress, Resolve, Resolved, Roots, Settings, Target};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Request line and headers, as sent.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The client's certificate, if it showed one.
    pub(crate) client_certificate: Option<Vec<u8>>,
    /// Counted from 1.
    pub(crate) connection: usize,
}

impl Seen {
    /// The values of a header, by its exact spelling.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.head.lines().skip(1).filter_map(|line| line.split_once(": ")).filter(|(key, _)| *key == name).map(|(_, value)| value).collect()
    }
}

/// What the server does next.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Writes and waits for the next request.
    Write(Vec<u8>),
    /// Writes and closes.
    WriteAndClose(Vec<u8>),
    /// Writes and then does nothing, for ever.
    WriteAndHang(Vec<u8>),
    /// Writes the first part once and the second again and again, until the client has had enough.
    Endless(Vec<u8>, Vec<u8>),
    /// Resets the connection.
    Reset,
}

/// `200` with a text.
pub(crate) fn ok(text: &str) -> Reply {
    answer("200 OK", &[], text)
}

/// Any answer with `Content-Length`.
pub(crate) fn answer(status: &str, headers: &[&str], text: &str) -> Reply {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", text.len());
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    Reply::Write(format!("{head}\r\n{text}").into_bytes())
}

type Handler = Arc<dyn Fn(Seen) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

/// A listener on loopback. It ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    /// One message when a connection has ended.
    pub(crate) ended: tokio::sync::Mutex<mpsc::UnboundedReceiver<Ended>>,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) bytes_written: usize,
}

struct State {
    handler: Handler,
    tls: Option<TlsAcceptor>,
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Server {
    /// Answers every request by the handler.
    pub(crate) async fn start<F: Future<Output = Reply> + Send + 'static>(handler: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self {
        Self::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None, handler).await
    }

    /// The same for all requests.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_| std::future::ready(reply.clone())).await
    }

    /// Over TLS.
    pub(crate) async fn start_tls<F: Future<Output = Reply> + Send + 'static>(
        config: rustls::ServerConfig,
        handler: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Some(Arc::new(config).into()), handler).await
    }

    pub(crate) async fn listen<F: Future<Output = Reply> + Send + 'static>(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        handler: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, ended) = mpsc::unbounded_channel();
        let handler: Handler = Arc::new(move |seen| Box::pin(handler(seen)));
        let state = Arc::new(State { handler, tls, connections: AtomicUsize::new(0), seen: Mutex::default(), ended: sender });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(serve(Arc::clone(&shared), stream, number));
            }
        });
        Self { address, state, ended: tokio::sync::Mutex::new(ended) }
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Requests read so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// `http://` and the address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The target of `http://` and the address.
    pub(crate) fn target(&self, path: &str) -> Target {
        target(&self.url(path))
    }

    /// Waits for the end of a connection.
    pub(crate) async fn next_end(&self) -> Ended {
        self.ended.lock().await.recv().await.unwrap()
    }
}

pub(crate) fn target(url: &str) -> Target {
    Target::try_new(&url.parse().unwrap()).unwrap()
}

async fn serve(state: Arc<State>, stream: TcpStream, connection: usize) {
    let mut written = 0;
    match &state.tls {
        None => {
            let mut stream = stream;
            if let After::Reset = converse(&state, &mut stream, None, connection, &mut written).await {
                stream.set_zero_linger().unwrap();
            }
        }
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec());
                converse(&state, &mut { stream }, certificate, connection, &mut written).await;
            }
        }
    }
    // The test may be over.
    drop(state.ended.send(Ended { bytes_written: written }));
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    state: &State,
    stream: &mut S,
    client_certificate: Option<Vec<u8>>,
    connection: usize,
    written: &mut usize,
) -> After {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read_request(stream, &mut buffer).await {
        let seen = Seen { head, body, client_certificate: client_certificate.clone(), connection };
        state.seen.lock().unwrap().push(seen.clone());
        let (bytes, after) = match (state.handler)(seen).await {
            Reply::Write(bytes) => (bytes, After::Next),
            Reply::WriteAndClose(bytes) => (bytes, After::Close),
            Reply::WriteAndHang(bytes) => (bytes, After::Hang),
            Reply::Endless(bytes, again) => (bytes, After::Repeat(again)),
            Reply::Reset => (Vec::new(), After::Reset),
        };
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return After::Close;
        }
        *written += bytes.len();
        match &after {
            After::Next => {}
            After::Close | After::Reset => return after,
            After::Hang => {
                // Until the client gives up.
                let mut rest = [0; 64];
                while matches!(stream.read(&mut rest).await, Ok(1..)) {}
                return after;
            }
            After::Repeat(again) => {
                while stream.write_all(again).await.is_ok() {
                    *written += again.len();
                }
                return after;
            }
        }
    }
    After::Close
}

/// What comes after the bytes of a reply.
enum After {
    Next,
    Close,
    Reset,
    Hang,
    Repeat(Vec<u8>),
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let length: usize = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |text| text.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        let mut chunk = [0; 8_192];
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => buffer.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}

/// For development: loopback and `http` are open.
pub(crate) fn egress() -> Egress {
    egress_with(patient())
}

pub(crate) fn egress_with(settings: Settings) -> Egress {
    Egress::new(settings, TargetPolicy::dev(), &no_roots()).unwrap()
}

/// A root that has signed nothing, for tests that do without TLS: reading the system's takes its time.
pub(crate) fn no_roots() -> Roots {
    static PEM: OnceLock<String> = OnceLock::new();
    Roots::Only(PEM.get_or_init(|| Authority::new("unused").pem).clone())
}

/// Short times, for a test that waits for one of them to run out.
pub(crate) fn quick() -> Settings {
    Settings {
        total_timeout: Duration::from_millis(400),
        body_timeout: Duration::from_millis(200),
        token_timeout: Duration::from_millis(400),
        tls_timeout: Duration::from_millis(200),
        ..Settings::default()
    }
}

/// Times that no test reaches.
pub(crate) fn patient() -> Settings {
    Settings::default()
}

/// Always the same answer.
pub(crate) struct FixedResolver(pub(crate) Vec<std::net::IpAddr>);

impl Resolve for FixedResolver {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolved<'a> {
        let addresses = self.0.iter().map(|address| SocketAddr::new(*address, port)).collect();
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// A clock that goes when it is told to.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(Timestamp::from_secs(1_700_000_000).as_micros())))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A certificate authority for tests.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A CA below this one.
    pub(crate) fn intermediate(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key (PEM) for a name.
    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A server's configuration from PEM.
pub(crate) fn server_config(certificate_pem: &str, key_pem: &str) -> rustls::ServerConfig {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// DER of the first certificate of a PEM.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}
