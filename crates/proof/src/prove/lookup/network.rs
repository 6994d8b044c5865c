//! Networks of a slice against those that the policy writes, as sets of addresses of each family.
//!
//! Notation is read here once more, strictly: an address, `/`, and a number of bits. What cannot be read is unclear,
//! never empty.

use super::Same;
use glacis_policy::Networks;
use glacis_wire::Encode;
use std::net::IpAddr;

/// First and last address, both inside.
type Ranges = Vec<(u128, u128)>;

/// Addresses of IPv4 and of IPv6.
pub(super) struct Addresses([Ranges; 2]);

impl Addresses {
    /// Those of some networks; `None` if one is none.
    pub(super) fn new(written: &[String]) -> Option<Self> {
        let (mut v4, mut v6) = (Ranges::new(), Ranges::new());
        for text in written {
            let (range, is_v4) = range(text)?;
            if is_v4 { &mut v4 } else { &mut v6 }.push(range);
        }
        Some(Self([v4, v6].map(united)))
    }

    /// Whether a table holds the same.
    pub(super) fn same(&self, table: &Networks) -> Same {
        match read(table) {
            Some(own) => {
                if own.map(united) == self.0 {
                    Same::Yes
                } else {
                    Same::No
                }
            }
            None => Same::Unclear("the table cannot be read"),
        }
    }
}

/// The addresses of one network, and whether they are of IPv4.
fn range(text: &str) -> Option<((u128, u128), bool)> {
    let (base, bits) = text.split_once('/')?;
    let base: IpAddr = base.parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    let (number, width) = match base {
        IpAddr::V4(base) => (u128::from(u32::from(base)), 32),
        IpAddr::V6(base) => (u128::from(base), 128),
    };
    let free: u32 = u32::checked_sub(width, bits)?;
    let behind = if free == 128 { u128::MAX } else { (1_u128 << free) - 1 };
    (number & behind == 0).then_some(((number, number | behind), base.is_ipv4()))
}

/// Ranges of one set in one form: ascending, apart.
fn united(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut all = Ranges::new();
    for (first, last) in ranges {
        if let Some((_, end)) = all.last_mut()
            && first <= end.saturating_add(1)
        {
            *end = last.max(*end);
        } else {
            all.push((first, last));
        }
    }
    all
}

/// The ranges of a table, off its canonical bytes.
fn read(table: &Networks) -> Option<[Ranges; 2]> {
    let bytes = table.to_bytes().ok()?;
    let (count, rest) = bytes.split_first_chunk()?;
    let (v4, rest) = rest.split_at_checked(8 * usize::from(u16::from_be_bytes(*count)))?;
    let (_, v6) = rest.split_first_chunk::<2>()?;
    let narrow = |pair: &[[u8; 4]; 2]| pair.map(|end| u128::from(u32::from_be_bytes(end)));
    let v4 = v4.as_chunks::<4>().0.as_chunks::<2>().0.iter().map(narrow).map(Into::into).collect();
    let wide = |pair: &[[u8; 16]; 2]| pair.map(u128::from_be_bytes);
    let v6 = v6.as_chunks::<16>().0.as_chunks::<2>().0.iter().map(wide).map(Into::into).collect();
    Some([v4, v6])
}
