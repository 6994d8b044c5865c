//! The hash chain: any edit of the past shows.

use glacis_ledger::{Chain, ChainError, Link};
use glacis_seal::Context;
use glacis_wire::{Decode, Digest, Encode, Realm, TenantId};

fn context(tenant: &str, realm: Realm) -> Context {
    Context::new(TenantId::parse(tenant).unwrap(), realm)
}

fn acme() -> Context {
    context("acme", Realm::Demo)
}

fn ten() -> (Vec<Vec<u8>>, Vec<Link>, Chain) {
    let mut chain = Chain::new(acme());
    let entries: Vec<Vec<u8>> = (0..10_u8).map(|at| vec![at; usize::from(at)]).collect();
    let links = entries.iter().map(|entry| chain.append(entry)).collect();
    (entries, links, chain)
}

fn verify(context: Context, links: &[Link], entries: &[Vec<u8>]) -> Result<Chain, ChainError> {
    let mut chain = Chain::new(context);
    chain.verify(links.iter().zip(entries.iter().map(|entry| Some(entry.as_slice()))))?;
    Ok(chain)
}

#[test]
fn an_untouched_chain_verifies_and_goes_on() {
    let (entries, links, chain) = ten();
    assert_eq!(verify(acme(), &links, &entries).unwrap(), chain);
    let mut resumed = Chain::after(acme(), links.last().unwrap());
    assert_eq!(resumed, chain);
    assert_eq!(resumed.append(b"next").seq, 10);
    assert_eq!(Link::from_bytes(&links[3].to_bytes().unwrap()).unwrap(), links[3]);
}

type Edit<'a> = &'a dyn Fn(&mut Vec<Link>, &mut Vec<Vec<u8>>);

#[test]
fn every_edit_of_the_past_is_found_where_it_is() {
    let (entries, links, _) = ten();
    let edited = |edit: Edit<'_>| {
        let (mut links, mut entries) = (links.clone(), entries.clone());
        edit(&mut links, &mut entries);
        verify(acme(), &links, &entries).unwrap_err()
    };
    assert_eq!(edited(&|_, e| e[4].push(0)), ChainError::Entry { seq: 4 });
    assert_eq!(edited(&|l, _| l.retain(|link| link.seq != 4)), ChainError::Gap { want: 4, have: 5 });
    assert_eq!(edited(&|l, _| l.swap(4, 5)), ChainError::Gap { want: 4, have: 5 });
    assert_eq!(edited(&|l, _| l.insert(4, l[3])), ChainError::Gap { want: 4, have: 3 });
    for field in 0..3 {
        let broken = edited(&|links, _| {
            let link = &mut links[4];
            let digest = [&mut link.prev, &mut link.entry, &mut link.hash].into_iter().nth(field).unwrap();
            *digest = Digest::new([9; 32]);
        });
        assert_eq!(broken, ChainError::Broken { seq: 4 }, "field {field}");
    }
    // A link forged to fit its own entry still breaks the next one.
    let forged = edited(&|links, entries| {
        entries[4] = b"forged".to_vec();
        let mut chain = Chain::after(acme(), &links[3]);
        links[4] = chain.append(b"forged");
    });
    assert_eq!(forged, ChainError::Broken { seq: 5 });
}

#[test]
fn a_chain_of_another_tenant_or_realm_does_not_verify() {
    let (entries, links, _) = ten();
    for other in [context("acme2", Realm::Demo), context("acme", Realm::Production)] {
        assert_eq!(verify(other, &links, &entries).unwrap_err(), ChainError::Broken { seq: 0 });
    }
}
