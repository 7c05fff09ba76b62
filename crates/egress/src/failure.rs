//! Why there is no answer.

use std::{error::Error as StdError, fmt, io, net::SocketAddr};

use countersign_core::{address::Forbidden, outcome::FailureKind};
use rustls::{AlertDescription, CertificateError};

/// An exchange without a complete head of an answer. Its message is one clause and holds no secret and no inner address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct SendFailure {
    /// What happened.
    pub cause: FailureCause,
    /// Who was connected, when that is known.
    pub remote: Option<SocketAddr>,
    /// True when the connection had carried an exchange before: its end may have crossed our request on the way, so that
    /// another attempt at once has a good chance.
    pub reused: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailureCause {
    /// The address policy refuses the target. Nothing was dialled.
    #[error(transparent)]
    Forbidden(Forbidden),
    /// The name gives no address.
    #[error("{0}")]
    Dns(DnsFailure),
    /// There is no connection.
    #[error("{0}")]
    Connect(ConnectFailure),
    /// There is a connection, but TLS cannot be agreed on it.
    #[error("{0}")]
    Tls(TlsFailure),
    /// There is no answer in time.
    #[error("{0}")]
    Timeout(TimeoutKind),
    /// The connection ended before the answer began or while its head was read.
    #[error("the connection was closed before an answer")]
    Closed,
    /// What came back is not an HTTP answer.
    #[error("the answer is not valid HTTP")]
    BadAnswer,
    /// The head of the answer is longer than 32 KiB or 100 headers, or it is preceded by too many interim answers.
    #[error("the headers of the answer are longer than 32 KiB")]
    HeadTooLong,
    /// The request cannot be sent as it is.
    #[error("{0}")]
    Request(RequestFault),
}

/// Why a name gives no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsFailure {
    /// It is not known, or the name server says so.
    NotFound,
    /// There was no answer in time.
    TimedOut,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nothing listens there.
    Refused,
    /// No way leads there.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// As many connections as are permitted are open.
    TooMany,
    /// Anything else, and a peer that is not who was dialled.
    Failed,
}

/// Why TLS cannot be agreed. The certificate of the listener is at fault unless the name says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailure {
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for other names.
    WrongName,
    /// Nobody we trust has signed it; an incomplete chain looks the same.
    UnknownIssuer,
    /// It was revoked.
    Revoked,
    /// Anything else about it: weak keys, wrong purpose, constraints.
    BadCertificate,
    /// The listener wants a client certificate, or another one than ours.
    ClientCertificate,
    /// No version or algorithm in common (TLS 1.2 is the least).
    Incompatible,
    /// What answers does not speak TLS.
    NotTls,
    /// The connection ended in the handshake.
    Closed,
    /// The handshake did not end in time.
    TimedOut,
    /// Anything else.
    Failed,
}

/// Which time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutKind {
    /// Until the head of the answer.
    FirstByte,
    /// All in all.
    Total,
}

/// Why a request cannot be sent as it is. We or the subscription's settings are at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// It brings a header that frames the message.
    FramingHeader,
    /// The client does not take it.
    Unsendable,
}

impl SendFailure {
    /// Before there was a connection.
    pub(crate) fn before_connection(cause: FailureCause) -> Self {
        Self { cause, remote: None, reused: false }
    }

    /// The kind under which an attempt is stored.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.cause.kind()
    }
}

impl FailureCause {
    /// The kind under which an attempt is stored.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Forbidden(_) => FailureKind::ForbiddenAddress,
            Self::Dns(_) => FailureKind::Dns,
            Self::Connect(_) => FailureKind::Connect,
            Self::Tls(_) => FailureKind::Tls,
            Self::Timeout(_) => FailureKind::Timeout,
            Self::Closed => FailureKind::Closed,
            Self::BadAnswer | Self::HeadTooLong => FailureKind::BadAnswer,
            Self::Request(_) => FailureKind::Misconfigured,
        }
    }

    /// Of an error of the HTTP client or of a read: looks for the innermost cause that is known.
    pub(crate) fn of_exchange(error: &(dyn StdError + 'static)) -> Self {
        let mut found = None;
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(cause) = error.downcast_ref::<Self>() {
                return cause.clone();
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                found = of_hyper(error).or(found);
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                if let Some(inner) = error.get_ref() {
                    // The source of such an error is the source of what it wraps, so what it wraps is looked at here.
                    if let Some(cause) = inner.downcast_ref::<Self>() {
                        return cause.clone();
                    }
                    if inner.is::<rustls::Error>() {
                        return Self::Tls(TlsFailure::of_io(error));
                    }
                }
                found = Some(Self::Closed);
            }
            next = error.source();
        }
        found.unwrap_or(Self::Closed)
    }
}

fn of_hyper(error: &hyper::Error) -> Option<FailureCause> {
    if error.is_parse_too_large() {
        Some(FailureCause::HeadTooLong)
    } else if error.is_parse() {
        Some(FailureCause::BadAnswer)
    } else if error.is_user() {
        Some(FailureCause::Request(RequestFault::Unsendable))
    } else {
        None
    }
}

impl ConnectFailure {
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Failed,
        }
    }
}

impl TlsFailure {
    /// Of an error of the handshake, or of a later read: in TLS 1.3 a server says only then that it wants another
    /// certificate.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Self::of_rustls(error),
            None => Self::Closed,
        }
    }

    fn of_rustls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                CertificateError::Revoked => Self::Revoked,
                _ => Self::BadCertificate,
            },
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired
                | AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => Self::ClientCertificate,
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity
                | AlertDescription::UnrecognisedName
                | AlertDescription::NoApplicationProtocol => Self::Incompatible,
                _ => Self::Failed,
            },
            rustls::Error::PeerIncompatible(_) => Self::Incompatible,
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for DnsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the host name does not resolve",
            Self::TimedOut => "the host name did not resolve in time",
        })
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the connection was refused",
            Self::Unreachable => "the host is unreachable",
            Self::TimedOut => "there was no connection in time",
            Self::TooMany => "no connection could be opened in time, since as many as are permitted are open",
            Self::Failed => "the connection failed",
        })
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate of the listener has expired",
            Self::NotYetValid => "the certificate of the listener is not valid yet",
            Self::WrongName => "the certificate of the listener is for another name",
            Self::UnknownIssuer => "the certificate of the listener is not signed by a trusted CA, or its chain is incomplete",
            Self::Revoked => "the certificate of the listener was revoked",
            Self::BadCertificate => "the certificate of the listener is not acceptable",
            Self::ClientCertificate => "the listener demands a client certificate, or refuses the one it was shown",
            Self::Incompatible => "no TLS version or algorithm in common; TLS 1.2 is the least",
            Self::NotTls => "the listener does not speak TLS on this port",
            Self::Closed => "the connection was closed in the TLS handshake",
            Self::TimedOut => "the TLS handshake did not end in time",
            Self::Failed => "the TLS handshake failed",
        })
    }
}

impl fmt::Display for TimeoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstByte => "the answer did not begin in time",
            Self::Total => "there was no answer in time",
        })
    }
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FramingHeader => "the request brings a header that frames the message, such as Host or Content-Length",
            Self::Unsendable => "the request cannot be sent as it is",
        })
    }
}
