//! Session chains under attack, over the real edge and cloud: a copied store, a restored backup, a crash before or after
//! what was to be kept, two processes. Each ends as DESIGN §5.3 says, and a thief never locks the owner out.

use glacis_cloud::registry::DeviceView;
use glacis_dtx::enrol::Draft;
use glacis_dtx::session::{Opening, Session, Sessions};
use glacis_dtx::{Enrolled, Enrolment, KeyStore, SoftwareKeyStore, Vault};
use glacis_host::{DirFiles, FileErrorKind, Files, Host, MemoryFiles};
use glacis_sim::inprocess::Town;
use glacis_sim::manufacturer::Hardware;
use glacis_sim::policies::Policies;
use glacis_sim::world::World;
use glacis_wire::http::{self, Request};
use glacis_wire::message::enrol::{EnrolChallenge, EnrolResponse};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::session::SessionOpened;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::{Decode as _, Encode as _, Tier};
use std::sync::Arc;
use std::time::Duration;

/// A town with its store; every phone of it has hardware that its maker vouches for.
struct Place {
    town: Town,
    _folder: tempfile::TempDir,
}

/// A phone: a disk, and what its app has in memory.
struct Phone {
    files: Arc<dyn Files>,
    host: Arc<dyn Host>,
    keys: Arc<dyn KeyStore>,
    enrolled: Enrolled,
    sessions: Sessions,
}

impl Place {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policies = Policies::shipped().unwrap();
        let town = Town::build(seed, &folder.path().join("cloud.db"), &policies).unwrap();
        Self { town, _folder: folder }
    }

    fn hardware(&self, name: &str) -> Hardware {
        self.town.makers().simulated.hardware(SecurityLevel::Tee, &*self.town.host(name)).unwrap()
    }

    fn ask(&self, path: &str, body: Vec<u8>) -> http::Response {
        let request = Request {
            method: "POST".to_owned(),
            authority: self.town.site().edge.clone(),
            path: path.to_owned(),
            body,
            ..Request::default()
        };
        self.town.line(1).unwrap().exchange(&request).unwrap()
    }

    /// Enrols the key on this disk, or makes one first; `old` vouches for it where there is one.
    fn enrol(
        &self,
        name: &str,
        files: Arc<dyn Files>,
        hardware: Option<&Hardware>,
        old: Option<&dyn KeyStore>,
    ) -> Result<Phone, u16> {
        let (host, site) = (self.town.host(name), self.town.site());
        let vault = Vault::open(Arc::clone(&files), Arc::clone(&host), site.context.clone()).unwrap();
        let vault = Arc::new(vault);
        let keys: Arc<dyn KeyStore> = Arc::new(SoftwareKeyStore::open(Arc::clone(&vault)).unwrap());
        let challenge = self.ask(http::PATH_ENROL_CHALLENGE, Vec::new());
        let challenge = EnrolChallenge::from_bytes(&challenge.body).unwrap();
        let draft = Enrolment::<Draft>::begin(Arc::clone(&keys), site.context.clone(), false).unwrap();
        let challenged = draft.challenged(challenge, host.now()).unwrap();
        let evidence = hardware
            .map(|hardware| hardware.attest(&challenged.challenge().nonce, challenged.device_key()).unwrap());
        let mut enrolment = challenged.evidenced(evidence).unwrap();
        if let Some(old) = old {
            enrolment = enrolment.replacing(old).unwrap();
        }
        let answer = self.ask(http::PATH_ENROL, enrolment.request().unwrap().to_bytes().unwrap());
        if answer.status != 200 {
            return Err(answer.status);
        }
        let response = EnrolResponse::from_bytes(&answer.body).unwrap();
        let enrolled = enrolment.finish(response, &site.pinned, host.now()).unwrap();
        enrolled.save(&vault).unwrap();
        let sessions = Sessions::open(vault, Arc::clone(&keys)).unwrap();
        Ok(Phone { files, host, keys, enrolled, sessions })
    }

    /// The app started on what is on a disk.
    fn start(&self, name: &str, files: Arc<dyn Files>) -> Phone {
        let host = self.town.host(name);
        let context = self.town.site().context.clone();
        let vault = Arc::new(Vault::open(Arc::clone(&files), Arc::clone(&host), context).unwrap());
        let keys: Arc<dyn KeyStore> = Arc::new(SoftwareKeyStore::open(Arc::clone(&vault)).unwrap());
        let enrolled = Enrolled::load(&vault).unwrap().unwrap();
        let sessions = Sessions::open(vault, Arc::clone(&keys)).unwrap();
        Phone { files, host, keys, enrolled, sessions }
    }

    /// Sends an opening; the status where it was refused.
    fn deliver(&self, phone: &Phone, opening: Opening) -> Result<Session, u16> {
        let answer = self.town.line(1).unwrap().exchange(opening.request()).unwrap();
        if answer.status != 200 {
            return Err(answer.status);
        }
        let opened = SessionOpened::from_bytes(&answer.body).unwrap();
        Ok(opening.finish(opened, phone.host.now()).unwrap())
    }

    fn open(&self, phone: &mut Phone) -> Result<Session, u16> {
        let opening = self.begin(phone);
        self.deliver(phone, opening)
    }

    /// What is kept before an opening leaves, and the opening.
    fn begin(&self, phone: &mut Phone) -> Opening {
        let (edge, now) = (&self.town.site().edge, phone.host.now());
        phone.sessions.begin(&phone.enrolled, edge, now).unwrap()
    }

    fn seen(&self, phone: &Phone) -> DeviceView {
        // The feed is pulled and records are shipped around an exchange.
        self.town.pass(Duration::from_secs(3));
        self.ask(http::PATH_ENROL_CHALLENGE, Vec::new());
        let device = phone.enrolled.thumbprint();
        self.town.cloud(|core| core.device(&device)).unwrap()
    }

    /// Both branches are worth `software`, none is refused, and a new key cures it.
    fn is_forked_and_cured(&self, owner: &mut Phone, hardware: &Hardware) {
        let view = self.seen(owner);
        assert_eq!((view.tier, view.listed), (Tier::Software, Some(FeedAction::Cap)));
        assert_eq!(view.history.last().unwrap().reason, "session-fork");
        let incidents = self.town.cloud(|core| core.incidents(9)).unwrap();
        assert_eq!(incidents.iter().filter(|one| one.kind == "session-fork").count(), 1, "told once");
        self.open(owner).unwrap();
        assert_eq!(self.again(owner, hardware), Err(403), "the forked key does not enrol itself out of it");
        let fresh = Arc::new(MemoryFiles::new());
        let mut cured = self.enrol("cured", fresh, Some(hardware), None).unwrap();
        self.open(&mut cured).unwrap();
        let view = self.seen(&cured);
        assert_eq!(
            (view.tier, view.listed, view.lineage.len()),
            (Tier::Hardware, None, 1),
            "of the same chip"
        );
    }

    fn again(&self, phone: &Phone, hardware: &Hardware) -> Result<(), u16> {
        self.enrol("again", Arc::clone(&phone.files), Some(hardware), None).map(|_phone| ())
    }

    fn is_whole(&self, phone: &Phone) {
        let view = self.seen(phone);
        assert_eq!((view.tier, view.listed, view.history.len()), (Tier::Hardware, None, 1));
        assert_eq!(self.town.cloud(|core| core.incidents(9)).unwrap(), []);
    }
}

