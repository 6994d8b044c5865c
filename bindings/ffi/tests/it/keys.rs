//! A platform's key store behind the interface: evidence that was promised, errors by their names, keys of another store.

use crate::kit::{App, code, sends};
use glacis_ffi::surface::client::Client;
use glacis_ffi::surface::error::GlacisError;
use glacis_ffi::surface::keys::{
    KeyClaim, KeyDeadlines, KeyTier, KeyUniqueness, KeysError, NativeEvidence, PlatformKeys, PlatformStore,
};
use glacis_host::{Entropy, SystemHost};
use glacis_seal::SigningKey;
use glacis_wire::Digest;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A platform in this process.
#[derive(Default)]
struct Platform {
    keys: Mutex<BTreeMap<String, SigningKey>>,
    fails: Mutex<Option<KeysError>>,
    evidence: Option<NativeEvidence>,
}

impl Platform {
    fn may(&self) -> Result<(), KeysError> {
        self.fails.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

impl PlatformKeys for Platform {
    fn generate(&self, alias: String, _: bool, _: Option<Vec<u8>>) -> Result<Vec<u8>, KeysError> {
        self.may()?;
        let key = SigningKey::generate(|out| SystemHost::new().fill(out)).unwrap();
        let point = key.public().0.to_vec();
        self.keys.lock().unwrap().insert(alias, key);
        Ok(point)
    }

    fn sign(&self, alias: String, digest: Vec<u8>, _: bool) -> Result<Vec<u8>, KeysError> {
        self.may()?;
        let digest = Digest::new(digest.try_into().unwrap());
        let keys = self.keys.lock().unwrap();
        Ok(keys.get(&alias).ok_or(KeysError::Missing)?.sign_digest(&digest).unwrap().to_vec())
    }

    fn delete(&self, alias: String) -> Result<(), KeysError> {
        self.keys.lock().unwrap().remove(&alias).map(drop).ok_or(KeysError::Missing)
    }

    fn attest(&self, _: String, _: Vec<u8>) -> Result<Option<NativeEvidence>, KeysError> {
        self.may()?;
        Ok(self.evidence.clone())
    }
}

fn store(keys: &Arc<Platform>, attests: bool) -> PlatformStore {
    PlatformStore {
        keys: Arc::clone(keys) as Arc<dyn PlatformKeys>,
        claim: KeyClaim {
            tier: KeyTier::Hardware,
            verifies_user: true,
            uniqueness: KeyUniqueness::Hardware,
            attests,
        },
        deadlines: Some(KeyDeadlines { alone_ms: 60_000, with_user_ms: 60_000 }),
    }
}

#[test]
fn each_failure_of_a_platform_has_its_code() {
    for (fails, code) in [
        (KeysError::Missing, "keys-lost"),
        (KeysError::Refused, "keys-refused"),
        (KeysError::Locked, "keys-locked"),
        (KeysError::Unavailable, "keys-unavailable"),
        (KeysError::Unsupported, "keys-unsupported"),
        (KeysError::Failed { what: "KeyStoreException 7".to_owned() }, "keys-failed"),
    ] {
        let (mut app, platform) = (App::new(), Arc::new(Platform::default()));
        let client = app.open_with(store(&platform, false));
        app.drive(&client.enrol().unwrap()).unwrap();
        *platform.fails.lock().unwrap() = Some(fails.clone());
        let error = app.drive(&client.open_session().unwrap()).unwrap_err();
        let GlacisError::Keys { code: named, because, remedy } = &error else {
            panic!("{fails:?}: {error:?}")
        };
        assert_eq!(named, code);
        assert!(because.contains("foreign") && !remedy.is_empty(), "{error}");
        *platform.fails.lock().unwrap() = None;
        app.drive(&client.open_session().unwrap()).unwrap();
    }
}

#[test]
fn a_platform_that_was_to_attest_and_does_not_never_enrols_as_software() {
    let (mut app, platform) = (App::new(), Arc::new(Platform::default()));
    let client = app.open_with(store(&platform, true));
    let flow = client.enrol().unwrap();
    let challenge = sends(&flow);
    flow.receive(app.exchange(challenge).unwrap());
    assert_eq!(code(flow.next()), "unattested");
    assert_eq!(app.edge.log.len(), 1, "no enrolment left the device");
    let flow = client.enrol().unwrap();
    let challenge = sends(&flow);
    *platform.fails.lock().unwrap() = Some(KeysError::Locked);
    flow.receive(app.exchange(challenge).unwrap());
    assert_eq!(code(flow.next()), "keys-locked");
    assert_eq!(client.status().unwrap().enrolled, None);

    let evidence = NativeEvidence { family: "in-process".to_owned(), body: vec![1; 9] };
    let platform = Arc::new(Platform { evidence: Some(evidence), ..Platform::default() });
    let mut app = App::new();
    let client = app.open_with(store(&platform, true));
    app.drive(&client.enrol().unwrap()).unwrap();
}

#[test]
fn keys_of_one_store_are_never_replaced_by_those_of_another() {
    let (mut app, platform) = (App::new(), Arc::new(Platform::default()));
    let client = app.open_with(store(&platform, false));
    app.drive(&client.enrol().unwrap()).unwrap();
    client.shut();
    assert_eq!(code(Client::with_software_keys(app.config())), "keys-other-store");
    let client = app.open_with(store(&platform, false));
    app.drive(&client.open_session().unwrap()).unwrap();
}
