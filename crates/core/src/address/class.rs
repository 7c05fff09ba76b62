//! What kind of address it is, according to the IANA registries of special-purpose addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{Ipv4Net, Ipv6Net};

/// The kind of an address. Only [`Global`](Self::Global) may be dialled without the operator's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Globally routable.
    Global,
    /// 0.0.0.0/8 and `::`: most systems take it for themselves. Never dialled.
    Unspecified,
    /// Groups, not hosts, and the broadcast address. Never dialled.
    Multicast,
    /// 127.0.0.0/8 and `::1`.
    Loopback,
    /// 169.254.0.0/16 and fe80::/10.
    LinkLocal,
    /// A metadata service of a cloud.
    Metadata,
    /// RFC 1918, fc00::/7 and the former site-local fec0::/10.
    Private,
    /// 100.64.0.0/10 (RFC 6598): the inner side of a provider.
    Shared,
    /// Carries an IPv4 address through a tunnel or a translator: 6to4, Teredo, IPv4-compatible, local NAT64.
    Tunnel,
    /// Documentation, benchmarks, protocol assignments, and whatever is not assigned at all.
    Reserved,
}

impl AddressClass {
    /// The class of an address as it would be dialled: an IPv4-mapped address is the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }
}

/// The IPv4 address inside a well-known NAT64 address (RFC 6052 §2.1) or an ISATAP one (RFC 5214 §6.1): the outer
/// address is routable, the inner one is where it leads.
pub(super) fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let isatap = segments[5] == 0x5efe && segments[4] & !0x0200 == 0;
    (nat64 || isatap).then(|| {
        let octets = address.octets();
        Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])
    })
}

/// The networks in which an address of a sensitive class lies; an operator's entry must lie within one of them.
pub(super) fn is_loopback_or_link_local(class: AddressClass) -> bool {
    matches!(class, AddressClass::Loopback | AddressClass::LinkLocal)
}

fn of_v4(address: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&address) {
        return AddressClass::Metadata;
    }
    SPECIAL_V4.iter().find(|(network, _)| network.contains(&address)).map_or(AddressClass::Global, |(_, class)| *class)
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    if METADATA_V6.contains(&address) {
        return AddressClass::Metadata;
    }
    SPECIAL_V6.iter().find(|(network, _)| network.contains(&address)).map_or(AddressClass::Reserved, |(_, class)| *class)
}

/// Amazon, Google, Azure, Oracle, DigitalOcean and others; Azure's host agent (a public address); Alibaba; Oracle's
/// other one; Amazon ECS task credentials.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 170, 2),
];

/// Amazon's instance metadata, its ECS and EKS agents, and Google's.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length)
}

/// IANA IPv4 Special-Purpose Address Registry, without the entries that are globally reachable; the first match counts.
/// Everything else is global.
const SPECIAL_V4: [(Ipv4Net, AddressClass); 16] = [
    (v4(0, 0, 0, 0, 8), AddressClass::Unspecified),
    (v4(10, 0, 0, 0, 8), AddressClass::Private),
    (v4(100, 64, 0, 0, 10), AddressClass::Shared),
    (v4(127, 0, 0, 0, 8), AddressClass::Loopback),
    (v4(169, 254, 0, 0, 16), AddressClass::LinkLocal),
    (v4(172, 16, 0, 0, 12), AddressClass::Private),
    (v4(192, 0, 0, 0, 24), AddressClass::Reserved),
    (v4(192, 0, 2, 0, 24), AddressClass::Reserved),
    (v4(192, 88, 99, 0, 24), AddressClass::Tunnel),
    (v4(192, 168, 0, 0, 16), AddressClass::Private),
    (v4(198, 18, 0, 0, 15), AddressClass::Reserved),
    (v4(198, 51, 100, 0, 24), AddressClass::Reserved),
    (v4(203, 0, 113, 0, 24), AddressClass::Reserved),
    (v4(224, 0, 0, 0, 4), AddressClass::Multicast),
    (v4(255, 255, 255, 255, 32), AddressClass::Multicast),
    (v4(240, 0, 0, 0, 4), AddressClass::Reserved),
];

