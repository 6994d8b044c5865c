//! Routes that the node learnt from the requests it saw, each with its mode and what happened or would have.
//!
//! The table is bounded: [`ROUTES_MAX`] routes, all others counted as `other`. Who asks for paths that the service
//! does not have fills nothing, since a route is learnt from an answer that is not "no such thing". A request
//! pays one shared lock, one look-up and two relaxed counters.

mod name;

pub(crate) use name::{PATH_BYTES_MAX, key, parse, reads_as, shown};

use crate::config::Mode;
use glacis_wire::Verdict;
use name::{covers, is_wide};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Most routes that are learnt from requests; as many again may be named by operators.
pub const ROUTES_MAX: usize = 256;
/// What routes beyond [`ROUTES_MAX`] are counted as.
pub const OTHER: &str = "other";

/// One learnt route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearntRoute {
    /// Method and path template, such as `POST /accounts/{id}`; [`OTHER`] for all that the table does not hold.
    pub route: String,
    /// Whether verdicts act on it now, a bypass aside.
    pub mode: Mode,
    /// Whether an operator set this mode.
    pub set: bool,
    /// Requests while it observed: what would have happened.
    pub observed: Counts,
    /// Requests while it enforced: what happened.
    pub enforced: Counts,
}

/// Requests by what became of them, or would have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Let on.
    pub allow: u64,
    /// Challenged.
    pub challenge: u64,
    /// Blocked.
    pub block: u64,
    /// Refused before any verdict.
    pub refused: u64,
}

impl LearntRoute {
    /// All its requests.
    pub const fn requests(&self) -> u64 {
        self.observed.sum() + self.enforced.sum()
    }
}

impl Counts {
    /// All of them.
    pub const fn sum(&self) -> u64 {
        self.allow + self.challenge + self.block + self.refused
    }
}

/// What became of a request, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Verdict(Verdict),
    Refused,
}

/// One route of the table.
#[derive(Debug)]
pub(crate) struct Known {
    shown: String,
    /// Mode of the configured route that it is part of, where no operator set another.
    configured: AtomicU8,
    /// What an operator set, 0 where none did: see [`code`].
    set: AtomicU8,
    counts: [[AtomicU64; 4]; 2],
}

/// The table.
#[derive(Debug)]
pub(crate) struct Learnt {
    routes: RwLock<Table>,
    other: Arc<Known>,
}

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<Box<[u8]>, Arc<Known>>,
    /// Those with an `{id}` that an operator set a mode for.
    wide: Vec<(Box<[u8]>, Arc<Known>)>,
}

/// Which learnt route a request belongs to.
#[derive(Clone, Debug)]
pub(crate) enum Sighting {
    Known(Arc<Known>),
    /// Not in the table; to be put there when its service has answered.
    Fresh(Arc<Fresh>),
}

/// A route that is not learnt yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    key: Vec<u8>,
    shown: String,
    configured: Mode,
}

/// What is to be counted when the service has answered a request of a route that is not learnt yet.
#[derive(Debug)]
pub struct Learning {
    fresh: Arc<Fresh>,
    mode: Mode,
    fate: Fate,
}

/// A request that was counted while its body was still to come.
#[derive(Debug)]
pub struct Counted {
    known: Arc<Known>,
    mode: Mode,
    fate: Fate,
}

impl Counted {
    /// Its body turned out to be one that enforcing refuses.
    pub(crate) fn refused(self) {
        if let Some(counter) = self.known.counter(self.mode, self.fate) {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
        self.known.count(self.mode, Fate::Refused);
    }
}

const fn code(mode: Mode) -> u8 {
    match mode {
        Mode::Observe => 1,
        Mode::Enforce => 2,
    }
}

const fn mode_of(code: u8) -> Option<Mode> {
    match code {
        1 => Some(Mode::Observe),
        2 => Some(Mode::Enforce),
        _ => None,
    }
}

impl Known {
    /// The configured route that it is part of has this mode now.
    fn is_part_of(&self, mode: Mode) {
        if self.configured.load(Ordering::Relaxed) != code(mode) {
            self.configured.store(code(mode), Ordering::Relaxed);
        }
    }

    fn new(shown: String, configured: Mode) -> Self {
        let configured = AtomicU8::new(code(configured));
        Self { shown, configured, set: AtomicU8::new(0), counts: Default::default() }
    }

