//! Chains that an attacker makes himself, under an anchored root of a test where he needs one that signs for him.

use super::{Ask, UNLOCKED, case, line, named, secs};
use crate::forge::{Draft, common_name, context, enumerated, int, key, name, octets, seq, set, spki, tlv};
use glacis_attest::{Appraisal, AttestError, References, Relaxation};
use glacis_wire::{Tier, Trust};

const STATEMENT: &str = "1.3.6.1.4.1.11129.2.1.17";

/// What a forged or faithful statement says.
#[derive(Clone)]
struct Statement {
    levels: (u8, u8),
    boot: u8,
    locked: u8,
    origin: Option<u64>,
    root_of_trust: bool,
    tail: Vec<u8>,
}

const STRONGBOX: Statement = Statement {
    levels: (2, 2),
    boot: 0,
    locked: 0xff,
    origin: Some(0),
    root_of_trust: true,
    tail: Vec::new(),
};

impl Statement {
    fn der(&self) -> Vec<u8> {
        let root =
            seq(&[octets(&[9; 32]), tlv(&[1], &[self.locked]), enumerated(self.boot), octets(&[8; 32])]);
        let mut hardware = vec![context(1, &set(&[int(2)])), context(503, &tlv(&[5], &[]))];
        hardware.extend(self.origin.map(|origin| context(702, &int(origin))));
        if self.root_of_trust {
            hardware.push(context(704, &root));
        }
        hardware.push(context(706, &int(202_601)));
        let app = seq(&[set(&[seq(&[octets(b"com.example"), int(1)])]), set(&[octets(&[7; 32])])]);
        let software = vec![context(701, &int(1)), context(709, &octets(&app))];
        seq(&[
            int(400),
            enumerated(self.levels.0),
            int(400),
            enumerated(self.levels.1),
            octets(b"challenge"),
            octets(b""),
            seq(&software),
            seq(&hardware),
            self.tail.clone(),
        ])
    }
}

fn ask() -> Ask {
    let mut ask = Ask::new(b"challenge", secs("2026-01-01T00:00Z"));
    ask.anchors.roots.android = vec![spki(&key(1))];
    ask
}

fn leaf() -> Draft {
    Draft::new("leaf", "issuer").with(STATEMENT, false, STRONGBOX.der())
}

fn issuer() -> Draft {
    Draft::new("issuer", "root").ca(None)
}

/// Leaf key 3 under issuer key 2 under root key 1.
fn chain(leaf: &Draft, issuer: &Draft) -> Vec<u8> {
    [leaf.sign(&key(3), &key(2)), issuer.sign(&key(2), &key(1))].concat()
}

fn check(leaf: &Draft, issuer: &Draft) -> Result<Appraisal, AttestError> {
    ask().appraise("android-key", &chain(leaf, issuer))
}

fn stated(statement: &Statement) -> Draft {
    Draft::new("leaf", "issuer").with(STATEMENT, false, statement.der())
}

#[test]
fn the_forge_makes_chains_that_hold() {
    assert_eq!(line(&check(&leaf(), &issuer())), "affirming, strong:");
}

#[test]
fn a_chain_of_another_root_with_the_same_name_is_refused() {
    let theirs = [leaf().sign(&key(3), &key(2)), issuer().sign(&key(2), &key(9))];
    let root = Draft::new("root", "root").ca(None).sign(&key(9), &key(9));
    assert_eq!(line(&ask().appraise("android-key", &theirs.concat())), "refused: unknown-root");
    let with_root = [theirs.concat(), root].concat();
    assert_eq!(line(&ask().appraise("android-key", &with_root)), "refused: unknown-root");
    // The anchored key in a certificate that the attacker made: the key is believed, and it did not sign.
    let borrowed = Draft::new("root", "root").ca(None).sign(&key(1), &key(9));
    let with_borrowed = [theirs.concat(), borrowed].concat();
    assert_eq!(line(&ask().appraise("android-key", &with_borrowed)), "refused: signature");
}

#[test]
fn a_swapped_leaf_and_a_self_signed_leaf_are_refused() {
    let swapped = [leaf().sign(&key(3), &key(9)), issuer().sign(&key(2), &key(1))].concat();
    assert_eq!(line(&ask().appraise("android-key", &swapped)), "refused: signature");
    let alone = leaf().sign(&key(3), &key(3));
    assert_eq!(line(&ask().appraise("android-key", &alone)), "refused: unknown-root");
    let anchored = leaf().sign(&key(1), &key(1));
    assert_eq!(
        line(&ask().appraise("android-key", &anchored)),
        "refused: name-chain",
        "a leaf that is a root"
    );
}

