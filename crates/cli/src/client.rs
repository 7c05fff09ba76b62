//! The HTTP client of the verbs that talk to a running server: one connection per call, bounded in time and bytes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clap::Args;
use countersign_core::Secret;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, sync::OnceCell, time::timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::{
    input::{Inputs, Source, duration},
    misuse::Misuse,
    output::{cut, escape, note},
    trust,
};

/// Longest answer read, in bytes: the largest document a server takes, with room for its Base64.
const ANSWER_BYTES_MAX: usize = 96 << 20;
/// Longest part of an answer shown when it is not the error we know, in characters.
const WORDS_CHARS_MAX: usize = 300;
/// Where a first start leaves its token when there was no terminal to show it on, below the data directory.
const FIRST_TOKEN: &str = "first-token";
/// The data directory when none is given.
const DATA_DIR: &str = "countersign-data";

/// Which server, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// Address of the server
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "COUNTERSIGN_URL",
        default_value = "http://127.0.0.1:8400",
        hide_env_values = true,
        help_heading = "Server"
    )]
    server: Url,
    /// API token: a value, env:NAME, @FILE or -
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "COUNTERSIGN_API_TOKEN",
        hide_env_values = true,
        allow_hyphen_values = true,
        help_heading = "Server"
    )]
    token: Option<Source>,
    /// Account id [default: the account of the token]
    #[arg(long, global = true, value_name = "ID", env = "COUNTERSIGN_ACCOUNT_ID", hide_env_values = true, help_heading = "Server")]
    account: Option<String>,
}

/// How to reach a server, as whom, and how to show what it says: the flags of every verb that talks to one.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    #[command(flatten)]
    identity: Identity,
    /// Trust the CAs of this PEM file besides the system's
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CA", hide_env_values = true, help_heading = "Server")]
    ca: Option<PathBuf>,
    /// Give up on a call after this long
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Server")]
    timeout: Duration,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// A client for one server and one token.
pub(crate) struct Client {
    base: Url,
    token: Option<Secret>,
    named_account: Option<String>,
    account: OnceCell<String>,
    tls: Option<Arc<rustls::ClientConfig>>,
    timeout: Duration,
}

/// An answer read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The server answered, and not with success.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The status.
    pub(crate) status: StatusCode,
    /// The server's code and words, escaped and cut.
    words: String,
}

impl ServerArgs {
    /// The client, with a token.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        self.identity.client(self.ca.as_deref(), self.timeout)
    }

    /// The file of further CAs.
    pub(crate) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// The client, with a token if there is one.
    pub(crate) fn client_without_token(&self) -> anyhow::Result<Client> {
        self.identity.client_without_token(self.ca.as_deref(), self.timeout)
    }
}

impl Identity {
    /// The client, with a token.
    pub(crate) fn client(&self, ca: Option<&Path>, timeout: Duration) -> anyhow::Result<Client> {
        let client = self.client_without_token(ca, timeout)?;
        if client.token.is_none() {
            return Err(Misuse::error("there is no API token; give one with --token or in COUNTERSIGN_API_TOKEN"));
        }
        Ok(client)
    }

    fn client_without_token(&self, ca: Option<&Path>, timeout: Duration) -> anyhow::Result<Client> {
        let is_local = is_loopback(&self.server);
        let token = match &self.token {
            Some(source) => Some(Inputs::default().secret(source, "--token")?),
            // The token of a server in this folder is nobody else's business.
            None if is_local => first_token(),
            None => None,
        };
        if let Some(token) = &token
            && (token.is_empty() || !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Misuse::error("the API token is empty or holds characters that no token has"));
        }
        let tls = match self.server.scheme() {
            "http" => None,
            "https" => Some(trust::client_config(ca)?),
            _ => return Err(Misuse::error("--server: give an http or https address such as http://127.0.0.1:8400")),
        };
        if self.server.host().is_none() || !self.server.username().is_empty() || self.server.password().is_some() {
            return Err(Misuse::error("--server: give an address such as http://127.0.0.1:8400, without user name and password"));
        }
        if tls.is_none() && token.is_some() && !is_local {
            note("note: the token travels unencrypted; use https");
        }
        Ok(Client { base: self.server.clone(), token, named_account: self.account.clone(), account: OnceCell::new(), tls, timeout })
    }
}

