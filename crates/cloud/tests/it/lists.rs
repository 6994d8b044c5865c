//! Lists by effective time, feedback, look-ups and tokens.

use crate::world::{World, decided, thumb};
use glacis_cloud::admin::{ListChange, Scope, TOKEN_LIFE_MAX};
use glacis_cloud::{CloudCore, CloudErrorKind, CloudLimits};
use glacis_host::Clock as _;
use glacis_wire::{Reference, Timestamp, Verdict};
use std::time::Duration;

fn change(
    core: &mut CloudCore,
    item: &str,
    present: bool,
    effective: Option<Timestamp>,
) -> Result<u64, CloudErrorKind> {
    let change = ListChange { list: "mules", item, present, effective, by: "ops" };
    core.change_list(&change).map_err(|error| error.kind())
}

#[test]
fn an_item_blocks_from_its_effective_time_on() {
    let world = World::new(30);
    let mut core = world.core();
    let in_a_minute = world.host.now().after(Duration::from_secs(60));
    assert_eq!(change(&mut core, "m1", true, Some(in_a_minute)), Ok(1));
    let mut verdict = || decided(core.decide(&world.transfer(thumb(1), "ann", "m1", 5)).unwrap()).verdict;
    assert_eq!(verdict(), Verdict::Allow);
    world.host.advance(Duration::from_secs(60));
    assert_eq!(verdict(), Verdict::Block);
    // An event that the edge received before counts as of then, whenever it arrives here.
    let mut early = world.transfer(thumb(1), "ann", "m1", 5);
    early.received = in_a_minute.before(Duration::from_millis(1));
    assert_eq!(decided(core.decide(&early).unwrap()).verdict, Verdict::Allow);
    assert_eq!(change(&mut core, "m1", false, None), Ok(2));
    assert_eq!(
        decided(core.decide(&world.transfer(thumb(1), "ann", "m1", 5)).unwrap()).verdict,
        Verdict::Allow
    );
    assert_eq!(core.lists().unwrap(), vec![("mules".to_owned(), 2)]);
    assert_eq!(core.list("mules").unwrap(), (2, vec![]));
    assert_eq!(core.list_changes().unwrap().len(), 2);
}

#[test]
fn bad_changes_are_refused() {
    let mut world = World::new(31);
    world.limits = CloudLimits { list_changes_max: 2, ..CloudLimits::default() };
    let mut core = world.core();
    let past = world.host.now().before(Duration::from_secs(1));
    assert_eq!(
        change(&mut core, "m1", true, Some(past)),
        Err(CloudErrorKind::Conflict),
        "history is not rewritten"
    );
    assert_eq!(change(&mut core, "", true, None), Err(CloudErrorKind::Invalid));
    assert_eq!(change(&mut core, &"x".repeat(4_097), true, None), Err(CloudErrorKind::Invalid));
    for list in ["", "Mules", "a b", "a/b", &"x".repeat(65)] {
        let change = ListChange { list, item: "m", present: true, effective: None, by: "ops" };
        assert_eq!(core.change_list(&change).unwrap_err().kind(), CloudErrorKind::Invalid, "{list}");
    }
    assert_eq!(change(&mut core, "m1", true, None), Ok(1));
    assert_eq!(change(&mut core, "m2", true, None), Ok(2));
    assert_eq!(change(&mut core, "m3", true, None), Err(CloudErrorKind::TooLarge));
}

#[test]
fn feedback_names_a_decision_that_exists() {
    let world = World::new(32);
    let mut core = world.core();
    let answer = decided(core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap());
    core.feedback(&answer.reference, "fraud", "ops").unwrap();
    assert_eq!(core.feedback_on(&answer.reference).unwrap()[0].outcome, "fraud");
    let nobody = Reference::from_random([0xEE; 8]);
    assert_eq!(core.feedback(&nobody, "fraud", "ops").unwrap_err().kind(), CloudErrorKind::NotFound);
    assert_eq!(core.decision(&nobody).unwrap_err().kind(), CloudErrorKind::NotFound);
    assert_eq!(
        core.feedback(&answer.reference, "Looks bad!", "ops").unwrap_err().kind(),
        CloudErrorKind::Invalid
    );
}

#[test]
fn the_bootstrap_token_works_once_and_tokens_end() {
    let world = World::new(33);
    let mut core = world.core();
    let bootstrap = core.bootstrap_token().unwrap().unwrap();
    assert_eq!(core.bootstrap_token().unwrap(), None, "printed once");
    let day = Duration::from_secs(86_400);
    assert_eq!(core.bootstrap("glacis_guess", "ops", day).unwrap_err().kind(), CloudErrorKind::Unauthorised);
    let root = core.bootstrap(bootstrap.expose(), "ops", day).unwrap();
    assert_eq!(
        core.bootstrap(bootstrap.expose(), "ops", day).unwrap_err().kind(),
        CloudErrorKind::Unauthorised,
        "used"
    );
    let bearer = core.authorise(root.expose()).unwrap();
    assert!(Scope::ALL.into_iter().all(|scope| bearer.require(scope).is_ok()));
    let narrow = core.create_token("reader", &[Scope::Read], day).unwrap();
    let bearer = core.authorise(narrow.expose()).unwrap();
    assert!(bearer.require(Scope::Read).is_ok());
    assert_eq!(bearer.require(Scope::Lists).unwrap_err().kind(), CloudErrorKind::Forbidden);
    let views = core.tokens().unwrap();
    assert_eq!((views.len(), views[0].name.as_str()), (3, "reader"));
    core.revoke_token(views[0].id).unwrap();
    assert_eq!(core.authorise(narrow.expose()).unwrap_err().kind(), CloudErrorKind::Unauthorised);
    assert_eq!(core.revoke_token(views[0].id).unwrap_err().kind(), CloudErrorKind::NotFound);
    world.host.advance(day);
    assert_eq!(core.authorise(root.expose()).unwrap_err().kind(), CloudErrorKind::Unauthorised, "expired");
    for life in [Duration::ZERO, TOKEN_LIFE_MAX + Duration::from_secs(1)] {
        assert_eq!(core.create_token("x", &[Scope::Read], life).unwrap_err().kind(), CloudErrorKind::Invalid);
    }
    assert_eq!(core.create_token("x", &[], day).unwrap_err().kind(), CloudErrorKind::Invalid);
    assert_eq!(core.create_token("x", &[Scope::Bootstrap], day).unwrap_err().kind(), CloudErrorKind::Invalid);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_bootstrap_token_ends_after_an_hour_and_no_secret_is_stored() {
    let world = World::new(34);
    let mut core = world.core();
    let bootstrap = core.bootstrap_token().unwrap().unwrap();
    let held: i64 = core
        .danger_connection()
        .query_row(
            "SELECT count(*) FROM token WHERE instr(hash, CAST(?1 AS BLOB)) > 0",
            [bootstrap.expose()],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(held, 0);
    assert!(!format!("{bootstrap:?}").contains(bootstrap.expose()));
    world.host.advance(Duration::from_secs(3_600));
    let late = core.bootstrap(bootstrap.expose(), "ops", Duration::from_secs(60)).unwrap_err();
    assert_eq!(late.kind(), CloudErrorKind::Unauthorised);
}