/// IANA IPv6 Special-Purpose Address Registry; the first match counts. Only 2000::/3 and the well-known NAT64 prefix are
/// global at all; everything that is not listed is unassigned and so reserved.
const SPECIAL_V6: [(Ipv6Net, AddressClass); 17] = [
    (v6(0, 0, 0, 0, 128), AddressClass::Unspecified),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), AddressClass::Loopback),
    // IPv4-compatible (RFC 4291 §2.5.5.1) and IPv4-translated (RFC 2765 §2.1).
    (v6(0, 0, 0, 0, 96), AddressClass::Tunnel),
    (Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96), AddressClass::Tunnel),
    // NAT64: well known, and for local use (RFC 8215), which may translate in ways that we cannot see.
    (v6(0x64, 0xff9b, 0, 0, 96), AddressClass::Global),
    (v6(0x64, 0xff9b, 1, 0, 48), AddressClass::Tunnel),
    (v6(0x100, 0, 0, 0, 64), AddressClass::Reserved),
    // Teredo stands within the protocol assignments.
    (v6(0x2001, 0, 0, 0, 32), AddressClass::Tunnel),
    (v6(0x2001, 0, 0, 0, 23), AddressClass::Reserved),
    (v6(0x2001, 0xdb8, 0, 0, 32), AddressClass::Reserved),
    (v6(0x2002, 0, 0, 0, 16), AddressClass::Tunnel),
    (v6(0x3fff, 0, 0, 0, 20), AddressClass::Reserved),
    (v6(0x2000, 0, 0, 0, 3), AddressClass::Global),
    (v6(0xfc00, 0, 0, 0, 7), AddressClass::Private),
    (v6(0xfe80, 0, 0, 0, 10), AddressClass::LinkLocal),
    (v6(0xfec0, 0, 0, 0, 10), AddressClass::Private),
    (v6(0xff00, 0, 0, 0, 8), AddressClass::Multicast),
];

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "a public address",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud metadata service",
            Self::Private => "a private address",
            Self::Shared => "an address of a provider's inner network",
            Self::Tunnel => "a tunnel address that hides an IPv4 address",
            Self::Reserved => "a reserved address",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_special_network_has_its_class_at_both_ends() {
        for (network, class) in SPECIAL_V4 {
            for end in [network.network(), network.broadcast()] {
                if end != Ipv4Addr::BROADCAST {
                    assert_eq!(of_v4(end), class, "{end} of {network}");
                }
            }
        }
        for (text, class) in [
            ("255.255.255.255", AddressClass::Multicast),
            ("169.254.169.254", AddressClass::Metadata),
            ("168.63.129.16", AddressClass::Metadata),
            ("fd00:ec2::254", AddressClass::Metadata),
            ("::ffff:127.0.0.1", AddressClass::Loopback),
            ("::ffff:8.8.8.8", AddressClass::Global),
            ("::7f00:1", AddressClass::Tunnel),
            ("::ffff:0:7f00:1", AddressClass::Tunnel),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", AddressClass::Tunnel),
            ("2001:10::1", AddressClass::Reserved),
            ("2002:7f00:1::", AddressClass::Tunnel),
            ("fe80::1", AddressClass::LinkLocal),
            ("fec0::1", AddressClass::Private),
            ("fd12::1", AddressClass::Private),
            ("4000::1", AddressClass::Reserved),
            ("5f00::1", AddressClass::Reserved),
            ("2606:4700::1111", AddressClass::Global),
            ("2a00:1450::1", AddressClass::Global),
            ("8.8.8.8", AddressClass::Global),
            ("100.63.255.255", AddressClass::Global),
            ("100.128.0.0", AddressClass::Global),
            ("172.32.0.0", AddressClass::Global),
            ("223.255.255.255", AddressClass::Global),
        ] {
            assert_eq!(AddressClass::of(text.parse().expect("an address")), class, "{text}");
        }
    }

    #[test]
    fn embedded_addresses_are_found() {
        for (text, inner) in [
            ("64:ff9b::7f00:1", Some([127, 0, 0, 1])),
            ("2606:4700::5efe:10.0.0.1", Some([10, 0, 0, 1])),
            ("2606:4700::200:5efe:10.0.0.1", Some([10, 0, 0, 1])),
            ("2606:4700::1111", None),
            ("64:ff9b:1::7f00:1", None),
        ] {
            assert_eq!(embedded_v4(text.parse().expect("an address")), inner.map(Ipv4Addr::from), "{text}");
        }
    }
}
