//! Challenges: nonces that this node issues, and proofs that answer a nonce of any node or of the cloud.
//!
//! A nonce is bound to device, event, content, method and principal by its MAC (DESIGN §4.2). A proof is for the
//! very request that carries it, or it is wrong; that it works once is the event table's matter.

use glacis_host::Entropy;
use glacis_seal::{Context, MacKey, Purpose, published, sha256, verify};
use glacis_wire::message::challenge::{ChallengeNonce, Grant, NonceBody, Proof};
use glacis_wire::message::decide::Passed;
use glacis_wire::message::policy::{KeySet, KeyUse};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{PublicKey, Text};
use glacis_wire::{Digest, Encode, EventId, Method, Thumbprint, Timestamp};
use std::time::Duration;

/// Longest life of a nonce. Source: DESIGN §4.2 (not-after ≤ 5 min).
pub(crate) const NONCE_LIFE: Duration = Duration::from_secs(300);

/// What a nonce is bound to, except for method and time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) thumbprint: Thumbprint,
    pub(crate) event: EventId,
    pub(crate) content: Digest,
    /// Empty where there is none.
    pub(crate) principal: &'a str,
}

/// Issues and checks nonces and checks proofs.
#[derive(Debug)]
pub(crate) struct Challenger {
    context: Context,
    key: MacKey,
}

impl Challenger {
    pub(crate) const fn new(context: Context, key: MacKey) -> Self {
        Self { context, key }
    }

    /// A fresh nonce.
    pub(crate) fn issue(
        &self,
        binding: Binding<'_>,
        method: Method,
        host: &(impl Entropy + ?Sized),
        now: Timestamp,
    ) -> Result<ChallengeNonce, Refusal> {
        let body = NonceBody {
            thumbprint: binding.thumbprint,
            event: binding.event,
            content: binding.content,
            method,
            principal: Text(binding.principal.to_owned()),
            random: glacis_host::entropy::array(host).map_err(|_| Refusal::Overloaded)?,
            not_after: now.after(NONCE_LIFE),
        };
        let bytes = body.to_bytes().map_err(|_| Refusal::Overloaded)?;
        let mac = self.key.mac(&self.context, Purpose::Nonce, &bytes);
        Ok(ChallengeNonce { body, mac })
    }

    /// Whether a nonce is ours, in time, and for this request.
    fn holds(&self, nonce: &ChallengeNonce, binding: Binding<'_>, now: Timestamp) -> bool {
        let body = &nonce.body;
        let bound = body.thumbprint == binding.thumbprint
            && body.event == binding.event
            && body.content == binding.content
            && *body.principal == *binding.principal;
        let timely = now <= body.not_after && body.not_after.since(now) <= NONCE_LIFE;
        bound
            && timely
            && body
                .to_bytes()
                .is_ok_and(|bytes| self.key.verify(&self.context, Purpose::Nonce, &bytes, &nonce.mac).is_ok())
    }

    /// Checks everything about a proof except whether it was spent.
    pub(crate) fn check(
        &self,
        proof: &Proof,
        binding: Binding<'_>,
        passkey: Option<&PublicKey>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Passed, Refusal> {
        let nonce = proof.nonce();
        if !self.holds(nonce, binding, now) {
            return Err(Refusal::ProofWrong);
        }
        let bytes = nonce.to_bytes().map_err(|_| Refusal::ProofWrong)?;
        let digest = sha256(&bytes);
        let genuine = match (proof, nonce.body.method) {
            (Proof::Passkey { signature, .. }, Method::Passkey) => passkey
                .is_some_and(|key| verify(key, &self.context, Purpose::Challenge, &bytes, signature).is_ok()),
            // The nonce names the method and the grant names the nonce: no grant is good for another method.
            (Proof::Otp { grant, .. }, Method::Otp)
            | (Proof::PasskeyGrant { grant, .. }, Method::Passkey) => {
                published::open_signed(keys, KeyUse::Result, &self.context, Purpose::Grant, grant)
                    .is_ok_and(|grant: Grant| grant.nonce == digest)
            }
            _ => false,
        };
        if genuine {
            Ok(Passed { method: nonce.body.method, proof: digest })
        } else {
            Err(Refusal::ProofWrong)
        }
    }
}
