//! decode ∘ encode = id, encode ∘ decode = id, and damaged bytes are refused or mean something else.

use crate::strategies::{answer, disclosed, facts, proof, record, value, verdict};
use glacis_wire::message::challenge::Proof;
use glacis_wire::message::decide::{EventFacts, Record, Report};
use glacis_wire::message::enrol::EnrolRequest;
use glacis_wire::message::policy::{Bundle, Feed, KeySet};
use glacis_wire::*;
use proptest::prelude::*;

fn there_and_back<T: Encode + Decode + PartialEq + core::fmt::Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = value.to_bytes().unwrap();
    prop_assert_eq!(&T::from_bytes(&bytes).unwrap(), value);
    for cut in 0..bytes.len() {
        prop_assert!(T::from_bytes(&bytes[..cut]).is_err(), "a proper prefix must not decode");
    }
    let mut longer = bytes;
    longer.push(0);
    prop_assert!(T::from_bytes(&longer).is_err(), "trailing bytes must not decode");
    Ok(())
}

/// Whatever decodes re-encodes to the very same bytes: one value, one encoding.
fn canonical<T: Encode + Decode>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(value) = T::from_bytes(bytes) {
        prop_assert_eq!(value.to_bytes().unwrap(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn values_survive_the_wire(value in value()) { there_and_back(&value)?; }

    #[test]
    fn answers_survive_the_wire(answer in answer()) { there_and_back(&answer)?; }

    #[test]
    fn disclosures_survive_the_wire(disclosed in disclosed()) { there_and_back(&disclosed)?; }

    #[test]
    fn verdicts_survive_the_wire(verdict in verdict()) { there_and_back(&verdict)?; }

    #[test]
    fn proofs_survive_the_wire(proof in proof()) { there_and_back(&proof)?; }

    #[test]
    fn facts_survive_the_wire(facts in facts()) { there_and_back(&facts)?; }

    #[test]
    fn records_survive_the_wire(record in record()) { there_and_back(&record)?; }

    #[test]
    fn any_bytes_decode_canonically_or_not_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        canonical::<Value>(&bytes)?;
        canonical::<Answer>(&bytes)?;
        canonical::<Disclosed>(&bytes)?;
        canonical::<EventFacts>(&bytes)?;
        canonical::<Report>(&bytes)?;
        canonical::<EnrolRequest>(&bytes)?;
        canonical::<Proof>(&bytes)?;
        canonical::<Bundle>(&bytes)?;
        canonical::<KeySet>(&bytes)?;
        canonical::<Feed>(&bytes)?;
    }

    #[test]
    fn a_damaged_record_decodes_canonically_or_not_at_all(record in record(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = record.to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        canonical::<Record>(&bytes)?;
    }
}
