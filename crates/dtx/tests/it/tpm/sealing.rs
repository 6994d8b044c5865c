//! Seals, counters and lockout: what the chip gives back, and when it does not.

use super::rig::{Swtpm, has_tools};
use glacis_dtx::tpm::{
    Counter, KeyUse, PcrBank, PcrSelection, SECRET_BYTES_MAX, SealPolicy, Sealed, Tpm, TpmFault,
};
use glacis_seal::sha256;

const INDEX: u32 = 0x0180_1234;

fn register_16(needs_auth: bool) -> SealPolicy {
    SealPolicy { pcrs: PcrSelection::of(PcrBank::Sha256, &[16]).unwrap(), needs_auth }
}

#[test]
fn a_seal_opens_in_the_state_that_it_was_made_in_and_in_no_other() {
    let Some(mut swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    tpm.extend_pcr(16, &sha256(b"loader")).unwrap();
    let secret = [7; SECRET_BYTES_MAX];
    let sealed = tpm.seal(&secret, &register_16(false), b"").unwrap();
    let stored = Sealed::from_bytes(&sealed.to_bytes().unwrap()).unwrap();
    assert_eq!(stored, sealed);
    assert_eq!(*tpm.unseal(&stored, b"").unwrap(), secret);
    assert_eq!(*tpm.unseal(&stored, b"whatever").unwrap(), secret, "no value is asked for");
    tpm.extend_pcr(16, &sha256(b"something else")).unwrap();
    assert_eq!(tpm.unseal(&sealed, b"").unwrap_err().fault(), TpmFault::PolicyFailed);
    drop(tpm);
    swtpm.reset();
    let mut tpm = swtpm.open();
    assert_eq!(tpm.unseal(&sealed, b"").unwrap_err().fault(), TpmFault::PolicyFailed, "nothing was measured");
    tpm.extend_pcr(16, &sha256(b"loader")).unwrap();
    assert_eq!(*tpm.unseal(&sealed, b"").unwrap(), secret);
    // Without the policy, or with a policy of one's own, the chip refuses: it has its own copy.
    let lying = |policy: &[u8]| Sealed::from_bytes(&[&[1, 0][..], policy, &stored_tail(&sealed)].concat());
    for policy in [&[0, 0, 0, 0][..], &[0, 0, 0, 1, 0, 11, 3, 0, 0, 0x80]] {
        let refused = tpm.unseal(&lying(policy).unwrap(), b"").unwrap_err();
        assert_eq!(refused.fault(), TpmFault::PolicyFailed, "{policy:?}");
    }
}

/// Public area and wrapped secret of a stored seal of one bank.
fn stored_tail(sealed: &Sealed) -> Vec<u8> {
    sealed.to_bytes().unwrap()[12..].to_vec()
}

#[test]
fn wrong_values_lock_the_chip_and_keys_of_ours_work_on() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let key = tpm.create_key(KeyUse::Signing).unwrap();
    let (counter, first) = tpm.define_counter(INDEX).unwrap();
    let policy = register_16(true);
    let sealed = tpm.seal(b"secret", &policy, b"4711").unwrap();
    assert_eq!(*tpm.unseal(&sealed, b"4711").unwrap(), b"secret");
    let before = tpm.lockout().unwrap();
    assert!(!before.is_locked && before.failures == 0 && before.failures_max > 0);
    for failure in 1..=before.failures_max {
        let refused = tpm.unseal(&sealed, b"4712").unwrap_err();
        assert_eq!(refused.fault(), TpmFault::AuthCounted, "{refused}");
        assert_eq!(tpm.lockout().unwrap().failures, failure, "one try counts once");
    }
    assert!(tpm.lockout().unwrap().is_locked);
    let refused = tpm.unseal(&sealed, b"4711").unwrap_err();
    assert_eq!(refused.fault(), TpmFault::Lockout, "the right value as well");
    assert!(refused.remedy().contains("lockout"));
    tpm.sign(&key, &sha256(b"message")).unwrap();
    assert_eq!(tpm.count(&counter).unwrap(), first + 1);
    tpm.reset_lockout(b"").unwrap();
    assert_eq!(*tpm.unseal(&sealed, b"4711").unwrap(), b"secret");
}

#[test]
fn a_seal_without_a_condition_or_with_a_value_that_the_chip_would_change_is_refused() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let mut limit = |secret: &[u8], policy: &SealPolicy, auth: &[u8]| {
        let refused = tpm.seal(secret, policy, auth).unwrap_err();
        assert!(matches!(refused.fault(), TpmFault::Limit(_)), "{refused}");
    };
    limit(b"secret", &SealPolicy::default(), b"");
    limit(b"secret", &register_16(true), b"");
    limit(b"secret", &register_16(false), b"value");
    limit(b"secret", &register_16(true), b"zero\0");
    limit(b"secret", &register_16(true), &[1; 33]);
    limit(b"", &register_16(false), b"");
    limit(&[1; SECRET_BYTES_MAX + 1], &register_16(false), b"");
}

#[test]
fn a_counter_never_goes_back_over_resets_and_removal() {
    let Some(mut swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let (counter, mut last) = tpm.define_counter(INDEX).unwrap();
    let taken = tpm.define_counter(INDEX).unwrap_err();
    assert_eq!(taken.fault(), TpmFault::NvThere);
    let mut goes_up = |tpm: &mut Tpm| {
        let value = tpm.count(&counter).unwrap();
        assert_eq!((value, tpm.counter(&counter).unwrap()), (last + 1, value));
        last = value;
    };
    (0..3).for_each(|_| goes_up(&mut tpm));
    drop(tpm);
    swtpm.reset();
    let mut tpm = swtpm.open();
    (0..3).for_each(|_| goes_up(&mut tpm));
    let stored = Counter::from_bytes(&counter.to_bytes()).unwrap();
    assert_eq!(stored, counter);
    tpm.remove_counter(&stored).unwrap();
    for gone in [tpm.counter(&counter).err(), tpm.count(&counter).err(), tpm.remove_counter(&counter).err()] {
        assert_eq!(gone.unwrap().fault(), TpmFault::NvMissing);
    }
    let (other, value) = tpm.define_counter(INDEX).unwrap();
    assert!(value > last, "{value} after {last}");
    // The one in its place does not know the value, and cannot be taken for it.
    assert_eq!(tpm.counter(&counter).unwrap_err().fault(), TpmFault::AuthWrong);
    assert_eq!(tpm.counter(&other).unwrap(), value);
    let outside = tpm.define_counter(0x0150_0000).unwrap_err();
    assert!(matches!(outside.fault(), TpmFault::Limit(_)));
}

#[test]
fn a_counter_that_somebody_else_made_is_not_ours() {
    let Some(swtpm) = Swtpm::blank() else { return };
    if !has_tools() {
        return;
    }
    let mut tpm = swtpm.open();
    let (counter, _) = tpm.define_counter(INDEX).unwrap();
    drop(tpm);
    let index = format!("{INDEX:#x}");
    swtpm.tool(&["nvundefine", &index]);
    swtpm.tool(&["nvdefine", &index, "-s", "8", "-a", "ownerread|ownerwrite|authread|authwrite"]);
    std::fs::write(swtpm.folder().join("high"), [0xff; 8]).unwrap();
    swtpm.tool(&["nvwrite", &index, "-C", "o", "-i", "high"]);
    let refused = swtpm.open().counter(&counter).unwrap_err();
    assert!(
        matches!(refused.fault(), TpmFault::AuthCounted | TpmFault::AuthWrong | TpmFault::NvEmpty),
        "{refused}"
    );
}
