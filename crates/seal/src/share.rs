//! X25519 key agreement (RFC 7748): one ephemeral share a side, used once.
//!
//! [`Share::agree`] consumes the share. An all-zero result (a peer's point of small order) is refused.
//! The secret that comes out is raw: it goes through [`hkdf`](crate::hkdf) before it is a key.

use crate::error::SealError;
use crate::secret::{Secret, equal};
use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};

/// The private half of one agreement.
pub struct Share {
    private: agreement::PrivateKey,
    public: [u8; 32],
}

impl Share {
    /// From the caller's entropy; the same entropy gives the same share.
    pub fn generate<E>(fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, SealError> {
        let scalar = Secret::generate(fill)?;
        let private =
            agreement::PrivateKey::from_private_key(&X25519, scalar.expose()).map_err(|_| SealError::Key)?;
        let point = private.compute_public_key().map_err(|_| SealError::Key)?;
        let public = <[u8; 32]>::try_from(point.as_ref()).map_err(|_| SealError::Key)?;
        Ok(Self { private, public })
    }

    /// What the peer gets.
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The shared secret; derive from it, never use it as it is.
    pub fn agree(self, peer: &[u8; 32]) -> Result<Secret, SealError> {
        agreement::agree(
            &self.private,
            UnparsedPublicKey::new(&X25519, peer),
            SealError::Agreement,
            |shared| {
                let shared =
                    <[u8; 32]>::try_from(shared).map(Secret::new).map_err(|_| SealError::Agreement)?;
                if equal(shared.expose(), &[0; 32]) { Err(SealError::Agreement) } else { Ok(shared) }
            },
        )
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Share(…)")
    }
}
