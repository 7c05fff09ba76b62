//! A proxy that ends TLS in front of the listener and names the sender's certificate in a header.
//!
//! A header can be written by anyone. It counts when the connection comes from a peer that is configured as such a proxy, and only in the
//! form that this proxy is known to set; in every other case it is taken out of the request, so that nothing behind the layer believes it
//! (RFC 8705 §6.5, RFC 9700 §4.13). The proxy must set the header itself on every request, replacing what the client sent.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::certificate::{CertificateRefused, PeerCertificate};

/// nginx: `proxy_set_header ssl-client-escaped-cert $ssl_client_escaped_cert;`
const NGINX_HEADER: HeaderName = HeaderName::from_static("ssl-client-escaped-cert");
/// Envoy's own.
const ENVOY_HEADER: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// RFC 9440 §2.1.
const STANDARD_HEADER: HeaderName = HeaderName::from_static("client-cert");
/// Longer headers are not read, in bytes; real certificates have one or two thousand, escaped three times that at most.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// The address of the other end of the connection: whoever accepts connections puts it into the extensions of each request. Without it no
/// proxy is trusted. See [`ListenerBuilder::peer_address`](crate::ListenerBuilder::peer_address) for servers that have a type of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl PeerAddress {
    /// The address in the extensions of a request.
    pub(crate) fn read(extensions: &Extensions) -> Option<IpAddr> {
        extensions.get::<Self>().map(|address| address.0)
    }
}

/// A proxy in front of the listener: where it connects from, and how it names the sender's certificate.
///
/// ```
/// use countersign_listener::TrustedProxy;
/// use http::HeaderName;
///
/// let local = TrustedProxy::nginx(["127.0.0.1/32".parse::<countersign_listener::IpNet>()?]);
/// // With `ssl_verify_client optional_no_ca`, nginx hands certificates on that it has not verified; its verdict must come along:
/// let local = local.demand_verified(HeaderName::from_static("ssl-client-verify"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TrustedProxy {
    peers: Vec<IpNet>,
    header: HeaderName,
    form: Form,
    verified: Option<HeaderName>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// PEM, percent-encoded.
    EscapedPem,
    /// Envoy's list of `Key=Value`.
    Xfcc,
    /// A byte sequence of RFC 8941 §3.3.5.
    ByteSequence,
}

impl TrustedProxy {
    /// nginx at one of `peers`, with `proxy_set_header ssl-client-escaped-cert $ssl_client_escaped_cert`.
    #[must_use]
    pub fn nginx(peers: impl IntoIterator<Item = impl Into<IpNet>>) -> Self {
        Self::new(peers, NGINX_HEADER, Form::EscapedPem)
    }

    /// Envoy at one of `peers`, with `forward_client_cert_details: SANITIZE_SET` and `set_current_client_cert_details: {cert: true}`. A
    /// header with more than one element is refused: which of them is the sender is not for us to guess.
    #[must_use]
    pub fn envoy(peers: impl IntoIterator<Item = impl Into<IpNet>>) -> Self {
        Self::new(peers, ENVOY_HEADER, Form::Xfcc)
    }

    /// A proxy at one of `peers` that sets `Client-Cert` as RFC 9440 §2.2 has it.
    #[must_use]
    pub fn rfc9440(peers: impl IntoIterator<Item = impl Into<IpNet>>) -> Self {
        Self::new(peers, STANDARD_HEADER, Form::ByteSequence)
    }

    fn new(peers: impl IntoIterator<Item = impl Into<IpNet>>, header: HeaderName, form: Form) -> Self {
        Self { peers: peers.into_iter().map(Into::into).collect(), header, form, verified: None }
    }

    /// The proxy uses this header in place of the usual one.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// Demands that the proxy says `SUCCESS` in this header beside the certificate (nginx: `$ssl_client_verify`).
    #[must_use]
    pub fn demand_verified(mut self, header: HeaderName) -> Self {
        self.verified = Some(header);
        self
    }

    fn is_at(&self, peer: IpAddr) -> bool {
        // An IPv4 peer of a dual-stack socket is written ::ffff:a.b.c.d.
        let peer = peer.to_canonical();
        self.peers.iter().any(|net| net.contains(&peer))
    }

    fn own_headers(&self) -> impl Iterator<Item = &HeaderName> {
        std::iter::once(&self.header).chain(&self.verified)
    }

    /// The certificate in the proxy's header; `None` when the sender showed it none.
    fn certificate(&self, headers: &HeaderMap) -> Result<Option<PeerCertificate>, CertificateRefused> {
        let Some(value) = the_one(headers, &self.header)?.filter(|value| !value.is_empty()) else { return Ok(None) };
        if let Some(verified) = &self.verified
            && the_one(headers, verified)?.is_none_or(|verdict| verdict.as_bytes() != b"SUCCESS")
        {
            return Err(CertificateRefused::NotVerified);
        }
        let text = value.to_str().ok().filter(|text| text.len() <= HEADER_BYTES_MAX).ok_or(CertificateRefused::Unreadable)?;
        let der = match self.form {
            Form::EscapedPem => der_of_escaped_pem(text),
            Form::Xfcc => return read_xfcc(text),
            Form::ByteSequence => text.strip_prefix(':').and_then(|text| STANDARD.decode(text.strip_suffix(':')?).ok()),
        };
        let der = der.filter(|der| !der.is_empty()).ok_or(CertificateRefused::Unreadable)?;
        Ok(Some(PeerCertificate(Bytes::from(der))))
    }
}

