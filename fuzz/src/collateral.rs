//! Bytes of a file of collateral, signed and as a body that somebody signed.
//!
//! Invariants: nothing opens that the held key did not sign; what opens is well formed, says the same when it is sealed
//! again, and answers for every piece without a panic; unsigned bytes are read or refused and never believed.

use crate::published::{context, signer};
use glacis_attest::Collateral;
use glacis_attest::collateral::{Support, SupportKind, boot_keys, danger_unverified, public_key};
use glacis_seal::{Context, Purpose, SigningKey};
use glacis_wire::message::{Bytes, Signed};
use glacis_wire::{Encode as _, Timestamp};

/// Checks one input.
pub fn run(data: &[u8]) {
    let (Some(context), Some(key)) = (context(), signer()) else { panic!("the fixed keys are wrong") };
    let _text = std::str::from_utf8(data).ok().and_then(boot_keys);
    let _key = public_key(data);
    if let Ok(stated) = danger_unverified(data) {
        look(&stated.collateral);
    }
    // The bytes as a file that somebody sent.
    if let Ok((found, _)) = Collateral::open(data, &context, &key.public()) {
        same_again(&found, &context, &key);
    }
    // The bytes as a body that the maker's key signed: what only the checks behind the signature can refuse.
    let Ok(signature) = key.sign(&context, Purpose::Collateral, data) else { return };
    let signed = Signed { key: key.key_id(), body: Bytes(data.to_vec()), signature };
    let Ok(file) = signed.to_bytes() else { return };
    if let Ok((found, mark)) = Collateral::open(&file, &context, &key.public()) {
        assert_eq!(found.life.version, mark.version);
        same_again(&found, &context, &key);
        look(&found);
    }
}

fn same_again(found: &Collateral, context: &Context, key: &SigningKey) {
    // Two entries of one name or key may be one in memory, so the second round is the one that must hold.
    let Ok(file) = found.seal(key, context) else { return };
    let Ok((again, _)) = Collateral::open(&file, context, &key.public()) else {
        panic!("what was sealed does not open")
    };
    assert_eq!(again, *found, "sealed again it says something else");
}

fn look(found: &Collateral) {
    let _age = found.life.age(Timestamp::from_secs(1_800_000_000));
    let _constraints = found.constraints();
    for value in found.listed_serials().take(64) {
        assert!(!found.holds(&Support { kind: SupportKind::Serial, value }), "a listed serial holds");
    }
    for kind in SupportKind::ALL {
        let _holds = found.holds(&Support { kind, value: b"android-key\0rest".to_vec() });
    }
}
