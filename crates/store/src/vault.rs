//! The vault: secrets at rest are sealed with AES-256-GCM under a key that is not in the database.
//!
//! A sealed value is `1 | key id (8) | nonce (12) | ciphertext | tag (16)`. The key id says which key opens it, so that several
//! keys can be in use while one replaces another. Account, kind and id of the record are associated data: a sealed value
//! that was copied into another record does not open. Nonces are 96 random bits (NIST SP 800-38D §8.2.2), good for 2^32
//! values under one key, which no installation writes.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{Secret, config::Secrets, id::AccountId};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Length of a key, in bytes.
pub const KEY_BYTES: usize = 32;
/// Keys taken at once: the one that seals, and those that are being replaced.
pub const KEYS_MAX: usize = 8;

/// The name of the fact whose sealed value tells a right key from a wrong one.
pub(crate) const CHECK: &str = "vault_check";
/// The kind under which secrets of subscriptions are sealed; those of other objects are sealed under their own.
pub(crate) const SUBSCRIPTION: &str = "subscription";
const CHECK_PLACE: Place<'_> = Place { account: AccountId(0), kind: "fact", id: CHECK };
const CHECK_TEXT: &[u8] = b"countersign";

/// The form written; another first byte was written by a newer version.
const FORM: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// What is wrong with a key or a sealed value. Never says any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The text is not a key.
    #[error("the secret key is not the Base64 text of {KEY_BYTES} bytes")]
    NotAKey,
    /// None, or too many.
    #[error("{0} secret keys were given; 1 to {KEYS_MAX} are taken, the one that seals first")]
    KeyCount(usize),
    /// The key that sealed it is not among those given.
    #[error("it was sealed with key {0}, which is not among the keys given")]
    UnknownKey(String),
    /// It does not open: damaged, or moved from another record.
    #[error("it does not open: damaged, or moved from another record")]
    Damaged,
    /// The operating system gave no random bytes, or the like.
    #[error("sealing failed")]
    Failed,
}

/// One key. Wiped when it goes; `Debug` shows its id alone.
#[derive(Clone)]
pub struct VaultKey(Zeroizing<[u8; KEY_BYTES]>);

impl VaultKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A fresh key.
    ///
    /// # Errors
    /// [`VaultError::Failed`] when the operating system gives no random bytes.
    pub fn random() -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| VaultError::Failed)?;
        Ok(Self(bytes))
    }

    /// Reads the Base64 text of a key; space around it is ignored.
    ///
    /// # Errors
    /// [`VaultError::NotAKey`].
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| VaultError::NotAKey)?);
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| VaultError::NotAKey)?;
        Ok(Self::new(bytes))
    }

    /// Reads keys separated by commas or white space, as `COUNTERSIGN_SECRET_KEY` and the key file have them: the one that seals
    /// first.
    ///
    /// # Errors
    /// [`VaultError::NotAKey`] or [`VaultError::KeyCount`].
    pub fn list_from_text(text: &Secret) -> Result<Vec<Self>, VaultError> {
        let parts = text.expose_secret().split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
        let keys = parts.map(Self::from_text).collect::<Result<Vec<_>, _>>()?;
        check_count(keys.len())?;
        Ok(keys)
    }

    /// The Base64 text, for the key file.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        Secret::new(STANDARD.encode(*self.0))
    }

    /// Eight bytes of its SHA-256, in hex: tells keys apart and says nothing of them.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&self.id_bytes())
    }

    fn id_bytes(&self) -> [u8; KEY_ID_BYTES] {
        // The prefix keeps the id apart from any other hash of the key.
        let digest = Sha256::new().chain_update(b"countersign key id").chain_update(*self.0).finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        id
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultKey({})", self.id())
    }
}

/// Where a sealed value belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose; account 0 is the installation's own.
    pub account: AccountId,
    /// What kind of record.
    pub kind: &'a str,
    /// Its id.
    pub id: &'a str,
}

impl Place<'_> {
    /// Unambiguous: the kind carries its length, the id is the rest.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(16 + self.kind.len() + self.id.len());
        data.extend_from_slice(&self.account.0.to_be_bytes());
        data.extend_from_slice(&(self.kind.len() as u64).to_be_bytes());
        data.extend_from_slice(self.kind.as_bytes());
        data.extend_from_slice(self.id.as_bytes());
        data
    }
}

