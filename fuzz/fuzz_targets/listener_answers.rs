//! Whatever an authorization server answers, nobody is let in whom it did not vouch for.
//!
//! An input reads as: the status, the content type, the answer. It is taken for metadata, a key set and an introspection answer.

#![no_main]

use bytes::Bytes;
use countersign_listener::{
    Fetch, FetchFailed, Introspector, Jwks, JwtVerifier, MetadataLocation, TokenExpectations, TokenRefused, VerifyToken,
};
use http::{Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://id.example";
/// A token that is good in every way, when the key of the seed `keys` is published.
const TOKEN: &str = include_str!("good.token");

fn fetch(answer: Response<Bytes>) -> impl Fetch {
    move |_: Request<Bytes>, _: usize| {
        let answer = answer.clone();
        async move { Ok::<_, FetchFailed>(answer) }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let status = lines.next().and_then(|line| StatusCode::from_bytes(line).ok()).unwrap_or(StatusCode::OK);
    let kind = lines.next().unwrap_or_default();
    let body = lines.next().unwrap_or_default();
    let Ok(answer) = Response::builder().status(status).header("content-type", kind).body(Bytes::copy_from_slice(body)) else { return };
    let expectations = || TokenExpectations::new(ISSUER, "listener", ["sender"]);
    let uri = || format!("{ISSUER}/x").parse().expect("a URI");

    let by_keys = JwtVerifier::new(Jwks::new(uri(), fetch(answer.clone())), expectations());
    let result = verdict(&by_keys);
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    assert!(result.is_err() || (status == StatusCode::OK && value["keys"].is_array()));

    let found = Jwks::discover(ISSUER, MetadataLocation::OAuth, fetch(answer.clone())).expect("an issuer");
    // The same answer is the metadata and the keys.
    let result = verdict(&JwtVerifier::new(found, expectations()));
    assert!(result.is_err() || (value["issuer"] == ISSUER && value["keys"].is_array()));

    let asked = Introspector::try_new(uri(), "id", "secret", fetch(answer), expectations()).expect("good credentials");
    let result = verdict(&asked);
    assert!(result.is_err() || (status == StatusCode::OK && value["active"] == Value::Bool(true) && !value["aud"].is_null()));
});

fn verdict(verifier: &impl VerifyToken) -> Result<(), TokenRefused> {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(verifier.verify(TOKEN.trim_end(), None, NOW))).map(|_| ())
}
