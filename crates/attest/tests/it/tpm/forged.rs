//! What does not count: forged, changed, cut, replayed and mixed evidence.

use super::soft::{BOUND, DECRYPT, RESTRICTED, SIGN, Soft, area, certificate, signature};
use super::{Ask, SECRET, booted};
use crate::forge::{Draft, key, seq, spki};
use glacis_attest::Code;
use glacis_wire::message::tpm::{Attested, Pcr, TpmEvidence};
use glacis_wire::message::{Bytes, List};
use glacis_wire::{Decode, Encode, Realm};

/// What is refused when something of good evidence is changed.
fn refused(change: impl FnOnce(&mut Soft)) -> String {
    let (mut soft, ask) = booted();
    change(&mut soft);
    ask.line(&soft.evidence())
}

fn changed(change: impl FnOnce(&Soft, &mut TpmEvidence)) -> String {
    let (soft, ask) = booted();
    let mut evidence = soft.evidence();
    change(&soft, &mut evidence);
    ask.line(&evidence)
}

#[test]
fn statements_for_another_challenge_key_tenant_or_realm_are_refused() {
    assert_eq!(refused(|soft| soft.challenge = vec![6; 32]), "refused: challenge");
    assert_eq!(refused(|soft| soft.tenant = "acm"), "refused: challenge");
    assert_eq!(refused(|soft| soft.realm = Realm::Demo), "refused: challenge");
    let (soft, ask) = booted();
    let other = Ask { device_key: Some(key(9).public()), ..ask.clone() };
    assert_eq!(other.line(&soft.evidence()), "refused: device-key");
    let same = Ask { device_key: Some(soft.device.public()), ..ask.clone() };
    assert_eq!(same.line(&soft.evidence()), "affirming, strong");
    let mut wrong = ask;
    wrong.activation.as_mut().unwrap().secret[31] ^= 1;
    assert_eq!(wrong.line(&soft.evidence()), "refused: activation another secret");
    // A quote of yesterday beside a fresh certification, and the other way round.
    let (mut old, _) = booted();
    old.challenge = vec![4; 32];
    let old = old.evidence();
    assert_eq!(changed(|_, evidence| evidence.quoted = old.quoted.clone()), "refused: challenge");
    assert_eq!(changed(|_, evidence| evidence.certified = old.certified.clone()), "refused: challenge");
    // The two statements in each other's place.
    let swapped = changed(|_, evidence| std::mem::swap(&mut evidence.quoted, &mut evidence.certified));
    assert_eq!(swapped, "refused: malformed the certification is about no object");
    let twice = changed(|_, evidence| evidence.quoted = evidence.certified.clone());
    assert_eq!(twice, "refused: malformed the quote is about no registers");
}

#[test]
fn keys_of_another_role_or_chip_are_refused() {
    let lacks = |role: &str, what: &str| format!("refused: key-attributes the {role} lacks {what}");
    for (bit, name) in [(1, "fixedTPM"), (4, "fixedParent"), (5, "sensitiveDataOrigin")] {
        assert_eq!(refused(|soft| soft.ek_attributes ^= 1 << bit), lacks("endorsement key", name));
        assert_eq!(refused(|soft| soft.ak_attributes ^= 1 << bit), lacks("attestation key", name));
        assert_eq!(refused(|soft| soft.device_attributes ^= 1 << bit), lacks("device key", name));
    }
    // An unrestricted key signs whatever it is given, also what looks like a statement.
    assert_eq!(refused(|soft| soft.ak_attributes = BOUND | SIGN), lacks("attestation key", "restricted"));
    assert_eq!(refused(|soft| soft.ek_attributes = BOUND | DECRYPT), lacks("endorsement key", "restricted"));
    let restricted = refused(|soft| soft.device_attributes |= RESTRICTED);
    assert_eq!(restricted, "refused: key-attributes the device key has restricted");
    let decrypts = refused(|soft| soft.device_attributes |= DECRYPT);
    assert_eq!(decrypts, "refused: key-attributes the device key has decrypt");
    // A restricted key signs nothing that begins like a statement and is none: here it is only said to be.
    assert_eq!(refused(|soft| soft.magic = 0xff54_4348), "refused: malformed not a statement of a TPM");
    // Endorsement and attestation key swapped, and either of another chip.
    let swapped = changed(|_, evidence| {
        let identity = &mut evidence.identity;
        std::mem::swap(&mut identity.ek, &mut identity.ak);
    });
    assert!(swapped.starts_with("refused: key-attributes"), "{swapped}");
    let (other, _) = booted();
    let other = Soft { ek: key(12), ak: key(13), ..other }.evidence();
    let foreign = changed(|_, evidence| evidence.identity.ek = other.identity.ek.clone());
    assert_eq!(foreign, "refused: activation a credential of other keys");
    let foreign = changed(|_, evidence| evidence.identity.ak = other.identity.ak.clone());
    assert_eq!(foreign, "refused: activation a credential of other keys");
    // A chip opened the credential of its own attestation key; what signs is a key of the attacker.
    let (soft, ask) = booted();
    let attacker = Soft { ak: key(13), ..booted().0 };
    assert_eq!(ask.line(&attacker.evidence()), foreign);
    // Where the credential was made for the keys that are sent, the other links still hold.
    let again = |evidence: &TpmEvidence| ask.clone().released(&evidence.identity).line(evidence);
    let mut mixed = soft.evidence();
    mixed.identity.ek = other.identity.ek.clone();
    assert_eq!(again(&mixed), "refused: binding the certificate is about another endorsement key");
    let mut mixed = soft.evidence();
    mixed.identity.ak = other.identity.ak.clone();
    assert_eq!(again(&mixed), "refused: signature");
    // A certification of another key than the one that enrols.
    let (mine, stolen) = (key(4), key(14));
    let other_area = area(BOUND | SIGN, false, &stolen);
    let other = changed(|soft, evidence| evidence.certified = soft.attest(&soft.certify(&other_area)));
    assert_eq!(other, "refused: binding the certification is about another key");
    // The same key with other attributes has another name.
    let exportable = area(SIGN, false, &mine);
    let other = changed(|soft, evidence| evidence.certified = soft.attest(&soft.certify(&exportable)));
    assert_eq!(other, "refused: binding the certification is about another key");
}

