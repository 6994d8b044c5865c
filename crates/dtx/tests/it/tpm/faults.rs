//! What goes wrong: listeners, liars, resets, silence, a full chip, a second process. Each ends in an error that says what
//! it was, or in the right answer; never in a weaker one, and never with something left in the chip.

use super::rig::{Between, Swtpm, host, options};
use glacis_dtx::tpm::{
    Keep, KeyUse, PcrBank, PcrSelection, SealPolicy, Tpm, TpmError, TpmFault, TpmKey, TpmOptions,
};
use glacis_host::{TpmLink, TpmLinkError, TpmLinkErrorKind};
use glacis_seal::{sha256, verify_raw};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Send<'a> = &'a mut dyn FnMut() -> Result<Vec<u8>, TpmLinkError>;

fn between<F>(swtpm: &Swtpm, options: TpmOptions, change: F) -> Result<Tpm, TpmError>
where
    F: FnMut(&[u8], Send<'_>) -> Result<Vec<u8>, TpmLinkError> + std::marker::Send + 'static,
{
    Tpm::open(Box::new(Between { link: swtpm.link(), change }), host(), options)
}

fn code_of(command: &[u8]) -> u32 {
    u32::from_be_bytes(command[6..10].try_into().unwrap())
}

/// Handles in the chip: objects and loaded sessions.
fn left_in(swtpm: &Swtpm) -> usize {
    let mut link = swtpm.link();
    let mut count = |first: u32| {
        let parameters = [1_u32, first, 64].map(u32::to_be_bytes).concat();
        let answer = raw(link.as_mut(), 0x17a, &parameters);
        usize::try_from(u32::from_be_bytes(answer[15..19].try_into().unwrap())).unwrap()
    };
    count(0x8000_0000) + count(0x0200_0000)
}

fn raw(link: &mut dyn TpmLink, code: u32, rest: &[u8]) -> Vec<u8> {
    let size = u32::try_from(10 + rest.len()).unwrap();
    let command = [&[0x80, 1][..], &size.to_be_bytes(), &code.to_be_bytes(), rest].concat();
    let answer = link.exchange(&command, Duration::from_secs(60)).unwrap();
    assert_eq!(answer[6..10], [0; 4], "{code:#x}");
    answer
}

fn sealed_by_value() -> SealPolicy {
    SealPolicy { pcrs: PcrSelection::of(PcrBank::Sha256, &[16]).unwrap(), needs_auth: true }
}

/// Everything that a device does with its chip, once.
fn everything(tpm: &mut Tpm, key: &TpmKey, ak: &TpmKey) -> Result<(), TpmError> {
    let signature = tpm.sign(key, &sha256(b"message"))?;
    verify_raw(&key.point(), b"message", &signature).unwrap();
    tpm.quote(ak, &sha256(b"nonce"), &PcrSelection::boot())?;
    tpm.certify(key, ak, &sha256(b"nonce"))?;
    let policy = SealPolicy { needs_auth: false, ..sealed_by_value() };
    let sealed = tpm.seal(b"secret", &policy, b"")?;
    assert_eq!(*tpm.unseal(&sealed, b"")?, b"secret");
    Ok(())
}

#[test]
fn a_listener_on_the_bus_learns_no_secret() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let listener = move |command: &[u8], send: Send<'_>| {
        let answer = send()?;
        ear.lock().unwrap().extend([command, &answer].concat());
        Ok(answer)
    };
    let mut tpm = between(&swtpm, options(), listener).unwrap();
    let key = tpm.create_key(KeyUse::Signing).unwrap();
    tpm.sign(&key, &sha256(b"message")).unwrap();
    let sealed = tpm.seal(b"a secret of the device", &sealed_by_value(), b"a value of its user").unwrap();
    assert_eq!(*tpm.unseal(&sealed, b"a value of its user").unwrap(), b"a secret of the device");
    let (counter, _) = tpm.define_counter(0x0180_0001).unwrap();
    let random = tpm.random(32).unwrap();
    let heard = heard.lock().unwrap().clone();
    let was_heard = |what: &[u8]| heard.windows(what.len()).any(|window| window == what);
    assert!(was_heard(&key.point().0[1..33]), "the control: public keys are heard");
    let (key, counter) = (key.to_bytes().unwrap(), counter.to_bytes());
    for (what, secret) in [
        ("value of a key", &key[2..34]),
        ("value of a counter", &counter[5..37]),
        ("sealed secret", &b"a secret of the device"[..]),
        ("value of a seal", b"a value of its user"),
        ("random bytes", &random),
    ] {
        assert!(!was_heard(secret), "the {what} was heard");
    }
}

