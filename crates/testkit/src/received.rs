//! What a listener received, and how much.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Version};

/// Requests kept at once, the oldest forgotten first: a test that looks at more is a benchmark, and reads [`Counts`].
const REQUESTS_MAX: usize = 10_000;

/// Bytes of kept bodies, the oldest forgotten first: a few of the largest messages.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// 1 for the first request of the listener (or since [`crate::Listener::clear`]), in order of complete arrival.
    pub number: u64,
    /// 1 for the first connection of the listener. Requests with the same number shared a connection.
    pub connection: u64,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The method.
    pub method: Method,
    /// Path and query, as in the request line.
    pub path: String,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The header fields in order of arrival; the values of a repeated name stand together. Names are in lower case.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Whether the body arrived to its end. False when the client left or the body was over the limit.
    pub complete: bool,
    /// When the head had arrived.
    pub arrived_at: Instant,
    /// The client's certificate in DER, when it showed one.
    pub client_certificate: Option<Vec<u8>>,
}

impl Received {
    /// The first value of a header field as text; `None` when it is missing or not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All values of a header field, in order of arrival. Values that are not ASCII are left out.
    #[must_use]
    pub fn header_all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// The names of all header fields in order of arrival.
    #[must_use]
    pub fn header_names(&self) -> Vec<&str> {
        self.headers.keys().map(http::HeaderName::as_str).collect()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("request {} has no JSON body ({error}): {}", self.number, String::from_utf8_lossy(&self.body)),
        }
    }
}

/// Numbers of one listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// TLS handshakes that failed.
    pub tls_failures: u64,
    /// Requests received with their body; since the last [`crate::Listener::clear`].
    pub requests: u64,
    /// Requests whose head has arrived and whose answer has not begun.
    pub in_flight: u64,
    /// The most of these at one time.
    pub in_flight_max: u64,
    /// Requests whose client left before the answer began.
    pub abandoned: u64,
    /// Requests that arrived and are no longer kept.
    pub forgotten: u64,
}

/// The requests that are kept.
#[derive(Debug, Default)]
pub(crate) struct Log {
    kept: VecDeque<Received>,
    body_bytes: usize,
}

impl Log {
    /// Keeps one more; gives how many were forgotten for it.
    pub(crate) fn push(&mut self, received: Received) -> u64 {
        self.body_bytes += received.body.len();
        self.kept.push_back(received);
        let mut forgotten = 0;
        while self.kept.len() > REQUESTS_MAX || self.body_bytes > BODY_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.body_bytes -= oldest.body.len();
            forgotten += 1;
        }
        forgotten
    }

    /// The kept ones, oldest first.
    pub(crate) fn all(&self) -> Vec<Received> {
        self.kept.iter().cloned().collect()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.body_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(number: u64, body: Bytes) -> Received {
        Received {
            number,
            connection: 1,
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            method: Method::POST,
            path: "/".into(),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body,
            complete: true,
            arrived_at: Instant::now(),
            client_certificate: None,
        }
    }

    #[test]
    fn the_log_forgets_the_oldest_requests_when_there_are_too_many() {
        let mut log = Log::default();
        let forgotten: u64 = (1..=REQUESTS_MAX as u64 + 5).map(|number| log.push(received(number, Bytes::new()))).sum();
        assert_eq!((forgotten, log.all().len(), log.all()[0].number), (5, REQUESTS_MAX, 6));
    }

    #[test]
    fn the_log_forgets_the_oldest_requests_when_they_are_too_large() {
        let mut log = Log::default();
        let half = Bytes::from(vec![0; BODY_BYTES_MAX / 2]);
        let forgotten: u64 = (1..=3).map(|number| log.push(received(number, half.clone()))).sum();
        assert_eq!((forgotten, log.all()[0].number), (1, 2));
        log.clear();
        assert_eq!((log.all().len(), log.body_bytes), (0, 0));
    }
}
