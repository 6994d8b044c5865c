//! Platform certificates beside evidence: bound to its endorsement certificate or refused, believed from anchored keys.

use super::{Ask, booted, claims};
use crate::forge::{asn1_signature, common_name, context, int, key, octets, oid, seq, set, spki, tlv};
use glacis_seal::SigningKey;
use glacis_wire::message::Bytes;
use glacis_wire::message::tpm::TpmEvidence;

/// What a maker of machines says.
struct Draft {
    holder_issuer: &'static str,
    holder_serial: u64,
    ends: &'static str,
    critical: bool,
}

impl Draft {
    const fn new() -> Self {
        Self { holder_issuer: "maker", holder_serial: 77, ends: "20400101000000Z", critical: false }
    }

    fn sign(&self, signer: &SigningKey) -> Vec<u8> {
        let algorithm = seq(&[oid("1.2.840.10045.4.3.2")]);
        let names = |name: &str| seq(&[context(4, &common_name(name))]);
        let attribute = |id: &str, text: &str| set(&[seq(&[oid(id), tlv(&[12], text.as_bytes())])]);
        let machine = seq(&[
            attribute("2.23.133.5.1.1", "Machines"),
            attribute("2.23.133.5.1.4", "Model M"),
            attribute("2.23.133.5.1.5", "2"),
            attribute("2.23.133.5.1.6", "SERIAL-42"),
        ]);
        let alternative = seq(&[oid("2.5.29.17"), octets(&seq(&[context(4, &machine)]))]);
        let unknown = seq(&[oid("1.2.3.4"), tlv(&[1], &[0xff]), octets(&[])]);
        let extensions = if self.critical { vec![alternative, unknown] } else { vec![alternative] };
        let holder = [names(self.holder_issuer), int(self.holder_serial)].concat();
        let info = seq(&[
            int(1),
            seq(&[context(0, &holder)]),
            context(0, &names("machines")),
            algorithm.clone(),
            int(5),
            seq(&[tlv(&[24], b"20200101000000Z"), tlv(&[24], self.ends.as_bytes())]),
            seq(&[]),
            seq(&extensions),
        ]);
        let signature = asn1_signature(&signer.sign_raw(&info).unwrap());
        seq(&[info, algorithm, tlv(&[3], &[&[0][..], &signature].concat())])
    }
}

/// Good evidence with these certificates, and the key of the machine's maker anchored.
fn with(certificates: &[Vec<u8>]) -> (TpmEvidence, Ask) {
    let (soft, mut ask) = booted();
    ask.roots.platforms = vec![spki(&key(40))];
    let mut evidence = soft.evidence();
    evidence.platform_certificates.0 = certificates.iter().cloned().map(Bytes).collect();
    (evidence, ask)
}

#[test]
fn a_machine_is_named_by_an_anchored_maker_only() {
    let (evidence, ask) = with(&[Draft::new().sign(&key(40))]);
    let found = ask.of(&evidence).unwrap();
    assert_eq!(super::line(&Ok(found.clone())), "affirming, strong");
    let [platform] = claims(&found).platforms.as_slice() else { panic!("{:?}", claims(&found).platforms) };
    let said = (platform.manufacturer.as_deref(), platform.model.as_deref(), platform.version.as_deref());
    assert_eq!(said, (Some("Machines"), Some("Model M"), Some("2")));
    assert!(!found.claims.json().unwrap().to_string().contains("SERIAL-42"), "a hardware id");
    let unanchored = "affirming, strong: platform-unanchored";
    let line = |certificates: &[Vec<u8>]| {
        let (evidence, ask) = with(certificates);
        ask.line(&evidence)
    };
    assert_eq!(line(&[Draft::new().sign(&key(41))]), unanchored);
    assert_eq!(line(&[Draft { ends: "20250101000000Z", ..Draft::new() }.sign(&key(40))]), unanchored);
    assert_eq!(line(&[Draft::new().sign(&key(41)), Draft::new().sign(&key(40))]), unanchored);
}

#[test]
fn a_platform_certificate_of_another_tpm_is_refused() {
    let line = |draft: Draft| {
        let (evidence, ask) = with(&[draft.sign(&key(40))]);
        ask.line(&evidence)
    };
    let other = "refused: binding a platform certificate of another TPM";
    assert_eq!(line(Draft { holder_serial: 78, ..Draft::new() }), other);
    assert_eq!(line(Draft { holder_issuer: "maker2", ..Draft::new() }), other);
    assert_eq!(line(Draft { critical: true, ..Draft::new() }), "refused: critical-extension 1.2.3.4");
    // Noise, and a certificate of the other kind.
    let (mut evidence, ask) = with(&[vec![0x30, 0]]);
    assert_eq!(ask.line(&evidence), "refused: malformed not a platform certificate");
    evidence.platform_certificates.0 = vec![evidence.identity.ek_certificates.0[0].clone()];
    assert_eq!(ask.line(&evidence), "refused: malformed not a platform certificate");
    // Every bit of it is signed, or it is no certificate.
    let whole = Draft::new().sign(&key(40));
    for bit in (0..whole.len() * 8).step_by(3) {
        let mut bent = whole.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let (evidence, ask) = with(&[bent]);
        let line = ask.line(&evidence);
        assert_ne!(line, "affirming, strong", "bit {bit}");
    }
}
