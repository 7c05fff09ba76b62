//! A scene: a fresh server, a sink, and subscriptions between them, as a course wants them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use countersign_authority::{Client, Running, Settings};
use tempfile::TempDir;

use super::{
    bare::Errand,
    child::{Server, Wanted},
    load::Load,
    sink::{Connections, Manner, Sink, Terms},
};
use crate::dev_tls::{self, ClientCertificates};

/// The client that the server is at the authorization server.
const CLIENT: (&str, &str) = ("bench", "bench-secret-bench-secret-bench");
/// About what a signed token of the development authorization server takes.
const BEARER_BYTES: usize = 500;
/// The bare client posts as often as there are deliveries, and at least so often, lest warming up is what counts.
const BARE_POSTS_MIN: u64 = 10_000;
/// But no more bytes than this beyond the number of deliveries.
const BARE_BYTES_MAX: u64 = 1 << 30;

/// How messages travel to the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In clear, on kept connections.
    Plain,
    /// Over TLS.
    Tls(Connections),
}

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// The case, as aims name it.
    pub(crate) name: &'static str,
    /// Events posted and counted.
    pub(crate) events: u64,
    /// Size of their data, in bytes.
    pub(crate) bytes: usize,
    /// Events in one request.
    pub(crate) per_request: u64,
    /// Subscriptions that want each event.
    pub(crate) fan_out: u64,
    /// Keys that sign each message.
    pub(crate) keys: usize,
    /// How messages travel.
    pub(crate) transport: Transport,
    /// With bearer tokens of this life.
    pub(crate) token_life: Option<Duration>,
    /// What is stored is compressed.
    pub(crate) compression: bool,
}

impl Course {
    /// 20,000 events of 2 KiB posted one by one, each for one subscription, signed with one key.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            events: 20_000,
            bytes: 2_048,
            per_request: 1,
            fan_out: 1,
            keys: 1,
            transport: Transport::Plain,
            token_life: None,
            compression: false,
        }
    }

    /// Deliveries counted.
    pub(crate) fn deliveries(&self) -> u64 {
        self.events * self.fan_out
    }
}

/// A server with its surroundings.
pub(crate) struct Scene {
    /// The server.
    pub(crate) server: Server,
    /// The sink.
    pub(crate) sink: Sink,
    /// The authorization server, where tokens are used.
    pub(crate) authority: Option<Running>,
    ca: Option<PathBuf>,
    // Last, so that what lives in it goes first.
    _folder: TempDir,
}

impl Scene {
    /// With fresh data.
    pub(crate) async fn open(course: &Course) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the server's data")?;
        let (terms, ca) = match course.transport {
            Transport::Plain => (Terms::plain(Manner::Prompt), None),
            Transport::Tls(connections) => {
                let (mut tls, ca) = dev_tls::listener_config(folder.path(), &ClientCertificates::NotAsked)?;
                Arc::make_mut(&mut tls).alpn_protocols = vec![b"http/1.1".to_vec()];
                (Terms { manner: Manner::Prompt, connections, tls: Some(tls) }, Some(ca))
            }
        };
        let sink = Sink::start_on(terms, std::net::TcpListener::bind("127.0.0.1:0").context("the sink cannot listen")?)?;
        let authority = match course.token_life {
            None => None,
            Some(life) => {
                let mut settings = Settings::new("http://127.0.0.1").client(Client::with_secret_basic(CLIENT.0, CLIENT.1));
                settings.token_lifetime = life;
                Some(Running::start(settings).await.context("the authorization server")?)
            }
        };
        let further: &[&str] = if course.compression { &["--compression", "true"] } else { &[] };
        let server = Server::start(&folder.path().join("data"), further).await?;
        server.make_keys(course.keys).await?;
        if let Some(ca) = &ca {
            server.trust(&std::fs::read_to_string(ca)?).await?;
        }
        if let Some(authority) = &authority {
            server.connect(&authority.token_endpoint(), CLIENT.0, CLIENT.1).await?;
        }
        let scheme = if ca.is_some() { "https" } else { "http" };
        for number in 0..course.fan_out {
            let url = format!("{scheme}://{}/s{number}", sink.address);
            server.subscribe(&Wanted { oauth: authority.is_some(), ..Wanted::new(format!("bench {number}"), url) }).await?;
        }
        Ok(Self { server, sink, authority, ca, _folder: folder })
    }

    /// What posts its events.
    pub(crate) fn load(&self, course: &Course) -> Load {
        let load = Load::new(self.server.api.clone(), self.server.events_path(), course.bytes);
        Load { per_request: course.per_request, ..load }
    }

    /// What the bare client does for comparison: the same POSTs to the same sink.
    pub(crate) fn errand(&self, course: &Course, in_flight: usize) -> Errand {
        let at_least = BARE_POSTS_MIN.min(BARE_BYTES_MAX / course.bytes.max(1) as u64);
        Errand {
            sink: self.sink.address,
            posts: course.deliveries().max(at_least),
            body_bytes: course.bytes,
            at_once: in_flight,
            keys: course.keys,
            ca: self.ca.clone(),
            bearer_bytes: course.token_life.map(|_| BEARER_BYTES),
        }
    }
}