/// The keys at hand.
pub struct Vault {
    /// The first seals.
    keys: Vec<([u8; KEY_ID_BYTES], RandomizedNonceKey)>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| hex(id))).finish()
    }
}

impl Vault {
    /// A vault that seals with the first key and opens with any.
    ///
    /// # Errors
    /// [`VaultError::KeyCount`].
    pub fn new(keys: &[VaultKey]) -> Result<Self, VaultError> {
        check_count(keys.len())?;
        let keys = keys
            .iter()
            .map(|key| Ok((key.id_bytes(), RandomizedNonceKey::new(&AES_256_GCM, &*key.0).map_err(|_| VaultError::Failed)?)))
            .collect::<Result<_, VaultError>>()?;
        Ok(Self { keys })
    }

    /// Seals bytes for a place.
    ///
    /// # Errors
    /// [`VaultError::Failed`].
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (id, key) = &self.keys[0];
        // Room for all of it at once: a growing vector would leave copies of the plain bytes behind.
        let mut body = Vec::with_capacity(plain.len() + TAG_BYTES);
        body.extend_from_slice(plain);
        let nonce = key.seal_in_place_append_tag(Aad::from(place.associated_data()), &mut body).map_err(|_| VaultError::Failed)?;
        let mut sealed = Vec::with_capacity(HEAD_BYTES + body.len());
        sealed.push(FORM);
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] or [`VaultError::Damaged`].
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (id, nonce, body) = parts(sealed).ok_or(VaultError::Damaged)?;
        let (_, key) = self.keys.iter().find(|(known, _)| known == id).ok_or_else(|| VaultError::UnknownKey(hex(id)))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = key.open_in_place(nonce, Aad::from(place.associated_data()), &mut body).map_err(|_| VaultError::Damaged)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// True when it was sealed with the key that seals now.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        parts(sealed).is_some_and(|(id, _, _)| *id == self.keys[0].0)
    }

    /// The ids of its keys, the one that seals first.
    #[must_use]
    pub fn key_ids(&self) -> Vec<String> {
        self.keys.iter().map(|(id, _)| hex(id)).collect()
    }

    /// The value of [`CHECK`] under the key that seals now.
    pub(crate) fn sealed_check(&self) -> Result<Vec<u8>, VaultError> {
        self.seal(CHECK_PLACE, CHECK_TEXT)
    }

    /// Whether a stored value of [`CHECK`] opens with the keys at hand: they are those of the database then.
    pub(crate) fn passes_check(&self, sealed: &[u8]) -> Result<(), VaultError> {
        if self.open(CHECK_PLACE, sealed)?.as_slice() == CHECK_TEXT { Ok(()) } else { Err(VaultError::Damaged) }
    }

    /// Seals the secrets of an object, by name; nothing when there are none.
    ///
    /// # Errors
    /// [`VaultError::Failed`].
    pub fn seal_secrets(&self, place: Place<'_>, secrets: &Secrets) -> Result<Option<Vec<u8>>, VaultError> {
        if secrets.is_empty() {
            return Ok(None);
        }
        // As above: all of it at once, so that growing leaves no copy behind.
        let bytes: usize = secrets.iter().map(|(name, secret)| 16 + name.len() + secret.expose_secret().len()).sum();
        let mut plain = Zeroizing::new(Vec::with_capacity(bytes));
        for (name, secret) in secrets {
            for part in [name.as_bytes(), secret.expose_secret().as_bytes()] {
                plain.extend_from_slice(&(part.len() as u64).to_be_bytes());
                plain.extend_from_slice(part);
            }
        }
        self.seal(place, &plain).map(Some)
    }

    /// The secrets of an object.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_secrets(&self, place: Place<'_>, sealed: Option<&[u8]>) -> Result<Secrets, VaultError> {
        let Some(sealed) = sealed else { return Ok(Secrets::new()) };
        let plain = self.open(place, sealed)?;
        let mut rest = plain.as_slice();
        let mut secrets = Secrets::new();
        while !rest.is_empty() {
            let name = next_part(&mut rest).ok_or(VaultError::Damaged)?;
            let secret = next_part(&mut rest).ok_or(VaultError::Damaged)?;
            secrets.insert(name.to_owned(), Secret::new(secret));
        }
        Ok(secrets)
    }
}

