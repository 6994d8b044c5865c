//! Descriptors: did open files appear together with code that came from nowhere?
//!
//! Sockets and event descriptors come and go in every program, so alone they say nothing. An injected agent brings
//! its own event loop: two or more eventfds and a socket appear at once, and with them a program image without a
//! file (in a native host: any code without a file). That moment is what is looked for; an open `memfd` that a
//! program image is mapped from is the plainer case. Confidence is medium: the code maps say the same more surely.
//!
//! Not seen: an agent that opens nothing, or long after its code came.

use super::code_maps::{Origin, images, origin};
use super::maps::Maps;
use super::modules::executable;
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::kernel;
use glacis_seal::sha256_parts;
use std::collections::BTreeSet;

/// Watches which descriptors appear with what.
pub(super) struct Descriptors {
    jit: bool,
    executable: Vec<u8>,
    last: Option<Moment>,
    /// Looks since code from nowhere appeared.
    since_code: Option<u32>,
    /// Event descriptors and sockets that appeared in these looks.
    appeared: (usize, usize),
}

/// What one look saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Moment {
    eventfds: BTreeSet<u64>,
    sockets: BTreeSet<u64>,
    /// Inodes of open `memfd`s.
    memfds: BTreeSet<u64>,
    /// Inodes of images, and starts of code without a file.
    code: BTreeSet<u64>,
}

impl Descriptors {
    /// The baseline is what the first look finds.
    pub(super) fn new(jit: bool) -> Self {
        Self { jit, executable: executable(), last: None, since_code: None, appeared: (0, 0) }
    }

    /// Code that came from nowhere.
    fn code(&self, maps: &Maps, images: &BTreeSet<u64>) -> BTreeSet<u64> {
        let is_unbacked = |kind| matches!(kind, Origin::Nothing | Origin::Memfd);
        let unbacked = maps.executable().filter(|row| is_unbacked(origin(maps, row, &self.executable)));
        let unbacked = unbacked.map(|row| row.start).filter(|_| !self.jit);
        images.iter().copied().chain(unbacked).collect()
    }

    /// What a look adds to what is known.
    fn judge(&mut self, now: Moment, images: &BTreeSet<u64>) -> Option<&'static str> {
        if now.memfds.intersection(images).next().is_some() {
            return Some("memfd");
        }
        // In a process that was started by an injector the agent is in the first look already.
        let before = self.last.replace(now.clone()).unwrap_or_else(|| Moment {
            code: now.code.difference(images).copied().collect(),
            ..Moment::default()
        });
        self.since_code = if now.code.difference(&before.code).next().is_some() {
            Some(0)
        } else {
            self.since_code.map(|looks| looks + 1).filter(|looks| *looks < LOOKS_TOGETHER)
        };
        let new = |now: &BTreeSet<u64>, before: &BTreeSet<u64>| now.difference(before).count();
        self.appeared = match self.since_code {
            None => (0, 0),
            Some(_) => (
                self.appeared.0 + new(&now.eventfds, &before.eventfds),
                self.appeared.1 + new(&now.sockets, &before.sockets),
            ),
        };
        (self.appeared.0 >= EVENTFDS_MIN && self.appeared.1 >= SOCKETS_MIN).then_some("burst")
    }
}

impl Symptom for Descriptors {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        let (maps, mut now) = match (scene.maps(), open()) {
            (Ok(maps), Ok(now)) => (maps, now),
            (Err(reason), _) | (_, Err(reason)) => return Sight::Unknown(reason),
        };
        let images = images(&maps, scene, &self.executable).into_iter().map(|file| file.inode).collect();
        now.code = self.code(&maps, &images);
        match self.judge(now, &images) {
            Some(what) => {
                let evidence = sha256_parts(&[b"descriptors\0", what.as_bytes()]);
                Sight::Detected(Confidence::Medium, evidence)
            }
            None => Sight::Clear,
        }
    }
}

