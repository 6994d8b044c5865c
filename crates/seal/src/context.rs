//! What a signature, MAC or derived key is for: a purpose, a tenant and a realm, before every other byte.
//!
//! Prefix: label ‖ 0x00 ‖ length of the tenant (1 byte) ‖ tenant ‖ realm (1 byte: 0 production, 1 demo). No
//! label holds a zero byte and the tenant is length-prefixed, so no prefix is the beginning of another: what
//! follows it cannot be read as a part of it.

use glacis_wire::limits::TENANT_BYTES_MAX;
use glacis_wire::{Realm, TenantId};

/// Whose bytes these are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// The customer.
    pub tenant: TenantId,
    /// The realm of the store.
    pub realm: Realm,
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// What bytes are signed, MAC'd, sealed or derived for. One use, one purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Purpose {
            $($(#[$doc])* $name,)*
        }

        impl Purpose {
            /// Every purpose.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The label that starts every input: `glacis/<purpose>/v1`.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("glacis/", $label, "/v1"),)*
                }
            }
        }
    };
}

purposes! {
    /// A device key signs its enrolment.
    Enrol = "enrol",
    /// A device key signs the enrolment of the key that comes in its place.
    Succession = "succession",
    /// The key of a partner, and what is said under it.
    Partner = "partner",
    /// The cloud MACs an enrolment challenge.
    EnrolChallenge = "enrol-challenge",
    /// The cloud signs a device certificate.
    Certificate = "certificate",
    /// The cloud signs an attestation result.
    Result = "result",
    /// Audience of an attestation result in the IETF's form (EAR), whose signed bytes a standard fixes.
    Ear = "ear",
    /// A policy key signs the next key set.
    KeySet = "key-set",
    /// A policy key signs a bundle.
    Bundle = "bundle",
    /// The key of the collateral signs what verifiers trust and expect.
    Collateral = "collateral",
    /// A feed key signs the revocation feed.
    Feed = "feed",
    /// Derives the session secret and its confirmation key; tag of an opening.
    Session = "session",
    /// Derives the key that opens legs; tag of a leg opening.
    Leg = "leg",
    /// Derives the request key of one leg; tag of a request.
    Request = "request",
    /// MACs a verdict to the client.
    Verdict = "verdict",
    /// MACs a decision to the upstream.
    Decision = "decision",
    /// MACs a challenge nonce.
    Nonce = "nonce",
    /// A scene key signs a challenge nonce.
    Challenge = "challenge",
    /// What an authenticator signs for a challenge nonce; the standard of passkeys fixes the rest of its bytes.
    Passkey = "passkey",
    /// The cloud MACs the challenge of a registration of a passkey, and derives its user's handle.
    PasskeyRegistration = "passkey-registration",
    /// The cloud signs a grant after a one-time password or an assertion.
    Grant = "grant",
    /// Seals a session ticket.
    Ticket = "ticket",
    /// Seals what a device keeps.
    Storage = "storage",
    /// Links a hash chain.
    Audit = "audit",
    /// A node signs its request to another node.
    NodeRequest = "node",
    /// A node MACs its answer to another node.
    NodeResponse = "node-response",
    /// Hashes an access token.
    Token = "token",
    /// Hashes or derives a one-time password.
    Otp = "otp",
    /// A manufacturer's root signs an attestation key (family `simulated`).
    AttestationKey = "attestation-key",
    /// An attestation key signs evidence (family `simulated`).
    Attestation = "attestation",
    /// Qualifying data of what a TPM attests (family `tpm`).
    TpmEvidence = "tpm-evidence",
    /// Challenge and device key in what a SOTER device signs (family `soter`).
    SoterEvidence = "soter-evidence",
    /// Challenge and device key in a request for a verdict of Play Integrity.
    PlayIntegrity = "play-integrity",
    /// The secret that the TPM of one endorsement key gives to one attestation key.
    Activation = "activation",
    /// Derives ids and pseudonyms.
    Pseudonym = "pseudonym",
    /// Derives one key of a key hierarchy from another.
    KeyDerivation = "key",
    /// A key of a device signs what the key below it is for.
    KeyStatement = "key-statement",
    /// The cloud MACs where the next page of a listing begins.
    Cursor = "cursor",
    /// Hashes a log-in link or a session of the console, MACs a challenge of its log-in.
    Console = "console",
}

impl Context {
    /// A context of this tenant in this realm.
    pub const fn new(tenant: TenantId, realm: Realm) -> Self {
        Self { tenant, realm }
    }

    /// The same triple as text, for formats whose signed bytes a standard fixes: `glacis/<purpose>/v1/<tenant>/<realm>`.
    /// Neither a tenant nor a realm holds a slash, so no two triples have one text.
    pub fn audience(&self, purpose: Purpose) -> String {
        format!("{}/{}/{}", purpose.label(), self.tenant, self.realm.name())
    }

    /// Feeds the prefix to `sink`, piece by piece.
    pub(crate) fn prefix(&self, purpose: Purpose, mut sink: impl FnMut(&[u8])) {
        let tenant = self.tenant.as_str().as_bytes();
        sink(purpose.label().as_bytes());
        sink(&[0, u8::try_from(tenant.len()).unwrap_or(u8::MAX)]);
        sink(tenant);
        sink(&[match self.realm {
            Realm::Production => 0,
            Realm::Demo => 1,
        }]);
    }

    /// The prefix as bytes.
    pub(crate) fn prefix_bytes(&self, purpose: Purpose) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        self.prefix(purpose, |piece| bytes.extend_from_slice(piece));
        bytes
    }
}

// The length of a tenant fits the byte that carries it.
const _: () = assert!(TENANT_BYTES_MAX < 256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_is_the_beginning_of_another() {
        let mut prefixes = Vec::new();
        for tenant in ["a", "a1", "ab", "acme", &"z".repeat(TENANT_BYTES_MAX)] {
            for realm in [Realm::Production, Realm::Demo] {
                let context = Context::new(TenantId::parse(tenant).unwrap(), realm);
                prefixes.extend(Purpose::ALL.iter().map(|purpose| context.prefix_bytes(*purpose)));
            }
        }
        for (at, one) in prefixes.iter().enumerate() {
            for (other_at, other) in prefixes.iter().enumerate() {
                assert!(at == other_at || !other.starts_with(one), "{at} and {other_at}");
            }
        }
    }

    #[test]
    fn labels_have_the_documented_form() {
        for purpose in Purpose::ALL {
            let label = purpose.label();
            assert!(
                label.starts_with("glacis/") && label.ends_with("/v1") && !label.contains('\0'),
                "{label}"
            );
        }
        let context = Context::new(TenantId::parse("acme").unwrap(), Realm::Demo);
        assert_eq!(context.prefix_bytes(Purpose::Bundle), b"glacis/bundle/v1\0\x04acme\x01");
        assert_eq!(context.audience(Purpose::Ear), "glacis/ear/v1/acme/demo");
    }
}
