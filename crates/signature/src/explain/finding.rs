//! What `explain` answers with: causes, how sure they are, the evidence and the fix.

use crate::verification::Match;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)+) => {
        /// One thing that went wrong. The id is stable: programs read it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[$doc])* $name,)+
        }

        impl Cause {
            /// Every cause there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable id, such as `body-pretty-printed`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }
        }
    };
}

causes! {
    /// The message was signed with a key that was not given.
    KeyWrong = "key-wrong",
    /// Another of the keys at hand fits.
    KeyOther = "key-other",
    /// White space or a line end around or inside the key.
    KeyWhitespace = "key-whitespace",
    /// Quotation marks around the key.
    KeyQuotes = "key-quotes",
    /// A byte order mark before the key.
    KeyBom = "key-bom",
    /// The `=` at the end of the key is lost.
    KeyMissingPadding = "key-missing-padding",
    /// The key was decoded from Base64 (or encoded once more).
    KeyBase64Decoded = "key-base64-decoded",
    /// The key was decoded from, or written in, hexadecimal.
    KeyHexDecoded = "key-hex-decoded",
    /// The key is percent-encoded, or a `+` in it became a space.
    KeyUrlEncoded = "key-url-encoded",
    /// The signature is written in hexadecimal.
    HeaderHex = "header-hex",
    /// The signature is written in the URL alphabet of Base64.
    HeaderBase64Url = "header-base64url",
    /// The `=` at the end of the signature is lost.
    HeaderNoPadding = "header-no-padding",
    /// Something stands before or around the signature, such as `sha256=`, quotes or white space.
    HeaderPrefix = "header-prefix",
    /// The signature is percent-encoded, or a `+` in it became a space.
    HeaderUrlEncoded = "header-url-encoded",
    /// Several headers were folded into one value.
    HeaderFolded = "header-folded",
    /// The value of `X-Authorization-Digest` was taken for the signature, or names another algorithm.
    HeaderDigest = "header-digest",
    /// White space was put between the tokens of the JSON.
    BodyPrettyPrinted = "body-pretty-printed",
    /// The JSON was parsed and written anew.
    BodyReserialised = "body-reserialised",
    /// A line end at the end was added or lost.
    BodyTrailingNewline = "body-trailing-newline",
    /// A space at the end was added or lost.
    BodyTrailingSpace = "body-trailing-space",
    /// Line ends were converted.
    BodyCrlf = "body-crlf",
    /// A byte order mark was added or lost.
    BodyBom = "body-bom",
    /// The text was converted to another character encoding.
    BodyCharset = "body-charset",
    /// The JSON is inside a JSON string.
    BodyDoubleEncoded = "body-double-encoded",
    /// A gateway encoded the body in Base64.
    BodyBase64 = "body-base64",
    /// The body is still compressed.
    BodyGzip = "body-gzip",
    /// The body is inside an HTML form.
    BodyForm = "body-form",
    /// The body is cut, or was longer than what was signed.
    BodyTruncated = "body-truncated",
    /// The body is that of another attempt, with another `retryCount`.
    BodyOtherAttempt = "body-other-attempt",
    /// The body is XML or something else, and not JSON.
    BodyNotJson = "body-not-json",
    /// HMAC-SHA1 instead of HMAC-SHA256.
    AlgorithmSha1 = "algorithm-sha1",
    /// HMAC-SHA512 instead of HMAC-SHA256.
    AlgorithmSha512 = "algorithm-sha512",
    /// A plain hash instead of an HMAC.
    AlgorithmPlainHash = "algorithm-plain-hash",
    /// Key and body changed places.
    ArgumentsSwapped = "arguments-swapped",
    /// The signature is of the Standard Webhooks scheme.
    SchemeStandardWebhooks = "scheme-standard-webhooks",
    /// The signature is of Stripe's scheme.
    SchemeStripe = "scheme-stripe",
    /// The signature is of GitHub's scheme.
    SchemeGithub = "scheme-github",
    /// Nothing that was tried fits.
    Unknown = "unknown",
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// Recomputed from the bytes named in the evidence, and now it matches.
    Proved,
    /// Something at hand speaks for it; nothing was recomputed that matches.
    Indicated,
}

impl Certainty {
    /// `proved` or `indicated`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Indicated => "indicated",
        }
    }
}

/// Where the body at hand and the body that was signed begin to differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Offset of the first differing byte, from 0; the shorter length when one is the beginning of the other.
    pub at: usize,
    /// Offset of the first byte of `given` and `signed`, both cut to at most 48 bytes.
    pub from: usize,
    /// The body at hand around that place.
    pub given: Vec<u8>,
    /// The body that was signed around that place.
    pub signed: Vec<u8>,
}

impl Difference {
    /// The bytes shown before the first difference.
    const BEFORE: usize = 12;
    /// The bytes shown in all: three lines of a hex dump.
    const SHOWN: usize = 48;

    /// `None` when the bodies are equal.
    pub(super) fn between(given: &[u8], signed: &[u8]) -> Option<Self> {
        let common = given.iter().zip(signed).take_while(|(a, b)| a == b).count();
        let from = common.saturating_sub(Self::BEFORE);
        let window = |bytes: &[u8]| bytes[from..].iter().copied().take(Self::SHOWN).collect();
        (common < given.len().max(signed.len())).then(|| Self { at: common, from, given: window(given), signed: window(signed) })
    }
}

/// One explanation. Nothing in it contains a key or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What went wrong: one cause, or two and rarely three that come together.
    pub causes: Vec<Cause>,
    /// Whether it was recomputed.
    pub certainty: Certainty,
    /// What was seen, in one or two sentences.
    pub evidence: String,
    /// What to do about it.
    pub fix: String,
    /// Which key (from 0, as given) and header (from 1) fit under this explanation; `None` when indicated.
    pub matched: Option<Match>,
    /// How the body that was signed differs from the one at hand; `None` when it does not or is not known.
    pub difference: Option<Difference>,
}

impl Finding {
    pub(super) fn indicated(cause: Cause, evidence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            causes: vec![cause],
            certainty: Certainty::Indicated,
            evidence: evidence.into(),
            fix: fix.into(),
            matched: None,
            difference: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_in_kebab_case() {
        let ids: HashSet<_> = Cause::ALL.iter().map(|cause| cause.id()).collect();
        assert_eq!(ids.len(), Cause::ALL.len());
        assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')));
        assert_eq!(ids.len(), 38);
    }

    #[test]
    fn a_difference_shows_the_bytes_around_the_first_differing_one() {
        assert_eq!(Difference::between(b"same", b"same"), None);
        let longer = Difference::between(b"body", b"body\n").expect("one is longer");
        assert_eq!((longer.at, longer.from, longer.signed.as_slice()), (4, 0, &b"body\n"[..]));
        let far = Difference::between(&[b"a".repeat(100), b"b".repeat(100)].concat(), &b"a".repeat(200)).expect("they differ");
        assert_eq!((far.at, far.from, far.given.len(), far.signed.len()), (100, 88, 48, 48));
    }
}
