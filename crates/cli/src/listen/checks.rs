//! What is checked: flags become a [`Listener`] of the kit.

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Args;
use countersign_core::{Secret, id::AccountGuid};
use countersign_listener::{
    BasicCheck, BearerCheck, ClientCertificateCheck, Fetch, FetchFailed, Introspector, Jwks, JwtVerifier, Listener, ListenerBuilder,
    MemoryReplayGuard, MetadataLocation, REPLAY_WINDOW_SECONDS, TokenExpectations,
};
use countersign_signature::{HmacKey, standard_webhooks::StandardKey};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{proxied::ProxyArgs, watched::Watched};
use crate::{
    input::{Inputs, Source},
    misuse::Misuse,
    output,
    settings::ranges,
    trust,
};

/// Below it no message fits; above it the memory for all bodies together would not take one.
const BODY_BYTES: RangeInclusive<usize> = 1_024..=256 << 20;
/// How long connecting to an authorization server may take; the kit bounds the whole exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which checks a message must pass. Values that are secret take a value, env:NAME, @FILE or -.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
pub(crate) struct CheckArgs {
    /// Demand a Connect signature by this key: a value, env:NAME, @FILE or -; may be repeated
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    hmac_key: Vec<Source>,
    /// Demand a Standard Webhooks signature by this secret (whsec_...), not older than 5 minutes; may be repeated
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    standard_webhooks_key: Vec<Source>,
    /// Accept this user and password (user:password, or env:NAME, @FILE, -); may be repeated
    #[arg(long, value_name = "USER:PASSWORD", allow_hyphen_values = true)]
    basic: Vec<Source>,
    /// Accept JWT access tokens of this issuer, written as in its tokens; its keys are found by its metadata (RFC 8414)
    #[arg(long, value_name = "URL", requires = "audience")]
    issuer: Option<String>,
    /// Find the issuer's keys by OpenID Connect discovery instead
    #[arg(long, requires = "issuer", conflicts_with_all = ["jwks", "introspect"])]
    openid: bool,
    /// Take the issuer's keys from this URL
    #[arg(long, value_name = "URL", requires = "issuer", conflicts_with = "introspect")]
    jwks: Option<Uri>,
    /// Accept tokens that this introspection endpoint calls active (RFC 7662)
    #[arg(long, value_name = "URL", requires_all = ["introspect_client", "issuer"])]
    introspect: Option<Uri>,
    /// Client id and secret for the introspection endpoint (id:secret, or env:NAME, @FILE, -)
    #[arg(long, value_name = "ID:SECRET", requires = "introspect", allow_hyphen_values = true)]
    introspect_client: Option<Source>,
    /// Whom a token must be for (aud)
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// Which client a token must have been issued to (client_id or sub); may be repeated [default: any of the issuer]
    #[arg(long, value_name = "CLIENT", requires = "issuer")]
    client: Vec<String>,
    /// A scope that a token must have; may be repeated
    #[arg(long, value_name = "SCOPE", requires = "issuer")]
    scope: Vec<String>,
    /// Accept JWTs that do not follow RFC 9068 (typ JWT, no jti), as Entra ID and others issue them
    #[arg(long, requires = "issuer")]
    plain_jwt: bool,
    /// Trust the CAs of this PEM file besides the system's for the authorization server
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    proxy: ProxyArgs,
    /// With --require-client-cert or --client-cert-header: the DNS name that the certificate must bear; may be repeated
    /// [default: any that verifies]
    #[arg(long, value_name = "NAME")]
    client_cert_name: Vec<String>,
    /// Demand that X-DocuSign-AccountId is this account; may be repeated
    #[arg(long, value_name = "ID")]
    account: Vec<String>,
    /// Largest body taken, in bytes [default: 32 MiB]
    #[arg(long, value_name = "BYTES")]
    body_bytes_max: Option<usize>,
    /// Verify nothing and accept every message
    #[arg(long, conflicts_with_all = ["hmac_key", "standard_webhooks_key", "basic", "issuer", "introspect", "account"])]
    no_verify: bool,
}

/// The checks, ready.
pub(crate) struct Checks {
    /// `None`: nothing is checked.
    pub(crate) listener: Option<Listener>,
    /// The HMAC keys as text, for explaining a signature that does not match.
    pub(crate) keys: Vec<Secret>,
    /// What is checked, in a few words; no secrets.
    pub(crate) words: String,
    /// The largest body.
    pub(crate) body_bytes_max: usize,
}

/// Whether the TLS server demands a certificate of each client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientCertificates {
    /// It does not ask.
    NotAsked,
    /// Nobody gets past the handshake without.
    Demanded,
}

/// Whether messages that come twice are told apart by the kit, or by a store behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Replays {
    /// In memory.
    InMemory,
    /// By the store.
    ByTheStore,
}

