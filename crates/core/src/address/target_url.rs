//! A target as people write it: checked when it is saved.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use url::{Host, Url};

use super::{
    policy::{PlainHttp, TargetPolicy},
    vetted::{Forbidden, vet, vet_plain_http},
};
use crate::secret::Secret;

/// Longest URL, in bytes; common servers refuse longer request lines (RFC 9110 §4.1 asks for 8,000 octets at least).
pub const TARGET_URL_BYTES_MAX: usize = 4_096;

/// Why a URL cannot be a target. The account administrator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForbiddenUrl {
    /// Empty, or no absolute URL with a host.
    #[error("it is not an absolute URL such as https://listener.example/connect")]
    NotAUrl,
    /// More than [`TARGET_URL_BYTES_MAX`].
    #[error("it is longer than {TARGET_URL_BYTES_MAX} bytes")]
    TooLong,
    /// A control character, a blank or a backslash: parsers disagree about what they mean.
    #[error("it holds a control character, a blank or a backslash; write them percent-encoded")]
    UnsafeCharacter,
    /// Neither `https` nor a permitted `http`.
    #[error("the scheme '{scheme}' is not permitted; use https")]
    Scheme {
        /// As parsed.
        scheme: String,
    },
    /// User name and password do not belong into a URL that is shown and logged.
    #[error("it holds a user name or password; set them as Basic credentials")]
    Userinfo,
    /// It would not be sent, so it cannot be meant (RFC 6749 §3.2 forbids it in token URLs).
    #[error("it has a fragment, which would not be sent")]
    Fragment,
    /// A name that means something only inside a network or a machine.
    #[error("the host name '{host}' cannot be a public host")]
    InnerName {
        /// As parsed.
        host: String,
    },
    /// The address or the port is not permitted.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

/// Reads a target URL with the one parser (WHATWG) and checks all that can be checked without resolving its name. The
/// addresses are vetted again at every dial.
///
/// # Errors
/// The first [`ForbiddenUrl`].
pub fn check_target_url(text: &str, policy: &TargetPolicy) -> Result<Url, ForbiddenUrl> {
    if text.len() > TARGET_URL_BYTES_MAX {
        return Err(ForbiddenUrl::TooLong);
    }
    if has_unsafe_character(text) {
        return Err(ForbiddenUrl::UnsafeCharacter);
    }
    let url = Url::parse(text).map_err(|_| ForbiddenUrl::NotAUrl)?;
    let plain = match url.scheme() {
        "https" => false,
        "http" if policy.plain_http != PlainHttp::Never => true,
        scheme => return Err(ForbiddenUrl::Scheme { scheme: scheme.chars().take(32).collect() }),
    };
    if url.as_str().len() > TARGET_URL_BYTES_MAX {
        return Err(ForbiddenUrl::TooLong);
    }
    if !url.username().is_empty() || url.password().is_some() || has_userinfo(text) {
        return Err(ForbiddenUrl::Userinfo);
    }
    if url.fragment().is_some() {
        return Err(ForbiddenUrl::Fragment);
    }
    let port = url.port_or_known_default().ok_or(ForbiddenUrl::NotAUrl)?;
    if !policy.opens_port(port) {
        return Err(Forbidden::Port { port }.into());
    }
    match url.host().ok_or(ForbiddenUrl::NotAUrl)? {
        Host::Domain(name) => check_name(name, policy)?,
        Host::Ipv4(address) => check_literal(address.into(), port, plain, policy)?,
        Host::Ipv6(address) => check_literal(address.into(), port, plain, policy)?,
    }
    // What the parser lets stand, the request line must be able to carry.
    url.as_str().parse::<Uri>().map_err(|_| ForbiddenUrl::NotAUrl)?;
    Ok(url)
}

