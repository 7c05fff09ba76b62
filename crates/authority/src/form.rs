//! `application/x-www-form-urlencoded` as RFC 6749 wants it read: strictly.
//!
//! The WHATWG parser repairs what it cannot read, which is right for browsers. Here a parameter that was encoded wrongly
//! is a mistake of the client's author, who should hear of it.

/// Bytes of a form body. Tokens and assertions are a few KiB; anything larger is a mistake.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Parameters in one body. No grant has more than ten; custom parameters get the rest.
const PARAMETERS_MAX: usize = 64;

/// The one parameter that may come more than once (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// The parameters of one request, each name once (`resource` excepted), in the order sent.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// Why a form cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("a parameter is not form-urlencoded UTF-8")]
    Undecodable,
    #[error("parameter {0} is repeated")]
    Repeated(String),
    #[error("more than {PARAMETERS_MAX} parameters")]
    TooMany,
}

impl Parameters {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut read: Vec<(String, String)> = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            let (name, value) = (decode(name)?, decode(value)?);
            if name != REPEATABLE && read.iter().any(|(known, _)| *known == name) {
                return Err(FormError::Repeated(name));
            }
            if read.len() == PARAMETERS_MAX {
                return Err(FormError::TooMany);
            }
            read.push((name, value));
        }
        // RFC 6749 §3.1: a parameter without a value counts as left out. Only now, so that a repeat of it is still seen.
        read.retain(|(_, value)| !value.is_empty());
        Ok(Self(read))
    }

    /// The value of a parameter; the first one of a repeatable parameter.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a repeatable parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Decodes one name or value: `+` is a space, `%XX` a byte, the whole is UTF-8.
pub(crate) fn decode(raw: &[u8]) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'+', _) => {
                decoded.push(b' ');
                tail
            }
            (b'%', [high, low, after @ ..]) => {
                decoded.push(hex(*high)? << 4 | hex(*low)?);
                after
            }
            (b'%', _) => return Err(FormError::Undecodable),
            (byte, _) => {
                decoded.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(decoded).map_err(|_| FormError::Undecodable)
}

/// Whether these bytes can be the output of some form-urlencoder. A raw `/`, `=` or `&` in a client secret says that the
/// client did not encode it (RFC 6749 §2.3.1), and then `+` and `%` in it would be read wrongly.
pub(crate) fn looks_encoded(raw: &[u8]) -> bool {
    raw.iter().all(|byte| byte.is_ascii_alphanumeric() || b"*-._~!'()+%".contains(byte))
}

fn hex(digit: u8) -> Result<u8, FormError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(FormError::Undecodable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_decode_as_their_encoder_meant_them() {
        let rows: [(&str, Result<&str, FormError>); 9] = [
            ("plain", Ok("plain")),
            ("a+b", Ok("a b")),
            ("a%2Bb", Ok("a+b")),
            ("%3a%2F%25", Ok(":/%")),
            ("gr%C3%BC%C3%9Fe", Ok("grüße")),
            ("%", Err(FormError::Undecodable)),
            ("%4", Err(FormError::Undecodable)),
            ("%zz", Err(FormError::Undecodable)),
            ("%FF", Err(FormError::Undecodable)),
        ];
        for (raw, expected) in rows {
            assert_eq!(decode(raw.as_bytes()), expected.map(str::to_owned), "{raw}");
        }
    }

    #[test]
    fn a_repeated_parameter_is_refused_even_when_one_is_empty() {
        for body in ["scope=a&scope=b", "scope=&scope=b", "scope&scope"] {
            assert_eq!(Parameters::parse(body.as_bytes()).err(), Some(FormError::Repeated("scope".into())), "{body}");
        }
    }

    #[test]
    fn resource_may_be_repeated() {
        let parameters = Parameters::parse(b"resource=a&resource=b").expect("two resources are allowed");
        assert_eq!(parameters.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_parameter_without_a_value_counts_as_left_out() {
        let parameters = Parameters::parse(b"scope=&grant_type=x&flag").expect("readable");
        assert_eq!((parameters.one("scope"), parameters.one("flag"), parameters.one("grant_type")), (None, None, Some("x")));
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        let body: String = (0..=PARAMETERS_MAX).map(|n| format!("p{n}=v&")).collect();
        assert_eq!(Parameters::parse(body.as_bytes()).err(), Some(FormError::TooMany));
    }
}
