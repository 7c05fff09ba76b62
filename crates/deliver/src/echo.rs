//! What a listener repeats of our credentials is not kept: answers go into the log, where people read them who may not know the
//! token, and an answer that shows the request it got is nothing rare.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What stands in place of a credential.
const MASK: &[u8] = b"********";
/// A piece of a credential at the cut end of an answer is masked from this length on, in bytes.
const PIECE_BYTES_MIN: usize = 6;
/// Parts of header names that tell of a credential.
const TELLING: [&str; 8] = ["auth", "token", "key", "secret", "password", "credential", "cookie", "session"];

/// True when a header of a subscription's own is named like something secret, so that its value is shown nowhere.
pub(crate) fn names_a_credential(name: &HeaderName) -> bool {
    TELLING.iter().any(|part| name.as_str().contains(part))
}

/// A header's value for the log; of credentials the scheme alone.
pub(crate) fn shown<'v>(name: &HeaderName, value: &'v HeaderValue) -> Cow<'v, str> {
    let text = String::from_utf8_lossy(value.as_bytes());
    if name == header::AUTHORIZATION || value.is_sensitive() {
        let scheme = text.split(' ').next().filter(|scheme| scheme.len() < 16 && scheme.len() < text.len()).unwrap_or_default();
        return format!("{scheme} ********").trim_start().to_owned().into();
    }
    text
}

/// The credentials of a request as a listener might repeat them.
#[derive(Default)]
pub(crate) struct Credentials(Vec<Vec<u8>>);

impl Credentials {
    /// Those in the head of a request: what `Authorization` holds behind its scheme, and values that are marked as sensitive. Each also
    /// with slashes as some JSON writers write them.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut found = Vec::new();
        for (name, value) in headers {
            if name != header::AUTHORIZATION && !value.is_sensitive() {
                continue;
            }
            let value = value.as_bytes();
            let text = match value.iter().position(|byte| *byte == b' ') {
                Some(space) if name == header::AUTHORIZATION => &value[space + 1..],
                _ => value,
            };
            if text.is_empty() {
                continue;
            }
            if text.contains(&b'/') {
                found.push(
                    text.iter().flat_map(|byte| if *byte == b'/' { &b"\\/"[..] } else { std::slice::from_ref(byte) }).copied().collect(),
                );
            }
            found.push(text.to_vec());
        }
        Self(found)
    }

    /// The text without them; `None` when none of them is in it. A piece of one at the end, where an answer was cut, counts as well.
    pub(crate) fn masked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut masked: Option<Vec<u8>> = None;
        for credential in &self.0 {
            let before = masked.as_deref().unwrap_or(text);
            if let Some(after) = without(credential, before) {
                masked = Some(after);
            }
        }
        masked
    }
}

fn without(credential: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut left = Vec::new();
    let (mut at, mut found) = (0, false);
    while at < text.len() {
        let rest = &text[at..];
        let is_cut_piece = rest.len() < credential.len() && rest.len() >= PIECE_BYTES_MIN && credential.starts_with(rest);
        if rest.starts_with(credential) || is_cut_piece {
            left.extend_from_slice(MASK);
            at += credential.len();
            found = true;
        } else {
            left.push(text[at]);
            at += 1;
        }
    }
    found.then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(pairs: &[(&'static str, &'static str)]) -> Credentials {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(names_a_credential(&name));
            headers.append(name, value);
        }
        Credentials::of(&headers)
    }

    #[test]
    fn credentials_are_shown_by_their_scheme_alone() {
        let value = HeaderValue::from_static("Bearer abc.def.ghi");
        assert_eq!(shown(&header::AUTHORIZATION, &value), "Bearer ********");
        assert_eq!(shown(&header::AUTHORIZATION, &HeaderValue::from_static("averyveryverylongtoken")), "********");
        assert_eq!(shown(&header::CONTENT_TYPE, &HeaderValue::from_static("text/xml")), "text/xml");
    }

    #[test]
    fn what_a_listener_repeats_of_a_credential_is_masked() {
        let sent = credentials(&[
            ("authorization", "Bearer abc/def.ghi"),
            ("x-api-key", "k-123456789"),
            ("content-type", "application/json"),
            ("x-docusign-accountid", "0b1c"),
        ]);
        for (row, answer, kept) in [
            ("as it is", "you sent Bearer abc/def.ghi, thanks", Some("you sent Bearer ********, thanks")),
            ("twice", "abc/def.ghi abc/def.ghi", Some("******** ********")),
            ("in JSON", r#"{"authorization":"Bearer abc\/def.ghi"}"#, Some(r#"{"authorization":"Bearer ********"}"#)),
            ("a header of the subscription's own", "key k-123456789", Some("key ********")),
            ("cut", "you sent abc/def.g", Some("you sent ********")),
            ("a cut piece too short to tell anything", "you sent abc", None),
            ("what is no secret", "application/json 0b1c", None),
            ("nothing", "", None),
        ] {
            let masked = sent.masked(answer.as_bytes());
            assert_eq!(masked.as_deref(), kept.map(str::as_bytes), "{row}");
        }
    }

    #[test]
    fn without_credentials_nothing_is_masked() {
        assert!(credentials(&[("content-type", "application/json")]).masked(b"application/json").is_none());
        assert!(credentials(&[("authorization", "Bearer ")]).masked(b"Bearer ").is_none());
    }

    #[test]
    fn headers_named_like_credentials_are_told_from_others() {
        for (name, is_one) in [
            ("x-api-key", true),
            ("authorization", true),
            ("x-auth-token", true),
            ("cookie", true),
            ("x-trace-id", false),
            ("x-tenant", false),
            ("content-type", false),
        ] {
            assert_eq!(names_a_credential(&HeaderName::from_static(name)), is_one, "{name}");
        }
    }
}
