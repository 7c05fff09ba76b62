//! Rows about contents: document bytes by their hash.

use bytes::Bytes;
use countersign_core::config::ConfigKind;
use sha2::{Digest as _, Sha256};

use super::world::{START, World, at, object};
use crate::{
    envelopes::EnvelopeRow,
    objects::{Object, ObjectKey},
};

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Contents of any length come back byte for byte, in their account alone.
pub async fn contents_read_back_in_their_account(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    for (row, bytes) in [
        ("empty", Vec::new()),
        ("small", b"a document".to_vec()),
        ("one chunk to the byte", vec![1; 1 << 20]),
        ("several chunks", (0..2_500_000_u32).map(|n| n as u8).collect()),
    ] {
        let (key, bytes) = (hash(&bytes), Bytes::from(bytes));
        for _ in 0..2 {
            // Putting it twice is putting it once.
            world.store.put_content(account, key, bytes.clone(), START).await.expect(row);
        }
        assert_eq!(world.store.content(account, key).await.expect(row), Some(bytes), "{row}");
        assert_eq!(world.store.content(other, key).await.expect(row), None, "{row}");
    }
}

/// What nothing refers to is swept when it is old; what an envelope or a template refers to is not.
pub async fn only_what_nothing_refers_to_is_swept(world: World) {
    let account = world.account().await;
    let mut keys = Vec::new();
    for (name, put_at) in
        [("of an envelope", START), ("of a template", START), ("of nobody", START), ("young", at(50)), ("put again", START)]
    {
        let key = hash(name.as_bytes());
        world.store.put_content(account, key, Bytes::from_static(name.as_bytes()), put_at).await.expect(name);
        keys.push((name, key));
    }
    world.store.put_content(account, keys[4].1, Bytes::from_static(b"put again"), at(50)).await.expect("stored");
    let row = EnvelopeRow { contents: vec![keys[0].1], ..world.envelope_row(account) };
    world.put_envelope(row.clone(), None).await;
    let template = ObjectKey { account, kind: ConfigKind::Template, id: "t".into() };
    let body = Object { contents: vec![keys[1].1], ..object("{}") };
    world.store.put_object(template.clone(), body, None).await.expect("stored").expect("new");
    let stored = world.store.object(template.clone()).await.expect("read").expect("exists");
    assert_eq!(stored.object.contents, [keys[1].1]);

    let left = async || {
        let mut left = Vec::new();
        for (name, key) in &keys {
            if world.store.content(account, *key).await.expect("read").is_some() {
                left.push(*name);
            }
        }
        left
    };
    assert_eq!(world.store.sweep_contents(at(50), 100).await.expect("swept"), 1);
    assert_eq!(left().await, ["of an envelope", "of a template", "young", "put again"]);
    // The envelope lets go of its document (purge), the template is deleted.
    let read = world.store.envelope(account, row.id).await.expect("read").expect("exists");
    world.put_envelope(EnvelopeRow { contents: Vec::new(), ..row }, Some(read.version)).await;
    world.store.delete_object(template).await.expect("stored").expect("existed");
    assert_eq!(world.store.sweep_contents(at(50), 1).await.expect("swept"), 1, "no more than asked for");
    assert_eq!(world.store.sweep_contents(at(50), 1).await.expect("swept"), 1);
    assert_eq!(left().await, ["young", "put again"]);
}
