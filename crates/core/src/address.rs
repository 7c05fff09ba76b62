//! Where a message or a token request may go.
//!
//! Account administrators choose target URLs, and a server that dials whatever they name can be turned against the network
//! it stands in: the cloud's metadata service, a database on loopback, a neighbour without a password. So the policy is the
//! other way round: **nothing may be dialled that is not globally routable** according to the IANA special-purpose
//! registries, unless the operator of the installation has listed its network.
//!
//! - The policy looks at *socket addresses*, never at names or spellings: names are resolved first, and
//!   [`vet`] takes the whole answer. One forbidden address in it refuses all of it, since a name that points outside and
//!   inside at once is either an attack or a mistake.
//! - An IPv4 address inside an IPv6 one (mapped, NAT64, ISATAP) is taken out and judged too.
//! - The dialer takes only [`VettedAddresses`], which nothing but `vet` makes: what was checked is what is dialled.
//! - [`check_target_url`] runs when a URL is saved, so that most mistakes are told at once; `vet` runs at every dial,
//!   since what a name means can change in between.
//!
//! An operator's list opens private networks. It does not open by accident what hurts most: loopback and link-local
//! networks are open only to an entry that lies within them, and the address of a metadata service only to an entry for
//! that single address, so that `0.0.0.0/0` opens neither.

mod class;
mod policy;
mod port;
mod target_url;
mod vetted;

pub use class::AddressClass;
pub use policy::{PlainHttp, TargetPolicy};
pub use port::{NotAPortRange, PortRange};
pub use target_url::{ForbiddenUrl, TARGET_URL_BYTES_MAX, check_target_url, split_userinfo};
pub use vetted::{Forbidden, VettedAddresses, vet, vet_plain_http};
