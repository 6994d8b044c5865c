//! Decisions a second on one core, through the writer, on a real file. Not a test of correctness: run by hand.

use crate::world::{World, thumb};
use glacis_cloud::server::writer::{Writer, WriterLimits};
use glacis_cloud::{CloudCore, Place};
use glacis_host::{Clock as _, SystemHost};
use glacis_wire::EventId;
use glacis_wire::message::decide::EventFacts;
use std::sync::Arc;

#[test]
#[ignore = "a measurement; cargo test --release -p glacis-cloud --test it -- --ignored --nocapture speed"]
fn decisions_a_second() {
    const EVENTS: u32 = 40_000;
    let (world, host) = (World::new(100), Arc::new(SystemHost::new()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = CloudCore::open(&Place::File(&path), world.config(), host.clone()).unwrap();
    core.publish(&world.publish(1)).unwrap();
    let events: Vec<EventFacts> = (0..EVENTS)
        .map(|at| EventFacts {
            event_id: EventId::new(glacis_host::entropy::array(&*host).unwrap()),
            received: host.now(),
            ..world.transfer(
                thumb(u8::try_from(at % 251).unwrap()),
                &format!("user-{}", at % 5_000),
                "bob",
                50,
            )
        })
        .collect();
    let (writer, handle) = Writer::start(core, WriterLimits { queue_max: 64, batch_max: 64 }).unwrap();
    let start = host.monotonic();
    std::thread::scope(|scope| {
        for chunk in events.chunks(events.len() / 64) {
            let handle = handle.clone();
            scope.spawn(move || {
                for facts in chunk {
                    let facts = facts.clone();
                    handle.call_blocking(move |core| core.decide(&facts)).unwrap();
                }
            });
        }
    });
    let took = host.monotonic() - start;
    println!("{EVENTS} decisions in {took:?}: {:.0} a second", f64::from(EVENTS) / took.as_secs_f64());
    drop(handle);
    writer.join();
    let start = host.monotonic();
    let mut core = CloudCore::open(&Place::File(&path), world.config(), host.clone()).unwrap();
    println!("opened again in {:?}", host.monotonic() - start);
    let start = host.monotonic();
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    println!("audit verified in {:?}", host.monotonic() - start);
}
