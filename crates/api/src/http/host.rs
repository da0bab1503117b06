//! The host that an address belongs to.

use std::net::{IpAddr, Ipv6Addr};

/// An address of version 6 is one of the 2⁶⁴ that a host has at least.
pub(crate) fn host_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}