#[test]
fn every_byte_that_is_changed_in_an_answer_is_noticed() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let key = swtpm.open().create_key(KeyUse::Signing).unwrap();
    let (place, length) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(AtomicUsize::new(0)));
    let (at, of) = (Arc::clone(&place), Arc::clone(&length));
    let liar = move |command: &[u8], send: Send<'_>| {
        let mut answer = send()?;
        if code_of(command) == 0x15d {
            of.store(answer.len(), Ordering::Relaxed);
            if let Some(byte) = answer.get_mut(at.load(Ordering::Relaxed)) {
                *byte ^= 1;
            }
        }
        Ok(answer)
    };
    let mut tpm = between(&swtpm, options(), liar).unwrap();
    tpm.sign(&key, &sha256(b"message")).unwrap();
    // The last byte changed and each other; the length of an answer differs by a byte or two.
    for changed in 0..length.load(Ordering::Relaxed) - 4 {
        place.store(changed, Ordering::Relaxed);
        let error = tpm.sign(&key, &sha256(b"message")).expect_err("a changed answer");
        let told = matches!(error.fault(), TpmFault::Garbage(_) | TpmFault::Forged | TpmFault::Unexpected(_));
        // A changed code is what the chip says, and there is nothing to check it with.
        assert!(told || (6..10).contains(&changed), "byte {changed}: {error}");
    }
    place.store(usize::MAX, Ordering::Relaxed);
    tpm.sign(&key, &sha256(b"message")).unwrap();
    drop(tpm);
    assert_eq!(left_in(&swtpm), 0);
}

#[test]
fn an_old_answer_is_not_taken_for_a_new_one() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let key = swtpm.open().create_key(KeyUse::Signing).unwrap();
    let mut first = None;
    let replayer = move |command: &[u8], send: Send<'_>| {
        let answer = send()?;
        if code_of(command) != 0x15d {
            return Ok(answer);
        }
        Ok(first.get_or_insert(answer).clone())
    };
    let mut tpm = between(&swtpm, options(), replayer).unwrap();
    tpm.sign(&key, &sha256(b"message")).unwrap();
    let error = tpm.sign(&key, &sha256(b"message")).unwrap_err();
    assert_eq!(error.fault(), TpmFault::Forged, "{error}");
}

#[test]
fn answers_cut_at_any_byte_are_garbage() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let (key, ak) = (tpm.create_key(KeyUse::Signing).unwrap(), tpm.create_key(KeyUse::Attestation).unwrap());
    drop(tpm);
    for (code, name) in [
        (0x131, "create primary"),
        (0x176, "session"),
        (0x157, "load"),
        (0x158, "quote"),
        (0x17e, "registers"),
    ] {
        for keep in [0, 9, 10, 11, 14, 16, 20, 40] {
            let cutter = move |command: &[u8], send: Send<'_>| {
                let mut answer = send()?;
                if code_of(command) == code {
                    answer.truncate(keep);
                    let size = u32::try_from(answer.len()).unwrap().to_be_bytes();
                    if let Some(stated) = answer.get_mut(2..6) {
                        stated.copy_from_slice(&size);
                    }
                }
                Ok(answer)
            };
            let mut tpm = between(&swtpm, options(), cutter).unwrap();
            let error = everything(&mut tpm, &key, &ak).unwrap_err();
            assert!(matches!(error.fault(), TpmFault::Garbage(_)), "{name} cut at {keep}: {error}");
            drop(tpm);
            // What was cut off may be the only place that named a handle.
            flush_all(&swtpm);
        }
    }
    everything(&mut swtpm.open(), &key, &ak).unwrap();
}

/// Flushes whatever is in the chip.
fn flush_all(swtpm: &Swtpm) {
    let mut link = swtpm.link();
    for first in [0x8000_0000_u32, 0x0200_0000] {
        let answer = raw(link.as_mut(), 0x17a, &[1_u32, first, 64].map(u32::to_be_bytes).concat());
        for handle in answer[19..].chunks_exact(4) {
            raw(link.as_mut(), 0x165, handle);
        }
    }
}

