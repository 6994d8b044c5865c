//! Challenges: a nonce from edge or cloud, a proof from the device, a grant where the method has no device key.
//!
//! A proof binds event id, content digest, method, nonce and an end of at most five minutes, and works once
//! (DESIGN §4.2). Edge and cloud share the cluster key that makes a nonce's MAC.

use super::{Bytes, Signature, Signed, Text, code, message};
use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::id::{Digest, EventId, Thumbprint};
use crate::limits::{ASSERTION_BYTES_MAX, PRINCIPAL_BYTES_MAX};
use crate::time::Timestamp;
use crate::verdict::Method;

message! {
    /// What is bound together.
    NonceBody {
        /// The device that may answer.
        thumbprint: Thumbprint,
        /// The event that it is for.
        event: EventId,
        /// SHA-256 of the request body.
        content: Digest,
        /// The method to pass.
        method: Method,
        /// The principal of the request; empty where there is none.
        principal: Text<PRINCIPAL_BYTES_MAX>,
        /// Random.
        random: [u8; 16],
        /// Refused afterwards; at most five minutes after issue.
        not_after: Timestamp,
    }
}

message! {
    /// A nonce as issued.
    ChallengeNonce {
        /// What is bound together.
        body: NonceBody,
        /// Under the cluster's nonce key.
        mac: [u8; 32],
    }
}

message! {
    /// A device that starts a challenge on its own asks for a nonce with this.
    ChallengeRequest {
        /// The event that it is for.
        event: EventId,
        /// SHA-256 of the request body to come.
        content: Digest,
        /// The method that the device starts.
        method: Method,
    }
}

/// Proof that a method was passed.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// Signed by the user-verified scene key over the encoded nonce (purpose `Challenge`).
    Passkey {
        /// The nonce as issued.
        nonce: ChallengeNonce,
        /// By the scene key.
        signature: Signature,
    },
    /// Granted by the cloud after a one-time password.
    Otp {
        /// The nonce as issued.
        nonce: ChallengeNonce,
        /// A signed [`Grant`].
        grant: Signed,
    },
    /// Granted by the cloud after an assertion of a passkey that the user registered there.
    PasskeyGrant {
        /// The nonce as issued.
        nonce: ChallengeNonce,
        /// A signed [`Grant`].
        grant: Signed,
    },
}

impl Proof {
    /// The nonce that the proof answers.
    pub const fn nonce(&self) -> &ChallengeNonce {
        match self {
            Self::Passkey { nonce, .. } | Self::Otp { nonce, .. } | Self::PasskeyGrant { nonce, .. } => nonce,
        }
    }
}

impl Encode for Proof {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Passkey { nonce, signature } => {
                out.u8(0);
                nonce.encode(out)?;
                signature.encode(out)
            }
            Self::Otp { nonce, grant } => {
                out.u8(1);
                nonce.encode(out)?;
                grant.encode(out)
            }
            Self::PasskeyGrant { nonce, grant } => {
                out.u8(2);
                nonce.encode(out)?;
                grant.encode(out)
            }
        }
    }
}

impl Decode for Proof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("proof");
        match input.u8()? {
            0 => Ok(Self::Passkey { nonce: Decode::decode(input)?, signature: Decode::decode(input)? }),
            1 => Ok(Self::Otp { nonce: Decode::decode(input)?, grant: Decode::decode(input)? }),
            2 => Ok(Self::PasskeyGrant { nonce: Decode::decode(input)?, grant: Decode::decode(input)? }),
            _ => Err(at),
        }
    }
}

message! {
    /// What the cloud signs after a method without a device key was passed (purpose `Grant`).
    Grant {
        /// SHA-256 of the encoded [`ChallengeNonce`].
        nonce: Digest,
        /// When it was passed.
        granted_at: Timestamp,
    }
}

message! {
    /// Asks the cloud to send a one-time password for this nonce.
    OtpStart {
        /// The nonce as issued.
        nonce: ChallengeNonce,
    }
}

message! {
    /// Trades a one-time password for a grant.
    OtpVerify {
        /// The nonce as issued.
        nonce: ChallengeNonce,
        /// What the user typed.
        code: Text<12>,
    }
}

code! {
    /// What became of an [`OtpVerify`].
    OtpOutcome {
        /// The code was right.
        Granted = 0 "granted",
        /// The code was wrong; tries are left.
        Wrong = 1 "wrong",
        /// No code was sent for this nonce, it expired, or the tries are used up.
        Spent = 2 "spent",
    }
}

message! {
    /// Answer to an [`OtpVerify`].
    OtpAnswer {
        /// What became of it.
        outcome: OtpOutcome,
        /// A signed [`Grant`] where it was granted.
        grant: Option<Signed>,
    }
}

message! {
    /// Trades an assertion of a passkey that the user registered with the cloud for a grant.
    PasskeyVerify {
        /// The nonce as issued. What the authenticator signed is a digest of it (`seal::passkey_challenge`).
        nonce: ChallengeNonce,
        /// The `AuthenticationResponseJSON` of the browser or the platform (WebAuthn Level 3 §5.1.8).
        assertion: Bytes<ASSERTION_BYTES_MAX>,
    }
}

code! {
    /// What became of a [`PasskeyVerify`].
    PasskeyOutcome {
        /// The assertion is of a passkey of this user, for this nonce.
        Granted = 0 "granted",
        /// It is not; tries are left.
        Wrong = 1 "wrong",
        /// The tries are used up, or another assertion was granted for this nonce.
        Spent = 2 "spent",
    }
}

message! {
    /// Answer to a [`PasskeyVerify`].
    PasskeyAnswer {
        /// What became of it.
        outcome: PasskeyOutcome,
        /// A signed [`Grant`] where it was granted.
        grant: Option<Signed>,
    }
}
