//! Addresses that have been looked at, all of them.

use std::net::{IpAddr, SocketAddr};

use super::{
    class::{AddressClass, embedded_v4, is_loopback_or_link_local},
    policy::{PlainHttp, TargetPolicy},
};

/// Addresses that may be dialled; never empty. Only [`vet`] makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VettedAddresses(Vec<SocketAddr>);

/// Why nothing may be dialled. The message names no address: what a name means inside the operator's network is not for
/// the account administrator to see. `Debug` has it, for the operator's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// There is nothing to dial.
    #[error("the host has no address")]
    NoAddress,
    /// One of the addresses is neither globally routable nor listed.
    #[error("the host leads to {class}, which is not a permitted target here")]
    Address {
        /// The first forbidden one.
        address: IpAddr,
        /// What it is.
        class: AddressClass,
    },
    /// The port is not open.
    #[error("port {port} is not a permitted target; use 443, or one from 1024 up on which no other protocol is at home")]
    Port {
        /// As asked for.
        port: u16,
    },
    /// `http` beyond what [`PlainHttp`] permits.
    #[error("an unencrypted request may not go there; use https")]
    PlainHttp,
}

/// Looks at every address of a name. All of them must be permitted, or none is dialled.
///
/// # Errors
/// The first [`Forbidden`] address or port.
pub fn vet(addresses: &[SocketAddr], policy: &TargetPolicy) -> Result<VettedAddresses, Forbidden> {
    if addresses.is_empty() {
        return Err(Forbidden::NoAddress);
    }
    let mut vetted = Vec::with_capacity(addresses.len());
    for address in addresses {
        let ip = address.ip().to_canonical();
        if !policy.opens_port(address.port()) {
            return Err(Forbidden::Port { port: address.port() });
        }
        judge(ip, policy).map_err(|class| Forbidden::Address { address: ip, class })?;
        // A mapped address is dialled as the IPv4 address it is; any other keeps its scope.
        let canonical = if ip == address.ip() { *address } else { SocketAddr::new(ip, address.port()) };
        if !vetted.contains(&canonical) {
            vetted.push(canonical);
        }
    }
    Ok(VettedAddresses(vetted))
}

/// [`vet`] for a request that goes unencrypted.
///
/// # Errors
/// As [`vet`], and [`Forbidden::PlainHttp`] when the policy permits none, or only to loopback and these are not all of it.
pub fn vet_plain_http(addresses: &[SocketAddr], policy: &TargetPolicy) -> Result<VettedAddresses, Forbidden> {
    let vetted = vet(addresses, policy)?;
    let permitted = match policy.plain_http {
        PlainHttp::Never => false,
        PlainHttp::Loopback => vetted.iter().all(|address| AddressClass::of(address.ip()) == AddressClass::Loopback),
        PlainHttp::Anywhere => true,
    };
    if permitted { Ok(vetted) } else { Err(Forbidden::PlainHttp) }
}

impl VettedAddresses {
    /// In the order of the resolver's answer.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().copied()
    }

    /// True when this address was looked at, for the check of the peer after connecting.
    #[must_use]
    pub fn contains(&self, peer: SocketAddr) -> bool {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        self.0.iter().any(|vetted| vetted.ip() == peer.ip() && vetted.port() == peer.port())
    }
}