impl CheckArgs {
    /// The checks.
    ///
    /// # Errors
    /// Misuse: nothing to check, a key that is none, a file that cannot be read.
    pub(crate) fn checks(&self, replays: Replays, certificates: ClientCertificates) -> anyhow::Result<Checks> {
        let mut inputs = Inputs::default();
        ranges::within("--body-bytes-max", self.body_bytes_max, &BODY_BYTES, "1024 to 268435456 (256 MiB)")?;
        let body_bytes_max = self.body_bytes_max.unwrap_or(countersign_listener::BODY_BYTES_MAX);
        if self.no_verify {
            return Ok(Checks { listener: None, keys: Vec::new(), words: "NOTHING IS VERIFIED (--no-verify)".to_owned(), body_bytes_max });
        }
        let mut words = Vec::new();
        let mut builder = Listener::builder().body_bytes_max(body_bytes_max);
        let proxy = self.proxy.proxy()?;
        if certificates == ClientCertificates::Demanded || proxy.is_some() {
            let mut check = ClientCertificateCheck::verified();
            for name in &self.client_cert_name {
                check = check.dns_name(name).map_err(|refused| Misuse::error(format!("--client-cert-name: {refused}")))?;
            }
            words.push(format!("client certificate{}", self.proxy.words().unwrap_or_default()));
            builder = builder.client_certificate(check);
            if let Some(proxy) = proxy {
                builder = builder.trusted_proxy(proxy);
            }
        } else if !self.client_cert_name.is_empty() {
            return Err(Misuse::error("--client-cert-name takes --require-client-cert, or --client-cert-header behind a proxy"));
        }
        let keys = self.hmac_keys(&mut inputs)?;
        if !keys.is_empty() {
            words.push(format!("HMAC with {} key{}", keys.len(), if keys.len() == 1 { "" } else { "s" }));
            builder = builder.hmac(keys.iter().map(|(key, _)| key.clone()));
        }
        let mut standard = Vec::new();
        for source in &self.standard_webhooks_key {
            let text = inputs.secret(source, "--standard-webhooks-key")?;
            let key = StandardKey::try_new(text.expose_secret());
            standard.push(key.map_err(|refused| Misuse::error(format!("--standard-webhooks-key: {refused}")))?);
        }
        if !standard.is_empty() {
            words.push("Standard Webhooks".to_owned());
            builder = builder.standard_webhooks(standard);
        }
        for source in &self.basic {
            let (user, password) = halves(&inputs.secret(source, "--basic")?, "--basic")?;
            words.push(format!("Basic as {}", output::escape(&user)));
            let check = BasicCheck::try_new(&user, password.expose_secret());
            builder = builder.basic(check.map_err(|refused| Misuse::error(format!("--basic: {refused}")))?);
        }
        if let Some((check, told)) = self.bearer(&mut inputs)? {
            words.push(told);
            builder = builder.bearer(check);
        }
        if words.is_empty() {
            return Err(Misuse::error(
                "nothing would be verified (--audience and --account say what a message that is verified must hold); give --hmac-key, --standard-webhooks-key, --basic, --issuer, --require-client-cert or --client-cert-header, or --no-verify to accept every message",
            ));
        }
        if let Some(other) = self.account.iter().find(|id| id.parse::<AccountGuid>().is_err()) {
            return Err(Misuse::error(format!(
                "--account: '{}' is no account id; write it as Connect sends it, like 8b411bfe-9e37-4d04-8d0e-b5a3b6a4a1b2",
                output::escape(other)
            )));
        }
        if !self.account.is_empty() {
            words.push(format!("account {}", output::escape(&self.account.join(" or "))));
            builder = builder.account_ids(self.account.iter().cloned());
        }
        let listener = watched(guarded(builder, replays)).build().map_err(|refused| Misuse::error(refused.to_string()))?;
        Ok(Checks {
            listener: Some(listener),
            keys: keys.into_iter().map(|(_, text)| text).collect(),
            words: words.join(", "),
            body_bytes_max,
        })
    }

    fn hmac_keys(&self, inputs: &mut Inputs) -> anyhow::Result<Vec<(HmacKey, Secret)>> {
        let mut keys = Vec::with_capacity(self.hmac_key.len());
        for source in &self.hmac_key {
            let text = inputs.secret(source, "--hmac-key")?;
            let key = HmacKey::try_new(text.expose_secret()).map_err(|refused| Misuse::error(format!("--hmac-key: {refused}")))?;
            keys.push((key, text));
        }
        Ok(keys)
    }