/// The open descriptors of the kinds that matter, as number and, for a `memfd`, inode.
fn open() -> Result<Moment, Reason> {
    let mut moment = Moment::default();
    let names = kernel::names("/proc/self/fd", DESCRIPTORS_MAX).map_err(|_| Reason::Unreadable)?;
    for name in names {
        let number =
            str::from_utf8(&name).ok().and_then(|name| name.parse::<u64>().ok()).ok_or(Reason::Malformed)?;
        let path = [b"/proc/self/fd/".as_slice(), &name].concat();
        // One may be closed between listing and reading.
        let Ok(target) = kernel::read_link(&path) else { continue };
        match target.as_slice() {
            b"anon_inode:[eventfd]" => _ = moment.eventfds.insert(number),
            [b's', b'o', b'c', b'k', b'e', b't', b':', ..] => _ = moment.sockets.insert(number),
            [b'/', b'm', b'e', b'm', b'f', b'd', b':', ..] => moment.memfds.extend(kernel::inode(&path).ok()),
            _ => {}
        }
    }
    Ok(moment)
}

/// Looks for which code and descriptors count as having come together.
const LOOKS_TOGETHER: u32 = 3;
/// Event descriptors of an agent's loop. Source: Frida 17 opens four.
const EVENTFDS_MIN: usize = 2;
/// And a line to whoever injected it; Frida 17 opens two.
const SOCKETS_MIN: usize = 1;
/// Most descriptors that are looked at.
const DESCRIPTORS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(eventfds: &[u64], sockets: &[u64], code: &[u64]) -> Moment {
        let set = |numbers: &[u64]| numbers.iter().copied().collect();
        Moment { eventfds: set(eventfds), sockets: set(sockets), code: set(code), memfds: set(&[]) }
    }

    /// Outcomes of one look after another.
    fn looks(moments: &[Moment], images: &[u64]) -> Vec<bool> {
        let images = images.iter().copied().collect();
        let mut symptom = Descriptors::new(false);
        moments.iter().map(|moment| symptom.judge(moment.clone(), &images).is_some()).collect()
    }

    #[test]
    fn descriptors_count_only_together_with_code_from_nowhere() {
        let quiet = moment(&[3], &[4], &[]);
        let busy = moment(&[3, 5, 6, 7], &[4, 8], &[]);
        let agent = moment(&[3, 5, 6, 7], &[4, 8], &[27]);
        let code = moment(&[3], &[4], &[27]);
        for (moments, want) in [
            (vec![quiet.clone(), busy.clone()], vec![false, false]),
            (vec![quiet.clone(), agent.clone()], vec![false, true]),
            (vec![quiet.clone(), code.clone(), agent.clone()], vec![false, false, true]),
            (vec![busy.clone(), agent.clone()], vec![false, false]),
            // Long after the code came: somebody else's.
            (
                vec![quiet, code.clone(), code.clone(), code.clone(), code, agent.clone()],
                vec![false, false, false, false, false, false],
            ),
        ] {
            assert_eq!(looks(&moments, &[]), want, "{moments:?}");
        }
        assert_eq!(
            looks(std::slice::from_ref(&agent), &[]),
            [false],
            "code at the start of a native host is its own"
        );
        assert_eq!(looks(&[agent], &[27]), [true], "an image at the start is an agent");
    }

    #[test]
    fn an_open_memfd_with_an_image_in_it_is_enough() {
        let open = Moment { memfds: BTreeSet::from([27]), ..Moment::default() };
        assert_eq!(looks(std::slice::from_ref(&open), &[27]), [true]);
        assert_eq!(looks(&[open], &[28]), [false]);
    }

    #[test]
    fn this_process_is_clear_whatever_it_opens() {
        let mut symptom = Descriptors::new(false);
        assert_eq!(symptom.look(&mut Scene::new()), Sight::Clear);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!open().unwrap().sockets.is_empty());
        assert_eq!(symptom.look(&mut Scene::new()), Sight::Clear);
        drop(listener);
        assert_eq!(symptom.look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
    }
}