#[test]
fn a_chip_that_goes_away_in_any_call_gives_an_error_that_says_so_and_works_again_afterwards() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let (key, ak) = (tpm.create_key(KeyUse::Signing).unwrap(), tpm.create_key(KeyUse::Attestation).unwrap());
    drop(tpm);
    for kind in [TpmLinkErrorKind::Gone, TpmLinkErrorKind::Late, TpmLinkErrorKind::Missing] {
        let (mut fails_at, mut errors) = (0, 0);
        loop {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            // `Gone` is tried once more, and so it stays away for two calls.
            let away = fails_at..fails_at + if kind == TpmLinkErrorKind::Gone { 2 } else { 1 };
            let breaker = move |_: &[u8], send: Send<'_>| {
                if away.contains(&counted.fetch_add(1, Ordering::Relaxed)) {
                    return Err(TpmLinkError::new(kind, "here"));
                }
                send()
            };
            let Ok(mut tpm) = between(&swtpm, options(), breaker) else {
                fails_at += 1;
                continue;
            };
            let result = everything(&mut tpm, &key, &ak);
            let was_reached = calls.load(Ordering::Relaxed) > fails_at;
            if let Err(error) = &result {
                assert_eq!(error.fault(), TpmFault::Link(kind), "call {fails_at}: {error}");
            }
            if !was_reached {
                // The link fails while the client lets go: nobody is left to try again.
                drop(tpm);
                flush_all(&swtpm);
                break;
            }
            errors += usize::from(result.is_err());
            everything(&mut tpm, &key, &ak).unwrap();
            drop(tpm);
            assert_eq!(left_in(&swtpm), 0, "{kind:?} at call {fails_at}");
            fails_at += 1;
        }
        // Only what flushes may fail without an error, and what is tried once more.
        assert!(fails_at > 12 && errors * 2 > fails_at, "{kind:?}: {fails_at} calls, {errors} errors");
    }
}

#[test]
fn a_reset_between_two_calls_costs_nothing_but_time() {
    let Some(mut swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let (key, ak) = (tpm.create_key(KeyUse::Signing).unwrap(), tpm.create_key(KeyUse::Attestation).unwrap());
    for _ in 0..3 {
        everything(&mut tpm, &key, &ak).unwrap();
        swtpm.reset();
    }
    everything(&mut tpm, &key, &ak).unwrap();
    swtpm.stop();
    let error = tpm.sign(&key, &sha256(b"message")).unwrap_err();
    let gone = [TpmLinkErrorKind::Gone, TpmLinkErrorKind::Missing].map(TpmFault::Link);
    assert!(gone.contains(&error.fault()), "{error}");
    assert!(error.remedy().contains("device file") || error.remedy().contains("try again"));
    swtpm.reset();
    everything(&mut tpm, &key, &ak).unwrap();
}

#[test]
fn a_reset_behind_an_open_connection_is_told_from_what_is_missing() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let link = Arc::new(Mutex::new(swtpm.link()));
    let mut tpm = Tpm::open(Box::new(Shared(Arc::clone(&link))), host(), options()).unwrap();
    let (key, ak) = (tpm.create_key(KeyUse::Signing).unwrap(), tpm.create_key(KeyUse::Attestation).unwrap());
    let (counter, mut last) = tpm.define_counter(0x0180_0003).unwrap();
    let reset = || {
        swtpm.initialise();
        raw(link.lock().unwrap().as_mut(), 0x144, &[0, 0]);
    };
    for _ in 0..3 {
        everything(&mut tpm, &key, &ak).unwrap();
        reset();
        assert_eq!(tpm.counter(&counter).unwrap(), last, "it is there, the session is not");
        reset();
        last = tpm.count(&counter).unwrap();
        reset();
    }
    // Not started yet: said, not waited for; and the next operation works.
    swtpm.initialise();
    let error = tpm.sign(&key, &sha256(b"message")).unwrap_err();
    assert_eq!(error.fault(), TpmFault::NotStarted, "{error}");
    raw(link.lock().unwrap().as_mut(), 0x144, &[0, 0]);
    everything(&mut tpm, &key, &ak).unwrap();
}

#[test]
fn another_chip_in_its_place_is_noticed() {
    let (Some(swtpm), Some(other)) = (Swtpm::blank(), Swtpm::blank()) else { return };
    let root = swtpm.open().storage_root().unwrap();
    assert_eq!(swtpm.open().storage_root().unwrap(), root, "the same chip, the same root");
    let options = TpmOptions { root: Some(root), ..options() };
    let mut tpm = Tpm::open(other.link(), host(), options).unwrap();
    for error in [tpm.create_key(KeyUse::Signing).err(), tpm.random(8).err(), tpm.storage_root().err()] {
        assert_eq!(error.unwrap().fault(), TpmFault::OtherTpm);
    }
    drop(tpm);
    assert_eq!(left_in(&other), 0);
}

