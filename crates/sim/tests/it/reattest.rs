//! Phones in a whole world: they enrol by their families, and prove anew what they are before that ends.
//!
//! The simulator moves the clock. What Android and Apple state about a key is stated once, so a phone that proves anew has
//! a new key, for which the old one vouches: the same device with its history. Whoever does not prove anew is out.

use glacis_cloud::registry::{DeviceView, Uniqueness, Why};
use glacis_sim::actor::{Device, Holder, all_clear};
use glacis_sim::attack::End;
use glacis_sim::inprocess::Town;
use glacis_sim::persona::Owner;
use glacis_sim::policies::Policies;
use glacis_sim::schedule::{Deed, Make};
use glacis_sim::snapshots::Snapshots;
use glacis_sim::world::World;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Tier, Trust};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const USER: &str = "owner";

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

    fn device(&self, number: u32, make: Make) -> Device {
        self.town.shop().register(USER, "own");
        let holder = Holder { user: USER.to_owned(), token: self.town.shop().issue(USER).unwrap() };
        let line = self.town.line(number).unwrap();
        Device::enrolled(&self.town, number, make, holder, line, Box::new(all_clear)).unwrap()
    }

    fn seen(&self, device: &Device) -> DeviceView {
        let device = device.thumbprint();
        self.town.cloud(|core| core.device(&device)).unwrap()
    }

    /// How a look at the own account ends.
    fn look(&self, device: &mut Device) -> End {
        device.log_in(&self.town).unwrap();
        let mut owner = Owner::new(self.town.shop(), USER);
        device.act(&Deed::View, &mut owner, &self.snapshots).unwrap().end
    }
}

const ALLOWED: End = End::Allowed { challenged: false };

/// Each make with what the registry says of it, and how a look ends.
const MAKES: [(Make, &str, Tier, Trust, End); 6] = [
    (Make::StrongBox, "android-key", Tier::Strong, Trust::Attested, ALLOWED),
    (Make::Tee, "android-key", Tier::Hardware, Trust::Attested, ALLOWED),
    (Make::Unlocked, "android-key", Tier::Software, Trust::Claimed, End::Allowed { challenged: true }),
    (Make::Enclave, "app-attest", Tier::Strong, Trust::Attested, ALLOWED),
    (Make::Element, "simulated", Tier::Strong, Trust::Attested, ALLOWED),
    (Make::Software, "none", Tier::Software, Trust::Claimed, End::Allowed { challenged: true }),
];

#[test]
fn each_make_enrols_by_its_family_and_is_worth_what_it_is() {
    let place = Place::new(601);
    for (number, (make, family, tier, trust, end)) in (1..).zip(MAKES) {
        let mut device = place.device(number, make);
        let view = place.seen(&device);
        assert_eq!((view.family.as_str(), view.tier, view.trust), (family, tier, trust), "{make:?}");
        let uniqueness = match make {
            Make::Enclave => Uniqueness::Estimate,
            Make::Element => Uniqueness::Hardware,
            _ => Uniqueness::None,
        };
        assert_eq!(view.uniqueness, uniqueness, "{make:?}");
        assert_eq!(place.look(&mut device), end, "{make:?}");
    }
}

#[test]
fn a_device_proves_anew_before_that_ends_and_stays_the_same_device() {
    let place = Place::new(602);
    let mut devices: Vec<_> =
        (1..).zip(MAKES).map(|(number, made)| (place.device(number, made.0), made)).collect();
    for round in 1..=3_usize {
        // Results live for a day, and the last quarter of it is the time to prove anew.
        place.town.pass(17 * HOUR);
        for (device, (make, ..)) in &mut devices {
            assert_eq!(device.keep_attested().unwrap(), None, "{make:?}");
        }
        place.town.pass(2 * HOUR);
        for (device, (make, family, tier, trust, end)) in &mut devices {
            let (before, until) = (device.thumbprint(), device.attested_until().unwrap());
            assert_eq!(device.keep_attested().unwrap(), Some(Ok(())), "{make:?}");
            assert!(device.attested_until().unwrap() > until.after(18 * HOUR), "{make:?}");
            assert_eq!(device.keep_attested().unwrap(), None, "once is enough: {make:?}");
            let view = place.seen(device);
            assert_eq!((view.family.as_str(), view.tier, view.trust), (*family, *tier, *trust), "{make:?}");
            let renewed = matches!(make, Make::StrongBox | Make::Tee | Make::Unlocked | Make::Enclave);
            assert_eq!(device.thumbprint() != before, renewed, "{make:?}");
            let steps = if renewed { round } else { 0 };
            assert_eq!(view.lineage.len(), steps, "{make:?}");
            assert!(view.lineage.iter().all(|step| step.why == Why::Replaced), "{make:?}");
            assert_eq!(place.look(device), *end, "{make:?}");
        }
    }
}

#[test]
fn who_does_not_prove_anew_is_out_and_may_come_back() {
    let place = Place::new(603);
    let mut device = place.device(1, Make::StrongBox);
    assert_eq!(place.look(&mut device), ALLOWED);
    place.town.pass(23 * HOUR);
    assert_eq!(place.look(&mut device), ALLOWED);
    place.town.pass(2 * HOUR);
    assert!(!place.look(&mut device).allowed());
    assert_eq!(device.keep_attested().unwrap(), Some(Ok(())), "late is not too late");
    assert_eq!(place.look(&mut device), ALLOWED);
}

/// Revocation lists have an age. A control plane that gets no newer one believes no chain of Android any more.
#[test]
fn a_revocation_list_that_nobody_renews_refuses_what_rests_on_it() {
    let place = Place::new(604);
    let (mut android, mut apple) = (place.device(1, Make::Tee), place.device(2, Make::Enclave));
    for _ in 0..3 {
        place.town.pass(19 * HOUR);
        assert_eq!(android.keep_attested().unwrap(), Some(Ok(())), "within the age");
        assert_eq!(apple.keep_attested().unwrap(), Some(Ok(())));
    }
    place.town.pass(19 * HOUR);
    assert_eq!(apple.keep_attested().unwrap(), Some(Ok(())));
    let (until, now) = (android.attested_until().unwrap(), place.town.host("watch").now());
    assert!(until > now, "what was vouched for goes on");
    assert_eq!(android.keep_attested().unwrap(), Some(Err(End::Refused(Refusal::EnrolmentRefused))));
    assert_eq!(place.look(&mut android), ALLOWED);
    place.town.pass(until.since(now));
    assert!(!place.look(&mut android).allowed());
    assert_eq!(place.look(&mut apple), ALLOWED);
}
