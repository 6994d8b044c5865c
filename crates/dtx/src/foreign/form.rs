//! Public keys and signatures in the forms in which platforms give them.
//!
//! Keys: the uncompressed point, or the one `SubjectPublicKeyInfo` that a P-256 key has. Signatures: r ‖ s, or DER, in its
//! one strict form. Whether a point lies on the curve and a signature verifies is not looked at here.

use glacis_seal::key::P256_INFO;
use glacis_wire::message::{PublicKey, Signature};

/// The point.
pub(super) fn point(bytes: &[u8]) -> Option<PublicKey> {
    let point = <[u8; PublicKey::LEN]>::try_from(bytes.strip_prefix(&P256_INFO).unwrap_or(bytes)).ok()?;
    (point.first() == Some(&4)).then_some(PublicKey(point))
}

/// r ‖ s.
pub(super) fn signature(bytes: &[u8]) -> Option<Signature> {
    if let Ok(fixed) = Signature::try_from(bytes) {
        return Some(fixed);
    }
    let [0x30, length, rest @ ..] = bytes else { return None };
    if usize::from(*length) != rest.len() {
        return None;
    }
    let mut fixed = [0; 64];
    let (r, s) = fixed.split_at_mut(32);
    let rest = integer(integer(rest, r)?, s)?;
    rest.is_empty().then_some(fixed)
}

/// Reads a positive integer in its shortest form into `out`, from its end; what follows it.
fn integer<'a>(bytes: &'a [u8], out: &mut [u8]) -> Option<&'a [u8]> {
    let [0x02, length, rest @ ..] = bytes else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
    let value = match *value {
        [] => return None,
        // Shortest: a zero is there only where the number would look negative without it.
        [0, ref tail @ ..] if tail.first().is_some_and(|byte| *byte >= 0x80) => tail,
        [first, ..] if first == 0 || first >= 0x80 => return None,
        _ => value,
    };
    let at = out.len().checked_sub(value.len())?;
    out.get_mut(at..)?.copy_from_slice(value);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_taken_bare_or_in_its_spki() {
        let bare = [[4].as_slice(), &[7; 64]].concat();
        let want = PublicKey(bare.clone().try_into().unwrap());
        assert_eq!(point(&bare), Some(want));
        assert_eq!(point(&[&P256_INFO[..], &bare].concat()), Some(want));
        let compressed = [[2].as_slice(), &[7; 32]].concat();
        let mut hybrid = bare.clone();
        hybrid[0] = 6;
        for bad in [&[][..], &bare[1..], &compressed, &hybrid, &P256_INFO, &[&bare[..], &[0]].concat()] {
            assert_eq!(point(bad), None);
        }
    }

    #[test]
    fn a_signature_is_taken_fixed_or_in_strict_der() {
        let mut fixed = [0; 64];
        (fixed[31], fixed[63]) = (0x7f, 0x01);
        assert_eq!(signature(&fixed), Some(fixed));
        assert_eq!(signature(&[0x30, 6, 2, 1, 0x7f, 2, 1, 1]), Some(fixed));
        fixed[31] = 0x80;
        assert_eq!(signature(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 1]), Some(fixed));
        for bad in [
            &[][..],
            &[0; 63],
            &[0x30, 6, 2, 1, 0x80, 2, 1, 1],
            &[0x30, 7, 2, 2, 0, 0x7f, 2, 1, 1],
            &[0x30, 5, 2, 0, 2, 1, 1],
            &[0x30, 7, 2, 1, 0x7f, 2, 1, 1],
            &[0x30, 6, 2, 1, 0x7f, 2, 1, 1, 0],
            &[0x30, 7, 2, 1, 0x7f, 2, 1, 1, 0],
            &[0x30, 6, 2, 9, 0x7f, 2, 1, 1],
            &[&[0x30, 38, 2, 33][..], &[1; 33], &[2, 1, 1]].concat(),
        ] {
            assert_eq!(signature(bad), None, "{bad:x?}");
        }
    }
}