/// A phone that has had a session, with its disk and its hardware.
fn phone(place: &Place) -> (Phone, MemoryFiles, Hardware) {
    let (files, hardware) = (MemoryFiles::new(), place.hardware("maker"));
    let mut phone = place.enrol("phone", Arc::new(files.clone()), Some(&hardware), None).unwrap();
    place.open(&mut phone).unwrap();
    (phone, files, hardware)
}

#[test]
fn a_copied_store_forks_whoever_comes_first_and_the_owner_goes_on() {
    for thief_first in [true, false] {
        let place = Place::new(501);
        let (mut owner, files, hardware) = phone(&place);
        let mut thief = place.start("thief", Arc::new(files.snapshot()));
        if thief_first {
            place.open(&mut thief).unwrap();
            place.is_whole(&owner);
            place.open(&mut owner).unwrap();
        } else {
            place.open(&mut owner).unwrap();
            place.is_whole(&owner);
            place.open(&mut thief).unwrap();
        }
        place.is_forked_and_cured(&mut owner, &hardware);
        // The copy is worth no more than it was, whatever it goes on with.
        place.open(&mut thief).unwrap();
        assert_eq!(place.seen(&thief).tier, Tier::Software);
    }
}

#[test]
fn a_restored_backup_is_a_fork_of_oneself_and_is_cured_like_one() {
    let place = Place::new(502);
    let (mut before, files, hardware) = phone(&place);
    let backup = files.snapshot();
    for _ in 0..3 {
        place.open(&mut before).unwrap();
    }
    place.is_whole(&before);
    drop(before);
    let mut restored = place.start("restored", Arc::new(backup));
    place.open(&mut restored).unwrap();
    place.is_forked_and_cured(&mut restored, &hardware);
}