    fn bearer(&self, inputs: &mut Inputs) -> anyhow::Result<Option<(BearerCheck, String)>> {
        let Some(issuer) = &self.issuer else { return Ok(None) };
        for (endpoint, flag) in [(&self.jwks, "--jwks"), (&self.introspect, "--introspect")] {
            if let Some(endpoint) = endpoint {
                check_endpoint(endpoint, flag)?;
            }
        }
        let audience = self.audience.as_ref().ok_or_else(|| Misuse::error("--audience is missing: name whom tokens must be for"))?;
        let mut expected = if self.client.is_empty() {
            TokenExpectations::dangerous_any_client(issuer, audience)
        } else {
            TokenExpectations::new(issuer, audience, &self.client)
        };
        for scope in &self.scope {
            expected = expected.scope(scope);
        }
        // Any client of the issuer may then send (rule L-9068-6): the line that says what is checked says so.
        let whose = if self.client.is_empty() { " (any client of it; name the sender's with --client)" } else { "" };
        let fetch = self.fetch()?;
        if let (Some(endpoint), Some(client)) = (&self.introspect, &self.introspect_client) {
            let (id, secret) = halves(&inputs.secret(client, "--introspect-client")?, "--introspect-client")?;
            let introspector = Introspector::try_new(endpoint.clone(), &id, secret.expose_secret(), fetch, expected);
            let introspector = introspector.map_err(|refused| Misuse::error(format!("--introspect-client: {refused}")))?;
            return Ok(Some((introspector.into(), format!("bearer tokens by introspection at {endpoint}{whose}"))));
        }
        let location = if self.openid { MetadataLocation::OpenId } else { MetadataLocation::OAuth };
        let keys = match &self.jwks {
            Some(jwks) => Jwks::new(jwks.clone(), fetch),
            None => Jwks::discover(issuer, location, fetch).map_err(|refused| Misuse::error(format!("--issuer: {refused}")))?,
        };
        let verifier = JwtVerifier::new(keys, expected);
        let verifier = if self.plain_jwt { verifier.accept_plain_jwt() } else { verifier };
        Ok(Some((verifier.into(), format!("bearer tokens of {}{whose}", output::escape(issuer)))))
    }

    /// The way to the authorization server, as the kit wants it: verified TLS, no redirects, bounded answers.
    fn fetch(&self) -> anyhow::Result<impl Fetch + use<>> {
        let tls = trust::client_config(self.ca.as_deref())?;
        Ok(move |request: Request<Bytes>, answer_bytes_max: usize| {
            let tls = Arc::clone(&tls);
            async move { fetch(tls, request, answer_bytes_max).await.map_err(|error| FetchFailed(format!("{error:#}"))) }
        })
    }
}

/// Refuses what could never be asked. Whoever gave it is told the flag and not the value, which may hold a password.
fn check_endpoint(endpoint: &Uri, flag: &str) -> anyhow::Result<()> {
    let refused = |why: &str| Err(Misuse::error(format!("{flag}: {why}; write it like https://id.example/path")));
    let (Some(authority), Some(host)) = (endpoint.authority(), endpoint.host()) else { return refused("it names no host") };
    if authority.as_str().contains('@') {
        return refused("a user name and password in a URL are sent to nobody; leave them out");
    }
    match endpoint.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback(host.trim_matches(['[', ']'])) => Ok(()),
        _ => refused("it is asked over https, or over http on this machine alone"),
    }
}

/// Each message once.
fn guarded(builder: ListenerBuilder, replays: Replays) -> ListenerBuilder {
    match replays {
        Replays::InMemory => builder.replay_guard(MemoryReplayGuard::new(REPLAY_WINDOW_SECONDS)),
        Replays::ByTheStore => builder,
    }
}

/// Leaves the verdict where the receiver finds it.
fn watched(builder: ListenerBuilder) -> ListenerBuilder {
    builder.observer(|head, verdict| {
        if let Some(watched) = head.extensions.get::<Watched>() {
            watched.note(verdict);
        }
    })
}

/// What stands before and behind the first colon.
fn halves(text: &Secret, what: &str) -> anyhow::Result<(String, Secret)> {
    match text.expose_secret().split_once(':') {
        Some((name, secret)) if !name.is_empty() => Ok((name.to_owned(), Secret::new(secret))),
        _ => Err(Misuse::error(format!("{what}: write it like name:secret, or name a variable or a file that holds it"))),
    }
}

/// One exchange over a connection of its own.
async fn fetch(tls: Arc<rustls::ClientConfig>, request: Request<Bytes>, answer_bytes_max: usize) -> anyhow::Result<Response<Bytes>> {
    use anyhow::Context as _;
    let uri = request.uri().clone();
    let host = uri.host().context("the URL names no host")?.trim_matches(['[', ']']).to_owned();
    let encrypted = uri.scheme_str() == Some("https");
    anyhow::ensure!(encrypted || is_loopback(&host), "keys and tokens are asked for over https, and unencrypted from this machine alone");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let stream =
        tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host.as_str(), port))).await.context("no connection in time")??;
    stream.set_nodelay(true).ok();
    if encrypted {
        let name = rustls_pki_types::ServerName::try_from(host)?;
        exchange(TlsConnector::from(tls).connect(name, stream).await?, request, answer_bytes_max).await
    } else {
        exchange(stream, request, answer_bytes_max).await
    }
}

async fn exchange<S>(stream: S, request: Request<Bytes>, answer_bytes_max: usize) -> anyhow::Result<Response<Bytes>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().map(ToString::to_string).unwrap_or_default();
    head.headers.insert(http::header::HOST, authority.parse()?);
    head.uri = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    let (head, body) = sender.send_request(Request::from_parts(head, Full::new(body))).await?.into_parts();
    let body = Limited::new(body, answer_bytes_max).collect().await.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    Ok(Response::from_parts(head, body))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
