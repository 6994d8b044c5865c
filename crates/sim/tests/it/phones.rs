//! Phones of the simulator and the verifier meet: real formats, roots of a run, and everything that is not believed.
//!
//! Prover and verifier share no code but `wire` and `seal`. What each phone is worth is a table; what is cut, changed,
//! mixed or of another root is refused; a phone keeps being the same device when it proves anew what it is.

use glacis_attest::apple::{ReceiptKind, check_receipt};
use glacis_attest::{
    Anchors, Appraisal, AttestError, Claims, Code, Constraints, Question, Revocations, Roots, appraise,
};
use glacis_host::{Clock as _, Host, SeededHost};
use glacis_seal::text::hex;
use glacis_seal::{Context, SigningKey};
use glacis_sim::phone::android::{self, Boot, Level, Provisioning, REMOTE_LIFE, REMOTE_MARGIN};
use glacis_sim::phone::{PhoneMakers, apple, references};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, PublicKey};
use glacis_wire::{Realm, TenantId, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// 2026-06-01T00:00:00Z
const NOW: Timestamp = Timestamp::from_secs(1_780_272_000);
const HOUR: Duration = Duration::from_secs(3_600);
const CHALLENGE: [u8; 32] = [7; 32];

/// Makers of one run with the clock of their phones.
struct Run {
    makers: PhoneMakers,
    host: SeededHost,
}

impl Run {
    fn new(seed: u64) -> Self {
        let host = SeededHost::new(seed, NOW);
        Self { makers: PhoneMakers::found(&host.stream("makers")).unwrap(), host }
    }

    fn android(&self, spec: android::Spec) -> android::Phone {
        self.makers.android.phone(spec, Arc::new(self.host.stream("android")) as Arc<dyn Host>)
    }

    fn apple(&self, spec: apple::Spec) -> apple::Phone {
        self.makers.apple.phone(spec, Arc::new(self.host.stream("apple")) as Arc<dyn Host>)
    }

    fn ask(&self) -> Ask {
        let mut anchors = Anchors::new(context(Realm::Demo));
        self.makers.anchor(&mut anchors);
        let revocations = Some(Revocations::empty(self.host.now()));
        Ask { anchors, revocations, challenge: CHALLENGE.to_vec(), key: key(1), now: self.host.now() }
    }
}

fn context(realm: Realm) -> Context {
    Context::new(TenantId::parse("demo").unwrap(), realm)
}

fn key(number: u8) -> PublicKey {
    SigningKey::from_scalar(&[number; 32]).unwrap().public()
}

/// What the verifier is asked; the rest is strict.
#[derive(Clone)]
struct Ask {
    anchors: Anchors,
    revocations: Option<Revocations>,
    challenge: Vec<u8>,
    key: PublicKey,
    now: Timestamp,
}

impl Ask {
    fn about(&self, evidence: &Evidence) -> Result<Appraisal, AttestError> {
        let question = Question {
            anchors: &self.anchors,
            references: &references(),
            revocations: self.revocations.as_ref(),
            constraints: &Constraints::default(),
            challenge: &self.challenge,
            device_key: Some(&self.key),
            activation: None,
            now: self.now,
        };
        appraise(evidence, &question)
    }

    fn line(&self, evidence: &Evidence) -> String {
        line(&self.about(evidence))
    }
}

/// An outcome in one line: status, tier, trust, and codes of what was found.
fn line(outcome: &Result<Appraisal, AttestError>) -> String {
    match outcome {
        Err(error) => format!("refused: {}", error.code()),
        Ok(found) => {
            let codes: Vec<String> = found.reasons.iter().map(|reason| reason.code.to_string()).collect();
            let (status, tier, trust) = (found.status().name(), found.tier.name(), found.trust.name());
            format!("{status}, {tier}, {trust}: {}", codes.join(" ")).trim_end().to_owned()
        }
    }
}

fn with_body(evidence: &Evidence, body: Vec<u8>) -> Evidence {
    Evidence { body: Bytes(body), ..evidence.clone() }
}

/// The certificates of a chain, as they stand one behind the other.
fn split(chain: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = chain;
    let mut found = Vec::new();
    while !rest.is_empty() {
        // Certificates of ours have two bytes of length.
        assert_eq!(rest[..2], [0x30, 0x82]);
        let (one, after) = rest.split_at(4 + usize::from(u16::from_be_bytes([rest[2], rest[3]])));
        found.push(one.to_vec());
        rest = after;
    }
    found
}

#[test]
fn every_phone_is_worth_what_it_is() {
    use android::Spec;
    let run = Run::new(1);
    let tee = Spec::tee(0);
    let table = [
        (Spec::strong_box(), "affirming, strong, attested:"),
        (Spec { sends_root: false, ..Spec::strong_box() }, "affirming, strong, attested:"),
        (
            Spec { provisioning: Provisioning::Factory(5), ..Spec::strong_box() },
            "affirming, strong, attested:",
        ),
        (tee.clone(), "affirming, hardware, attested:"),
        (Spec::tee(1), "affirming, hardware, attested:"),
        (Spec { sends_root: true, ..tee.clone() }, "affirming, hardware, attested:"),
        (Spec { provisioning: Provisioning::Remote, ..tee.clone() }, "affirming, hardware, attested:"),
        (tee.clone().in_software(), "refused: software-level"),
        (Spec { kept_in: Level::Software, ..tee.clone() }, "refused: level"),
        (Spec { kept_in: Level::StrongBox, ..tee.clone() }, "refused: level"),
        (Spec::unlocked(0), "warning, software, claimed: boot-unverified unlocked"),
        (Spec { boot: Boot::SelfSigned, ..tee.clone() }, "warning, software, claimed: boot-self-signed"),
        (Spec { boot: Boot::Failed, ..tee.clone() }, "contraindicated, software, claimed: boot-failed"),
        // Only the bootloader says so: the state is the maker's, the lock is open.
        (Spec { locked: false, ..tee.clone() }, "warning, software, claimed: unlocked"),
        (Spec::repackaged(0), "warning, hardware, claimed: app-foreign"),
        (Spec { package: "demo.glacis.other".to_owned(), ..tee }, "warning, hardware, claimed: app-foreign"),
    ];
    for (spec, want) in table {
        let mut phone = run.android(spec);
        let evidence = phone.attest(&CHALLENGE, &key(1)).unwrap();
        assert_eq!(run.ask().line(&evidence), want, "{:?}", phone.spec());
    }
    for (spec, want) in [
        (apple::Spec::store(), "affirming, strong, attested:"),
        (apple::Spec::development(), "refused: development"),
        (apple::Spec::repackaged(), "refused: app"),
        (apple::Spec { counter: 1, ..apple::Spec::store() }, "refused: counter"),
    ] {
        let evidence = run.apple(spec.clone()).attest(&CHALLENGE, &key(1)).unwrap();
        assert_eq!(run.ask().line(&evidence), want, "{spec:?}");
    }
}

#[test]
fn a_patch_level_is_the_phones_and_an_old_one_is_found() {
    let run = Run::new(2);
    let mut phone = run.android(android::Spec { patch_age: 20, ..android::Spec::tee(0) });
    let evidence = phone.attest(&CHALLENGE, &key(1)).unwrap();
    let found = run.ask().about(&evidence).unwrap();
    let Claims::AndroidKey(claims) = &found.claims else { panic!("{:?}", found.claims) };
    let hardware = &claims.description.hardware_enforced;
    let levels = (hardware.os_patch_level, hardware.vendor_patch_level, hardware.boot_patch_level);
    assert_eq!(levels, (Some(202_410), Some(20_241_005), Some(20_241_005)));
    assert_eq!(claims.app.as_deref(), Some(android::PACKAGE));
    assert!(hardware.unknown_tags.is_empty() && claims.description.software_enforced.unknown_tags.is_empty());
}

#[test]
fn a_demo_root_is_refused_by_the_anchors_of_production() {
    let run = Run::new(3);
    let evidence = [
        run.android(android::Spec::strong_box()).attest(&CHALLENGE, &key(1)).unwrap(),
        run.android(android::Spec { sends_root: true, ..android::Spec::tee(0) })
            .attest(&CHALLENGE, &key(1))
            .unwrap(),
        run.android(android::Spec::tee(1)).attest(&CHALLENGE, &key(1)).unwrap(),
        run.apple(apple::Spec::store()).attest(&CHALLENGE, &key(1)).unwrap(),
    ];
    for realm in [Realm::Production, Realm::Demo] {
        let vendors = Ask { anchors: Anchors::new(context(realm)), ..run.ask() };
        for evidence in &evidence {
            assert_eq!(vendors.line(evidence), "refused: unknown-root", "{realm:?} {}", evidence.family.0);
        }
    }
    // Nor does the demo believe another run, or a real maker: its anchors are its own alone.
    let mut own = Anchors::new(context(Realm::Demo));
    run.makers.anchor(&mut own);
    assert!(own.roots.android.iter().chain(&own.roots.app_attest).all(|root| {
        let vendors = Roots::vendors();
        !vendors.android.contains(root) && !vendors.app_attest.contains(root)
    }));
    for evidence in &evidence {
        assert_eq!(Run::new(4).ask().line(evidence), "refused: unknown-root", "{}", evidence.family.0);
    }
}

#[test]
fn evidence_is_for_one_challenge_key_and_time() {
    let run = Run::new(5);
    for (evidence, ends) in [
        (run.android(android::Spec::strong_box()).attest(&CHALLENGE, &key(1)).unwrap(), REMOTE_LIFE),
        (run.apple(apple::Spec::store()).attest(&CHALLENGE, &key(1)).unwrap(), 72 * HOUR),
    ] {
        let ask = run.ask();
        assert!(ask.about(&evidence).is_ok());
        let other = Ask { challenge: vec![8; 32], ..ask.clone() };
        assert_eq!(other.line(&evidence), "refused: challenge");
        assert_eq!(Ask { key: key(2), ..ask.clone() }.line(&evidence), "refused: device-key");
        let at = |now: Timestamp| {
            Ask { now, revocations: Some(Revocations::empty(now)), ..ask.clone() }.line(&evidence)
        };
        assert!(at(NOW.after(ends)).starts_with("affirming"));
        assert_eq!(at(NOW.after(ends + HOUR)), "refused: expired");
        assert_eq!(at(NOW.before(48 * HOUR)), "refused: not-yet-valid");
        // What it is worth ends with the first certificate.
        assert_eq!(ask.about(&evidence).unwrap().not_after, NOW.after(ends));
    }
    // Families are not taken for each other.
    let mut swapped = run.apple(apple::Spec::store()).attest(&CHALLENGE, &key(1)).unwrap();
    swapped.family.0 = android::FAMILY.to_owned();
    assert_eq!(run.ask().line(&swapped), "refused: malformed");
}

#[test]
fn no_cut_or_flipped_evidence_is_believed() {
    let run = Run::new(6);
    let ask = run.ask();
    let android = run.android(android::Spec::tee(0)).attest(&CHALLENGE, &key(1)).unwrap();
    let remote = android::Spec { sends_root: false, ..android::Spec::strong_box() };
    let remote = run.android(remote).attest(&CHALLENGE, &key(1)).unwrap();
    let apple = run.apple(apple::Spec::store()).attest(&CHALLENGE, &key(1)).unwrap();
    let Claims::AppAttest(claims) = ask.about(&apple).unwrap().claims else { panic!() };
    // The receipt is signed on its own; here it is only carried.
    let receipt = &claims.receipt;
    let start = apple.body.windows(receipt.len()).position(|part| part == receipt.as_slice()).unwrap();
    for (evidence, carried) in [(android, 0..0), (remote, 0..0), (apple, start..start + receipt.len())] {
        for len in 0..evidence.body.len() {
            assert!(ask.about(&with_body(&evidence, evidence.body[..len].to_vec())).is_err(), "cut to {len}");
        }
        assert!(ask.about(&with_body(&evidence, [&evidence.body[..], &[0]].concat())).is_err());
        for at in 0..evidence.body.len() {
            let mut flipped = evidence.body.0.clone();
            flipped[at] ^= 1 << (at % 8);
            let outcome = ask.about(&with_body(&evidence, flipped));
            assert_eq!(outcome.is_ok(), carried.contains(&at), "{}: {at}: {outcome:?}", evidence.family.0);
        }
    }
}

#[test]
fn chains_of_two_phones_do_not_make_one() {
    let run = Run::new(7);
    let ask = run.ask();
    let made = |spec| split(&run.android(spec).attest(&CHALLENGE, &key(1)).unwrap().body);
    let (strong, tee) = (made(android::Spec::strong_box()), made(android::Spec::tee(0)));
    let stranger = Run::new(8).android(android::Spec::tee(0)).attest(&CHALLENGE, &key(1)).unwrap();
    let theirs = split(&stranger.body);
    assert_eq!((strong.len(), tee.len()), (4, 3));
    let chain = |parts: &[&Vec<u8>]| {
        let body = parts.iter().flat_map(|part| part.iter()).copied().collect();
        ask.line(&with_body(&stranger, body))
    };
    for (what, got, want) in [
        ("the chain itself", chain(&[&tee[0], &tee[1], &tee[2]]), "affirming, hardware, attested:"),
        ("a leaf of a stranger", chain(&[&theirs[0], &tee[1], &tee[2]]), "refused: signature"),
        ("an issuer of a stranger", chain(&[&theirs[0], &theirs[1], &tee[2]]), "refused: signature"),
        ("a stronger leaf", chain(&[&strong[0], &tee[1], &tee[2]]), "refused: name-chain"),
        ("a phone's issuer in the factory", chain(&[&strong[0], &strong[1], &tee[2]]), "refused: name-chain"),
        ("no issuer", chain(&[&tee[0], &tee[2]]), "refused: name-chain"),
        ("no end", chain(&[&tee[0], &tee[1]]), "refused: unknown-root"),
        ("the leaf twice", chain(&[&tee[0], &tee[0], &tee[1], &tee[2]]), "refused: extension-place"),
        ("upside down", chain(&[&tee[2], &tee[1], &tee[0]]), "refused: extension-place"),
        ("the leaf alone", chain(&[&tee[0]]), "refused: unknown-root"),
        (
            "a root of a stranger",
            chain(&[&theirs[0], &theirs[1], &theirs[2], &strong[3]]),
            "refused: signature",
        ),
    ] {
        assert_eq!(got, want, "{what}");
    }
}

#[test]
fn a_leaked_keybox_is_revoked_alone() {
    let run = Run::new(9);
    let serials = run.makers.android.keyboxes(Level::Tee);
    assert_eq!(serials.len(), 2);
    let entries = format!(r#"{{"entries": {{"{}": {{"status": "REVOKED"}}}}}}"#, hex(&serials[0]));
    let revocations = Some(Revocations::parse_google(entries.as_bytes(), NOW).unwrap());
    let ask = Ask { revocations, ..run.ask() };
    for (spec, want) in [
        (android::Spec::tee(0), "refused: revoked"),
        (android::Spec::tee(2), "refused: revoked"),
        (android::Spec::tee(1), "affirming, hardware, attested:"),
        (android::Spec::strong_box(), "affirming, strong, attested:"),
    ] {
        let evidence = run.android(spec).attest(&CHALLENGE, &key(1)).unwrap();
        assert_eq!(ask.line(&evidence), want);
    }
    let rests_on = |spec| run.ask().about(&run.android(spec).attest(&CHALLENGE, &key(1)).unwrap()).unwrap();
    assert_eq!(rests_on(android::Spec::tee(0)).basis.serials[1], serials[0]);
    assert_eq!(rests_on(android::Spec::tee(1)).basis.serials[1], serials[1]);
}

/// Signatures differ, since the library draws its nonces; nothing else does.
#[test]
fn the_same_seed_makes_the_same_evidence_but_for_signatures() {
    let made = |seed| {
        let run = Run::new(seed);
        [android::Spec::strong_box(), android::Spec::tee(1), android::Spec::unlocked(0)]
            .map(|spec| run.android(spec).attest(&CHALLENGE, &key(1)).unwrap())
            .into_iter()
            .chain([run.apple(apple::Spec::store()).attest(&CHALLENGE, &key(1)).unwrap()])
            .map(|evidence| {
                let found = run.ask().about(&evidence).unwrap();
                let claims = match found.claims {
                    Claims::AppAttest(mut claims) => {
                        claims.receipt.clear();
                        Claims::AppAttest(claims)
                    }
                    other => other,
                };
                (found.basis, claims)
            })
            .collect::<Vec<_>>()
    };
    let (one, again, other) = (made(10), made(10), made(11));
    assert_eq!(one, again);
    for ((basis, _), (other, _)) in one.iter().zip(&other) {
        assert_ne!(basis.anchor, other.anchor);
        assert!(basis.issuers.iter().all(|issuer| !other.issuers.contains(issuer)));
    }
}

#[test]
fn a_receipt_is_of_one_app_key_maker_and_time() {
    let run = Run::new(12);
    let evidence = run.apple(apple::Spec::store()).attest(&CHALLENGE, &key(1)).unwrap();
    let Claims::AppAttest(claims) = run.ask().about(&evidence).unwrap().claims else { panic!() };
    let roots = [run.makers.apple.receipt_anchor()];
    let check = |roots: &[Vec<u8>], app: &str, key: &PublicKey, now| {
        check_receipt(&claims.receipt, roots, app, key, now).map_err(|error| error.code())
    };
    let found = check(&roots, apple::APP, &key(1), NOW).unwrap();
    assert_eq!((found.kind, found.created, found.risk_metric), (ReceiptKind::Attest, NOW, None));
    assert_eq!(found.environment, Some(claims.environment));
    assert_eq!(found.client_hash, glacis_seal::sha256(&CHALLENGE).as_bytes());
    let refused = |outcome: Result<_, Code>| outcome.map(|_: glacis_attest::apple::Receipt| ()).unwrap_err();
    assert_eq!(refused(check(&roots, "TEAM.other", &key(1), NOW)), Code::App);
    assert_eq!(refused(check(&roots, apple::APP, &key(2), NOW)), Code::DeviceKey);
    assert_eq!(refused(check(&roots, apple::APP, &key(1), NOW.after(91 * 24 * HOUR))), Code::Expired);
    for others in [vec![run.makers.apple.anchor()], Roots::vendors().apple] {
        assert_eq!(refused(check(&others, apple::APP, &key(1), NOW)), Code::UnknownRoot);
    }
}

#[test]
fn a_phone_whose_issuer_ends_has_a_new_one() {
    let run = Run::new(13);
    let mut phone = run.android(android::Spec::strong_box());
    let mut issuers = Vec::new();
    let mut chains = Vec::new();
    for _ in 0..4 {
        let evidence = phone.attest(&CHALLENGE, &key(1)).unwrap();
        let found = run.ask().about(&evidence).unwrap();
        // Whenever it is asked, what it shows is good for longer than a result lives.
        assert!(found.not_after > run.host.now().after(REMOTE_MARGIN), "{:?}", found.not_after);
        let Claims::AndroidKey(claims) = &found.claims else { panic!() };
        let count = u64::try_from(issuers.len()).unwrap();
        if issuers.last() != Some(&found.basis.issuers[0]) {
            issuers.push(found.basis.issuers[0]);
            let wanted =
                glacis_attest::android::Provisioning::Remote { certificates_issued: Some(count + 1) };
            assert_eq!(claims.provisioning, wanted);
        }
        chains.push(evidence);
        run.host.advance(18 * HOUR);
    }
    // At 0 h and 18 h by the first, at 36 h and 54 h by the second.
    assert_eq!(issuers.len(), 2, "{issuers:?}");
    let late = run.ask();
    assert_eq!(late.line(&chains[0]), "refused: expired");
    assert!(late.about(chains.last().unwrap()).is_ok());
}
