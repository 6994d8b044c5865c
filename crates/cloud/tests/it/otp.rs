//! One-time passwords: tries, ends, limits, and what a grant is bound to.

use crate::world::{World, decided, thumb};
use glacis_cloud::{CloudCore, CloudErrorKind, OtpSendError, OtpSender};
use glacis_seal::published::open_signed;
use glacis_seal::{Purpose, sha256};
use glacis_wire::message::Text;
use glacis_wire::message::challenge::{ChallengeNonce, Grant, OtpAnswer, OtpOutcome, OtpStart, OtpVerify};
use glacis_wire::message::policy::KeyUse;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Encode as _, Method, Verdict};
use std::sync::Mutex;
use std::time::Duration;

const WRONG: CloudErrorKind = CloudErrorKind::Refused(Refusal::ProofWrong);

#[derive(Default)]
struct Inbox(Mutex<Vec<(String, String)>>);

impl OtpSender for Inbox {
    fn send(&self, principal: &str, code: &str) -> Result<(), OtpSendError> {
        self.0.lock().unwrap().push((principal.to_owned(), code.to_owned()));
        Ok(())
    }
}

fn challenged(world: &World, core: &mut CloudCore, user: &str) -> ChallengeNonce {
    core.decide(&world.transfer(thumb(1), user, "bob", 5)).unwrap();
    let answer = decided(core.decide(&world.transfer(thumb(2), user, "bob", 5_000)).unwrap());
    assert_eq!(answer.verdict, Verdict::Challenge(Method::Otp));
    answer.nonce.unwrap()
}

fn code_for(core: &mut CloudCore, nonce: &ChallengeNonce) -> String {
    let inbox = Inbox::default();
    let delivery = core.otp_start(&OtpStart { nonce: nonce.clone() }).unwrap();
    delivery.deliver(&inbox).unwrap();
    let (principal, code) = inbox.0.into_inner().unwrap().remove(0);
    assert_eq!(principal, "ann");
    assert_eq!(code.len(), 6);
    assert!(!format!("{delivery:?}").contains(&code));
    code
}

fn verify(core: &mut CloudCore, nonce: &ChallengeNonce, code: &str) -> OtpAnswer {
    core.otp_verify(&OtpVerify { nonce: nonce.clone(), code: Text(code.to_owned()) }).unwrap()
}

fn other_than(code: &str) -> String {
    if code == "000000" { "000001".to_owned() } else { "000000".to_owned() }
}

#[test]
fn the_right_code_gives_a_grant_over_this_nonce() {
    let world = World::new(40);
    let mut core = world.core();
    let nonce = challenged(&world, &mut core, "ann");
    let code = code_for(&mut core, &nonce);
    assert_eq!(verify(&mut core, &nonce, &other_than(&code)).outcome, OtpOutcome::Wrong);
    let answer = verify(&mut core, &nonce, &code);
    assert_eq!(answer.outcome, OtpOutcome::Granted);
    let grant: Grant =
        open_signed(&world.key_set, KeyUse::Result, &world.context, Purpose::Grant, &answer.grant.unwrap())
            .unwrap();
    assert_eq!(grant.nonce, sha256(&nonce.to_bytes().unwrap()));
    let other = challenged(&world, &mut core, "ann");
    assert_eq!(
        verify(&mut core, &other, &code).outcome,
        OtpOutcome::Spent,
        "no code was sent for this nonce"
    );
}

#[test]
fn five_wrong_tries_spend_a_code_even_over_a_new_start() {
    let world = World::new(41);
    let mut core = world.core();
    let nonce = challenged(&world, &mut core, "ann");
    let code = code_for(&mut core, &nonce);
    for _ in 0..3 {
        assert_eq!(verify(&mut core, &nonce, &other_than(&code)).outcome, OtpOutcome::Wrong);
    }
    let code = code_for(&mut core, &nonce);
    assert_eq!(verify(&mut core, &nonce, &other_than(&code)).outcome, OtpOutcome::Wrong);
    assert_eq!(verify(&mut core, &nonce, &other_than(&code)).outcome, OtpOutcome::Spent, "the fifth");
    assert_eq!(verify(&mut core, &nonce, &code).outcome, OtpOutcome::Spent, "the right one comes too late");
    assert_eq!(core.otp_start(&OtpStart { nonce }).unwrap_err().kind(), WRONG);
}

#[test]
fn a_code_ends_with_its_nonce() {
    let world = World::new(42);
    let mut core = world.core();
    let nonce = challenged(&world, &mut core, "ann");
    let code = code_for(&mut core, &nonce);
    world.host.advance(Duration::from_secs(300));
    let late = OtpVerify { nonce: nonce.clone(), code: Text(code) };
    assert_eq!(core.otp_verify(&late).unwrap_err().kind(), WRONG);
    assert_eq!(core.otp_start(&OtpStart { nonce }).unwrap_err().kind(), WRONG);
}

#[test]
fn a_nonce_that_is_not_ours_sends_nothing() {
    let world = World::new(43);
    let mut core = world.core();
    let nonce = challenged(&world, &mut core, "ann");
    let mut forged = nonce.clone();
    forged.body.principal = Text("eve".to_owned());
    assert_eq!(core.otp_start(&OtpStart { nonce: forged }).unwrap_err().kind(), WRONG);
    let mut passkey = nonce.clone();
    passkey.body.method = Method::Passkey;
    let bytes = passkey.body.to_bytes().unwrap();
    passkey.mac = world.nonce_key.mac(&world.context, Purpose::Nonce, &bytes);
    assert_eq!(core.otp_start(&OtpStart { nonce: passkey }).unwrap_err().kind(), WRONG, "for another method");
    let mut nobody = nonce;
    nobody.body.principal = Text(String::new());
    let bytes = nobody.body.to_bytes().unwrap();
    nobody.mac = world.nonce_key.mac(&world.context, Purpose::Nonce, &bytes);
    assert_eq!(core.otp_start(&OtpStart { nonce: nobody }).unwrap_err().kind(), WRONG, "nobody to send to");
}

#[test]
fn one_principal_gets_so_many_codes_an_hour() {
    let mut world = World::new(44);
    world.limits.otp_sent_hourly_max = 3;
    let mut core = world.core();
    let nonces: Vec<_> = (0..2).map(|_| challenged(&world, &mut core, "ann")).collect();
    for nonce in [&nonces[0], &nonces[0], &nonces[1]] {
        core.otp_start(&OtpStart { nonce: nonce.clone() }).unwrap();
    }
    let fourth = core.otp_start(&OtpStart { nonce: nonces[1].clone() }).unwrap_err();
    assert_eq!(fourth.kind(), CloudErrorKind::Refused(Refusal::DeviceLimited));
    let other = challenged(&world, &mut core, "eve");
    assert!(core.otp_start(&OtpStart { nonce: other }).is_ok());
    world.host.advance(Duration::from_secs(3_601));
    let nonce = challenged(&world, &mut core, "ann");
    assert!(core.otp_start(&OtpStart { nonce }).is_ok());
}
