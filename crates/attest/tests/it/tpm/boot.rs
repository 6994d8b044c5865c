//! What a boot is worth: the table of tiers, and every way to bend a log that we could think of.

use super::soft::{
    ACTION, APPLICATION, AUTHORITY, DRIVER_CONFIG, EFI_GLOBAL, Log, SHA256, Soft, authority, certificate,
    variable, vouch,
};
use super::{Ask, booted, claims};
use glacis_attest::{Relaxation, Status};
use glacis_seal::sha256;
use glacis_wire::{Realm, Tier, Trust};

/// Appraises a TPM whose log is this one, with the vendor's certificate expected.
fn judged(log: Log) -> String {
    let (mut soft, ask) = booted();
    log.into(&mut soft);
    ask.line(&soft.evidence())
}

#[test]
fn a_verified_boot_is_strong_and_says_what_ran() {
    let (soft, ask) = booted();
    let found = ask.of(&soft.evidence()).unwrap();
    assert_eq!((found.tier, found.trust, found.status()), (Tier::Strong, Trust::Claimed, Status::Affirming));
    assert!(found.reasons.is_empty(), "{:?}", found.reasons);
    let vector = found.vector;
    let said = (
        vector.instance_identity,
        vector.configuration,
        vector.executables,
        vector.hardware,
        vector.storage_opaque,
    );
    assert_eq!(said, (2, 2, 3, 2, 2));
    let claims = claims(&found);
    assert_eq!(claims.key, soft.device.public());
    assert!(claims.activated && claims.is_unique());
    assert_eq!(claims.bank, Some(SHA256));
    assert_eq!(claims.replayed, (0..=7).collect::<Vec<u8>>());
    let boot = claims.boot.as_ref().unwrap();
    assert_eq!(boot.secure_boot, Some(true));
    assert_eq!(boot.authorities, [sha256(&authority("vendor"))]);
    assert_eq!(boot.loaders, [sha256(b"the loader").as_bytes().to_vec()]);
    assert!(boot.left_firmware && !boot.debugger);
    let model = claims.model.as_ref().unwrap();
    assert_eq!((&*model.manufacturer, &*model.model, &*model.version), ("id:49465800", "SLB9670", "id:0785"));
    let clock = claims.clock;
    assert_eq!((clock.milliseconds, clock.resets, clock.restarts, clock.safe), (7_000, 3, 1, true));
    assert_eq!(clock.firmware, 0x0007_0055);
}

/// DESIGN §5.2: what the verifier keeps names no device.
#[test]
fn nothing_that_is_kept_or_printed_names_the_chip() {
    let (soft, ask) = booted();
    let found = ask.of(&soft.evidence()).unwrap();
    assert_eq!(found.basis.anchor, Some(sha256(&crate::forge::spki(&soft.root))));
    assert!(found.basis.serials.is_empty(), "the only serial below the anchor is the chip's");
    let id = claims(&found).hardware_id;
    assert_eq!(*id.expose(), sha256(&crate::forge::spki(&soft.ek)));
    // The rest of the public area is nobody's word: it does not give the chip another name.
    let varied = Soft { ek_attributes: soft.ek_attributes | 1 << 10, ..booted().0 };
    assert_eq!(
        *claims(&super::ask(&varied).of(&varied.evidence()).unwrap()).hardware_id.expose(),
        *id.expose()
    );
    let kept = format!("{:?} {:?} {}", found.basis, claims(&found), found.claims.json().unwrap());
    let ek = soft.ek.public();
    for secret in [id.expose().as_bytes().as_slice(), &ek.0[1..33], &ek.0[33..]] {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!kept.contains(&hex) && !kept.contains(&format!("{secret:?}")));
    }
    // And the whole of it is the same for the same chip, and another for another.
    let other = Soft { ek: crate::forge::key(9), ..Soft::new() };
    assert_ne!(
        *claims(&super::ask(&other).of(&other.evidence()).unwrap()).hardware_id.expose(),
        *id.expose()
    );
}

