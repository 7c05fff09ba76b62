//! No spelling of a forbidden target passes: URL check and address check together, as saving and dialling do it.

use std::net::{IpAddr, SocketAddr};

use countersign_core::address::{TargetPolicy, check_target_url, vet};

const TARGETS: &str = include_str!("data/forbidden-targets.txt");

/// The lines of the table: a URL, and the addresses that its name leads to when it is a name.
fn targets() -> impl Iterator<Item = (&'static str, Vec<IpAddr>)> {
    TARGETS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (url, addresses) = line.split_once(' ').unwrap_or((line, ""));
        (url, addresses.split(',').filter(|text| !text.is_empty()).map(|text| text.parse().expect("the table holds addresses")).collect())
    })
}

#[test]
fn every_spelling_is_refused_when_saved_or_when_dialled() {
    let policy = TargetPolicy::default();
    let mut rows = 0;
    for (text, answer) in targets() {
        rows += 1;
        match check_target_url(text, &policy) {
            Err(_) => assert!(answer.is_empty(), "{text} is a name and should have passed the first check"),
            Ok(url) => {
                assert!(!answer.is_empty(), "{text} passed as {url}");
                let port = url.port_or_known_default().expect("https has one");
                let sockets: Vec<SocketAddr> = answer.iter().map(|address| SocketAddr::new(*address, port)).collect();
                assert!(vet(&sockets, &policy).is_err(), "{text} would be dialled at {answer:?}");
            }
        }
    }
    assert!(rows >= 150, "only {rows} rows");
}

#[test]
fn what_stands_behind_a_name_in_the_table_is_what_makes_it_forbidden() {
    // Otherwise the test above could pass for a reason that it does not mean.
    let public = [SocketAddr::from(([8, 8, 8, 8], 443))];
    for (text, answer) in targets().filter(|(_, answer)| !answer.is_empty()) {
        assert!(check_target_url(text, &TargetPolicy::default()).is_ok(), "{text}");
        assert!(answer.iter().any(|address| vet(&[SocketAddr::new(*address, 443)], &TargetPolicy::default()).is_err()), "{text}");
    }
    assert!(vet(&public, &TargetPolicy::default()).is_ok());
}