fn next_part<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(part).ok()
}

fn parts(sealed: &[u8]) -> Option<(&[u8; KEY_ID_BYTES], &[u8; NONCE_BYTES], &[u8])> {
    let (&form, rest) = sealed.split_first()?;
    let (id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>()?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>()?;
    (form == FORM && body.len() >= TAG_BYTES).then_some((id, nonce, body))
}

/// The id of the key that sealed a value.
pub(crate) fn key_id_of(sealed: &[u8]) -> Option<String> {
    parts(sealed).map(|(id, _, _)| hex(id))
}

fn check_count(count: usize) -> Result<(), VaultError> {
    if (1..=KEYS_MAX).contains(&count) { Ok(()) } else { Err(VaultError::KeyCount(count)) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'_> = Place { account: AccountId(10_000_001), kind: "signing_key", id: "crd_1" };

    fn vault(keys: &[u8]) -> Vault {
        let keys: Vec<VaultKey> = keys.iter().map(|&byte| VaultKey::new([byte; KEY_BYTES])).collect();
        Vault::new(&keys).expect("keys")
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_place_alone() {
        let vault = vault(&[1]);
        let sealed = vault.seal(PLACE, b"correct horse").expect("sealed");
        assert_eq!(vault.open(PLACE, &sealed).expect("opens").as_slice(), b"correct horse");
        for (row, place) in [
            ("account", Place { account: AccountId(10_000_002), ..PLACE }),
            ("kind", Place { kind: "oauth", ..PLACE }),
            ("id", Place { id: "crd_2", ..PLACE }),
            ("the border between kind and id", Place { kind: "signing_keyc", id: "rd_1", ..PLACE }),
        ] {
            assert_eq!(vault.open(place, &sealed), Err(VaultError::Damaged), "{row}");
        }
    }

    #[test]
    fn a_replaced_key_still_opens_and_no_longer_seals() {
        let old = vault(&[1]).seal(PLACE, b"x").expect("sealed");
        let both = vault(&[2, 1]);
        assert_eq!(both.open(PLACE, &old).expect("opens").as_slice(), b"x");
        assert!(!both.is_current(&old));
        let new = both.seal(PLACE, b"x").expect("sealed");
        assert!(both.is_current(&new));
        let unknown = VaultKey::new([1; KEY_BYTES]).id();
        assert_eq!(vault(&[2]).open(PLACE, &old), Err(VaultError::UnknownKey(unknown)));
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let vault = vault(&[1]);
        let sealed = vault.seal(PLACE, b"secret").expect("sealed");
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(vault.open(PLACE, &damaged).is_err(), "byte {at}");
            assert!(vault.open(PLACE, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn key_texts_are_read_and_refused() {
        let text = VaultKey::new([7; KEY_BYTES]).to_text();
        let two = Secret::new(format!(" {},\n{}\n", text.expose_secret(), text.expose_secret()));
        assert_eq!(VaultKey::list_from_text(&two).map(|keys| keys.len()), Ok(2));
        for (text, refused) in [("", VaultError::KeyCount(0)), ("short", VaultError::NotAKey), ("AAAA", VaultError::NotAKey)] {
            assert_eq!(VaultKey::list_from_text(&Secret::new(text)).err(), Some(refused), "{text:?}");
        }
        assert!(!format!("{:?}", VaultKey::new([7; KEY_BYTES])).contains(text.expose_secret()));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(secrets in proptest::collection::btree_map(".*", ".*", 0..5)) {
            let vault = vault(&[3]);
            let secrets: Secrets = secrets.into_iter().map(|(name, text)| (name, Secret::new(text))).collect();
            let sealed = vault.seal_secrets(PLACE, &secrets).expect("sealed");
            prop_assert_eq!(sealed.is_none(), secrets.is_empty());
            let opened = vault.open_secrets(PLACE, sealed.as_deref()).expect("opens");
            let plain = |secrets: &Secrets| secrets.iter().map(|(n, s)| (n.clone(), s.expose_secret().to_owned())).collect::<Vec<_>>();
            prop_assert_eq!(plain(&opened), plain(&secrets));
        }
    }
}