#[test]
fn signatures_of_another_key_or_scheme_are_refused() {
    for statement in [0, 1] {
        let by = |signer: u8| {
            changed(|_, evidence| {
                let attested: &mut Attested =
                    if statement == 0 { &mut evidence.certified } else { &mut evidence.quoted };
                attested.signature = Bytes(signature(&key(signer), &attested.attest));
            })
        };
        assert_eq!(by(3), "affirming, strong", "signed again");
        for signer in [2, 4, 9] {
            assert_eq!(by(signer), "refused: signature", "key {signer}");
        }
    }
    // The scheme of the key is the only one that it signs with.
    let other = changed(|_, evidence| evidence.quoted.signature.0[1] = 0x14);
    assert_eq!(other, "refused: malformed a signature cannot be read");
    let other = changed(|_, evidence| evidence.certified.signature.0[3] = 0x0c);
    assert_eq!(other, "refused: algorithm not the attestation key's scheme");
}

#[test]
fn registers_are_those_that_were_quoted() {
    let values = "refused: registers other values than those quoted";
    let others = "refused: registers other registers than those quoted";
    assert_eq!(changed(|_, evidence| evidence.pcrs.0[0].value.0[0] ^= 1), values);
    assert_eq!(changed(|_, evidence| drop(evidence.pcrs.0.pop())), others);
    assert_eq!(changed(|_, evidence| evidence.pcrs.0.clear()), others);
    let more = Pcr { bank: 0x000b, index: 8, value: Bytes(vec![0; 32]) };
    assert_eq!(changed(|_, evidence| evidence.pcrs.0.push(more)), others);
    assert_eq!(
        changed(|_, evidence| evidence.pcrs.0[0].index = 9),
        "refused: registers registers out of order"
    );
    assert_eq!(
        changed(|_, evidence| evidence.pcrs.0.swap(0, 1)),
        "refused: registers registers out of order"
    );
    // Two neighbours whose values, joined, are the same bytes.
    let shifted = changed(|_, evidence| {
        let byte = evidence.pcrs.0[1].value.0.remove(0);
        evidence.pcrs.0[0].value.0.push(byte);
    });
    assert_eq!(shifted, "refused: registers a register of another length than its bank's");
    // A TPM that quoted one register twice does not exist, and its evidence is none.
    let (mut soft, ask) = booted();
    soft.registers.push(soft.registers[0].clone());
    assert!(ask.line(&soft.evidence()).starts_with("refused: registers"));
}