/// The proxies of a listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(pub(crate) Vec<TrustedProxy>);

impl TrustedProxies {
    /// The certificate that the proxy at `peer` names; `None` when no proxy is configured at that address.
    pub(crate) fn certificate(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Option<(IpAddr, Result<Option<PeerCertificate>, CertificateRefused>)> {
        let peer = peer?;
        let proxy = self.at(peer)?;
        Some((peer, proxy.certificate(headers)))
    }

    /// Takes out what nobody who is trusted has set.
    pub(crate) fn strip(&self, headers: &mut HeaderMap, peer: Option<IpAddr>) {
        let kept: Vec<&HeaderName> = peer.and_then(|peer| self.at(peer)).into_iter().flat_map(TrustedProxy::own_headers).collect();
        let known = [NGINX_HEADER, ENVOY_HEADER, STANDARD_HEADER];
        for name in known.iter().chain(self.0.iter().flat_map(TrustedProxy::own_headers)).filter(|name| !kept.contains(name)) {
            headers.remove(name);
        }
    }

    /// True when a header is there in which one of the proxies would name a certificate.
    pub(crate) fn is_named_in(&self, headers: &HeaderMap) -> bool {
        self.0.iter().any(|proxy| headers.get(&proxy.header).is_some_and(|value| !value.is_empty()))
    }

    fn at(&self, peer: IpAddr) -> Option<&TrustedProxy> {
        self.0.iter().find(|proxy| proxy.is_at(peer))
    }
}

/// The header's only value; two of them are one too many.
fn the_one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, CertificateRefused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(CertificateRefused::Unreadable),
    }
}

/// Exactly one element with exactly one certificate. An element without one says that the sender showed none.
fn read_xfcc(text: &str) -> Result<Option<PeerCertificate>, CertificateRefused> {
    let mut certificates = Vec::new();
    for (key, value) in xfcc_pairs(text).ok_or(CertificateRefused::Unreadable)? {
        if key.eq_ignore_ascii_case("cert") {
            certificates.push(der_of_escaped_pem(&value).ok_or(CertificateRefused::Unreadable)?);
        }
    }
    match (certificates.pop(), certificates.is_empty()) {
        (None, _) => Ok(None),
        (Some(der), true) => Ok(Some(PeerCertificate(Bytes::from(der)))),
        (Some(_), false) => Err(CertificateRefused::Unreadable),
    }
}

/// `By=...;Hash=...;Cert="..."`: values in quotes where they hold `,`, `;` or `=`. `None` when there is a second element or a pair without
/// `=`.
fn xfcc_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let (mut pairs, mut key, mut value) = (Vec::new(), None::<String>, String::new());
    let (mut in_quotes, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => return None,
            ';' if !in_quotes => pairs.push((key.take()?, std::mem::take(&mut value))),
            '=' if !in_quotes && key.is_none() => key = Some(std::mem::take(&mut value)),
            c => value.push(c),
        }
    }
    if in_quotes {
        return None;
    }
    pairs.push((key.take()?, value));
    Some(pairs)
}

/// The DER form of one percent-encoded PEM certificate.
fn der_of_escaped_pem(text: &str) -> Option<Vec<u8>> {
    let pem = percent_decoded(text)?;
    let inner = pem.trim().strip_prefix("-----BEGIN CERTIFICATE-----")?.strip_suffix("-----END CERTIFICATE-----")?;
    let base64: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    // A second certificate brings its markers, which are not Base64.
    STANDARD.decode(base64).ok().filter(|der| !der.is_empty())
}

/// Percent-encoding undone (RFC 3986 §2.1); `+` stays, since it stands for itself in Base64.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first == b'%' {
            let digits = behind.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_envoy_are_taken_apart() {
        let pairs = |text: &str| xfcc_pairs(text).map(|pairs| pairs.into_iter().map(|(k, v)| format!("{k}|{v}")).collect::<Vec<_>>());
        let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(pairs("By=spiffe://a;Hash=00ff"), some(&["By|spiffe://a", "Hash|00ff"]));
        assert_eq!(pairs(r#"Subject="CN=\"x\", O=a;b";URI=http://e?a=b"#), some(&[r#"Subject|CN="x", O=a;b"#, "URI|http://e?a=b"]));
        assert_eq!(pairs("Cert=\"a,b\""), some(&["Cert|a,b"]));
        for broken in ["", "Hash", "Hash=1,Hash=2", "Hash=1;", "Subject=\"open", ";"] {
            assert_eq!(pairs(broken), None, "{broken}");
        }
    }

    #[test]
    fn one_escaped_certificate_is_read_and_nothing_else() {
        let pem = "-----BEGIN CERTIFICATE-----\nAQID\nBAU+\n-----END CERTIFICATE-----\n";
        let escaped = |text: &str| text.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B");
        assert_eq!(der_of_escaped_pem(&escaped(pem)), Some(vec![1, 2, 3, 4, 5, 62]));
        assert_eq!(der_of_escaped_pem(pem), Some(vec![1, 2, 3, 4, 5, 62]), "what needs no escape is not escaped");
        for broken in [
            format!("{pem}{pem}"),
            pem.replace("AQID", "AQ$D"),
            pem.replace("AQID\nBAU+", ""),
            pem.replace("CERTIFICATE", "PRIVATE KEY"),
            "AQID".into(),
            String::new(),
            "%".into(),
            "%4".into(),
            "%+1".into(),
            "%ff".into(),
        ] {
            assert_eq!(der_of_escaped_pem(&escaped(&broken)), None, "{broken}");
        }
    }
}