#[test]
fn a_boot_that_is_not_proven_or_bad_leaves_the_key_in_the_chip() {
    let (soft, ask) = booted();
    let hidden = Soft { log: vec![], ..Soft::new() };
    let nobody = Ask { references: Default::default(), ..ask.clone() };
    let line = |log: Log| judged(log);
    assert_eq!(ask.line(&hidden.evidence()), "affirming, hardware: log-missing");
    assert_eq!(nobody.line(&soft.evidence()), "affirming, hardware: loader-unexpected");
    let foreign = "warning, hardware: loader-foreign";
    assert_eq!(line(Log::boot(&[1], &authority("stranger"))), foreign);
    assert_eq!(line(Log::boot(&[1], &authority("vendor")).event(7, AUTHORITY, &vouch(b"hash"))), foreign);
    assert_eq!(line(Log::boot(&[0], &authority("vendor"))), "warning, hardware: secure-boot-off");
    let debugged = Log::new().event(7, ACTION, b"UEFI Debug Mode");
    let rest = Log::boot(&[1], &authority("vendor"));
    let mut joined = debugged.clone();
    joined = joined.event(7, DRIVER_CONFIG, &variable("SecureBoot", EFI_GLOBAL, &[1]));
    joined = joined.separators(0..=7).event(7, AUTHORITY, &vouch(&authority("vendor")));
    assert_eq!(line(joined), "warning, hardware: boot-debugger");
    // Secure boot on, and nobody vouched for anything.
    let unvouched = "affirming, hardware: log-order secure boot is on, and nobody vouched for anything";
    assert_eq!(line(Log::firmware(&[1]).separators(0..=7)), unvouched);
    // A register that was not quoted.
    let (mut soft, ask) = booted();
    rest.into(&mut soft);
    soft.registers.retain(|(_, index, _)| *index != 2);
    assert_eq!(ask.line(&soft.evidence()), "affirming, hardware: log-missing registers 2 are not quoted");
    // Separators of all ones are separators.
    let mut ones = Log::firmware(&[1]);
    for register in 0..=7 {
        ones = ones.event(register, 4, &[0xff; 4]);
    }
    assert_eq!(line(ones.event(7, AUTHORITY, &vouch(&authority("vendor")))), "affirming, strong");
}

