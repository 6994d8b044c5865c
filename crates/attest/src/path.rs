//! From a leaf to an anchored key: the chain as it arrived, every link checked, nothing searched for.
//!
//! These are no TLS chains: there are no host names, roots may be left out, and what counts of a root is its key, not
//! its certificate. The order is the sender's duty. Cheap checks come first, and signatures from the anchor down, so
//! that a chain of strangers costs one signature.

use crate::appraisal::{AttestError, Basis};
use crate::code::Code;
#[cfg(any(feature = "soter", feature = "tpm", feature = "webauthn"))]
use crate::question::Relaxation;
#[cfg(any(feature = "soter", feature = "tpm", feature = "webauthn"))]
use crate::relaxed::Relaxed;
use crate::x509::{CHAIN_MAX, Cert, Key};
use der::asn1::ObjectIdentifier as Oid;
use glacis_wire::Timestamp;

/// What a chain is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    /// Keys that are trusted.
    pub(crate) anchors: &'a [Vec<u8>],
    /// As of when.
    pub(crate) now: Timestamp,
    /// Whether certificates outside their time pass.
    pub(crate) danger_expired: bool,
    /// Whether a chain passes whose end nobody anchored.
    pub(crate) danger_unanchored: bool,
    /// Critical extensions that the family looks at.
    pub(crate) known: &'a [Oid],
}

/// A chain that holds.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) basis: Basis,
    /// When the first certificate below the anchor ends.
    pub(crate) not_after: Timestamp,
    /// Whether a certificate was outside its time and that was let pass.
    pub(crate) used_expired: bool,
    /// Whether nobody anchored the end and that was let pass.
    #[cfg_attr(
        not(any(feature = "soter", feature = "tpm", feature = "webauthn")),
        expect(dead_code, reason = "only authenticators, TPMs and devices with SOTER may be strangers")
    )]
    pub(crate) used_unanchored: bool,
}

#[cfg(any(feature = "soter", feature = "tpm", feature = "webauthn"))]
impl Path {
    /// Checks a maker's chain with what may pass, and notes what was let pass; `used_unanchored` says that nobody vouches.
    pub(crate) fn of_maker(
        certs: &[Cert<'_>],
        anchors: &[Vec<u8>],
        known: &[Oid],
        now: Timestamp,
        relaxed: &mut Relaxed<'_>,
    ) -> Result<Self, AttestError> {
        let rule = Rule {
            anchors,
            now,
            known,
            danger_expired: relaxed.may(Relaxation::DangerExpired),
            danger_unanchored: relaxed.may(Relaxation::DangerUnanchored),
        };
        let path = check(certs, &rule)?;
        if path.used_expired {
            relaxed.use_up(Relaxation::DangerExpired, Code::Expired)?;
        }
        if path.used_unanchored {
            relaxed.use_up(Relaxation::DangerUnanchored, Code::UnknownRoot)?;
        }
        Ok(path)
    }

    /// Without the serial of the leaf, which names one device: a hardware id, which nobody may keep.
    #[cfg(any(feature = "soter", feature = "tpm"))]
    pub(crate) fn without_leaf_serial(mut self) -> Self {
        self.basis.serials = self.basis.serials.split_off(self.basis.serials.len().min(1));
        self
    }
}

/// Checks a chain, leaf first.
pub(crate) fn check(certs: &[Cert<'_>], rule: &Rule<'_>) -> Result<Path, AttestError> {
    if certs.len() > CHAIN_MAX {
        return Err(AttestError::new(Code::TooLarge, "more certificates than a chain may have"));
    }
    let (leaf, _) = certs.split_first().ok_or_else(|| AttestError::new(Code::Malformed, "no certificate"))?;
    let (below, anchor) = anchor(certs, rule)?;
    if below.is_empty() {
        return Err(AttestError::new(Code::NameChain, "the leaf is a root"));
    }
    if below.iter().any(|cert| anchor.as_ref() == Some(&cert.key)) {
        return Err(AttestError::new(Code::NameChain, "the root twice"));
    }
    if leaf.is_ca() {
        return Err(AttestError::new(Code::Purpose, "the leaf may issue certificates"));
    }
    names_and_duties(certs, below.len())?;
    let used_expired = times(below, rule)?;
    for cert in below {
        if let Some(unknown) = cert.unknown_critical(rule.known) {
            return Err(AttestError::new(Code::CriticalExtension, unknown.to_string()));
        }
    }
    let used_unanchored = anchor.is_none();
    signatures(certs, below.len())?;
    let issuers = certs.iter().skip(1).take(below.len()).map(|cert| cert.key.digest());
    let mut issuers: Vec<_> = issuers.collect();
    let anchor = anchor.map(|key| key.digest());
    if let Some(anchor) = anchor.filter(|anchor| issuers.last() != Some(anchor)) {
        issuers.push(anchor);
    }
    let serials = below.iter().map(|cert| cert.serial().to_vec()).collect();
    let not_after = below.iter().map(Cert::not_after).min().unwrap_or(Timestamp::ZERO);
    let basis = Basis { anchor, issuers, serials, ..Basis::default() };
    Ok(Path { basis, not_after, used_expired, used_unanchored })
}

/// The part of the chain below the anchor, and the anchor's key.
///
/// A last certificate with an anchored key *is* the anchor, whatever its dates, serial or signature; otherwise one of
/// the anchored keys must have signed it.
fn anchor<'c, 'a>(
    certs: &'c [Cert<'a>],
    rule: &Rule<'_>,
) -> Result<(&'c [Cert<'a>], Option<Key>), AttestError> {
    let unknown = || AttestError::from(Code::UnknownRoot);
    let (last, before) = certs.split_last().ok_or_else(unknown)?;
    if rule.anchors.contains(&last.key.info) {
        return Ok((before, Some(last.key.clone())));
    }
    let keys = rule.anchors.iter().filter_map(|info| Key::parse(info));
    if let Some(key) = keys.into_iter().find(|key| last.signed_by(key).is_ok()) {
        return Ok((certs, Some(key)));
    }
    if rule.danger_unanchored {
        return Ok((certs, None));
    }
    Err(unknown())
}

