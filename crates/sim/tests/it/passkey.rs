//! Passkeys of users in a whole world: the operator registers one, and it passes a challenge of the real gateway.
//!
//! The device is a software device, whose own key would pass the challenge as well; here the platform's authenticator does.

use crate::authenticator::Authenticator;
use glacis_cloud::passkey::{PasskeyView, Registration};
use glacis_sdk::Prompt;
use glacis_sdk::drive::{Reply, User};
use glacis_sim::actor::{Device, Holder, all_clear};
use glacis_sim::attack::End;
use glacis_sim::inprocess::{Town, passkey_site};
use glacis_sim::policies::Policies;
use glacis_sim::schedule::{Deed, Make};
use glacis_sim::snapshots::Snapshots;
use glacis_sim::world::World;
use glacis_wire::Method;

const USER: &str = "owner";
const PASSED: End = End::Allowed { challenged: true };
const STOPPED: End = End::Challenged(Method::Passkey);

struct Place {
    town: Town,
    snapshots: Snapshots,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policies = Policies::shipped().unwrap();
        let town = Town::build(seed, &folder.path().join("cloud.db"), &policies).unwrap();
        Self { town, snapshots: Snapshots::default(), _folder: folder }
    }

    fn device(&self, number: u32, user: &str) -> Device {
        self.town.shop().register(user, "own");
        let holder = Holder { user: user.to_owned(), token: self.town.shop().issue(user).unwrap() };
        let line = self.town.line(number).unwrap();
        Device::enrolled(&self.town, number, Make::Software, holder, line, Box::new(all_clear)).unwrap()
    }

    /// What the shop does for its user.
    fn register(&self, number: u8, user: &str) -> (Platform, PasskeyView) {
        let site = passkey_site();
        self.town.cloud(|core| {
            let options = core.passkey_options(user).unwrap();
            let mut authenticator = Authenticator::new(number, (&site.id, &site.origins[0]), &options.user);
            let response = authenticator.register(&options.challenge).to_string();
            let asked = Registration {
                principal: user,
                challenge: &options.challenge,
                response: response.as_bytes(),
                by: "shop",
            };
            let view = core.add_passkey(&asked).unwrap();
            (Platform { authenticator, said: Vec::new(), prompts: 0 }, view)
        })
    }

    /// How a look at the own account ends.
    fn look(&self, device: &mut Device, user: &mut dyn User) -> End {
        device.act(&Deed::View, user, &self.snapshots).unwrap().end
    }
}

/// A user whose platform has a passkey.
struct Platform {
    authenticator: Authenticator,
    said: Vec<u8>,
    prompts: u32,
}

impl User for Platform {
    fn prompt(&mut self, prompt: &Prompt) -> Reply {
        self.prompts += 1;
        let challenge = prompt.webauthn.unwrap();
        self.said = self.authenticator.assert(challenge.as_bytes()).to_string().into_bytes();
        Reply::Assertion(self.said.clone())
    }
}

/// Somebody who saw an assertion and shows it again.
struct Replayer(Vec<u8>);

impl User for Replayer {
    fn prompt(&mut self, _prompt: &Prompt) -> Reply {
        Reply::Assertion(self.0.clone())
    }
}

#[test]
fn a_registered_passkey_passes_a_challenge_of_the_gateway_and_a_removed_one_does_not() {
    let place = Place::new(801);
    let mut device = place.device(1, USER);
    let (mut platform, view) = place.register(7, USER);
    assert_eq!(place.look(&mut device, &mut platform), PASSED);
    assert_eq!(platform.prompts, 1);
    let seen = place.town.cloud(|core| core.passkeys(USER)).unwrap();
    assert!(seen[0].used.is_some(), "it was the passkey that passed, not the device's key");
    // The same assertion for the next action of the same device passes nothing; the next one of the platform does.
    assert_eq!(place.look(&mut device, &mut Replayer(platform.said.clone())), STOPPED);
    assert_eq!(place.look(&mut device, &mut platform), PASSED);
    place.town.cloud(|core| core.remove_passkey(view.id, "shop")).unwrap();
    assert_eq!(place.look(&mut device, &mut platform), STOPPED);
}

#[test]
fn a_passkey_passes_for_its_own_user_alone_whatever_device_asks() {
    let place = Place::new(802);
    let (mut mine, _) = place.register(7, USER);
    let (mut theirs, _) = place.register(8, "somebody");
    let mut device = place.device(1, USER);
    assert_eq!(place.look(&mut device, &mut theirs), STOPPED);
    // A thief's device with the user's log-in is asked as well, and only the user's own authenticator can answer.
    let mut thief = place.device(2, USER);
    assert_eq!(place.look(&mut thief, &mut theirs), STOPPED);
    assert_eq!(place.look(&mut device, &mut mine), PASSED);
    assert_eq!(place.look(&mut thief, &mut Replayer(mine.said.clone())), STOPPED);
}

#[test]
fn a_page_elsewhere_or_a_user_who_is_not_verified_passes_nothing() {
    let place = Place::new(803);
    let mut device = place.device(1, USER);
    let (mut platform, _) = place.register(7, USER);
    let origin = std::mem::replace(&mut platform.authenticator.origin, "https://shop.evil".to_owned());
    assert_eq!(place.look(&mut device, &mut platform), STOPPED);
    platform.authenticator.origin = origin;
    platform.authenticator.verifies = false;
    assert_eq!(place.look(&mut device, &mut platform), STOPPED);
    platform.authenticator.verifies = true;
    platform.authenticator.counter = 0;
    assert_eq!(place.look(&mut device, &mut platform), STOPPED);
    platform.authenticator.counter = 100;
    assert_eq!(place.look(&mut device, &mut platform), PASSED);
}