/// Types of events are nobody's word; each row is a boot without secure boot, or with a stranger, told as a good one.
#[test]
fn a_log_that_calls_its_events_otherwise_proves_nothing() {
    let on = variable("SecureBoot", EFI_GLOBAL, &[1]);
    let off = variable("SecureBoot", EFI_GLOBAL, &[0]);
    let good = vouch(&authority("vendor"));
    let bad = vouch(&authority("stranger"));
    let order = |fault: &str| format!("affirming, hardware: log-order {fault}");
    let twice = order("a variable of register 7 where none belongs");
    let unsaid = order("an event of register 7 that does not hash to what it says");
    let first = "register 7 does not begin with the state of secure boot";
    let unsaid_first =
        order(&format!("an event of register 7 that does not hash to what it says; log-order {first}"));
    let failed = order("a separator that is none; log-order a register without a separator");
    let hidden = order("a separator that is none");
    let off_digest = *sha256(&off).as_bytes();
    let rows: Vec<(&str, Log, String)> = vec![
        (
            "measured again after the firmware",
            Log::new()
                .event(7, DRIVER_CONFIG, &off)
                .separators(0..=7)
                .event(7, DRIVER_CONFIG, &on)
                .event(7, AUTHORITY, &good),
            "warning, hardware: log-order a variable of register 7 where none belongs".into(),
        ),
        (
            "the first state under another text",
            Log::new()
                .event_of(7, DRIVER_CONFIG, &off_digest, &on)
                .separators(0..=7)
                .event(7, AUTHORITY, &good),
            unsaid_first.clone(),
        ),
        (
            "the first state as no variable at all",
            Log::new()
                .event_of(7, ACTION, &off_digest, b"")
                .event(7, DRIVER_CONFIG, &on)
                .separators(0..=7)
                .event(7, AUTHORITY, &good),
            unsaid.clone(),
        ),
        (
            "the true separator under another name",
            Log::new()
                .event(7, DRIVER_CONFIG, &on)
                .event(7, ACTION, &[0; 4])
                .separators(0..=7)
                .event(7, AUTHORITY, &good),
            hidden.clone(),
        ),
        (
            "something else called a separator",
            Log::new()
                .event(7, DRIVER_CONFIG, &on)
                .separators(0..=7)
                .event(3, 4, b"text")
                .event(7, AUTHORITY, &good),
            hidden,
        ),
        (
            "a firmware that failed",
            Log::new()
                .event(7, DRIVER_CONFIG, &on)
                .separators(1..=7)
                .event(0, 4, &[1, 0, 0, 0])
                .event(7, AUTHORITY, &good),
            failed,
        ),
        (
            "a stranger who vouched, called configuration",
            Log::boot(&[1], &authority("vendor")).event(7, DRIVER_CONFIG, &bad),
            twice.clone(),
        ),
        (
            "a stranger before the separator, called the database",
            Log::new()
                .event(7, DRIVER_CONFIG, &on)
                .event(7, DRIVER_CONFIG, &variable("db", super::soft::SECURITY, b"list"))
                .event(7, DRIVER_CONFIG, &bad)
                .separators(0..=7)
                .event(7, AUTHORITY, &good),
            twice.clone(),
        ),
        (
            "a stranger whose text is left out",
            Log::boot(&[1], &authority("vendor")).event_of(7, AUTHORITY, sha256(&bad).as_bytes(), b""),
            unsaid.clone(),
        ),
        (
            "a stranger under the vendor's text",
            Log::boot(&[1], &authority("vendor")).event_of(7, AUTHORITY, sha256(&bad).as_bytes(), &good),
            unsaid,
        ),
        (
            "no separator",
            Log::new().event(7, DRIVER_CONFIG, &on).separators(0..=6).event(7, AUTHORITY, &good),
            order("a register without a separator"),
        ),
        (
            "two separators",
            Log::boot(&[1], &authority("vendor")).separators([7]),
            order("a register with two separators"),
        ),
        (
            "a state of two bytes",
            Log::boot(&[1, 0], &authority("vendor")),
            order("register 7 does not begin with the state of secure boot"),
        ),
        (
            "another variable first",
            Log::new()
                .event(7, DRIVER_CONFIG, &variable("PK", EFI_GLOBAL, b""))
                .event(7, DRIVER_CONFIG, &on)
                .separators(0..=7)
                .event(7, AUTHORITY, &good),
            order(
                "register 7 does not begin with the state of secure boot; log-order a variable of register 7 where none belongs",
            ),
        ),
    ];
    for (what, log, want) in rows {
        assert!(judged(log.clone()).contains("hardware: "), "{what}");
        let got = judged(log);
        let reasons = |line: &str| line.split_once(": ").map(|(_, rest)| rest.to_owned());
        assert!(reasons(&got).unwrap().starts_with("log-order"), "{what}: {got}");
        assert_eq!(reasons(&got), reasons(&want), "{what}");
    }
}

#[test]
fn whatever_ran_from_register_4_is_a_loader_whatever_it_is_called() {
    let hidden = sha256(b"an implant");
    let (mut soft, ask) = booted();
    let log = Log::boot(&[1], &authority("vendor"))
        .event_of(4, ACTION, hidden.as_bytes(), b"Calling EFI Application from Boot Option")
        .event_of(4, 0x0d, sha256(b"a second").as_bytes(), b"")
        .event_of(4, APPLICATION, sha256(b"a third").as_bytes(), b"");
    log.into(&mut soft);
    let found = ask.of(&soft.evidence()).unwrap();
    let loaders = &claims(&found).boot.as_ref().unwrap().loaders;
    let want: Vec<Vec<u8>> = [b"the loader".as_slice(), b"an implant", b"a second", b"a third"]
        .iter()
        .map(|text| sha256(text).as_bytes().to_vec())
        .collect();
    assert_eq!(*loaders, want);
}

