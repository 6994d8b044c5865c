//! Networks of a literal as sorted ranges of addresses that do not meet.
//!
//! What zones look an address up in: a search by halves over ranges, instead of a comparison with each network. Ranges
//! that meet or touch become one, so that an address is in one at most.

use crate::full::Network;
use glacis_policy::Networks;

/// The table of networks in CIDR notation; `None` if one is none, or there are too many.
pub(crate) fn build(networks: &[String]) -> Option<Networks> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for text in networks {
        let (first, last, is_v4) = Network::parse(text)?.range();
        if is_v4 { &mut v4 } else { &mut v6 }.push((first, last));
    }
    let narrow = |(first, last): (u128, u128)| Some((u32::try_from(first).ok()?, u32::try_from(last).ok()?));
    let v4 = united(v4).into_iter().map(narrow).collect::<Option<_>>()?;
    Networks::try_new(v4, united(v6))
}

/// Ranges in ascending order, those that meet or touch as one.
fn united(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut united: Vec<(u128, u128)> = Vec::new();
    for (first, last) in ranges {
        match united.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => united.push((first, last)),
        }
    }
    united
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_meet_become_one_range() {
        let build = |texts: &[&str]| build(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(build(&["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"]), build(&["10.0.0.0/8"]));
        assert_eq!(build(&["::/1", "8000::/1"]), build(&["::/0"]));
        assert_eq!(build(&["10.0.0.0/8", "nonsense"]), None);
        let table = build(&["10.0.0.0/8", "2001:db8::/32", "192.168.0.0/16"]).unwrap();
        for (text, want) in [
            ("10.9.9.9", Some(true)),
            ("192.168.255.255", Some(true)),
            ("192.169.0.0", Some(false)),
            ("2001:db8:ffff::", Some(true)),
            ("2001:db9::", Some(false)),
            ("::ffff:10.0.0.1", None),
            ("1.2.3", None),
        ] {
            assert_eq!(table.contains(text), want, "{text}");
        }
    }
}
