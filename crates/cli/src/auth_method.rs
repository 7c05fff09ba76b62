//! How a client proves who it is to an authorization server, as commands name it.

use clap::ValueEnum;

/// Client authentication by its short name, or by the one registered in RFC 7591.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthMethod {
    /// In the Authorization header
    #[value(alias = "client_secret_basic")]
    Basic,
    /// In the form
    #[value(alias = "client_secret_post")]
    Body,
    /// By a signed assertion
    #[value(alias = "private_key_jwt")]
    PrivateKeyJwt,
    /// By the client certificate
    #[value(alias = "tls_client_auth", alias = "self_signed_tls_client_auth")]
    MutualTls,
}

impl AuthMethod {
    /// Its name in the registry of RFC 7591 §2.
    pub(crate) fn registered_name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Body => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::MutualTls => "tls_client_auth",
        }
    }
}

/// How id and secret are written in Basic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// Form-encoded first (RFC 6749 section 2.3.1)
    Form,
    /// As they are
    Raw,
}