#[test]
fn a_crash_before_or_after_what_is_kept_is_no_fork() {
    let place = Place::new(503);
    let (mut phone, files, _) = phone(&place);
    // After it was kept and before it was sent: a number is missing, which nobody is blamed for.
    let unsent = place.begin(&mut phone);
    drop(unsent);
    let mut phone = place.start("after", Arc::new(files.clone()));
    place.open(&mut phone).unwrap();
    assert_eq!(phone.sessions.epoch_ctr(), 3);
    place.is_whole(&phone);
    // Before it was on the disk: nothing was sent, since what is sent was kept first.
    let disk = files.snapshot();
    let unkept = place.begin(&mut phone);
    drop(unkept);
    let mut phone = place.start("before", Arc::new(disk.clone()));
    place.open(&mut phone).unwrap();
    assert_eq!(phone.sessions.epoch_ctr(), 4);
    place.is_whole(&phone);
    // It was sent, and the answer or the process was lost: the next one goes on from it.
    let lost = place.begin(&mut phone);
    let answer = place.town.line(1).unwrap().exchange(lost.request()).unwrap();
    assert_eq!(answer.status, 200);
    drop((lost, phone));
    let mut phone = place.start("lost", Arc::new(disk));
    place.open(&mut phone).unwrap();
    place.is_whole(&phone);
}

#[test]
fn a_second_process_on_one_store_is_refused_and_where_it_is_forced_it_is_a_fork() {
    let folder = tempfile::tempdir().unwrap();
    let first = DirFiles::open(folder.path()).unwrap();
    assert_eq!(DirFiles::open(folder.path()).unwrap_err().kind(), FileErrorKind::InUse);
    drop(first);
    DirFiles::open(folder.path()).unwrap();
    // A disk without that lock, such as one that two machines share.
    let place = Place::new(504);
    let (mut one, files, hardware) = phone(&place);
    let mut two = place.start("two", Arc::new(files));
    place.open(&mut one).unwrap();
    place.is_whole(&one);
    let opening = {
        let (edge, now) = (&place.town.site().edge, two.host.now());
        two.sessions.begin(&two.enrolled, edge, now)
    };
    match opening {
        // What the other process kept is noticed before anything leaves.
        Err(_) => place.is_whole(&one),
        Ok(opening) => {
            place.deliver(&two, opening).unwrap();
            place.is_forked_and_cured(&mut one, &hardware);
        }
    }
}

#[test]
fn a_thief_of_all_keys_cannot_lock_the_owner_out() {
    let place = Place::new(505);
    let (mut owner, files, hardware) = phone(&place);
    let thief = place.start("thief", Arc::new(files.snapshot()));
    // Has a key of his own take the owner's place.
    let new = Arc::new(MemoryFiles::new());
    let follower = place.enrol("follower", new, None, Some(&*thief.keys)).unwrap();
    assert_eq!(place.seen(&follower).tier, Tier::Software, "the thief has no hardware to show");
    let view = place.seen(&owner);
    assert_eq!((view.tier, view.listed), (Tier::Software, Some(FeedAction::Cap)));
    place.open(&mut owner).unwrap();
    // Enrols the owner's key anew, with and without evidence of hardware of his own.
    for other in [None, Some(place.hardware("thief's"))] {
        let files: Arc<dyn Files> = Arc::clone(&thief.files);
        assert_eq!(place.enrol("anew", files, other.as_ref(), None).err(), Some(403));
    }
    // A second key vouched for by what was taken.
    let another = place.enrol("another", Arc::new(MemoryFiles::new()), None, Some(&*thief.keys));
    assert_eq!(another.err(), Some(403), "a retired key vouches for nobody");
    place.open(&mut owner).unwrap();
    let fresh = Arc::new(MemoryFiles::new());
    let mut cured = place.enrol("cured", fresh, Some(&hardware), None).unwrap();
    place.open(&mut cured).unwrap();
    assert_eq!(place.seen(&cured).tier, Tier::Hardware);
    // Nor does the thief's key reach the new one: it is of another chip.
    assert_eq!(place.seen(&follower).tier, Tier::Software);
}
