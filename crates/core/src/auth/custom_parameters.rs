//! Further parameters of a token request (Connect: `customParameters`, such as `audience` and `resource`).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use url::Url;

/// Chooses the client authentication. It is read by us and never sent.
pub const TOKEN_ENDPOINT_AUTH_METHOD: &str = "token_endpoint_auth_method";

/// More would make a form that authorization servers refuse anyway.
pub const PARAMETERS_MAX: usize = 64;

/// Longest name, in bytes.
pub const PARAMETER_NAME_BYTES_MAX: usize = 256;

/// Longest value, in bytes; audiences and resources are URLs.
pub const PARAMETER_VALUE_BYTES_MAX: usize = 4_096;

/// Names and values in the order given, each name once (RFC 6749 §3.2). Serialised as a map.
///
/// They are not secret: they are stored and shown as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomParameters(Vec<(String, String)>);

/// Why a parameter is refused. The account administrator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterFault {
    /// The request sets it itself; a custom parameter must not turn the request into another one.
    #[error("the custom parameter '{name}' is set by the token request itself")]
    Reserved {
        /// As given.
        name: String,
    },
    /// RFC 6749 §3.2: parameters must not be included more than once.
    #[error("the parameter '{name}' is given twice")]
    Twice {
        /// As given.
        name: String,
    },
    /// Empty name, or a control character in the name or the value.
    #[error("the custom parameter '{name}' has an empty name or holds a control character")]
    Unprintable {
        /// Escaped.
        name: String,
    },
    /// Longer than [`PARAMETER_NAME_BYTES_MAX`] or [`PARAMETER_VALUE_BYTES_MAX`].
    #[error("the custom parameter '{name}' is longer than {PARAMETER_VALUE_BYTES_MAX} bytes, or its name than {PARAMETER_NAME_BYTES_MAX}")]
    TooLong {
        /// Cut.
        name: String,
    },
    /// More than [`PARAMETERS_MAX`].
    #[error("there are more than {PARAMETERS_MAX} custom parameters")]
    TooMany,
    /// RFC 8707 §2.
    #[error("the custom parameter 'resource' is not an absolute URI without fragment")]
    NotAResource,
}

impl CustomParameters {
    /// Takes the pairs as they are; [`check`](Self::check) says whether they may be sent.
    pub fn new<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Checks every pair.
    ///
    /// # Errors
    /// The first [`ParameterFault`].
    pub fn check(&self) -> Result<(), ParameterFault> {
        if self.0.len() > PARAMETERS_MAX {
            return Err(ParameterFault::TooMany);
        }
        for (at, (name, value)) in self.0.iter().enumerate() {
            let shown = || name.chars().take(64).flat_map(char::escape_debug).collect::<String>();
            if name.len() > PARAMETER_NAME_BYTES_MAX || value.len() > PARAMETER_VALUE_BYTES_MAX {
                return Err(ParameterFault::TooLong { name: shown() });
            }
            if name.trim().is_empty() || name.chars().chain(value.chars()).any(char::is_control) {
                return Err(ParameterFault::Unprintable { name: shown() });
            }
            if is_reserved(name) {
                return Err(ParameterFault::Reserved { name: shown() });
            }
            if self.0[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(ParameterFault::Twice { name: shown() });
            }
            if name == "resource" && !value.is_empty() && !Url::parse(value).is_ok_and(|uri| uri.fragment().is_none()) {
                return Err(ParameterFault::NotAResource);
            }
        }
        Ok(())
    }

    /// The value of a parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Those that go into the request: without [`TOKEN_ENDPOINT_AUTH_METHOD`], without empty values (RFC 6749 §3.2) and
    /// without whatever [`check`](Self::check) would refuse by name.
    pub fn sent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(name, value)| *name != TOKEN_ENDPOINT_AUTH_METHOD && !value.is_empty() && !is_reserved(name))
    }

    /// All pairs in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `grant_type` and everything that begins with `client_`, in any case and with blanks around it.
fn is_reserved(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    name == "grant_type" || name.starts_with("client_")
}

impl Serialize for CustomParameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for CustomParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> de::Visitor<'de> for Pairs {
            type Value = CustomParameters;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a map of at most {PARAMETERS_MAX} names to texts")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() == PARAMETERS_MAX {
                        return Err(de::Error::custom(ParameterFault::TooMany));
                    }
                    pairs.push(pair);
                }
                Ok(CustomParameters(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_that_would_change_the_request_are_refused() {
        let reserved = |name: &str| ParameterFault::Reserved { name: name.to_owned() };
        for (pairs, fault) in [
            (vec![("grant_type", "password")], reserved("grant_type")),
            (vec![("Grant_Type", "password")], reserved("Grant_Type")),
            (vec![(" grant_type", "password")], reserved(" grant_type")),
            (vec![("client_id", "x")], reserved("client_id")),
            (vec![("client_secret", "x")], reserved("client_secret")),
            (vec![("client_assertion", "x")], reserved("client_assertion")),
            (vec![("client_anything", "x")], reserved("client_anything")),
            (vec![("a", "1"), ("a", "2")], ParameterFault::Twice { name: "a".to_owned() }),
            (vec![("", "1")], ParameterFault::Unprintable { name: String::new() }),
            (vec![("a\n", "1")], ParameterFault::Unprintable { name: "a\\n".to_owned() }),
            (vec![("a", "1\0")], ParameterFault::Unprintable { name: "a".to_owned() }),
            (vec![("resource", "not a uri")], ParameterFault::NotAResource),
            (vec![("resource", "https://api.example/#part")], ParameterFault::NotAResource),
        ] {
            assert_eq!(CustomParameters::new(pairs.clone()).check(), Err(fault), "{pairs:?}");
        }
        let many = CustomParameters::new((0..65).map(|n| (format!("p{n}"), "1")));
        assert_eq!(many.check(), Err(ParameterFault::TooMany));
        assert_eq!(CustomParameters::new([("audience", "https://api.example/"), ("resource", "urn:x:y")]).check(), Ok(()));
    }

    #[test]
    fn order_survives_serialisation() {
        let text = r#"{"zeta":"1","alpha":"2","m":""}"#;
        let parameters: CustomParameters = serde_json::from_str(text).expect("a map");
        assert_eq!(serde_json::to_string(&parameters).expect("a map"), text);
        assert_eq!(parameters.sent().collect::<Vec<_>>(), [("zeta", "1"), ("alpha", "2")]);
    }

    proptest! {
        #[test]
        fn no_name_smuggles_a_reserved_parameter(prefix in "[ \t]{0,2}", name in "(?i)(grant_type|client_[a-z]{0,8})", value in "[a-z]{0,5}") {
            let parameters = CustomParameters::new([(format!("{prefix}{name}"), value)]);
            prop_assert!(parameters.check().is_err());
            prop_assert_eq!(parameters.sent().count(), 0);
        }
    }
}
