//! The revocation feed in force: who is listed, and how old our knowledge is.
//!
//! Age counts from the last time that the cloud, authenticated, said what the feed is (a new one, or "no
//! change"), and from when the feed was signed, whichever is longer ago; the cloud signs it anew all the time. So
//! nobody between cloud and edge can hold a feed back, by giving an old one again or by making the cloud say
//! "no change". A stale feed caps every tier and trust; with a very stale one, or none, no policy can be run.

use glacis_wire::message::policy::{Feed, FeedAction, FeedEntry};
use glacis_wire::{Thumbprint, Tier, Timestamp, Trust};
use std::time::Duration;

/// How much the feed can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh,
    Stale,
    VeryStale,
}

/// The newest feed.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeedState {
    version: Option<u64>,
    entries: Vec<FeedEntry>,
    confirmed: Timestamp,
    /// When it was signed, by the cloud's clock.
    issued: Timestamp,
}

/// How far the clocks of cloud and edge may differ. Source: what authentication between nodes allows.
const SKEW: Duration = Duration::from_secs(60);

impl FeedState {
    /// Its version, if there is one.
    pub(crate) const fn version(&self) -> Option<u64> {
        self.version
    }

    /// A newly verified feed.
    pub(crate) fn new(feed: Feed, now: Timestamp) -> Self {
        let mut entries = feed.entries.0;
        // The sender sorts; a list that is not sorted would hide entries from the search below.
        entries.sort_by_key(|entry| entry.thumbprint);
        Self { version: Some(feed.version), entries, confirmed: now, issued: feed.issued }
    }

    /// The same feed, confirmed at `now`.
    pub(crate) fn confirmed(&self, now: Timestamp) -> Self {
        Self { confirmed: now, ..self.clone() }
    }

    /// Time since it was confirmed, or since it was signed where that is longer; `None` before the first.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        self.version?;
        Some(now.since(self.confirmed).max(now.since(self.issued.after(SKEW))))
    }

    /// How old our knowledge is.
    pub(crate) fn freshness(&self, stale: Duration, very_stale: Duration, now: Timestamp) -> Freshness {
        let Some(age) = self.age(now) else { return Freshness::VeryStale };
        if age > very_stale {
            Freshness::VeryStale
        } else if age > stale {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// The strictest action that is listed for this device.
    pub(crate) fn action(&self, device: &Thumbprint) -> Option<FeedAction> {
        let from = self.entries.partition_point(|entry| entry.thumbprint < *device);
        let listed = self.entries.iter().skip(from).take_while(|entry| entry.thumbprint == *device);
        listed.map(|entry| entry.action).max()
    }

    /// What is left of a device's standing; `None` where it is refused.
    pub(crate) fn apply(
        &self,
        device: &Thumbprint,
        freshness: Freshness,
        tier: Tier,
        trust: Trust,
    ) -> Option<(Tier, Trust)> {
        let capped = (tier.min(Tier::Software), Trust::Claimed);
        match self.action(device) {
            Some(FeedAction::Refuse) => None,
            Some(FeedAction::Cap) => Some(capped),
            None if freshness == Freshness::Fresh => Some((tier, trust)),
            None => Some(capped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_wire::message::List;
    use glacis_wire::{Realm, TenantId};

    #[test]
    fn listed_devices_are_capped_or_refused_and_age_caps_everybody() {
        let device = |n| Thumbprint::new([n; 32]);
        let entry = |n, action| FeedEntry { thumbprint: device(n), action, since: Timestamp::ZERO };
        let feed = Feed {
            tenant: TenantId::parse("t").unwrap(),
            realm: Realm::Demo,
            version: 3,
            issued: Timestamp::from_secs(100),
            entries: List(vec![
                entry(9, FeedAction::Refuse),
                entry(2, FeedAction::Cap),
                entry(9, FeedAction::Cap),
            ]),
        };
        let state = FeedState::new(feed, Timestamp::from_secs(100));
        let full = (Tier::Strong, Trust::Attested);
        let capped = Some((Tier::Software, Trust::Claimed));
        let apply = |n, freshness| state.apply(&device(n), freshness, full.0, full.1);
        assert_eq!(apply(1, Freshness::Fresh), Some(full));
        assert_eq!(apply(2, Freshness::Fresh), capped);
        assert_eq!(apply(9, Freshness::Fresh), None);
        assert_eq!(apply(1, Freshness::Stale), capped);
        let (stale, very) = (Duration::from_secs(30), Duration::from_secs(300));
        for (age, want) in [(30, Freshness::Fresh), (31, Freshness::Stale), (301, Freshness::VeryStale)] {
            assert_eq!(state.freshness(stale, very, Timestamp::from_secs(100 + age)), want, "{age} s");
        }
        assert_eq!(FeedState::default().freshness(stale, very, Timestamp::ZERO), Freshness::VeryStale);
        let later = state.confirmed(Timestamp::from_secs(150));
        assert_eq!(later.freshness(stale, very, Timestamp::from_secs(180)), Freshness::Fresh);
        // What was signed long ago does not become fresh by hearing of it again.
        let frozen = state.confirmed(Timestamp::from_secs(100 + 60 + 31));
        assert_eq!(frozen.freshness(stale, very, Timestamp::from_secs(100 + 60 + 30)), Freshness::Fresh);
        assert_eq!(frozen.freshness(stale, very, Timestamp::from_secs(100 + 60 + 31)), Freshness::Stale);
    }
}
