//! Accounts for tests.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    Secret, Timestamp,
    account::Account,
    auth::OAuthConnection,
    config::{AccountConfig, AccountOAuth, ClientCertificate, ConfigVersion},
    id::{AccountGuid, AccountId, CredentialId},
};
use countersign_signature::HmacKey;

const NOW: Timestamp = Timestamp::EPOCH;

/// An account with everything that a configuration can ask for.
pub(super) fn equipped() -> AccountConfig {
    let certificate = ClientCertificate {
        id: CredentialId::from_raw(7),
        name: String::new(),
        chain_pem: String::new(),
        fingerprint: String::new(),
        not_after: NOW,
        created_at: NOW,
        key_pem: Secret::new(""),
    };
    AccountConfig {
        hmac_keys: vec![HmacKey::from_random([1; 32])].into(),
        oauth: Some(Arc::new(AccountOAuth {
            connection: OAuthConnection::new("https://id.example/token", "client", "secret"),
            verified_at: None,
            saved_at: NOW,
        })),
        certificates: vec![Arc::new(certificate)],
        ..bare(&["claimed.example"])
    }
}

/// An account with nothing but these domains.
pub(super) fn bare(domains: &[&str]) -> AccountConfig {
    AccountConfig {
        account: Account {
            id: AccountId(10_000_001),
            guid: AccountGuid(uuid::Uuid::from_u128(1)),
            name: "A".to_owned(),
            created_at: NOW,
            recipient_domains: domains.iter().map(ToString::to_string).collect(),
            time_zone: "UTC".to_owned(),
            time_zone_offset_hours: 0,
        },
        version: ConfigVersion(1),
        subscriptions: BTreeMap::new(),
        hmac_keys: Vec::new().into(),
        oauth: None,
        certificates: Vec::new(),
        trust_anchors: Vec::new(),
    }
}
