//! The key schedule, device against edge: both ends derive the same, anyone else something else.

use crate::{acme, entropy, others};
use glacis_seal::{SealError, Share, session};
use glacis_wire::message::Bytes;
use glacis_wire::message::session::SessionOpened;
use glacis_wire::{Digest, LegId, SessionId, Timestamp};

#[test]
fn both_ends_derive_one_secret_and_confirm_every_field() {
    let (device, edge) = (Share::generate(entropy(1)).unwrap(), Share::generate(entropy(2)).unwrap());
    let (device_public, edge_public) = (device.public(), edge.public());
    let transcript = session::transcript("base");
    let ours = session::secret(&device.agree(&edge_public).unwrap(), &transcript, &acme());
    let theirs = session::secret(&edge.agree(&device_public).unwrap(), &transcript, &acme());
    assert_eq!(ours, theirs);
    let mut opened = SessionOpened {
        share: edge_public,
        session: SessionId::new([1; 16]),
        ticket: Bytes(vec![1, 2, 3]),
        leg: LegId::new([2; 16]),
        not_after: Timestamp::from_ms(9),
        confirm: [0; 32],
    };
    opened.confirm = session::confirm(theirs.expose(), &opened, &transcript, &acme()).unwrap();
    let check = |opened: &SessionOpened, transcript: &Digest| {
        session::check_confirm(ours.expose(), opened, transcript, &acme())
    };
    check(&opened, &transcript).unwrap();
    let changed = |change: fn(&mut SessionOpened)| {
        let mut opened = opened.clone();
        change(&mut opened);
        assert_eq!(check(&opened, &transcript), Err(SealError::Mac));
    };
    changed(|o| o.share[0] ^= 1);
    changed(|o| o.session = SessionId::new([3; 16]));
    changed(|o| o.ticket.0.push(0));
    changed(|o| o.leg = LegId::new([3; 16]));
    changed(|o| o.not_after = Timestamp::from_ms(10));
    changed(|o| o.confirm[31] ^= 1);
    assert_eq!(check(&opened, &session::transcript("other")), Err(SealError::Mac));
    for other in others() {
        assert_eq!(session::check_confirm(ours.expose(), &opened, &transcript, &other), Err(SealError::Mac));
    }
}

#[test]
fn every_key_of_a_session_is_its_own() {
    let (secret, session, leg) = ([7; 32], SessionId::new([1; 16]), LegId::new([1; 16]));
    let mut macs = vec![
        session::request_key(&secret, &leg, &acme()).mac_raw(b""),
        session::request_key(&secret, &LegId::new([2; 16]), &acme()).mac_raw(b""),
        session::leg_key(&secret, &session, &acme()).mac_raw(b""),
        session::verdict_key(&secret, &session, &acme()).mac_raw(b""),
    ];
    macs.extend(others().iter().map(|other| session::request_key(&secret, &leg, other).mac_raw(b"")));
    let count = macs.len();
    macs.sort_unstable();
    macs.dedup();
    assert_eq!(macs.len(), count);
}

#[test]
fn a_chain_depends_on_every_opening_and_their_order() {
    let zero = Digest::new([0; 32]);
    let (a, b) = (session::transcript("a"), session::transcript("b"));
    let chain = |steps: &[Digest]| steps.iter().fold(zero, |chain, step| session::advance(&chain, step));
    assert_ne!(chain(&[a, b]), chain(&[b, a]));
    assert_ne!(chain(&[a]), chain(&[a, a]));
    assert_eq!(chain(&[a, b]), session::advance(&chain(&[a]), &b));
}
