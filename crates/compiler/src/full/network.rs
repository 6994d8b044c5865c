//! Networks and addresses, read strictly: what could be meant in two ways is refused.
//!
//! An address is IPv4 in four decimal octets without leading zeros, or IPv6 without a zone; an IPv4 address within
//! IPv6 (`::ffff:10.0.0.1`) is none, so that no address has two families. A network is an address, `/`, and a number
//! of bits; the bits behind them are zero, so that a slip of the pen is not a larger network.

use core::net::IpAddr;

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8` or `2001:db8::/32`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let plain = bits.bytes().all(|byte| byte.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
        let (base, bits) = (address(base)?, bits.parse().ok().filter(|_| plain)?);
        let network = Self { base, bits };
        (bits <= width(base) && number(base) & network.behind() == 0).then_some(network)
    }

    /// Whether an address is in it. The families do not meet.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4() && number(address) & !self.behind() == number(self.base)
    }

    /// Its first and last address as numbers, and whether they are of IPv4.
    pub(crate) fn range(self) -> (u128, u128, bool) {
        let first = number(self.base);
        (first, first | self.behind(), self.base.is_ipv4())
    }

    /// The bits that do not matter.
    fn behind(self) -> u128 {
        let free = width(self.base).saturating_sub(self.bits);
        1_u128.checked_shl(free).map_or(u128::MAX, |end| end - 1)
    }
}

/// Reads an address.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().filter(|address| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.to_ipv4_mapped().is_none(),
    })
}

const fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        for (text, want) in [
            ("10.0.0.0/8", true),
            ("10.0.0.1/32", true),
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("2001:db8::/32", true),
            ("::1/128", true),
            ("10.0.0.1/8", false),
            ("2001:db8::1/32", false),
            ("10.0.0.0/33", false),
            ("::/129", false),
            ("10.0.0.0/08", false),
            ("10.0.0.0/+8", false),
            ("10.0.0.0/", false),
            ("10.0.0.0", false),
            ("010.0.0.0/8", false),
            ("::ffff:10.0.0.0/104", false),
            ("/8", false),
            ("10.0.0.0/8/8", false),
            ("", false),
        ] {
            assert_eq!(Network::parse(text).is_some(), want, "{text}");
        }
    }

    #[test]
    fn a_network_contains_the_addresses_that_share_its_bits() {
        for (network, text, want) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "1.1.1.1", false),
            ("::1/128", "::1", true),
            ("::1/128", "::2", false),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address(text).unwrap()), want, "{network:?} {text}");
        }
    }
}
