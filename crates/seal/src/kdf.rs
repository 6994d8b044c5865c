//! HKDF-SHA256 (RFC 5869) for one 256-bit output.
//!
//! With one block of output, extract and expand are one HMAC each, so nothing here can fail. `info` starts with
//! purpose and context: a secret derived for one use, tenant or realm is unrelated to that of another.

use crate::context::{Context, Purpose};
use crate::mac::tag;
use crate::secret::Secret;
use aws_lc_rs::hmac;

/// Derives a secret from `secret` for exactly this purpose, context, salt and info.
pub fn hkdf(secret: &[u8], salt: &[u8], context: &Context, purpose: Purpose, info: &[u8]) -> Secret {
    expand(secret, salt, |sink| {
        context.prefix(purpose, &mut *sink);
        sink(info);
    })
}

fn expand(secret: &[u8], salt: &[u8], info: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Secret {
    let salt = hmac::Key::new(hmac::HMAC_SHA256, salt);
    let extracted = Secret::new(tag(&hmac::sign(&salt, secret)));
    let mut state = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.expose()));
    info(&mut |piece| state.update(piece));
    state.update(&[1]);
    Secret::new(tag(&state.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::hkdf as library;
    use glacis_wire::{Realm, TenantId};

    struct Len;
    impl library::KeyType for Len {
        fn len(&self) -> usize {
            32
        }
    }

    #[test]
    fn one_block_matches_rfc_5869_appendix_a_1() {
        let salt: Vec<u8> = (0..13).collect();
        let info: Vec<u8> = (0xf0..0xfa).collect();
        let okm = expand(&[0x0b; 22], &salt, |sink| sink(&info));
        let hex: String = okm.expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    }

    #[test]
    fn derivation_equals_the_library_for_any_lengths() {
        let context = Context::new(TenantId::parse("acme").unwrap(), Realm::Demo);
        for len in [0, 1, 31, 32, 33, 64, 65, 200] {
            let (secret, salt, info) = (vec![1; len], vec![2; len], vec![3; len]);
            let ours = hkdf(&secret, &salt, &context, Purpose::Session, &info);
            let prefix = context.prefix_bytes(Purpose::Session);
            let theirs = library::Salt::new(library::HKDF_SHA256, &salt).extract(&secret);
            let mut bytes = [0; 32];
            theirs.expand(&[&prefix, &info], Len).unwrap().fill(&mut bytes).unwrap();
            assert_eq!(ours.expose(), &bytes, "length {len}");
        }
    }
}
