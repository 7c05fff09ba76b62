//! RSA keys of integration keys: public ones as given or made, private ones only on their way out.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair, KeySize, PublicEncryptingKey, PublicKey},
    signature::KeyPair as _,
};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use countersign_core::secret::Secret;
use zeroize::Zeroizing;

/// The longest PEM text looked at: a key of 8,192 bits takes under 2 KiB.
const PEM_BYTES_MAX: usize = 8 << 10;
/// L-JWT-10: shorter keys can be broken, longer ones are a burden on every login.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Characters per line of a PEM text (RFC 7468 §2).
const LINE: usize = 64;

/// The text is no RSA public key that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPublicKey {
    /// No PEM text of a public key.
    #[error("not a PEM text that begins with '-----BEGIN PUBLIC KEY-----' or '-----BEGIN RSA PUBLIC KEY-----'")]
    NotPem,
    /// Somebody sent what they must keep.
    #[error("this is a private key; keep it, make a new pair if it was sent to others, and give the public key here")]
    Private,
    /// Not of the RSA kind, or damaged.
    #[error("not an RSA public key")]
    NotRsa,
    /// Too short or too long.
    #[error("the RSA key has {0} bits; it must have 2048 to 8192")]
    Size(usize),
}

/// A fresh pair.
#[derive(Debug)]
pub struct Pair {
    /// PKCS #8 PEM.
    pub private_pem: Secret,
    /// SubjectPublicKeyInfo PEM.
    pub public_pem: String,
}

/// The cryptography library refuses; nothing the caller can mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no RSA key pair could be made")]
pub struct NoPair;

/// A fresh pair of 2,048 bits, as Connect makes them. Takes a good part of a second: not for an async task.
///
/// # Errors
/// [`NoPair`] when the cryptography library refuses.
pub fn generate() -> Result<Pair, NoPair> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| NoPair)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| NoPair)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| NoPair)?;
    Ok(Pair { private_pem: Secret::new(pem("PRIVATE KEY", private.as_ref())), public_pem: pem("PUBLIC KEY", public.as_ref()) })
}

/// A public key as given, in its one kept form (SubjectPublicKeyInfo PEM).
///
/// # Errors
/// [`NotAPublicKey`], by cause.
pub fn public_key(text: &str) -> Result<String, NotAPublicKey> {
    if text.contains("PRIVATE KEY-----") {
        return Err(NotAPublicKey::Private);
    }
    if text.len() > PEM_BYTES_MAX {
        return Err(NotAPublicKey::NotPem);
    }
    let der = der(text, "PUBLIC KEY").or_else(|| der(text, "RSA PUBLIC KEY")).ok_or(NotAPublicKey::NotPem)?;
    let key = PublicKey::from_der(&der).map_err(|_| NotAPublicKey::NotRsa)?;
    let spki: PublicKeyX509Der<'_> = key.as_der().map_err(|_| NotAPublicKey::NotRsa)?;
    match PublicEncryptingKey::from_der(spki.as_ref()).map(|key| key.key_size_bits()) {
        Ok(bits) if BITS.contains(&bits) => Ok(pem("PUBLIC KEY", spki.as_ref())),
        Ok(bits) => Err(NotAPublicKey::Size(bits)),
        // The library itself refuses sizes beyond these; the modulus is nearly all of the DER form.
        Err(_) => Err(NotAPublicKey::Size(key.as_ref().len().saturating_sub(14) * 8)),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(general_purpose::STANDARD.encode(der));
    let mut pem = format!("-----BEGIN {label}-----\n");
    pem.reserve(text.len() + text.len() / LINE + 64);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn der(text: &str, label: &str) -> Option<Vec<u8>> {
    /// People copy PEM texts through tools that lose the padding.
    const GENEROUS: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
    let (_, after) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = after.split_once(&format!("-----END {label}-----"))?;
    // A PEM text in JSON or an environment variable often has its line ends as the two characters \n.
    let plain: String = body.replace("\\n", "").chars().filter(|c| !c.is_ascii_whitespace()).collect();
    GENEROUS.decode(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_read_back_in_its_kept_form() {
        let pair = generate().expect("a pair");
        assert_eq!(public_key(&pair.public_pem), Ok(pair.public_pem.clone()));
        assert_eq!(public_key(&pair.public_pem.replace('\n', "\\n")), Ok(pair.public_pem.clone()), "escaped line ends");
        assert_eq!(public_key(&pair.public_pem.replace('\n', "\r\n")), Ok(pair.public_pem.clone()));
        let spki: &[u8] = &der(&pair.public_pem, "PUBLIC KEY").expect("DER");
        let pkcs1 = PublicKey::from_der(spki).expect("a key");
        assert_eq!(public_key(&pem("RSA PUBLIC KEY", pkcs1.as_ref())), Ok(pair.public_pem.clone()), "PKCS #1");
        assert_eq!(public_key(pair.private_pem.expose_secret()), Err(NotAPublicKey::Private));
        let cut: Vec<&str> = pair.public_pem.lines().enumerate().filter(|(number, _)| *number != 2).map(|(_, line)| line).collect();
        assert_eq!(public_key(&cut.join("\n")), Err(NotAPublicKey::NotRsa));
        for text in ["", "hello", "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
            assert_eq!(public_key(text), Err(NotAPublicKey::NotPem), "{text:?}");
        }
        assert_eq!(public_key("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"), Err(NotAPublicKey::NotRsa));
    }

    #[test]
    fn a_short_key_is_refused_with_its_size() {
        // 1,024 bits, made for this test and used nowhere.
        let text = "-----BEGIN PUBLIC KEY-----\n\
            MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCVKy7kRkCtrj0+UvN8rPPd3A9\n\
            4QiF9rPObZ8ZptS7v/FQrGXGS7kEHV2xxXkm23nqiJ1bTe/+CpDeFJTAKB9rzPp/\n\
            2b7+AQCg4qExLT9ZzDQ04gReKYcXEOzV/dgjMu43K/mAcGOeA6uep+dazF/zFJwY\n\
            o5hr5/FPV18IHyYyIQIDAQAB\n\
            -----END PUBLIC KEY-----";
        assert!(matches!(public_key(text), Err(NotAPublicKey::Size(900..=1100))), "{:?}", public_key(text));
    }
}