#[test]
fn a_log_that_does_not_replay_is_believed_in_nothing_of_its_registers() {
    let (mut soft, ask) = booted();
    for index in [0_usize, 4, 7] {
        let (mut bent, _) = booted();
        bent.registers[index].2[0] ^= 1;
        let line = ask.line(&bent.evidence());
        assert_eq!(line, format!("affirming, hardware: log-mismatch registers {index}"));
    }
    // The text of an event may change without its digest; where it counts, it is checked.
    let at = soft.log.windows(10).position(|window| window == b"S\0e\0c\0u\0r\0").unwrap();
    soft.log[at] ^= 1;
    assert!(ask.line(&soft.evidence()).starts_with("affirming, hardware: log-order"));
    // Another bank than the log's.
    let (mut soft, ask) = booted();
    for (bank, _, value) in &mut soft.registers {
        (*bank, *value) = (0x000c, vec![7; 48]);
    }
    assert_eq!(
        ask.line(&soft.evidence()),
        "affirming, hardware: log-missing no bank is both quoted and in the log"
    );
}

#[test]
fn a_log_that_is_cut_or_lengthened_is_no_log() {
    let (soft, ask) = booted();
    let whole = soft.log.clone();
    let mut ends = 0;
    for length in 1..whole.len() {
        let cut = Soft { log: whole[..length].to_vec(), ..booted().0 };
        let line = ask.line(&cut.evidence());
        assert!(
            line.starts_with("affirming, hardware: log-") || line.starts_with("warning, hardware: log-"),
            "{length}: {line}"
        );
        ends += usize::from(!line.contains("log-malformed"));
    }
    // Cut between two events it can be read, and does not replay.
    assert!(ends > 10 && ends < 30, "{ends}");
    let long = Soft { log: [whole, vec![0]].concat(), ..booted().0 };
    assert_eq!(ask.line(&long.evidence()), "affirming, hardware: log-malformed the log ends inside an event");
}

#[test]
fn a_program_is_no_chip_outside_the_demo() {
    for (manufacturer, model) in
        [("id:00001014", "swtpm"), ("id:49424D00", "SW   TPM"), ("id:49465800", "SWTPM")]
    {
        let (mut soft, ask) = booted();
        soft.certificate = certificate(manufacturer, model, "id:1");
        assert_eq!(ask.line(&soft.evidence()), "warning, software: software-tpm", "{model}");
        soft.realm = Realm::Demo;
        let demo = Ask { realm: Realm::Demo, ..ask };
        assert_eq!(demo.line(&soft.evidence()), "affirming, strong", "{model}");
    }
}

#[test]
fn every_relaxation_is_named_and_caps_the_tier() {
    let (soft, ask) = booted();
    let mut evidence = soft.evidence();
    evidence.activation = None;
    assert_eq!(ask.line(&evidence), "refused: activation");
    let with = |allow: &[Relaxation], ask: &Ask| Ask { allow: allow.to_vec(), ..ask.clone() };
    let relaxed = with(&[Relaxation::DangerNoActivation], &ask);
    assert_eq!(
        relaxed.line(&evidence),
        "none, software: relaxed danger_no_activation".replace("none", "affirming")
    );
    assert!(!claims(&relaxed.of(&evidence).unwrap()).is_unique());
    // No question about it is no proof either.
    let unasked = Ask { activation: None, ..ask.clone() };
    assert_eq!(unasked.line(&soft.evidence()), "refused: activation");
    let strangers = Ask { roots: glacis_attest::Roots::vendors(), ..ask.clone() };
    assert_eq!(strangers.line(&soft.evidence()), "refused: unknown-root");
    let relaxed = with(&[Relaxation::DangerUnanchored], &strangers);
    assert_eq!(relaxed.line(&soft.evidence()), "affirming, software: unanchored; relaxed danger_unanchored");
    let mut bare = soft.evidence();
    bare.identity.ek_certificates.0.clear();
    assert_eq!(strangers.line(&bare), "refused: unknown-root");
    assert_eq!(relaxed.line(&bare), "affirming, software: unanchored; relaxed danger_unanchored");
    let late = Ask { now: glacis_wire::Timestamp::from_secs(2_300_000_000), ..ask };
    assert_eq!(late.line(&soft.evidence()), "refused: expired certificate 0");
    let relaxed = with(&[Relaxation::DangerExpired], &late);
    assert_eq!(relaxed.line(&soft.evidence()), "affirming, software: relaxed danger_expired");
}
