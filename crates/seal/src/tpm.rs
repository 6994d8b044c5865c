//! Sessions with a TPM 2.0: who shares a salt with its storage root proves commands, checks answers and hides secrets.
//!
//! The TPM's own schemes, fixed by its specification, for SHA-256, P-256 and AES-128 in CFB mode; nothing here is for
//! our own formats. What a command is, which names it binds and which parameter is hidden is the caller's to say.
//!
//! Source: TPM 2.0 Library 1.59, Part 1, §11.4.10.2 (KDFa), §11.4.10.3 (KDFe), §19.6 (sessions), §21 (parameter
//! encryption), C.6.3 (one pass of ECDH for a salt).

use crate::error::SealError;
use crate::hash::sha256_parts;
use crate::key::SigningKey;
use crate::mac::tag;
use crate::secret::{Secret, equal};
use aws_lc_rs::agreement::{self, ECDH_P256, UnparsedPublicKey};
use aws_lc_rs::cipher::{
    AES_128, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use glacis_wire::message::PublicKey;
use zeroize::Zeroize;

/// A salt that only the TPM with the private half of `root` can compute, and the point that it needs for that.
pub fn session_salt<E>(
    root: &PublicKey,
    fill: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<(PublicKey, Secret), SealError> {
    shared_secret(root, SECRET, fill)
}

/// One pass of ECDH with an ephemeral key: its point, and `KDFe` of the shared abscissa under `label`.
pub(crate) fn shared_secret<E>(
    peer: &PublicKey,
    label: &[u8],
    fill: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<(PublicKey, Secret), SealError> {
    let ephemeral = SigningKey::generate(fill)?;
    let private = agreement::PrivateKey::from_private_key(&ECDH_P256, ephemeral.scalar().expose());
    let private = private.map_err(|_| SealError::Key)?;
    let ours = ephemeral.public();
    let (x, _) = coordinates(&ours).ok_or(SealError::Key)?;
    let (peer_x, _) = coordinates(peer).ok_or(SealError::Key)?;
    let point = UnparsedPublicKey::new(&ECDH_P256, &peer.0);
    let secret = agreement::agree(&private, point, SealError::Key, |shared| {
        // KDFe with one block: the hash of a counter, the shared abscissa, the label and both parties' abscissas.
        let parts = [&[0, 0, 0, 1][..], shared, label, &[0], x, peer_x];
        Ok(Secret::new(*sha256_parts(&parts).as_bytes()))
    })?;
    Ok((ours, secret))
}

/// Abscissa and ordinate of an uncompressed point.
pub fn coordinates(point: &PublicKey) -> Option<(&[u8], &[u8])> {
    point.0.strip_prefix(&[4])?.split_at_checked(32)
}

/// The key of one session, shared with the TPM.
#[derive(Debug)]
pub struct SessionKey(Option<Secret>);

/// The two nonces of a session, the one that was made last first.
#[derive(Clone, Copy, Debug)]
pub struct Nonces<'a> {
    /// Made by whoever speaks now.
    pub newer: &'a [u8],
    /// The other side's last.
    pub older: &'a [u8],
}

impl SessionKey {
    /// Of a session that is salted and bound to nothing.
    pub fn salted(salt: &Secret, nonce_tpm: &[u8], nonce_caller: &[u8]) -> Self {
        Self(Some(kdfa(salt.expose(), ATH, &[nonce_tpm, nonce_caller], 256)))
    }

    /// Of a session without a salt: its MACs rest on the authorisation value alone, and it hides nothing from a
    /// listener who knows or guesses that value.
    pub const fn unsalted() -> Self {
        Self(None)
    }

    /// Proof for one command or answer; `auth` is the authorisation value of what the session authorises, and
    /// `digest` the hash of what is said.
    pub fn mac(&self, auth: &[u8], digest: &[u8], nonces: Nonces<'_>, attributes: u8) -> [u8; 32] {
        let mut key = self.value(auth);
        let mut state = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
        key.zeroize();
        for part in [digest, nonces.newer, nonces.older, &[attributes]] {
            state.update(part);
        }
        tag(&state.sign())
    }

    /// Checks [`mac`](Self::mac) in constant time.
    pub fn verify(
        &self,
        auth: &[u8],
        digest: &[u8],
        nonces: Nonces<'_>,
        (attributes, mac): (u8, &[u8]),
    ) -> Result<(), SealError> {
        let want = self.mac(auth, digest, nonces, attributes);
        if equal(&want, mac) { Ok(()) } else { Err(SealError::Mac) }
    }

    /// Hides a parameter on its way to the TPM, in place.
    pub fn encrypt(&self, auth: &[u8], nonces: Nonces<'_>, parameter: &mut [u8]) -> Result<(), SealError> {
        let (key, vector) = self.cipher(auth, nonces)?;
        let key = EncryptingKey::cfb128(key).map_err(|_| SealError::Key)?;
        let vector = EncryptionContext::Iv128(FixedLength::from(vector));
        key.less_safe_encrypt(parameter, vector).map(drop).map_err(|_| SealError::Sealed)
    }

    /// Opens a parameter that the TPM hid, in place. Authentic only if the answer's MAC held.
    pub fn decrypt(&self, auth: &[u8], nonces: Nonces<'_>, parameter: &mut [u8]) -> Result<(), SealError> {
        let (key, vector) = self.cipher(auth, nonces)?;
        let key = DecryptingKey::cfb128(key).map_err(|_| SealError::Key)?;
        let vector = DecryptionContext::Iv128(FixedLength::from(vector));
        key.decrypt(parameter, vector).map(drop).map_err(|_| SealError::Sealed)
    }

    fn cipher(&self, auth: &[u8], nonces: Nonces<'_>) -> Result<(UnboundCipherKey, [u8; 16]), SealError> {
        let mut value = self.value(auth);
        let derived = kdfa(&value, CFB, &[nonces.newer, nonces.older], 256);
        value.zeroize();
        let (key, vector) = derived.expose().split_at(16);
        let key = UnboundCipherKey::new(&AES_128, key).map_err(|_| SealError::Key)?;
        Ok((key, vector.try_into().map_err(|_| SealError::Key)?))
    }

    /// `sessionValue`: the session's key, then the authorisation value.
    fn value(&self, auth: &[u8]) -> Vec<u8> {
        let key = self.0.as_ref().map_or(&[][..], |key| key.expose());
        let mut value = Vec::with_capacity(key.len().saturating_add(auth.len()));
        value.extend_from_slice(key);
        value.extend_from_slice(auth);
        value
    }
}

/// `KDFa` with one block of HMAC-SHA256; an output of fewer bits is the beginning of it.
pub(crate) fn kdfa(key: &[u8], label: &[u8], context: &[&[u8]], bits: u32) -> Secret {
    let mut state = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in [&[0, 0, 0, 1][..], label, &[0]] {
        state.update(part);
    }
    context.iter().for_each(|part| state.update(part));
    state.update(&bits.to_be_bytes());
    Secret::new(tag(&state.sign()))
}

const SECRET: &[u8] = b"SECRET";
const ATH: &[u8] = b"ATH";
const CFB: &[u8] = b"CFB";

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::kdf;

    const NONCES: Nonces<'_> = Nonces { newer: &[1; 32], older: &[2; 32] };

    #[test]
    fn kdfa_is_the_counter_mode_of_sp_800_108() {
        let hmac = kdf::get_kbkdf_ctr_hmac_algorithm(kdf::KbkdfCtrHmacAlgorithmId::Sha256).unwrap();
        for (bits, bytes) in [(256_u32, 32), (128, 16)] {
            let info = [&b"CFB\0"[..], &[1; 32], &[2; 16], &bits.to_be_bytes()].concat();
            let mut theirs = vec![0; bytes];
            kdf::kbkdf_ctr_hmac(hmac, &[7; 40], &info, &mut theirs).unwrap();
            let ours = kdfa(&[7; 40], b"CFB", &[&[1; 32], &[2; 16]], bits);
            assert_eq!(ours.expose()[..bytes], theirs);
        }
    }

    #[test]
    fn a_salt_is_shared_with_the_holder_of_the_root_and_with_nobody_else() {
        let root = SigningKey::from_scalar(&[3; 32]).unwrap();
        let entropy = |out: &mut [u8]| {
            out.fill(5);
            Ok::<_, ()>(())
        };
        let (point, salt) = session_salt(&root.public(), entropy).unwrap();
        let private = agreement::PrivateKey::from_private_key(&ECDH_P256, root.scalar().expose()).unwrap();
        let theirs = UnparsedPublicKey::new(&ECDH_P256, &point.0);
        let theirs = agreement::agree(&private, theirs, (), |shared| {
            let root = root.public();
            let (x, root_x) = (coordinates(&point).unwrap().0, coordinates(&root).unwrap().0);
            Ok(Secret::new(*sha256_parts(&[&[0, 0, 0, 1], shared, b"SECRET\0", x, root_x]).as_bytes()))
        });
        assert_eq!(theirs.unwrap(), salt);
        let off_curve = PublicKey([4; PublicKey::LEN]);
        assert_eq!(session_salt(&off_curve, entropy).unwrap_err(), SealError::Key);
        assert_eq!(session_salt(&root.public(), |_| Err(())).unwrap_err(), SealError::Entropy);
    }

    #[test]
    fn a_proof_binds_key_auth_digest_nonces_and_attributes() {
        let key = SessionKey::salted(&Secret::new([9; 32]), &[1; 16], &[2; 16]);
        let mac = key.mac(b"auth", b"digest", NONCES, 1);
        key.verify(b"auth", b"digest", NONCES, (1, &mac)).unwrap();
        let swapped = Nonces { newer: NONCES.older, older: NONCES.newer };
        let other = SessionKey::salted(&Secret::new([9; 32]), &[2; 16], &[1; 16]);
        for refused in [
            key.verify(b"auto", b"digest", NONCES, (1, &mac)),
            key.verify(b"auth", b"digesT", NONCES, (1, &mac)),
            key.verify(b"auth", b"digest", swapped, (1, &mac)),
            key.verify(b"auth", b"digest", NONCES, (0, &mac)),
            key.verify(b"auth", b"digest", NONCES, (1, &mac[..31])),
            other.verify(b"auth", b"digest", NONCES, (1, &mac)),
            SessionKey::unsalted().verify(b"auth", b"digest", NONCES, (1, &mac)),
        ] {
            assert_eq!(refused, Err(SealError::Mac));
        }
    }

    #[test]
    fn what_was_hidden_opens_with_the_same_auth_and_nonces_only() {
        let key = SessionKey::salted(&Secret::new([9; 32]), &[1; 16], &[2; 16]);
        let plain = *b"twenty-one bytes long";
        let mut hidden = plain;
        key.encrypt(b"auth", NONCES, &mut hidden).unwrap();
        assert_ne!(hidden, plain);
        let opened = |auth: &[u8], nonces| {
            let mut opened = hidden;
            key.decrypt(auth, nonces, &mut opened).unwrap();
            opened
        };
        assert_eq!(opened(b"auth", NONCES), plain);
        assert_ne!(opened(b"", NONCES), plain);
        assert_ne!(opened(b"auth", Nonces { newer: NONCES.older, older: NONCES.newer }), plain);
        key.encrypt(b"", NONCES, &mut []).unwrap();
    }
}
