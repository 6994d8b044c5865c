//! Networks as ranges of addresses: two sorted tables, one a family, each searched by halves.
//!
//! Addresses are read strictly: what could be read in two ways is no address. An octet has no leading zero, an
//! address no zone (`%eth0`), and an IPv4 address within IPv6 (`::ffff:10.0.0.1`) is refused, so that one address
//! cannot be in a list under one spelling and out of it under another.
//!
//! Form of the bytes: count (u16) and ranges (u32, u32) ‖ count (u16) and ranges (u128, u128).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

/// Sets of addresses. Ranges include both ends, ascend, and do not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Most ranges of one family.
    pub const RANGES_MAX: usize = 1 << 12;

    /// The networks of these ranges, if they are in their one form.
    pub fn try_new(v4: Vec<(u32, u32)>, v6: Vec<(u128, u128)>) -> Option<Self> {
        let sound = |count: usize, apart: bool| count <= Self::RANGES_MAX && apart;
        (sound(v4.len(), are_apart(&v4, u32::checked_add, 1))
            && sound(v6.len(), are_apart(&v6, u128::checked_add, 1)))
        .then_some(Self { v4, v6 })
    }

    /// Whether the address that `text` spells is in one of them; `None` if it spells none.
    pub fn contains(&self, text: &str) -> Option<bool> {
        match text.parse().ok()? {
            IpAddr::V4(address) => Some(is_in(&self.v4, u32::from(address))),
            IpAddr::V6(address) if is_mapped(address) => None,
            IpAddr::V6(address) => Some(is_in(&self.v6, u128::from(address))),
        }
    }
}

/// Whether an IPv6 address is an IPv4 one in another form.
const fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

fn is_in<T: PartialOrd + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let begun = ranges.partition_point(|(first, _)| *first <= address);
    let last = begun.checked_sub(1).and_then(|last| ranges.get(last));
    last.is_some_and(|(_, end)| address <= *end)
}

/// Whether each range is one, and begins behind the end of the one before and the address after that.
fn are_apart<T: PartialOrd + Copy>(ranges: &[(T, T)], add: fn(T, T) -> Option<T>, one: T) -> bool {
    ranges.iter().all(|(first, last)| first <= last)
        && ranges.is_sorted_by(|(_, end), (next, _)| add(*end, one).is_some_and(|after| after < *next))
}

impl Encode for Networks {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        let count = |count: usize| {
            u16::try_from(count).map_err(|_| EncodeError { what: "networks", limit: Self::RANGES_MAX })
        };
        out.u16(count(self.v4.len())?);
        for (first, last) in &self.v4 {
            out.u32(*first);
            out.u32(*last);
        }
        out.u16(count(self.v6.len())?);
        for (first, last) in &self.v6 {
            out.raw(&first.to_be_bytes());
            out.raw(&last.to_be_bytes());
        }
        Ok(())
    }
}

impl Decode for Networks {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("networks");
        let count = |input: &mut Reader<'_>, bytes: usize| {
            let count = usize::from(input.u16()?);
            if count > Self::RANGES_MAX || count * bytes > input.remaining() { Err(at) } else { Ok(count) }
        };
        let v4 = (0..count(input, 8)?).map(|_| Ok((input.u32()?, input.u32()?)));
        let v4 = v4.collect::<Result<_, DecodeError>>()?;
        let wide = |input: &mut Reader<'_>| input.array().map(u128::from_be_bytes);
        let v6 = (0..count(input, 32)?).map(|_| Ok((wide(input)?, wide(input)?)));
        let v6 = v6.collect::<Result<_, DecodeError>>()?;
        Self::try_new(v4, v6).ok_or(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn networks() -> Networks {
        let six = 0x2001_0db8_u128 << 96;
        Networks::try_new(vec![(0x0a00_0000, 0x0aff_ffff), (0xffff_ffff, u32::MAX)], vec![(six, six + 1)])
            .unwrap()
    }

    #[test]
    fn an_address_is_in_a_range_up_to_both_ends() {
        for (text, want) in [
            ("10.0.0.0", Some(true)),
            ("10.255.255.255", Some(true)),
            ("9.255.255.255", Some(false)),
            ("11.0.0.0", Some(false)),
            ("255.255.255.255", Some(true)),
            ("0.0.0.0", Some(false)),
            ("2001:db8::", Some(true)),
            ("2001:DB8:0:0::1", Some(true)),
            ("2001:db8::2", Some(false)),
            ("::", Some(false)),
            ("::ffff:10.0.0.1", None),
            ("::ffff:a00:1", None),
            ("fe80::1%eth0", None),
            ("010.0.0.1", None),
            ("10.0.0", None),
            ("10.0.0.0/8", None),
            ("10.0.0.1 ", None),
            ("[::1]", None),
            ("", None),
        ] {
            assert_eq!(networks().contains(text), want, "{text}");
        }
    }

    #[test]
    fn tables_that_overlap_touch_or_descend_are_refused() {
        for v4 in [vec![(2, 1)], vec![(1, 2), (2, 3)], vec![(1, 2), (3, 4)], vec![(5, 5), (1, 1)]] {
            assert_eq!(Networks::try_new(v4.clone(), vec![]), None, "{v4:?}");
        }
        assert_eq!(Networks::try_new(vec![(0, u32::MAX), (5, 6)], vec![]), None);
        assert_eq!(Networks::try_new(vec![], vec![(0, u128::MAX), (5, 6)]), None);
    }

    #[test]
    fn bytes_give_the_networks_again() {
        let bytes = networks().to_bytes().unwrap();
        assert_eq!(Networks::from_bytes(&bytes), Ok(networks()));
        for end in 0..bytes.len() {
            assert!(Networks::from_bytes(&bytes[..end]).is_err());
        }
    }
}