/// Takes `user:password@` out of a URL, percent-decoded, and returns the URL without it. The URL is as it was when there
/// is none, or when parsers disagree about where it begins; it still has to pass [`check_target_url`].
///
/// # Errors
/// [`ForbiddenUrl::NotAUrl`] when it cannot be parsed or the parts are not UTF-8.
pub fn split_userinfo(text: &str) -> Result<(String, Option<(String, Secret)>), ForbiddenUrl> {
    if !has_userinfo(text) || has_unsafe_character(text) {
        return Ok((text.to_owned(), None));
    }
    let mut url = Url::parse(text).map_err(|_| ForbiddenUrl::NotAUrl)?;
    let user = percent_decode(url.username()).ok_or(ForbiddenUrl::NotAUrl)?;
    let password = percent_decode(url.password().unwrap_or("")).ok_or(ForbiddenUrl::NotAUrl)?;
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return Err(ForbiddenUrl::NotAUrl);
    }
    Ok((url.into(), Some((user, Secret::new(password)))))
}

fn has_unsafe_character(text: &str) -> bool {
    text.chars().any(|character| character.is_control() || character.is_whitespace() || character == '\\')
}

/// True when the authority holds an `@`, even one with nothing before it, which the parser drops.
fn has_userinfo(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("//") else { return false };
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn check_literal(address: IpAddr, port: u16, plain: bool, policy: &TargetPolicy) -> Result<(), Forbidden> {
    let address = [SocketAddr::new(address, port)];
    if plain { vet_plain_http(&address, policy) } else { vet(&address, policy) }.map(|_| ())
}

/// Names that lead inside, unless the operator has opened something there.
fn check_name(name: &str, policy: &TargetPolicy) -> Result<(), ForbiddenUrl> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let under = |suffix: &str| name == suffix || name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    let inner = !name.contains('.') || INNER_SUFFIXES.iter().any(|suffix| under(suffix));
    if name.is_empty() || name.len() > 253 {
        return Err(ForbiddenUrl::NotAUrl);
    }
    if inner && policy.allow_networks.is_empty() {
        return Err(ForbiddenUrl::InnerName { host: name });
    }
    Ok(())
}

/// Special-use names (RFC 6761, RFC 6762, RFC 8375, RFC 7686) and ICANN's name for private use.
const INNER_SUFFIXES: [&str; 6] = ["localhost", "local", "internal", "home.arpa", "onion", "invalid"];