#[test]
fn silence_is_late_and_a_chip_that_wakes_up_works_again() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let short =
        TpmOptions { wait: Duration::from_millis(300), wait_slow: Duration::from_millis(300), ..options() };
    let link = Box::new(glacis_host::TpmSocket::new(silent.local_addr().unwrap()));
    let error = Tpm::open(link, host(), short).unwrap_err();
    assert_eq!(error.fault(), TpmFault::Link(TpmLinkErrorKind::Late));
    let mut tpm = swtpm.open();
    let key = tpm.create_key(KeyUse::Signing).unwrap();
    drop(tpm);
    // Long enough for a busy machine to open it.
    let five = Duration::from_secs(5);
    let patient = TpmOptions { wait: five, wait_slow: five, ..options() };
    let mut tpm = Tpm::open(swtpm.link(), host(), patient).unwrap();
    swtpm.signal("-STOP");
    let error = tpm.sign(&key, &sha256(b"message")).unwrap_err();
    assert_eq!(error.fault(), TpmFault::Link(TpmLinkErrorKind::Late), "{error}");
    swtpm.signal("-CONT");
    drop(tpm);
    swtpm.open().sign(&key, &sha256(b"message")).unwrap();
}

#[test]
fn a_chip_that_asks_for_more_time_gets_it_but_not_for_ever() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let key = swtpm.open().create_key(KeyUse::Signing).unwrap();
    for (code, times, works) in
        [(0x922_u32, 3, true), (0x908, 1, true), (0x920, 2, true), (0x922, 1_000, false)]
    {
        let mut left = times;
        let busy = move |command: &[u8], send: Send<'_>| {
            if code_of(command) == 0x15d && left > 0 {
                left -= 1;
                return Ok([&[0x80, 1, 0, 0, 0, 10][..], &code.to_be_bytes()].concat());
            }
            send()
        };
        let options = TpmOptions { wait: Duration::from_secs(4), ..options() };
        let mut tpm = between(&swtpm, options, busy).unwrap();
        match tpm.sign(&key, &sha256(b"message")) {
            Ok(_) => assert!(works, "{code:#x} {times} times"),
            Err(error) => assert_eq!((error.fault(), works), (TpmFault::Busy, false), "{error}"),
        }
        drop(tpm);
        assert_eq!(left_in(&swtpm), 0);
    }
}

#[test]
fn a_full_chip_is_said_to_be_full_and_what_is_ours_makes_room() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let (key, ak) = (tpm.create_key(KeyUse::Signing).unwrap(), tpm.create_key(KeyUse::Attestation).unwrap());
    let many: Vec<_> = (0..6).map(|_| tpm.create_key(KeyUse::Signing).unwrap()).collect();
    for key in many.iter().chain(&many) {
        tpm.sign(key, &sha256(b"message")).unwrap();
    }
    drop(tpm);
    assert_eq!(left_in(&swtpm), 0);
    // Somebody else's objects: the chip has three places, and a hash sequence takes one.
    let mut link = swtpm.link();
    let sequence = || [&[0_u8, 0][..], &[0, 0x0b]].concat();
    (0..2).for_each(|_| drop(raw(link.as_mut(), 0x186, &sequence())));
    drop(link);
    let mut tpm = swtpm.open();
    let error = tpm.sign(&key, &sha256(b"message")).unwrap_err();
    assert_eq!(error.fault(), TpmFault::ObjectsFull, "{error}");
    assert!(error.remedy().contains("/dev/tpmrm0"));
    drop(tpm);
    assert_eq!(left_in(&swtpm), 2, "what is not ours stays");
    flush_all(&swtpm);
    let mut link = swtpm.link();
    let session =
        [&[0x40_u8, 0, 0, 7, 0x40, 0, 0, 7, 0, 16][..], &[1; 16], &[0, 0, 0, 0, 0x10, 0, 0x0b]].concat();
    (0..3).for_each(|_| drop(raw(link.as_mut(), 0x176, &session)));
    drop(link);
    let mut tpm = swtpm.open();
    let error = tpm.sign(&key, &sha256(b"message")).unwrap_err();
    assert_eq!(error.fault(), TpmFault::SessionsFull, "{error}");
    drop(tpm);
    assert_eq!(left_in(&swtpm), 3);
    flush_all(&swtpm);
    everything(&mut swtpm.open(), &key, &ak).unwrap();
}

/// One chip for two clients, as a device file without a resource manager would be.
struct Shared(Arc<Mutex<Box<dyn TpmLink>>>);

impl TpmLink for Shared {
    fn exchange(&mut self, command: &[u8], wait: Duration) -> Result<Vec<u8>, TpmLinkError> {
        self.0.lock().unwrap().exchange(command, wait)
    }
}