/// The attack on naive verifiers: an attested key, which the attacker may use, issues a certificate with a statement of
/// the attacker's own making.
#[test]
fn an_attested_key_cannot_extend_its_chain() {
    let attested = issuer().with(STATEMENT, false, STRONGBOX.der());
    assert_eq!(line(&check(&leaf(), &attested)), "refused: extension-place");
    let plain = Draft::new("leaf", "issuer");
    assert_eq!(line(&check(&plain, &attested)), "refused: extension-place");
    assert_eq!(line(&check(&plain, &issuer())), "refused: no-statement");
    // The same without a statement in the middle: an ordinary key that signs.
    let ordinary = Draft::new("issuer", "root");
    assert_eq!(line(&check(&leaf(), &ordinary)), "refused: not-ca");
    let no_cert_sign = issuer().with("2.5.29.15", true, tlv(&[3], &[7, 0x80]));
    assert_eq!(line(&check(&leaf(), &no_cert_sign)), "refused: not-ca");
    let cert_sign = issuer().with("2.5.29.15", true, tlv(&[3], &[2, 0x04]));
    assert_eq!(line(&check(&leaf(), &cert_sign)), "affirming, strong:");
    assert_eq!(line(&check(&leaf().ca(None), &issuer())), "refused: purpose");
}

#[test]
fn names_lengths_times_and_critical_extensions_count() {
    let misnamed = Draft { subject: common_name("issuer2"), ..issuer() };
    assert_eq!(line(&check(&leaf(), &misnamed)), "refused: name-chain");
    let unknown = issuer().with("1.2.3.4", true, octets(b""));
    assert_eq!(line(&check(&leaf(), &unknown)), "refused: critical-extension");
    let noted = issuer().with("1.2.3.4", false, octets(b""));
    assert_eq!(line(&check(&leaf(), &noted)), "affirming, strong:");
    let twice = noted.with("1.2.3.4", false, octets(b""));
    assert_eq!(line(&check(&leaf(), &twice)), "refused: malformed");
    let deep = |limit| {
        let chain = [
            Draft::new("leaf", "low").with(STATEMENT, false, STRONGBOX.der()).sign(&key(3), &key(4)),
            Draft::new("low", "issuer").ca(Some(0)).sign(&key(4), &key(2)),
            Draft::new("issuer", "root").ca(Some(limit)).sign(&key(2), &key(1)),
        ];
        line(&ask().appraise("android-key", &chain.concat()))
    };
    assert_eq!((deep(1).as_str(), deep(0).as_str()), ("affirming, strong:", "refused: path-length"));
    for (begins, ends, want) in [
        ("20260101000001Z", "20400101000000Z", "refused: not-yet-valid"),
        ("20200101000000Z", "20251231235959Z", "refused: expired"),
        ("20260101000000Z", "20260101000000Z", "affirming, strong:"),
    ] {
        assert_eq!(line(&check(&Draft { begins, ends, ..leaf() }, &issuer())), want, "leaf {begins} {ends}");
        assert_eq!(
            line(&check(&leaf(), &Draft { begins, ends, ..issuer() })),
            want,
            "issuer {begins} {ends}"
        );
    }
}

#[test]
fn what_the_statement_says_counts_as_the_rules_say() {
    use Relaxation::{DangerImportedKey, DangerLevelMismatch, DangerNoRootOfTrust, DangerSoftwareLevel};
    let base = STRONGBOX;
    for (statement, allow, want) in [
        (Statement { levels: (1, 1), ..base.clone() }, None, "affirming, hardware:"),
        (Statement { levels: (2, 1), ..base.clone() }, None, "refused: level"),
        (
            Statement { levels: (2, 1), ..base.clone() },
            Some(DangerLevelMismatch),
            "affirming, software: relaxed",
        ),
        (Statement { levels: (0, 0), ..base.clone() }, None, "refused: software-level"),
        (
            Statement { levels: (0, 0), ..base.clone() },
            Some(DangerSoftwareLevel),
            "warning, software: relaxed",
        ),
        (Statement { levels: (3, 3), ..base.clone() }, None, "refused: malformed"),
        (Statement { origin: Some(2), ..base.clone() }, None, "refused: key-origin"),
        (Statement { origin: None, ..base.clone() }, None, "refused: key-origin"),
        (
            Statement { origin: Some(2), ..base.clone() },
            Some(DangerImportedKey),
            "affirming, software: relaxed",
        ),
        (Statement { root_of_trust: false, ..base.clone() }, None, "refused: root-of-trust-missing"),
        (
            Statement { root_of_trust: false, ..base.clone() },
            Some(DangerNoRootOfTrust),
            "warning, software: relaxed",
        ),
        (Statement { boot: 1, ..base.clone() }, None, "warning, software: boot-self-signed"),
        (Statement { boot: 2, ..base.clone() }, None, "warning, software: boot-unverified"),
        (Statement { boot: 3, ..base.clone() }, None, "contraindicated, software: boot-failed"),
        (Statement { boot: 4, ..base.clone() }, None, "refused: malformed"),
        (Statement { locked: 0, ..base.clone() }, None, "warning, software: unlocked"),
        (Statement { tail: octets(b"more"), ..base.clone() }, None, "refused: malformed"),
    ] {
        let ask = ask().allowing(allow.as_slice());
        let outcome = ask.appraise("android-key", &chain(&stated(&statement), &issuer()));
        assert_eq!(line(&outcome), want, "{:?} {}", statement.levels, statement.boot);
    }
}