/// Names chain up, and whoever issues may.
fn names_and_duties(certs: &[Cert<'_>], below: usize) -> Result<(), AttestError> {
    for (place, pair) in certs.windows(2).enumerate() {
        let [cert, issuer] = pair else { continue };
        if cert.issuer() != issuer.subject() {
            return Err(AttestError::new(Code::NameChain, format!("certificate {place}")));
        }
        // The anchor itself is trusted as a key: what its certificate says is not asked.
        if place + 1 < below {
            issuer
                .may_issue(place)
                .map_err(|code| AttestError::new(code, format!("certificate {}", place + 1)))?;
            if !issuer.is_version_3() {
                return Err(AttestError::new(Code::NotCa, format!("certificate {}", place + 1)));
            }
        }
    }
    Ok(())
}

/// Whether a certificate is outside its time, if that may be.
fn times(below: &[Cert<'_>], rule: &Rule<'_>) -> Result<bool, AttestError> {
    let mut outside = false;
    for (place, cert) in below.iter().enumerate() {
        let code = if rule.now < cert.not_before() {
            Code::NotYetValid
        } else if cert.not_after() < rule.now {
            Code::Expired
        } else {
            continue;
        };
        if !rule.danger_expired {
            return Err(AttestError::new(code, format!("certificate {place}")));
        }
        outside = true;
    }
    Ok(outside)
}

/// Signatures, from the anchor down.
fn signatures(certs: &[Cert<'_>], below: usize) -> Result<(), AttestError> {
    for place in (0..below).rev() {
        let Some(cert) = certs.get(place) else { continue };
        let key = match certs.get(place + 1) {
            // Where the root stands in the chain, its key is the anchor's.
            Some(issuer) => &issuer.key,
            // Checked when its anchor was looked for; or an end that nobody anchored, and no key to check it with.
            None => continue,
        };
        cert.signed_by(key).map_err(|code| AttestError::new(code, format!("certificate {place}")))?;
    }
    Ok(())
}
