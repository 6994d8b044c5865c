//! Sessions that outlive their process: no number twice, whatever dies when and whatever is put back.

use crate::dying::Dying;
use crate::session::{EVENT, app_request, base_of, begin, open_at_edge};
use crate::{NOW, context, device, host, key_store, vault};
use glacis_dtx::{Session, SessionError, Sessions, Vault, VaultError};
use glacis_host::{Files, MemoryFiles};
use glacis_seal::httpsig::{parse_input, profile};
use glacis_seal::{Secret, session};
use glacis_wire::http::Request;
use glacis_wire::message::session::LegOpened;
use glacis_wire::{LegId, Thumbprint};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const AUTHORITY: &str = "shop.example";

fn block(numbers: u32) -> NonZeroU32 {
    NonZeroU32::new(numbers).unwrap()
}

/// A kept session on files of its own.
fn kept(numbers: u32) -> (MemoryFiles, Session, Thumbprint, Secret) {
    let (files, vault, keys, enrolled) = device();
    let opening = begin(&mut Sessions::open(Arc::clone(&vault), keys).unwrap(), &enrolled);
    let (_, _, opened, secret) = open_at_edge(opening.request());
    let mut session = opening.finish(opened, NOW).unwrap();
    session.keep(vault, enrolled.thumbprint(), block(numbers)).unwrap();
    (files, session, enrolled.thumbprint(), secret)
}

fn resume(files: &MemoryFiles, device: Thumbprint) -> Result<Option<Session>, SessionError> {
    Session::resume(&vault(files.clone()), device, AUTHORITY, block(4), NOW)
}

fn sign(session: &mut Session) -> Result<Request, SessionError> {
    session.sign(app_request(), EVENT, None, None, NOW).map(|signed| signed.request)
}

/// Leg and number of a signed request.
fn numbered(request: &Request) -> (String, u64) {
    let input = parse_input(request.header("signature-input").unwrap(), profile::LABEL).unwrap().unwrap();
    let number = input.params.nonce.as_deref().unwrap().parse().unwrap();
    (input.params.keyid.as_deref().unwrap().to_owned(), number)
}

#[test]
fn a_resumed_session_signs_behind_its_block_and_under_the_same_key() {
    let (files, mut first, device, secret) = kept(4);
    assert_eq!([1, 2, 3].map(|_| numbered(&sign(&mut first).unwrap()).1), [1, 2, 3]);
    let (leg, id) = (first.position().0, first.id());
    drop(first);
    let mut second = resume(&files, device).unwrap().unwrap();
    assert_eq!((second.id(), second.position()), (id, (leg, 4)), "what was reserved is skipped");
    let request = sign(&mut second).unwrap();
    assert_eq!(numbered(&request).1, 5);
    let (base, mac) = base_of(&request, profile::REQUEST);
    session::request_key(secret.expose(), &leg, &context()).verify_raw(base.as_bytes(), &mac).unwrap();
}

#[test]
fn a_new_leg_is_kept_with_its_first_signature() {
    let (files, mut first, device, _) = kept(1);
    sign(&mut first).unwrap();
    first.renew_leg(NOW).unwrap();
    let leg = LegId::new([5; 16]);
    first.adopt_leg(&LegOpened { leg });
    // The process may end here: the old leg is as good as before.
    let old = resume(&files, device).unwrap().unwrap();
    assert_ne!(old.position().0, leg);
    assert_eq!(old.position().1, 1);
    sign(&mut first).unwrap();
    assert_eq!(resume(&files, device).unwrap().unwrap().position(), (leg, 1));
}

#[test]
fn only_the_same_device_authority_and_time_resume_it() {
    let (files, session, device, _) = kept(1);
    let end = session.not_after();
    let resume = |device, authority, now| {
        Session::resume(&vault(files.clone()), device, authority, block(1), now).unwrap()
    };
    assert!(resume(device, AUTHORITY, end).is_some());
    assert!(resume(Thumbprint::new([1; 32]), AUTHORITY, NOW).is_none(), "another device key");
    assert!(resume(device, "other.example", NOW).is_none(), "another edge");
    assert!(resume(device, AUTHORITY, end.after(Duration::from_millis(1))).is_none(), "past its ticket");
    Session::forget(&vault(files.clone())).unwrap();
    assert!(resume(device, AUTHORITY, NOW).is_none());
}

#[test]
fn a_session_put_back_alone_is_noticed_and_a_broken_one_is_refused() {
    let (files, mut session, device, _) = kept(1);
    sign(&mut session).unwrap();
    let old = files.read("session.sealed").unwrap().unwrap();
    for _ in 0..2 {
        sign(&mut session).unwrap();
    }
    let mut broken = files.read("session.sealed").unwrap().unwrap();
    files.replace("session.sealed", &old).unwrap();
    let rolled = resume(&files, device);
    assert!(matches!(rolled, Err(SessionError::Vault(VaultError::Rollback(_)))), "{rolled:?}");
    Session::forget(&vault(files.clone())).unwrap();
    assert!(resume(&files, device).unwrap().is_none());
    *broken.last_mut().unwrap() ^= 1;
    files.replace("session.sealed", &broken).unwrap();
    let refused = resume(&files, device);
    assert!(matches!(refused, Err(SessionError::Vault(VaultError::Sealed(_)))), "{refused:?}");
    assert!(Session::forget(&vault(files.clone())).is_err(), "what does not open is not overwritten");
}

#[test]
fn the_secret_is_nowhere_in_the_files() {
    let (files, mut session, _, secret) = kept(1);
    sign(&mut session).unwrap();
    for name in files.list().unwrap() {
        let content = files.read(&name).unwrap().unwrap();
        assert!(!content.windows(32).any(|window| window == secret.expose()), "{name}");
    }
}

#[test]
fn crashes_in_a_row_between_record_and_counters_are_no_rollback() {
    let files = MemoryFiles::new();
    vault(files.clone()).put("a", b"0").unwrap();
    for round in 1..=5_u8 {
        // The record is written, the counters are not; from the second round on there is a crash to heal first.
        let dying = Dying::at(&files, if round == 1 { 1 } else { 2 }, true);
        let store = Vault::open(Arc::new(dying), host("vault"), context()).unwrap();
        assert!(store.put("a", &[round]).is_err());
        assert_eq!(vault(files.clone()).get("a").unwrap().unwrap(), [round]);
    }
}

#[test]
fn no_number_leaves_twice_wherever_the_process_dies() {
    for numbers in [1, 3] {
        let (files, session, device, _) = kept(numbers);
        drop(session);
        let mut seen = BTreeSet::new();
        for round in 0..40_u32 {
            // Dies at one of its next six writes, before or after it reached the disk.
            let dying = Dying::at(&files, 1 + round % 6, round % 4 < 2);
            let opened = Vault::open(Arc::new(dying), host("vault"), context());
            let resumed = Session::resume(&Arc::new(opened.unwrap()), device, AUTHORITY, block(numbers), NOW);
            let mut session = resumed.unwrap().unwrap();
            for turn in 0..8_u8 {
                if turn == 5 && session.renew_leg(NOW).is_ok() {
                    let leg = LegId::new([u8::try_from(round).unwrap() + 100; 16]);
                    session.adopt_leg(&LegOpened { leg });
                }
                let Ok(request) = sign(&mut session) else { break };
                assert!(seen.insert(numbered(&request)), "{:?} left twice", numbered(&request));
            }
        }
        assert!(seen.len() > 20, "{}", seen.len());
        let vault = vault(files);
        let keys = key_store(&vault);
        Sessions::open(vault, keys).unwrap();
    }
}