/// The text with `%XX` decoded; `None` when that is not UTF-8. A `+` stays a plus, unlike in a form.
fn percent_decode(text: &str) -> Option<String> {
    let digit = |hex: u8| char::from(hex).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(digit(*high)? << 4 | digit(*low)?);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::class::AddressClass;

    #[test]
    fn usable_urls_pass_and_are_normalised() {
        for (text, url) in [
            ("https://listener.example/connect?x=1", "https://listener.example/connect?x=1"),
            ("HTTPS://Listener.Example:443", "https://listener.example/"),
            ("https://8.8.8.8:8443/a", "https://8.8.8.8:8443/a"),
            ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
            ("https://b\u{fc}cher.example/\u{e9}", "https://xn--bcher-kva.example/%C3%A9"),
            ("https://listener.example/a@b", "https://listener.example/a@b"),
            ("https://listener.example/?q={a}|b^c", "https://listener.example/?q={a}|b^c"),
        ] {
            assert_eq!(check_target_url(text, &TargetPolicy::default()).map(String::from).as_deref(), Ok(url), "{text}");
        }
    }

    #[test]
    fn unusable_urls_are_refused_each_for_its_reason() {
        let scheme = |scheme: &str| ForbiddenUrl::Scheme { scheme: scheme.to_owned() };
        let inner = |host: &str| ForbiddenUrl::InnerName { host: host.to_owned() };
        let port = |port| ForbiddenUrl::Forbidden(Forbidden::Port { port });
        for (text, reason) in [
            ("", ForbiddenUrl::NotAUrl),
            ("listener.example", ForbiddenUrl::NotAUrl),
            ("/relative", ForbiddenUrl::NotAUrl),
            ("https://", ForbiddenUrl::NotAUrl),
            ("https://exa mple/", ForbiddenUrl::UnsafeCharacter),
            (" https://listener.example/", ForbiddenUrl::UnsafeCharacter),
            ("https://listener.example/\n", ForbiddenUrl::UnsafeCharacter),
            ("https://listener.example\\@evil.example/", ForbiddenUrl::UnsafeCharacter),
            ("http://listener.example/", scheme("http")),
            ("ftp://listener.example/", scheme("ftp")),
            ("file:///etc/passwd", scheme("file")),
            ("unix:/run/docker.sock", scheme("unix")),
            ("javascript:alert(1)", scheme("javascript")),
            ("gopher://127.0.0.1:6379/_x", scheme("gopher")),
            ("https://user@listener.example/", ForbiddenUrl::Userinfo),
            ("https://user:pw@listener.example/", ForbiddenUrl::Userinfo),
            ("https://@listener.example/", ForbiddenUrl::Userinfo),
            ("https://:@listener.example/", ForbiddenUrl::Userinfo),
            ("https://listener.example/#a", ForbiddenUrl::Fragment),
            ("https://localhost/", inner("localhost")),
            ("https://a.localhost./", inner("a.localhost")),
            ("https://metadata.google.internal/", inner("metadata.google.internal")),
            ("https://printer.local/", inner("printer.local")),
            ("https://intranet/", inner("intranet")),
            ("https://listener.example:22/", port(22)),
            ("https://listener.example:0/", port(0)),
            ("https://listener.example:6667/", port(6_667)),
        ] {
            assert_eq!(check_target_url(text, &TargetPolicy::default()), Err(reason), "{text}");
        }
        let long = format!("https://listener.example/{}", "a".repeat(TARGET_URL_BYTES_MAX));
        assert_eq!(check_target_url(&long, &TargetPolicy::default()), Err(ForbiddenUrl::TooLong));
        let grows = format!("https://listener.example/{}", "\u{e9}".repeat(1_500));
        assert_eq!(check_target_url(&grows, &TargetPolicy::default()), Err(ForbiddenUrl::TooLong), "percent-encoded it is too long");
    }

    #[test]
    fn development_opens_http_and_loopback_only() {
        let dev = TargetPolicy::dev();
        for text in ["http://127.0.0.1:3000/", "http://localhost:3000/x", "https://[::1]:8443/", "http://listener.example/"] {
            assert!(check_target_url(text, &dev).is_ok(), "{text}");
        }
        let refused = check_target_url("http://169.254.169.254/", &dev);
        assert!(matches!(refused, Err(ForbiddenUrl::Forbidden(Forbidden::Address { class: AddressClass::Metadata, .. }))), "{refused:?}");
        assert_eq!(check_target_url("http://8.8.8.8/token", &dev.for_tokens()), Err(Forbidden::PlainHttp.into()));
    }

    #[test]
    fn userinfo_is_taken_out_decoded() {
        for (text, url, user) in [
            ("https://listener.example/a", "https://listener.example/a", None),
            ("https://anna:p%40ss+w@listener.example/a?b", "https://listener.example/a?b", Some(("anna", "p@ss+w"))),
            ("https://anna@listener.example/", "https://listener.example/", Some(("anna", ""))),
            ("https://@listener.example/", "https://listener.example/", Some(("", ""))),
            ("https://a%:b%zz@listener.example/", "https://listener.example/", Some(("a%", "b%zz"))),
        ] {
            let (rest, credentials) = split_userinfo(text).expect(text);
            assert_eq!(rest, url);
            let shown = credentials.as_ref().map(|(user, password)| (user.as_str(), password.expose_secret()));
            assert_eq!(shown, user, "{text}");
            assert!(check_target_url(&rest, &TargetPolicy::default()).is_ok(), "{text}");
        }
        assert_eq!(split_userinfo("https://%ff@listener.example/").err(), Some(ForbiddenUrl::NotAUrl));
        for text in [r"https://listener.example\@127.0.0.1/", r"https://127.0.0.1\@listener.example/", "https://a\t@listener.example/"] {
            let (rest, credentials) = split_userinfo(text).expect(text);
            assert!(credentials.is_none(), "{text}");
            assert_eq!(check_target_url(&rest, &TargetPolicy::default()), Err(ForbiddenUrl::UnsafeCharacter), "{text}");
        }
    }
}
