//! Challenges of log-ins by passkey. Anybody on this machine may ask for one, so nothing is kept of it until it is used.
//!
//! A challenge is chance, its end, and a MAC under a key that only this process has: no flood of questions takes memory or
//! pushes the challenge of somebody else out. What is kept are those that were used, until they end; each is taken once,
//! whatever comes of it.

use super::session::too_many;
use crate::error::{CloudError, CloudErrorKind};
use glacis_host::Host;
use glacis_seal::text::{base64url, parse_base64url};
use glacis_seal::{Context, MacKey, Purpose};
use std::collections::VecDeque;
use std::time::Duration;

/// Life of a challenge.
pub(super) const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);
/// Challenges that were used and have not ended.
///
/// Unit: challenges. Source: far more log-ins than sessions that are kept; wrong ones are limited before this.
const SPENT_MAX: usize = 256;
/// Bytes of chance. Source: WebAuthn Level 3 §13.4.3, at least 16.
const CHANCE: usize = 16;
/// Bytes of the end: milliseconds of the monotonic clock.
const END: usize = 8;
/// What the MAC is for.
const LABEL: &[u8] = b"passkey-challenge";

/// What is needed to issue challenges and to take each once.
#[derive(Default)]
pub(super) struct Challenges {
    /// Made for the first of them.
    key: Option<MacKey>,
    spent: VecDeque<Spent>,
}

struct Spent {
    chance: [u8; CHANCE],
    until: Duration,
}

impl Challenges {
    /// A new challenge, as the browser gets it.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub(super) fn issue(&mut self, context: &Context, host: &dyn Host) -> Result<String, CloudError> {
        if self.key.is_none() {
            self.key = Some(MacKey::new(random::<32>(host)?));
        }
        let chance: [u8; CHANCE] = random(host)?;
        let end = in_ms(host.monotonic() + CHALLENGE_LIFE).to_be_bytes();
        let key = self.key.as_ref().ok_or_else(unknown)?;
        let mac = key.mac_parts(context, Purpose::Console, &[LABEL, &chance, &end]);
        Ok(base64url(&[&chance[..], &end, &mac].concat()))
    }

    /// Uses a challenge up and gives its bytes.
    ///
    /// # Errors
    /// `SignedOut` for one that is not ours, ended or was used; `TooManyTries` if too many were used of late.
    pub(super) fn take(
        &mut self,
        context: &Context,
        now: Duration,
        challenge: &str,
    ) -> Result<Vec<u8>, CloudError> {
        self.spent.retain(|spent| spent.until > now);
        let bytes = parse_base64url(challenge).ok_or_else(unknown)?;
        let (chance, rest) = bytes.split_first_chunk::<CHANCE>().ok_or_else(unknown)?;
        let (end, mac) = rest.split_first_chunk::<END>().ok_or_else(unknown)?;
        let key = self.key.as_ref().ok_or_else(unknown)?;
        let held = key.verify_parts(context, Purpose::Console, &[LABEL, chance, end], mac);
        held.map_err(|error| unknown().caused_by(error))?;
        let until = Duration::from_millis(u64::from_be_bytes(*end));
        if until <= now || self.spent.iter().any(|spent| spent.chance == *chance) {
            return Err(unknown());
        }
        if self.spent.len() >= SPENT_MAX {
            return Err(too_many());
        }
        self.spent.push_back(Spent { chance: *chance, until });
        Ok(bytes)
    }
}

pub(super) fn random<const N: usize>(host: &dyn Host) -> Result<[u8; N], CloudError> {
    glacis_host::entropy::array(host)
        .map_err(|error| CloudError::new(CloudErrorKind::Entropy, error.to_string()))
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unknown() -> CloudError {
    let detail = "the challenge was used, is older than five minutes, or was never made; try again";
    CloudError::new(CloudErrorKind::SignedOut, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_host::{Clock as _, SeededHost};
    use glacis_wire::{Realm, TenantId, Timestamp};

    fn context(tenant: &str) -> Context {
        Context::new(TenantId::parse(tenant).unwrap(), Realm::Demo)
    }

    fn refused(taken: Result<Vec<u8>, CloudError>) -> CloudErrorKind {
        taken.unwrap_err().kind()
    }

    #[test]
    fn a_challenge_is_taken_once_and_not_for_long() {
        let host = SeededHost::new(3, Timestamp::from_secs(1_800_000_000));
        let (context, mut challenges) = (context("acme"), Challenges::default());
        let one = challenges.issue(&context, &host).unwrap();
        let bytes = challenges.take(&context, host.monotonic(), &one).unwrap();
        assert_eq!(base64url(&bytes), one);
        assert_eq!(refused(challenges.take(&context, host.monotonic(), &one)), CloudErrorKind::SignedOut);
        let late = challenges.issue(&context, &host).unwrap();
        host.advance(CHALLENGE_LIFE);
        assert_eq!(refused(challenges.take(&context, host.monotonic(), &late)), CloudErrorKind::SignedOut);
        assert!(challenges.spent.is_empty(), "what ended is not kept");
    }

    #[test]
    fn what_was_not_issued_here_for_this_is_refused() {
        let host = SeededHost::new(4, Timestamp::from_secs(1_800_000_000));
        let (context, other) = (context("acme"), context("other"));
        let (mut ours, mut theirs) = (Challenges::default(), Challenges::default());
        let foreign = theirs.issue(&context, &host).unwrap();
        assert!(ours.take(&context, host.monotonic(), &foreign).is_err(), "before any was made");
        let good = ours.issue(&context, &host).unwrap();
        assert!(ours.take(&context, host.monotonic(), &foreign).is_err(), "of another process");
        assert!(ours.take(&other, host.monotonic(), &good).is_err(), "of another tenant");
        let bytes = parse_base64url(&good).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert!(ours.take(&context, host.monotonic(), &base64url(&forged)).is_err(), "byte {at}");
            assert!(ours.take(&context, host.monotonic(), &base64url(&bytes[..at])).is_err(), "cut to {at}");
        }
        ours.take(&context, host.monotonic(), &good).unwrap();
    }

    #[test]
    fn a_flood_of_questions_keeps_nothing_and_pushes_nobody_out() {
        let host = SeededHost::new(5, Timestamp::from_secs(1_800_000_000));
        let (context, mut challenges) = (context("acme"), Challenges::default());
        let owner = challenges.issue(&context, &host).unwrap();
        let flood: Vec<String> =
            (0..=SPENT_MAX).map(|_| challenges.issue(&context, &host).unwrap()).collect();
        assert!(challenges.spent.is_empty());
        challenges.take(&context, host.monotonic(), &owner).unwrap();
        let last = flood.iter().map(|one| challenges.take(&context, host.monotonic(), one)).last().unwrap();
        assert_eq!((refused(last), challenges.spent.len()), (CloudErrorKind::TooManyTries, SPENT_MAX));
    }
}