/// The token that a first start of a server in this folder has left.
fn first_token() -> Option<Secret> {
    let folder = std::env::var_os("COUNTERSIGN_DATA_DIR").unwrap_or_else(|| DATA_DIR.into());
    let text = std::fs::read_to_string(PathBuf::from(folder).join(FIRST_TOKEN)).ok()?;
    Some(Secret::new(text.trim()))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

impl Client {
    /// The server's address, to be shown.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// Whether calls are made with a token.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The account: the one named, or the token's own (`GET /oauth/userinfo`).
    pub(crate) async fn account(&self) -> anyhow::Result<&str> {
        if let Some(named) = &self.named_account {
            return Ok(named);
        }
        let account = self.account.get_or_try_init(|| async {
            let info = self.get("/oauth/userinfo").await?;
            let id = info["accounts"][0]["account_id"].as_str().map(str::to_owned);
            id.ok_or_else(|| anyhow!("{} names no account for this token; give one with --account", self.base))
        });
        Ok(account.await?)
    }

    /// A path of our own API below the account, such as `deliveries`; its segments must be encoded.
    pub(crate) async fn api(&self, path: &str) -> anyhow::Result<String> {
        Ok(format!("/api/v1/accounts/{}/{path}", segment(self.account().await?)))
    }

    /// A path of the Docusign-compatible API below the account.
    pub(crate) async fn restapi(&self, path: &str) -> anyhow::Result<String> {
        Ok(format!("/restapi/v2.1/accounts/{}/{path}", segment(self.account().await?)))
    }

    /// The JSON at a path.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Sends JSON and gives back what comes; null for an empty answer.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let bytes = body.map(|body| Bytes::from(body.to_string()));
        let answer = self.exchange(method, path, bytes, HeaderMap::new()).await?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{}{path} answered with something else than JSON", self.origin()))
    }

    /// One exchange that must succeed.
    pub(crate) async fn exchange(&self, method: Method, path: &str, body: Option<Bytes>, headers: HeaderMap) -> anyhow::Result<Answer> {
        let answer = self.answer(method, path, body, headers).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(Refused::of(&answer).into()) }
    }

    /// One exchange, whatever its status.
    pub(crate) async fn answer(&self, method: Method, path: &str, body: Option<Bytes>, headers: HeaderMap) -> anyhow::Result<Answer> {
        let late = || anyhow!("{} did not answer within {:?}; see --timeout", self.origin(), self.timeout);
        timeout(self.timeout, self.unbounded(method, path, body, headers)).await.map_err(|_| late())?
    }

    async fn unbounded(&self, method: Method, path: &str, body: Option<Bytes>, mut headers: HeaderMap) -> anyhow::Result<Answer> {
        let host = self.base.host().context("the server has no host")?;
        let port = self.base.port_or_known_default().context("the server has no port")?;
        let dialled = match &host {
            Host::Domain(name) => TcpStream::connect((*name, port)).await,
            Host::Ipv4(address) => TcpStream::connect((*address, port)).await,
            Host::Ipv6(address) => TcpStream::connect((*address, port)).await,
        };
        let stream = dialled.with_context(|| format!("no connection to {}; is the server running?", self.origin()))?;
        // Small calls on a fresh connection: waiting for more to send only costs time.
        stream.set_nodelay(true).ok();

        headers.insert(header::HOST, HeaderValue::from_str(&self.base[url::Position::BeforeHost..url::Position::AfterPort])?);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("countersign-cli/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = &self.token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        if body.is_some() {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        let prefix = self.base.path().trim_end_matches('/');
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{prefix}{path}").parse().with_context(|| format!("the path {path}"))?;
        *request.headers_mut() = headers;

        match &self.tls {
            None => self.speak(stream, request).await,
            Some(config) => {
                let name = rustls_pki_types::ServerName::try_from(host.to_string().trim_matches(['[', ']']).to_owned())?;
                let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
                self.speak(secured.with_context(|| format!("TLS with {}", self.origin()))?, request).await
            }
        }
    }

    async fn speak<S>(&self, stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Answer>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let broken = || format!("the exchange with {} broke off", self.origin());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.with_context(broken)?;
        // It ends with the answer; what it has to say about its end is said by the exchange as well.
        tokio::spawn(connection);
        let response = sender.send_request(request).await.with_context(broken)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow!("{error}")).with_context(|| format!("reading the answer of {}", self.origin()))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

/// A path segment or query value, percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// A path with a query of those pairs that have a value.
pub(crate) fn with_query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut whole = path.to_owned();
    for (name, value) in pairs {
        if let Some(value) = value {
            whole.push(if whole.contains('?') { '&' } else { '?' });
            whole.push_str(&format!("{name}={}", segment(&value)));
        }
    }
    whole
}

impl Refused {
    fn of(answer: &Answer) -> Self {
        let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let member = |name: &str| parsed[name].as_str().filter(|text| !text.is_empty());
        // Docusign's shape, problem documents (RFC 9457), OAuth's (RFC 6749 §5.2).
        let code = member("errorCode").or(member("code")).or(member("error"));
        let message = member("message").or(member("detail")).or(member("error_description"));
        let words = match (code, message) {
            (Some(code), Some(message)) => format!("{message} ({code})"),
            (Some(words), None) | (None, Some(words)) => words.to_owned(),
            (None, None) => String::from_utf8_lossy(&answer.body).trim().to_owned(),
        };
        Self { status: answer.status, words: cut(&escape(&words), WORDS_CHARS_MAX) }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server answered {}", self.status.as_u16())?;
        if !self.words.is_empty() {
            write!(f, ": {}", self.words)?;
        }
        if self.status == StatusCode::UNAUTHORIZED {
            f.write_str("; give another token with --token or in COUNTERSIGN_API_TOKEN")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).expect("a status");
        Refused::of(&Answer { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }).to_string()
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_server_escaped_and_cut() {
        for (status, body, told) in [
            (404, r#"{"errorCode":"E","message":"gone"}"#, "the server answered 404: gone (E)"),
            (409, r#"{"code":"wrong-state","detail":"it is delivered"}"#, "the server answered 409: it is delivered (wrong-state)"),
            (400, r#"{"error":"invalid_grant"}"#, "the server answered 400: invalid_grant"),
            (502, "\u{1b}[2Jbad\ngateway", "the server answered 502: \\u{1b}[2Jbad\\ngateway"),
            (500, "", "the server answered 500"),
        ] {
            assert_eq!(refused(status, body), told);
        }
        assert!(refused(401, "{}").ends_with("give another token with --token or in COUNTERSIGN_API_TOKEN"));
        assert!(refused(500, &"x".repeat(10_000)).chars().count() < 400);
    }

    #[test]
    fn what_people_type_stays_one_segment_or_value() {
        assert_eq!(segment("dlv_0123-x.y~"), "dlv_0123-x.y~");
        assert_eq!(segment("../a b?c#\u{eb}"), "..%2Fa%20b%3Fc%23%C3%AB");
        assert_eq!(with_query("/a", [("b", Some("1&2".into())), ("c", None), ("d", Some("x".into()))]), "/a?b=1%262&d=x");
    }
}
