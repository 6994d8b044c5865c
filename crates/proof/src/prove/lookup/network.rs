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

/// Whether they hold the same addresses.
pub(super) fn same(written: &[String], table: &Networks) -> Same {
    let (mut v4, mut v6) = (Ranges::new(), Ranges::new());
    for text in written {
        match range(text) {
            Some((range, true)) => v4.push(range),
            Some((range, false)) => v6.push(range),
            None => return Same::Unclear("it is no network"),
        }
    }
    let Some([own_v4, own_v6]) = read(table) else { return Same::Unclear("the table cannot be read") };
    if united(v4) == united(own_v4) && united(v6) == united(own_v6) { Same::Yes } else { Same::No }
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
