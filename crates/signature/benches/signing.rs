//! What a signature costs: `cargo bench -p countersign-signature`.

use countersign_signature::{HmacKey, Signer, sign, verify};
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [2_048, 10_240, 1 << 20];

fn keys(count: usize) -> Vec<HmacKey> {
    (0..count).map(|number| HmacKey::try_new(format!("YmVuY2gga2V5IGJlbmNoIGtleSBiZW5jaCBrZXkh{number:04}")).expect("a key")).collect()
}

/// All headers of a message with one key.
#[divan::bench(args = SIZES)]
fn sign_with_1_key(bencher: Bencher<'_, '_>, bytes: usize) {
    let (keys, body) = (keys(1), vec![b'x'; bytes]);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| sign(black_box(&keys), black_box(&body)));
}

/// All headers of a message with ten keys, as while keys are rotated.
#[divan::bench(args = SIZES)]
fn sign_with_10_keys(bencher: Bencher<'_, '_>, bytes: usize) {
    let (keys, body) = (keys(10), vec![b'x'; bytes]);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| sign(black_box(&keys), black_box(&body)));
}

/// The same bytes in segments, as a large body is sent.
#[divan::bench]
fn sign_in_segments_of_64_kib(bencher: Bencher<'_, '_>) {
    let (keys, segment) = (keys(1), vec![b'x'; 64 << 10]);
    bencher.counter(BytesCount::new(segment.len() * 16)).bench_local(|| {
        let mut signer = Signer::new(black_box(&keys));
        for _ in 0..16 {
            signer.update(black_box(&segment));
        }
        signer.finish()
    });
}

/// What a listener does with a message.
#[divan::bench(args = SIZES)]
fn verify_with_1_key(bencher: Bencher<'_, '_>, bytes: usize) {
    let (keys, body) = (keys(1), vec![b'x'; bytes]);
    let headers: Vec<(String, String)> = sign(&keys, &body).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        verify(black_box(&keys), headers, black_box(&body))
    });
}
