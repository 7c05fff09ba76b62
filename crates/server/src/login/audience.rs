//! Who an assertion is meant for. The SDKs put the host they talk to into `aud`, without a scheme and sometimes with a port
//! (reference: 8.4, 9); RFC 7523 §3 has the token endpoint's URL. Both name this server, and nothing else may: an assertion
//! made for another server must not open this one.

use url::{Host, Url};

use crate::Settings;

/// The names by which this server may be addressed as an audience.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginHosts {
    hosts: Vec<Host<String>>,
    loopback: bool,
}

impl LoginHosts {
    /// Those of the settings: the public URL's host and the further names given. In development the machine's own names as well, since
    /// the SDKs come in by the second, encrypted port.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let named = settings.login_hosts.iter().map(String::as_str);
        let hosts = std::iter::once(settings.public_url.as_str()).chain(named).filter_map(host_of).collect();
        Self { hosts, loopback: settings.dev }
    }

    /// True when the audience is this server: `host`, `host:port`, or a URL of one of its hosts whose path is empty or the token
    /// endpoint's. The port does not matter: behind a proxy we do not know it.
    #[must_use]
    pub fn includes(&self, audience: &str) -> bool {
        let Some(host) = host_of(audience) else { return false };
        self.hosts.contains(&host) || self.loopback && is_loopback(&host)
    }
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn host_of(text: &str) -> Option<Host<String>> {
    let has_scheme =
        ["https://", "http://"].into_iter().any(|scheme| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
    let url = if has_scheme { Url::parse(text) } else { Url::parse(&format!("https://{text}")) }.ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let path = matches!(url.path(), "/" | "/oauth/token");
    if plain && path { url.host().map(|host| host.to_owned()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_this_server_or_it_is_refused() {
        let settings = |dev| Settings {
            public_url: "https://sign.example:8443".to_owned(),
            login_hosts: vec!["login.example".to_owned()],
            dev,
            ..Settings::default()
        };
        for (audience, production, development) in [
            ("sign.example", true, true),
            ("SIGN.example", true, true),
            ("sign.example:8443", true, true),
            ("sign.example:1", true, true),
            ("https://sign.example", true, true),
            ("https://sign.example/", true, true),
            ("https://sign.example:8443/oauth/token", true, true),
            ("login.example", true, true),
            ("127.0.0.1:8443", false, true),
            ("localhost:8443", false, true),
            ("[::1]:8443", false, true),
            ("account-d.docusign.com", false, false),
            ("sign.example.evil.example", false, false),
            ("evil.example/sign.example", false, false),
            ("sign.example@evil.example", false, false),
            ("user@sign.example", false, false),
            ("https://sign.example/other", false, false),
            ("https://sign.example/?x", false, false),
            ("", false, false),
            ("https://", false, false),
        ] {
            assert_eq!(LoginHosts::of(&settings(false)).includes(audience), production, "{audience:?}");
            assert_eq!(LoginHosts::of(&settings(true)).includes(audience), development, "{audience:?} in development");
        }
    }
}