    /// What an operator set.
    pub(crate) fn set(&self) -> Option<Mode> {
        mode_of(self.set.load(Ordering::Relaxed))
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn count(&self, mode: Mode, fate: Fate) {
        if let Some(counter) = self.counter(mode, fate) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counter(&self, mode: Mode, fate: Fate) -> Option<&AtomicU64> {
        let at = match fate {
            Fate::Verdict(Verdict::Allow) => 0,
            Fate::Verdict(Verdict::Challenge(_)) => 1,
            Fate::Verdict(Verdict::Block) => 2,
            Fate::Refused => 3,
        };
        self.counts.get(usize::from(mode == Mode::Enforce)).and_then(|counts| counts.get(at))
    }

    fn view(&self) -> LearntRoute {
        let [observed, enforced] = self.counts.each_ref().map(|counts| {
            let [allow, challenge, block, refused] = counts.each_ref().map(|n| n.load(Ordering::Relaxed));
            Counts { allow, challenge, block, refused }
        });
        let set = self.set();
        let mode = set.or(mode_of(self.configured.load(Ordering::Relaxed))).unwrap_or(Mode::Enforce);
        LearntRoute { route: self.shown.clone(), mode, set: set.is_some(), observed, enforced }
    }
}

impl Learnt {
    pub(crate) fn new(configured: Mode) -> Self {
        Self { routes: RwLock::default(), other: Arc::new(Known::new(OTHER.to_owned(), configured)) }
    }

    /// The route of a request; `configured` is the mode of the configured route that matched.
    pub(crate) fn find(&self, method: &str, path: &str, configured: Mode) -> Sighting {
        let Some(key) = key(method, path) else { return self.other() };
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let known = routes.by_name.get(key.as_slice());
        match routes.enforced_by(&key, known).or(known) {
            Some(known) => {
                known.is_part_of(configured);
                Sighting::Known(Arc::clone(known))
            }
            None if routes.by_name.len() >= ROUTES_MAX => self.other(),
            None => Sighting::Fresh(Arc::new(Fresh { shown: shown(method, path), key, configured })),
        }
    }

    /// Requests of no route of their own are shown with this mode.
    pub(crate) fn reconfigure(&self, configured: Mode) {
        self.other.is_part_of(configured);
    }

    /// What is counted together with everything that has no route of its own.
    pub(crate) fn other(&self) -> Sighting {
        Sighting::Known(Arc::clone(&self.other))
    }

    /// Counts a request that ends here; what is left to do when its service has answered.
    pub(crate) fn count(&self, sighting: &Sighting, mode: Mode, fate: Fate, ends: bool) -> Option<Learning> {
        match sighting {
            Sighting::Known(known) => known.count(mode, fate),
            Sighting::Fresh(_) if ends => self.other.count(mode, fate),
            Sighting::Fresh(fresh) => return Some(Learning { fresh: Arc::clone(fresh), mode, fate }),
        }
        None
    }

    /// What was counted for a request; `None` where its route is still to be learnt.
    pub(crate) fn counted(sighting: &Sighting, mode: Mode, fate: Fate) -> Option<Counted> {
        match sighting {
            Sighting::Known(known) => Some(Counted { known: Arc::clone(known), mode, fate }),
            Sighting::Fresh(_) => None,
        }
    }

    /// The service answered with `status`; `None` where it did not.
    pub(crate) fn learn(&self, learning: &Learning, status: Option<u16>) {
        let Learning { fresh, mode, fate } = learning;
        let known = if status.is_none_or(is_no_such_thing) {
            Arc::clone(&self.other)
        } else {
            self.insert(&fresh.key, &fresh.shown, fresh.configured, ROUTES_MAX)
                .unwrap_or_else(|| Arc::clone(&self.other))
        };
        known.count(*mode, *fate);
    }

    /// The route of this key, made where there is room among `max`.
    fn insert(&self, key: &[u8], shown: &str, configured: Mode, max: usize) -> Option<Arc<Known>> {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.by_name.get(key) {
            return Some(Arc::clone(known));
        }
        if routes.by_name.len() >= max {
            return None;
        }
        let known = Arc::new(Known::new(shown.to_owned(), configured));
        routes.by_name.insert(key.into(), Arc::clone(&known));
        Some(known)
    }

    /// A learnt route by its key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Known>> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).by_name.get(key).cloned()
    }

    /// Whether no further route is learnt from requests.
    pub(crate) fn is_full(&self) -> bool {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).by_name.len() >= ROUTES_MAX
    }

    /// Puts an operator's mode on a route, also on one that is not learnt.
    pub(crate) fn set(&self, (key, shown): (&[u8], &str), mode: Mode) {
        // As many routes as may be learnt and as may be named by operators.
        if let Some(known) = self.insert(key, shown, mode, 2 * ROUTES_MAX) {
            let first = known.set.swap(code(mode), Ordering::Relaxed) == 0;
            if first && is_wide(key) {
                self.routes.write().unwrap_or_else(PoisonError::into_inner).wide.push((key.into(), known));
            }
        }
    }

    /// All routes by name; `other` last and only where it counted something.
    pub(crate) fn list(&self) -> Vec<LearntRoute> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let view = |key: &[u8], known: &Arc<Known>| {
            let view = known.view();
            let mode = routes.enforced_by(key, Some(known)).map_or(view.mode, |_| Mode::Enforce);
            LearntRoute { mode, ..view }
        };
        let mut list: Vec<LearntRoute> = routes.by_name.iter().map(|(key, known)| view(key, known)).collect();
        drop(routes);
        list.sort_by(|a, b| a.route.cmp(&b.route));
        list.extend(Some(self.other.view()).filter(|other| other.requests() > 0));
        list
    }
}

impl Table {
    /// The enforced route with an `{id}` that takes this name, which has no mode of its own.
    fn enforced_by(&self, key: &[u8], known: Option<&Arc<Known>>) -> Option<&Arc<Known>> {
        if known.is_some_and(|known| known.set().is_some()) {
            return None;
        }
        let mut wide = self.wide.iter();
        let found = wide.find(|(pattern, known)| known.set() == Some(Mode::Enforce) && covers(pattern, key));
        found.map(|(_, known)| known)
    }
}

/// Whether a service says by this status that it has no such route.
const fn is_no_such_thing(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 410 | 414 | 501)
}
