//! A token is refused or accepted, never anything else, and what is accepted is of the form that RFC 7515 gives it.
//!
//! An input reads as: the token on a line, the key set of its server behind it.

#![no_main]

use bytes::Bytes;
use countersign_listener::{FetchFailed, Jwks, JwtVerifier, TOKEN_BYTES_MAX, TokenExpectations, VerifyToken as _};
use http::{Request, Response};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_800_000_000;

fuzz_target!(|input: &[u8]| {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let Ok(token) = std::str::from_utf8(&input[..end]) else { return };
    let keys = Bytes::copy_from_slice(input.get(end + 1..).unwrap_or_default());
    let fetch = move |_: Request<Bytes>, _: usize| {
        let keys = keys.clone();
        async move { Ok::<_, FetchFailed>(Response::new(keys)) }
    };
    let jwks = Jwks::new("https://id.example/jwks".parse().expect("a URI"), fetch);
    let verifier = JwtVerifier::new(jwks, TokenExpectations::new("https://id.example", "listener", ["sender"]));
    let result = RUNTIME.with(|runtime| runtime.block_on(verifier.verify(token, None, NOW)));
    if let Ok(claims) = result {
        assert!(token.len() <= TOKEN_BYTES_MAX && token.split('.').count() == 3);
        assert_eq!((claims.issuer.as_deref(), claims.audience.contains(&"listener".to_owned())), (Some("https://id.example"), true));
        assert!(claims.expires_at.is_some_and(|at| at + 60 > NOW));
    }
});
