//! Where the database is: the URL, read with what it leaves open decided for safety.

use std::time::Duration;

use countersign_core::Secret;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use super::fault::OpenError;

/// How long connecting to one host may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long sent bytes may stay without an answer of the peer's system before the connection counts as broken.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// A database's address.
#[derive(Clone)]
pub(super) struct Address {
    /// As the driver takes it.
    pub(super) config: Config,
    /// For people: hosts and ports alone.
    pub(super) shown: String,
}

impl Address {
    /// Reads a URL (`postgresql://user@host:5432/database`, several hosts with commas) or a list of `key=value`.
    ///
    /// TLS is asked for beyond this machine unless the URL says `sslmode=disable` or `prefer`, and on it only where the URL says so: the
    /// server of a distribution often comes with TLS on and a certificate of nobody. Every `sslmode` that means TLS verifies the
    /// certificate and its host, since encryption to whoever answers protects from nobody.
    pub(super) fn read(url: &Secret, password: Option<&Secret>) -> Result<Self, OpenError> {
        let url = url.expose_secret();
        let known = in_known_words(url);
        let mut config: Config = known.parse().map_err(|error| OpenError::Address(why_not(&known, &error)))?;
        if config.get_hosts().is_empty() {
            return Err(OpenError::Address("it names no host".into()));
        }
        if let Some(password) = password {
            config.password(password.expose_secret());
        }
        // What the driver takes where nothing is said is the word for "perhaps", and that counts only where it is said.
        if config.get_ssl_mode() == SslMode::Prefer && mode(url).is_none_or(|(_, word)| word != "prefer") {
            config.ssl_mode(if is_on_this_machine(&config) { SslMode::Disable } else { SslMode::Require });
        }
        if config.get_application_name().is_none() {
            config.application_name("countersign");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIME_MAX);
        }
        config.tcp_user_timeout(SILENCE_MAX).keepalives_idle(SILENCE_MAX).keepalives_interval(SILENCE_MAX / 3);
        let shown = shown(&config);
        Ok(Self { config, shown })
    }
}

/// The driver's message, unless it may quote a part of the text that could be a password: what it takes for the name of an option is
/// one only behind the `?` of a URL.
fn why_not(text: &str, error: &tokio_postgres::Error) -> String {
    let said = super::fault::words(error);
    let is_url = ["postgresql://", "postgres://"].iter().any(|scheme| text.starts_with(scheme));
    if is_url || said.contains("invalid value for option") {
        said
    } else {
        "it is neither a URL of PostgreSQL nor a list of key=value".into()
    }
}

/// Where the value of the last `sslmode` of a text is, and which: behind an equals sign, with spaces and quotes as a list of `key=value` may
/// have them.
fn mode(text: &str) -> Option<(usize, &str)> {
    let (at, name) =
        text.rmatch_indices("sslmode").find(|(at, _)| !text[..*at].ends_with(|before: char| before.is_ascii_alphanumeric()))?;
    let value = text[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let value = value.strip_prefix('\'').unwrap_or(value);
    let end = value.find(|c: char| !c.is_ascii_alphabetic() && c != '-').unwrap_or(value.len());
    Some((text.len() - value.len(), &value[..end]))
}

/// The driver knows three words for `sslmode`; what the stricter ones ask for is done anyway.
fn in_known_words(text: &str) -> String {
    match mode(text) {
        Some((at, word @ ("verify-full" | "verify-ca"))) => format!("{}require{}", &text[..at], &text[at + word.len()..]),
        _ => text.to_owned(),
    }
}

/// True when nothing leaves this machine: neither to the addresses that are dialled nor, where they are looked up, to the names.
fn is_on_this_machine(config: &Config) -> bool {
    config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
        // A password with an @ that was not written as %40 ends up in the name of the host.
        Host::Tcp(name) => format!("{}:{}", name.rsplit('@').next().unwrap_or_default(), port(index)),
        Host::Unix(folder) => format!("{} port {}", folder.display(), port(index)),
    });
    hosts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, OpenError> {
        Address::read(&Secret::new(url), None)
    }

    #[test]
    fn tls_is_asked_for_beyond_this_machine() {
        for (url, mode) in [
            ("postgresql://u@db.example/d", SslMode::Require),
            ("postgresql://u@db.example/d?sslmode=disable", SslMode::Disable),
            ("postgresql://u@db.example/d?sslmode=verify-full", SslMode::Require),
            ("postgresql://u@127.0.0.1:5433/d", SslMode::Disable),
            ("postgresql://u@127.0.0.1:5433/d?sslmode=prefer", SslMode::Prefer),
            ("postgresql://u@localhost,db.example/d", SslMode::Require),
            ("host=/run/postgresql user=u", SslMode::Disable),
            ("host=localhost user=u", SslMode::Disable),
            ("host=localhost hostaddr=127.0.0.1 user=u", SslMode::Disable),
            ("host=localhost hostaddr=203.0.113.5 user=u", SslMode::Require),
            ("host=localhost,localhost hostaddr=127.0.0.1,203.0.113.5 user=u", SslMode::Require),
            ("host=localhost sslmode = require user=u", SslMode::Require),
            ("host=localhost sslmode='require' user=u", SslMode::Require),
            ("host=localhost sslmode = 'verify-full' user=u", SslMode::Require),
            ("host=db.example sslmode = disable user=u", SslMode::Disable),
            ("host=db.example sslmode = prefer user=u", SslMode::Prefer),
            ("host=db.example user=u password=sslmode=preferred", SslMode::Require),
            ("host=db.example user=u application_name=xsslmode=prefer", SslMode::Require),
            ("postgresql://u@127.0.0.1/d?sslmode=require", SslMode::Require),
        ] {
            assert_eq!(read(url).map(|address| address.config.get_ssl_mode()).ok(), Some(mode), "{url}");
        }
    }

    #[test]
    fn hosts_are_shown_and_passwords_are_not() {
        let address = read("postgresql://u:hush@a.example:5433,b.example/d").expect("reads");
        assert_eq!(address.shown, "a.example:5433, b.example:5432");
        // A password whose @ was not written as %40.
        let confused = match read("postgresql://u:hu@sh@a.example/d") {
            Ok(address) => address.shown,
            Err(refused) => refused.to_string(),
        };
        assert!(!confused.contains("hu@") && !confused.contains("sh@"), "{confused}");
        let given = Address::read(&Secret::new("postgresql://u@a.example/d"), Some(&Secret::new("hush"))).expect("reads");
        assert_eq!(given.config.get_password(), Some(&b"hush"[..]));
    }

    #[test]
    fn a_refusal_quotes_no_password() {
        for url in [
            "postgre://u:hush@h/d?sslmode=disable",
            "postgresql//u:hush@h/d?x=1",
            "host=h password=correct hush=1",
            "hush",
            "postgresql://u:hush@h/d?nonsense=1",
            "postgresql://u:hush@h:port/d",
            "postgresql://u:hush@h/d?sslmode=hush",
        ] {
            let refused = read(url).map(|address| address.shown).expect_err(url).to_string();
            assert!(!refused.contains("hush"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["postgresql://u@h/d?nonsense=1", "user=u", "postgresql://u@h:port/d"] {
            assert!(matches!(read(url), Err(OpenError::Address(_))), "{url}");
        }
    }
}
