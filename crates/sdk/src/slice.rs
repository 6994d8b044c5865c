//! The device slice on one event: private signals in, one fixed-layout disclosure and perhaps a local decision out.
//!
//! `policy::eval` does the deciding; this module feeds it and holds its result to what a device may do: block, or
//! start a challenge, never allow (DESIGN §4.2). A local decision is a courtesy that keeps an attacked user from
//! doing harm before any packet leaves; a request that arrives is decided as if it had not run. A slice that
//! nobody trusted has confirmed for `device_final_ttl` decides nothing, it only discloses.

use crate::signal::SignalSet;
use glacis_policy::{
    Close, Input, Inputs, Reading, Scratch, Slice, Slot, Source, disclose, eval, reading_of,
};
use glacis_wire::{
    Answer, Cause, Causes, Disclosed, Method, PolicyDigest, SignalName, Timestamp, Trust, Verdict, Zone,
};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What the device itself makes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// Ask the edge.
    Forward,
    /// A hard block whose condition the policy releases as a verdict.
    Block,
    /// A challenge that every completion demands at least; saves one round trip.
    Start(Method),
}

/// What a slice made of one event. The only source of a `Disclosed` in an honest client.
#[derive(Debug)]
pub struct Judged {
    disclosed: Option<Disclosed>,
    local: Local,
    #[cfg(feature = "observe")]
    signals: SignalSet,
}

impl Judged {
    /// What leaves the device with the request; none where there is no slice.
    pub const fn disclosed(&self) -> Option<&Disclosed> {
        self.disclosed.as_ref()
    }

    /// What the device itself decided.
    pub const fn local(&self) -> Local {
        self.local
    }

    /// Ends judging; from here on there is only what may leave.
    pub fn into_disclosed(self) -> Option<Disclosed> {
        self.disclosed
    }

    /// Ends judging, and hands out what was judged, for a checker in this process.
    #[cfg(feature = "observe")]
    pub fn into_observed(self) -> (Option<Disclosed>, SignalSet) {
        (self.disclosed, self.signals)
    }

    /// Of a device that holds no slice for the event: nothing is disclosed, and the zones behind it close by
    /// policy. No code here says what that leads to (invariant 7).
    pub fn without_slice(signals: SignalSet) -> Self {
        Self::new(None, Local::Forward, signals)
    }

    /// As if everything that the slice reads were withheld: nothing is told, and nothing decided here, which would tell.
    pub(crate) fn withheld(self) -> Self {
        let withheld = self.disclosed.map(|disclosed| {
            Disclosed::withheld(disclosed.policy, disclosed.nodes.len(), disclosed.values.len())
        });
        Self {
            disclosed: withheld,
            local: Local::Forward,
            #[cfg(feature = "observe")]
            signals: self.signals,
        }
    }

    fn new(disclosed: Option<Disclosed>, local: Local, signals: SignalSet) -> Self {
        #[cfg(not(feature = "observe"))]
        drop(signals);
        Self {
            disclosed,
            local,
            #[cfg(feature = "observe")]
            signals,
        }
    }
}

/// A loaded device slice with its scratch space and the time of its last confirmation.
pub struct DeviceSlice {
    slice: Slice,
    scratch: Scratch,
    confirmed: Timestamp,
}

impl DeviceSlice {
    /// Takes a slice for the device zone; `None` for any other. `issued` is the signed time of its bundle.
    pub fn new(slice: Slice, issued: Timestamp) -> Option<Self> {
        (slice.zone() == Zone::Device).then(|| Self {
            scratch: Scratch::for_slice(&slice),
            slice,
            confirmed: issued,
        })
    }

    /// The policy that it was cut from.
    pub const fn policy(&self) -> PolicyDigest {
        self.slice.policy()
    }

    /// The slice itself.
    pub const fn slice(&self) -> &Slice {
        &self.slice
    }

    /// A verified verdict of `policy` was issued at `at`: if that is this slice's policy, it is in force still.
    pub fn confirm(&mut self, policy: PolicyDigest, at: Timestamp) {
        if policy == self.slice.policy() {
            self.confirmed = self.confirmed.max(at);
        }
    }

    /// Takes over the confirmation of the slice that it replaces, if that was of the same policy.
    pub(crate) fn inherit(&mut self, old: &Self) {
        self.confirm(old.policy(), old.confirmed);
    }

    /// Whether the slice may still decide at `now`. A clock that was set back before the confirmation finalises
    /// nothing either.
    pub fn may_finalise(&self, now: Timestamp, device_final_ttl: Duration) -> bool {
        now.after(CLOCK_SKEW) >= self.confirmed && now.since(self.confirmed) < device_final_ttl
    }

    /// Runs the slice over an event's signals, and over the device's copies of what its request says. Consumes the
    /// signals: only the disclosure goes on. A copy never stands for a signal of the device, nor the other way round.
    pub fn judge(
        &mut self,
        signals: SignalSet,
        said: &BTreeMap<SignalName, Answer>,
        may_finalise: bool,
    ) -> Judged {
        let withheld = Reading::Unknown(Causes::of(Cause::Withheld));
        // The device applies no trust (DESIGN §4.2); the first trusted zone does.
        let input = |slot: &Slot| {
            let answer = match slot.source {
                Source::Request => said.get(&slot.name),
                _ => signals.answer(&slot.name),
            };
            Input { reading: answer.map_or(withheld, reading_of), trust: Trust::Claimed }
        };
        let slots: Vec<Input<'_>> = self.slice.slots().iter().map(input).collect();
        let inputs = Inputs { slots: &slots, passed: None, close: Close::Open };
        let outcome = eval(&self.slice, &inputs, &mut self.scratch);
        let disclosed = disclose(&self.slice, &self.scratch, &inputs);
        let local = match (may_finalise, outcome.settled, outcome.starts) {
            (true, Some(Verdict::Block), _) => Local::Block,
            (true, _, Some(method)) => Local::Start(method),
            _ => Local::Forward,
        };
        Judged::new(Some(disclosed), local, signals)
    }
}

impl fmt::Debug for DeviceSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSlice")
            .field("event", self.slice.event())
            .field("policy", &self.slice.policy())
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}

/// A device clock may lag the issuer's by so much. Source: DESIGN §5.3, skew of signed requests.
const CLOCK_SKEW: Duration = Duration::from_secs(30);