#[test]
fn two_clients_of_one_chip_leave_each_other_room_or_say_why_not() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let link = Arc::new(Mutex::new(swtpm.link()));
    let open = |keep| {
        Tpm::open(Box::new(Shared(Arc::clone(&link))), host(), TpmOptions { keep, ..options() }).unwrap()
    };
    let (mut one, mut two) = (open(Keep::Nothing), open(Keep::Nothing));
    let keys = [one.create_key(KeyUse::Signing).unwrap(), two.create_key(KeyUse::Signing).unwrap()];
    let aks = [one.create_key(KeyUse::Attestation).unwrap(), two.create_key(KeyUse::Attestation).unwrap()];
    for _ in 0..3 {
        everything(&mut one, &keys[0], &aks[0]).unwrap();
        everything(&mut two, &keys[1], &aks[1]).unwrap();
        everything(&mut one, &keys[1], &aks[1]).unwrap();
    }
    // Whoever keeps its places leaves none for the other, who is told; the first works on.
    let mut greedy = open(Keep::Loaded);
    greedy.certify(&keys[0], &aks[0], &sha256(b"nonce")).unwrap();
    let error = two.sign(&keys[1], &sha256(b"message")).unwrap_err();
    assert_eq!(error.fault(), TpmFault::ObjectsFull, "{error}");
    greedy.sign(&keys[0], &sha256(b"message")).unwrap();
    greedy.release().unwrap();
    two.sign(&keys[1], &sha256(b"message")).unwrap();
    // The emulator's socket serves one connection at a time.
    let short = TpmOptions { wait: Duration::from_millis(300), ..options() };
    let error = Tpm::open(swtpm.link(), host(), short).unwrap_err();
    assert_eq!(error.fault(), TpmFault::Link(TpmLinkErrorKind::Late));
    drop((one, two, greedy, link));
    assert_eq!(left_in(&swtpm), 0);
}

#[test]
fn a_second_process_is_late_while_the_first_holds_the_emulator_and_signs_afterwards() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let key = tpm.create_key(KeyUse::Signing).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), &*key.to_bytes().unwrap()).unwrap();
    std::fs::write(folder.path().join("address"), swtpm.address().to_string()).unwrap();
    let second = || {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tpm::faults::second", "--ignored", "--nocapture"])
            .env("GLACIS_SECOND_PROCESS", folder.path())
            .output()
            .unwrap();
        let out = String::from_utf8(child.stdout).unwrap();
        let said =
            out.lines().find_map(|line| line.find('@').and_then(|at| line.get(at..))).map(str::to_owned);
        said.unwrap_or(out)
    };
    assert_eq!(second(), format!("@{}", TpmFault::Link(TpmLinkErrorKind::Late)));
    tpm.sign(&key, &sha256(b"message")).unwrap();
    drop(tpm);
    assert_eq!(second(), "@signed");
    assert_eq!(left_in(&swtpm), 0);
}

#[test]
#[ignore = "the child of another test; does nothing on its own"]
fn second() {
    let Some(folder) = glacis_host::variable("GLACIS_SECOND_PROCESS").map(std::path::PathBuf::from) else {
        return;
    };
    let Ok(stored) = std::fs::read(folder.join("key")) else { return };
    let key = TpmKey::from_bytes(&stored).unwrap();
    let address = std::fs::read_to_string(folder.join("address")).unwrap().parse().unwrap();
    let options = TpmOptions { wait: Duration::from_secs(5), ..options() };
    match Tpm::open(Box::new(glacis_host::TpmSocket::new(address)), host(), options) {
        Ok(mut tpm) => {
            let signature = tpm.sign(&key, &sha256(b"message")).unwrap();
            verify_raw(&key.point(), b"message", &signature).unwrap();
            println!("@signed");
        }
        Err(error) => println!("@{}", error.fault()),
    }
}

#[test]
fn what_is_no_tpm_2_is_refused() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let older = |command: &[u8], send: Send<'_>| {
        let mut answer = send()?;
        if code_of(command) == 0x17a {
            // The family indicator: `1.2`.
            let family = answer.windows(4).position(|window| window == b"2.0\0").unwrap();
            answer[family] = b'1';
        }
        Ok(answer)
    };
    let error = between(&swtpm, options(), older).unwrap_err();
    assert_eq!(error.fault(), TpmFault::Unsupported);
    assert_eq!(swtpm.open().info().manufacturer, "IBM");
}

impl Swtpm {
    /// `CMD_INIT` on its control channel: a reset without an end of the process.
    fn initialise(&self) {
        let mut control = TcpStream::connect(("127.0.0.1", self.port + 1)).unwrap();
        control.write_all(&[0, 0, 0, 2, 0, 0, 0, 0]).unwrap();
        let mut answer = [0; 4];
        control.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0; 4]);
    }

    fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}
