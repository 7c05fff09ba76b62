//! The guide page tells the truth.

use countersign_authority::{Authority, Client, Fault, Settings};

use crate::caller::ISSUER;

const PAGE: &str = include_str!("../../../../docs/guide/authority.md");

#[derive(serde::Deserialize)]
struct File {
    clients: Vec<Client>,
}

#[test]
fn the_clients_of_the_guide_can_be_registered() {
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    let (toml, _) = rest.split_once("```").unwrap();
    let file: File = toml::from_str(toml).unwrap();
    assert_eq!(file.clients.iter().map(Client::id).collect::<Vec<_>>(), ["sender", "listener", "signer"]);
    Authority::try_new(file.clients.into_iter().fold(Settings::new(ISSUER), Settings::client)).unwrap();
}

#[test]
fn every_fault_is_named_in_the_guide() {
    let missing: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).filter(|name| !PAGE.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