/// A system that its owner signed has a real tier where the operator allows its key, and only while it is locked.
#[test]
fn an_allowed_boot_key_gives_an_owner_signed_system_its_tier() {
    let mut ask = ask();
    ask.references = References { boot_keys: vec![vec![9; 32]], ..References::default() };
    let own = stated(&Statement { boot: 1, ..STRONGBOX });
    let found = ask.appraise("android-key", &chain(&own, &issuer())).unwrap();
    assert_eq!((found.tier, found.trust, found.reasons.len()), (Tier::Strong, Trust::Claimed, 0));
    let unlocked = stated(&Statement { boot: 1, locked: 0, ..STRONGBOX });
    assert_eq!(
        line(&ask.appraise("android-key", &chain(&unlocked, &issuer()))),
        "warning, software: unlocked"
    );
    let unverified = stated(&Statement { boot: 2, ..STRONGBOX });
    assert_eq!(
        line(&ask.appraise("android-key", &chain(&unverified, &issuer()))),
        "warning, software: boot-unverified"
    );
}

#[test]
fn a_tee_cannot_vouch_for_a_strongbox() {
    for attribute in ["2.5.4.12", "2.5.4.10"] {
        let tee = Draft { subject: name(attribute, "TEE"), ..issuer() };
        let under = |statement: &Statement| Draft { issuer: name(attribute, "TEE"), ..stated(statement) };
        assert_eq!(line(&check(&under(&STRONGBOX), &tee)), "refused: level");
        let honest = Statement { levels: (1, 1), ..STRONGBOX };
        assert_eq!(line(&check(&under(&honest), &tee)), "affirming, hardware:");
    }
}

/// What real devices get wrong is read where that is allowed, says so, and costs the tier.
#[test]
fn lenient_der_has_a_name_and_a_price() {
    let bent = stated(&Statement { locked: 1, ..STRONGBOX });
    assert_eq!(line(&check(&bent, &issuer())), "refused: malformed");
    let lenient = ask().allowing(&[Relaxation::DangerLenientDer]);
    let found = lenient.appraise("android-key", &chain(&bent, &issuer())).unwrap();
    assert_eq!((found.tier, found.relaxed), (Tier::Software, vec![Relaxation::DangerLenientDer]));
    assert_eq!(line(&lenient.appraise("android-key", &chain(&leaf(), &issuer()))), "affirming, strong:");
}

/// Flips in everything that is signed, under a root that would sign for the attacker: only the signatures' own
/// malleability could pass, and ASN.1's strictness leaves none.
#[test]
fn no_flip_of_a_forged_chain_passes_either() {
    let whole = chain(&leaf(), &issuer());
    for bit in (0..whole.len() * 8).step_by(3) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let outcome = ask().appraise("android-key", &bytes);
        assert!(outcome.is_err(), "bit {bit}: {}", line(&outcome));
    }
}

#[test]
fn device_ids_are_not_in_debug_output() {
    let Some((chain, ask)) = case(named("akita/sdk34/TEE_RSA_BASE+IMEI.pem")) else { return };
    let found = ask.chain(&chain);
    assert_eq!(line(&found), UNLOCKED);
    let found = found.unwrap();
    let imei = super::claims(&found).description.hardware_enforced.attestation_id_imei.clone().unwrap();
    assert!(imei.0.len() >= 14);
    assert!(!format!("{found:?}").contains(&imei.0));
}
