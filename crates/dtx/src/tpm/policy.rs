//! Policy sessions: what has to hold before the chip lets an object be used.
//!
//! Three conditions are enough here: registers have these values, the user of the object proves its value, and the owner
//! of the endorsement hierarchy agrees. The digest of a policy is computed in software, which needs no session; the chip
//! computes it again when the policy is played.
//!
//! Source: TPM 2.0 Library 1.59, Part 3, §23.

use super::client::{ENDORSEMENT, SessionKind, Tpm};
use super::command::{Call, Entity};
use super::error::TpmError;
use super::fields::put_sized;
use super::pcr::{PcrSelection, put_digest};
use super::session::Session;
use glacis_seal::sha256_parts;
use glacis_wire::{Digest, Writer};

/// The digest of "these registers have values of this digest", after `before`.
pub(super) fn pcr_policy(before: &[u8; 32], selection: &PcrSelection, values: &Digest) -> [u8; 32] {
    let mut selected = Writer::new();
    selection.put(&mut selected);
    let parts = [before, &POLICY_PCR.to_be_bytes()[..], selected.as_bytes(), values.as_bytes()];
    *sha256_parts(&parts).as_bytes()
}

/// The digest of "the user proves the value of the object", after `before`.
pub(super) fn auth_policy(before: &[u8; 32]) -> [u8; 32] {
    *sha256_parts(&[before, &POLICY_AUTH_VALUE.to_be_bytes()]).as_bytes()
}

impl Tpm {
    pub(super) fn start_policy(&mut self) -> Result<Session, TpmError> {
        self.start_salted(SessionKind::Policy)
    }

    pub(super) fn play_pcrs(&mut self, policy: &Session, selection: &PcrSelection) -> Result<(), TpmError> {
        let mut parameters = Writer::new();
        put_digest(&mut parameters, None)?;
        selection.put(&mut parameters);
        let handles = vec![Entity::permanent(policy.handle)];
        self.wire.call(Call::new("policy: registers", POLICY_PCR, handles, parameters), &mut []).map(drop)
    }

    pub(super) fn play_auth_value(&mut self, policy: &Session) -> Result<(), TpmError> {
        let handles = vec![Entity::permanent(policy.handle)];
        let command = Call::new("policy: value", POLICY_AUTH_VALUE, handles, Writer::new());
        self.wire.call(command, &mut []).map(drop)
    }

    /// The owner of the endorsement hierarchy agrees to one command of this session.
    pub(super) fn play_endorsement(&mut self, policy: &Session) -> Result<(), TpmError> {
        let mut parameters = Writer::new();
        // Nonce, hash of the command, reference: none of them is bound. No expiry.
        for _ in 0..3 {
            put_sized(&mut parameters, &[])?;
        }
        parameters.u32(0);
        let handles = vec![Entity::permanent(ENDORSEMENT), Entity::permanent(policy.handle)];
        let command = Call::new("policy: endorsement", POLICY_SECRET, handles, parameters);
        let auth = self.hierarchy_auth(ENDORSEMENT);
        self.in_session(&auth, command).map(drop)
    }
}

const POLICY_SECRET: u32 = 0x151;
const POLICY_AUTH_VALUE: u32 = 0x16b;
const POLICY_PCR: u32 = 0x17f;
