//! The choice of a key store by what a policy demands: the best that is enough, or an error that says what each lacked.

use crate::{key_store, vault};
use glacis_dtx::{
    Basis, Candidate, CustodyError, CustodyErrorKind, KeyStore, Offer, Protection, Requirement,
    SoftwareKeyStore, Uniqueness, choose, choose_of_offers,
};
use glacis_host::MemoryFiles;
use glacis_wire::Tier;
use std::sync::Arc;

fn software() -> Candidate {
    Candidate { name: "software".into(), store: Ok(key_store(&vault(MemoryFiles::new()))) }
}

fn away() -> Candidate {
    let error = CustodyError::new("pkcs11", CustodyErrorKind::Unavailable).said("no module at /x.so");
    Candidate { name: "pkcs11".into(), store: Err(error.into()) }
}

#[test]
fn a_store_that_is_enough_is_taken() {
    let chosen = choose(vec![away(), software()], &Requirement::at_least(Tier::Software)).unwrap();
    assert_eq!(chosen.name, "software");
    assert_eq!(chosen.protection, Protection::SOFTWARE);
    let store: Arc<dyn KeyStore> = chosen.store;
    assert_eq!(store.list().unwrap(), []);
}

#[test]
fn less_than_demanded_is_never_taken_and_each_lack_is_named() {
    let error = choose(vec![away(), software()], &Requirement::at_least(Tier::Hardware)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no key store is good enough: `pkcs11`: the key store `pkcs11`: is not there (no module at /x.so); \
         `software`: its tier is software, not hardware"
    );
    let all = Requirement {
        tier: Tier::Strong,
        non_exportable: true,
        verifies_user: true,
        uniqueness: Uniqueness::Hardware,
        basis: Basis::Attested,
    };
    let error = choose(vec![software()], &all).unwrap_err();
    assert_eq!(
        error.missing(),
        [(
            "software".to_owned(),
            "its tier is software, not strong, its keys can leave it, it does not verify the user, its uniqueness is \
             none, not hardware, its claim rests on nothing, not attested"
                .to_owned()
        )]
    );
    let none = choose(Vec::new(), &Requirement::default()).unwrap_err();
    assert_eq!(none.to_string(), "no key store is good enough: there is none");
}

/// Several back ends on one vault, of which one at a time may be open.
#[test]
fn offers_are_looked_at_one_at_a_time() {
    let vault = vault(MemoryFiles::new());
    let software = |name: &str| Offer {
        name: name.to_owned(),
        open: Box::new(|| Ok(Arc::new(SoftwareKeyStore::open(Arc::clone(&vault))?) as Arc<dyn KeyStore>)),
    };
    let away = Offer { name: "pkcs11".into(), open: Box::new(|| away().store) };
    let offers = [away, software("one"), software("two")];
    let chosen = choose_of_offers(&offers, &Requirement::at_least(Tier::Software)).unwrap();
    assert_eq!(chosen.name, "one", "of equal ones the first");
    drop(chosen);
    let refused = choose_of_offers(&offers, &Requirement::at_least(Tier::Hardware)).unwrap_err();
    assert_eq!(refused.missing().len(), 3);
}