#[test]
fn certificates_of_another_purpose_key_or_maker_are_refused() {
    let usage = |id: &str| ("2.5.29.37", seq(&[crate::forge::oid(id)]));
    let with = |draft: Draft| refused(|soft| soft.certificate = draft);
    let plain = certificate("id:49465800", "SLB9670", "id:0785");
    let without = |oid: &str| {
        let mut draft = plain.clone();
        draft.extensions.retain(|(id, ..)| *id != oid);
        draft
    };
    assert_eq!(with(without("2.5.29.37")), "refused: purpose no purpose");
    assert_eq!(with(without("2.5.29.17")), "refused: purpose no names");
    let (id, value) = usage("2.23.133.8.3");
    let other = with(without("2.5.29.37").with(id, false, value));
    assert_eq!(other, "refused: purpose not the purpose of an endorsement key");
    assert_eq!(with(certificate("49465800", "a", "b")), "refused: purpose the TPM is not named");
    assert_eq!(with(plain.clone().ca(None)), "refused: purpose not a certificate of an endorsement key");
    let unknown = with(plain.clone().with("1.2.3.4", true, seq(&[])));
    assert_eq!(unknown, "refused: critical-extension 1.2.3.4");
    let (soft, ask) = booted();
    let forged = Soft { root: key(8), ..booted().0 };
    assert_eq!(ask.line(&forged.evidence()), "refused: unknown-root");
    // A chip's own key issues nothing.
    let mut extended = soft.evidence();
    let leaf = plain.sign(&key(20), &soft.ek);
    extended.identity.ek = Bytes(area(BOUND | RESTRICTED | DECRYPT, true, &key(20)));
    extended.identity.ek_certificates.0.insert(0, Bytes(leaf));
    let line = ask.clone().released(&extended.identity).line(&extended);
    assert!(line.starts_with("refused: name-chain") || line.starts_with("refused: not-ca"), "{line}");
    // Several keys of one maker, an intermediate between them, and anchors of other families.
    let (maker, issuer) = (key(1), key(30));
    let mut chained = soft.evidence();
    let mut lower = plain.clone();
    lower.issuer = crate::forge::common_name("issuer");
    let middle = Draft::new("issuer", "maker").ca(Some(0)).sign(&issuer, &maker);
    chained.identity.ek_certificates = List(vec![Bytes(lower.sign(&soft.ek, &issuer)), Bytes(middle)]);
    assert_eq!(ask.line(&chained), "affirming, strong");
    let mut elsewhere = ask.clone();
    elsewhere.roots.authenticators = std::mem::take(&mut elsewhere.roots.tpm);
    elsewhere.roots.platforms = vec![spki(&maker)];
    assert_eq!(elsewhere.line(&chained), "refused: unknown-root");
}

#[test]
fn cut_evidence_is_refused_at_every_byte_and_nothing_panics() {
    let (soft, ask) = booted();
    let whole = soft.evidence().to_bytes().unwrap();
    for length in 0..whole.len() {
        let refused = ask.bytes(&whole[..length]).unwrap_err();
        assert_eq!(refused.code(), Code::Malformed, "{length} bytes");
    }
    assert_eq!(ask.bytes(&[&whole[..], &[0]].concat()).unwrap_err().code(), Code::Malformed);
}

/// Every bit of small evidence: refused, or about nothing that was believed.
#[test]
fn every_flipped_bit_is_refused_or_lowers_the_boot() {
    let (soft, ask) = booted();
    let whole = soft.evidence().to_bytes().unwrap();
    let good = ask.bytes(&whole).unwrap();
    let log_start = whole.windows(soft.log.len()).position(|window| window == soft.log).unwrap();
    let log = log_start..log_start + soft.log.len();
    let mut accepted = 0;
    for bit in 0..whole.len() * 8 {
        let mut bent = whole.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let Ok(found) = ask.bytes(&bent) else { continue };
        accepted += 1;
        assert!(
            log.contains(&(bit / 8)),
            "bit {bit} (byte {}) does not matter: {:02x?}",
            bit / 8,
            &whole[bit / 8 - 20..bit / 8 + 10]
        );
        // Texts that no digest that counts covers may change: they are believed in nothing.
        let (mut before, mut after) = (good.clone(), found.clone());
        if after.tier == good.tier {
            (before.claims, after.claims) = (good.claims.clone(), good.claims.clone());
            assert_eq!(before, after, "byte {} of the log", bit / 8 - log.start);
            let [was, is] = [&good, &found].map(|found| super::claims(found).boot.clone().unwrap());
            assert_eq!(
                (is.secure_boot, is.debugger, &is.authorities),
                (was.secure_boot, false, &was.authorities)
            );
            // A text that does not hash to its digest any more counts as a loader, and no loader is lost.
            assert!(was.loaders.iter().all(|loader| is.loaders.contains(loader)));
            assert!(is.left_firmware <= was.left_firmware);
        } else {
            assert!(after.tier < good.tier, "byte {} of the log", bit / 8 - log.start);
            assert!(!after.reasons.is_empty());
        }
    }
    assert!(accepted > 100, "bits of the log alone do not refuse");
}

#[test]
fn evidence_has_one_form() {
    let (soft, ask) = booted();
    let evidence = soft.evidence();
    let bytes = evidence.to_bytes().unwrap();
    assert_eq!(TpmEvidence::from_bytes(&bytes).unwrap(), evidence);
    assert_eq!(evidence.activation, Some(SECRET));
    assert_eq!(ask.line(&evidence), "affirming, strong");
    assert_eq!(ask.bytes(&bytes), ask.bytes(&bytes));
}