/// `Err` with the class that forbids it.
fn judge(address: IpAddr, policy: &TargetPolicy) -> Result<(), AddressClass> {
    let class = AddressClass::of(address);
    if class != AddressClass::Global && !is_listed(address, class, policy) {
        return Err(class);
    }
    match address {
        // An entry for the one outer address is deliberate; a wider one says nothing about what is inside.
        IpAddr::V6(v6) if !policy.allow_networks.contains(&address.into()) => match embedded_v4(v6) {
            Some(inner) => judge(inner.into(), policy),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn is_listed(address: IpAddr, class: AddressClass, policy: &TargetPolicy) -> bool {
    policy.allow_networks.iter().filter(|network| network.contains(&address)).any(|network| match class {
        AddressClass::Unspecified | AddressClass::Multicast => false,
        AddressClass::Metadata => network.prefix_len() == network.max_prefix_len(),
        class if is_loopback_or_link_local(class) => {
            // The whole entry lies within the class when both of its ends do (a metadata address aside).
            [network.network(), network.broadcast()].into_iter().all(|end| AddressClass::of(end) == class)
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::port::PortRange;

    fn sockets(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| SocketAddr::new(text.parse().expect("an address"), 443)).collect()
    }

    fn listing(networks: &[&str]) -> TargetPolicy {
        TargetPolicy { allow_networks: networks.iter().map(|n| n.parse().expect("a network")).collect(), ..TargetPolicy::default() }
    }

    fn class_of_refusal(list: &[&str], policy: &TargetPolicy) -> Option<AddressClass> {
        match vet(&sockets(list), policy) {
            Err(Forbidden::Address { class, .. }) => Some(class),
            Err(other) => panic!("{other:?}"),
            Ok(_) => None,
        }
    }

    #[test]
    fn one_forbidden_address_refuses_the_whole_answer() {
        let policy = TargetPolicy::default();
        assert_eq!(class_of_refusal(&["8.8.8.8", "2606:4700::1111"], &policy), None);
        assert_eq!(class_of_refusal(&["8.8.8.8", "10.0.0.1"], &policy), Some(AddressClass::Private));
        assert_eq!(class_of_refusal(&["10.0.0.1", "8.8.8.8"], &policy), Some(AddressClass::Private));
        assert_eq!(class_of_refusal(&["8.8.8.8", "::ffff:169.254.169.254"], &policy), Some(AddressClass::Metadata));
        assert_eq!(vet(&[], &policy), Err(Forbidden::NoAddress));
    }

    #[test]
    fn a_list_opens_what_it_names_and_no_more() {
        for (networks, address, refused) in [
            (&["10.0.0.0/8"][..], "10.1.2.3", None),
            (&["10.0.0.0/8"], "::ffff:10.1.2.3", None),
            (&["10.0.0.0/8"], "11.0.0.1", None),
            (&["10.0.0.0/8"], "192.168.0.1", Some(AddressClass::Private)),
            (&["0.0.0.0/0"], "192.168.0.1", None),
            (&["0.0.0.0/0"], "127.0.0.1", Some(AddressClass::Loopback)),
            (&["0.0.0.0/0"], "169.254.1.1", Some(AddressClass::LinkLocal)),
            (&["0.0.0.0/0"], "169.254.169.254", Some(AddressClass::Metadata)),
            (&["0.0.0.0/0"], "168.63.129.16", Some(AddressClass::Metadata)),
            (&["0.0.0.0/0"], "0.0.0.0", Some(AddressClass::Unspecified)),
            (&["0.0.0.0/0"], "224.0.0.1", Some(AddressClass::Multicast)),
            (&["126.0.0.0/7"], "127.0.0.1", Some(AddressClass::Loopback)),
            (&["127.0.0.0/8"], "127.0.0.1", None),
            (&["127.0.0.2/32"], "127.0.0.1", Some(AddressClass::Loopback)),
            (&["169.254.0.0/16"], "169.254.1.1", None),
            (&["169.254.0.0/16"], "169.254.169.254", Some(AddressClass::Metadata)),
            (&["169.254.169.254/32"], "169.254.169.254", None),
            (&["::/0"], "::1", Some(AddressClass::Loopback)),
            (&["::1/128"], "::1", None),
            (&["fd00::/8"], "fd00::1", None),
            (&["fd00::/8"], "fd00:ec2::254", Some(AddressClass::Metadata)),
            (&["fe80::/10"], "fe80::1", None),
            (&["0.0.0.0/32"], "0.0.0.0", Some(AddressClass::Unspecified)),
            (&[], "64:ff9b::808:808", None),
            (&[], "64:ff9b::a00:1", Some(AddressClass::Private)),
            (&["64:ff9b::/96"], "64:ff9b::7f00:1", Some(AddressClass::Loopback)),
            (&["64:ff9b::7f00:1/128"], "64:ff9b::7f00:1", None),
            (&["64:ff9b:1::/48"], "64:ff9b:1::a00:1", None),
            (&[], "2606:4700::5efe:127.0.0.1", Some(AddressClass::Loopback)),
        ] {
            assert_eq!(class_of_refusal(&[address], &listing(networks)), refused, "{address} with {networks:?}");
        }
    }

    #[test]
    fn ports_are_vetted_too() {
        let strict = TargetPolicy { allow_ports: vec![PortRange::HTTPS], ..TargetPolicy::default() };
        let at = |port| vec![SocketAddr::from(([8, 8, 8, 8], port))];
        for (policy, port, open) in [
            (&TargetPolicy::default(), 443, true),
            (&TargetPolicy::default(), 8_443, true),
            (&TargetPolicy::default(), 80, false),
            (&TargetPolicy::default(), 22, false),
            (&TargetPolicy::default(), 0, false),
            (&TargetPolicy::dev(), 80, true),
            (&strict, 8_443, false),
        ] {
            assert_eq!(vet(&at(port), policy).err(), (!open).then_some(Forbidden::Port { port }), "{port}");
        }
    }

    #[test]
    fn plain_http_goes_where_the_policy_says() {
        let (inside, outside) = (sockets(&["127.0.0.1"]), sockets(&["8.8.8.8"]));
        let dev = TargetPolicy::dev();
        assert!(vet_plain_http(&inside, &dev).is_ok() && vet_plain_http(&outside, &dev).is_ok());
        assert!(vet_plain_http(&inside, &dev.for_tokens()).is_ok());
        assert_eq!(vet_plain_http(&outside, &dev.for_tokens()), Err(Forbidden::PlainHttp));
        assert_eq!(vet_plain_http(&outside, &TargetPolicy::default()), Err(Forbidden::PlainHttp));
        assert_eq!(TargetPolicy::default().for_tokens(), TargetPolicy::default());
    }

    #[test]
    fn the_peer_is_recognised_however_it_is_written() {
        let vetted = vet(&sockets(&["::ffff:8.8.8.8"]), &TargetPolicy::default()).expect("public");
        assert_eq!(vetted.iter().collect::<Vec<_>>(), sockets(&["8.8.8.8"]));
        assert!(vetted.contains(sockets(&["8.8.8.8"])[0]) && vetted.contains(sockets(&["::ffff:8.8.8.8"])[0]));
        assert!(!vetted.contains(sockets(&["8.8.4.4"])[0]));
    }

    #[test]
    fn a_refusal_does_not_name_the_address() {
        let refusal = vet(&sockets(&["10.11.12.13"]), &TargetPolicy::default()).expect_err("private");
        assert!(!refusal.to_string().contains("10.11"), "{refusal}");
    }

    proptest! {
        #[test]
        fn no_vetted_address_is_private_however_it_is_written(bits in any::<u128>(), v4 in any::<u32>(), form in 0..6) {
            let mapped = |prefix: u128| IpAddr::from((prefix | u128::from(v4)).to_be_bytes());
            let address = match form {
                0 => IpAddr::from(v4.to_be_bytes()),
                1 => mapped(0xffff_0000_0000),
                2 => mapped(0x0064_ff9b_u128 << 96),
                3 => mapped((0x2606_4700_u128 << 96) | (0x5efe_u128 << 32)),
                4 => IpAddr::from(((0x2002_u128 << 112) | (u128::from(v4) << 80)).to_be_bytes()),
                _ => IpAddr::from(bits.to_be_bytes()),
            };
            if let Ok(vetted) = vet(&[SocketAddr::new(address, 443)], &TargetPolicy::default()) {
                for socket in vetted.iter() {
                    let inner = match socket.ip() {
                        IpAddr::V4(inner) => Some(inner),
                        IpAddr::V6(outer) => {
                            prop_assert_ne!(outer.segments()[0], 0x2002);
                            prop_assert!(outer.segments()[0] & 0xe000 == 0x2000 || outer.segments()[..2] == [0x64, 0xff9b]);
                            embedded_v4(outer)
                        }
                    };
                    if let Some(inner) = inner {
                        prop_assert!(!inner.is_private() && !inner.is_loopback() && !inner.is_link_local());
                        prop_assert!(!inner.is_unspecified() && !inner.is_multicast() && !inner.is_broadcast() && !inner.is_documentation());
                    }
                }
            }
        }
    }
}
