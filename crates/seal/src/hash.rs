//! SHA-256: of one slice, of parts, or streaming.
//!
//! Plain hashes name things (keys, policies, bodies). What is signed or MAC'd goes through [`Context`], never
//! through these.

use crate::context::{Context, Purpose};
use aws_lc_rs::digest::{self, SHA256};
use glacis_wire::Digest;

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    from_library(&digest::digest(&SHA256, bytes))
}

/// SHA-256 of the concatenation; parts carry no length, so their lengths must be fixed or authenticated.
pub fn sha256_parts(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finish()
}

/// SHA-256 of `purpose ‖ context ‖ parts`: a digest that cannot be mistaken for one of another use.
pub fn context_digest(context: &Context, purpose: Purpose, parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    context.prefix(purpose, |piece| hash.update(piece));
    parts.iter().for_each(|part| hash.update(part));
    hash.finish()
}

/// What an authenticator is asked to sign to pass a challenge: a digest of the encoded nonce, which is bound to device,
/// event, content, principal and method by its MAC. So the cloud keeps nothing between nonce and assertion.
pub fn passkey_challenge(context: &Context, nonce: &[u8]) -> Digest {
    context_digest(context, Purpose::Passkey, &[nonce])
}

/// SHA-256 of a stream.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Of nothing so far.
    pub fn new() -> Self {
        Self(digest::Context::new(&SHA256))
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        from_library(&self.finish_library())
    }

    pub(crate) fn finish_library(self) -> digest::Digest {
        self.0.finish()
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256(…)")
    }
}

fn from_library(digest: &digest::Digest) -> Digest {
    // INVARIANT: SHA-256 has 32 bytes; the zero digest below is unreachable and equals no real one.
    Digest::try_from(digest.as_ref()).unwrap_or(Digest::new([0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_fips_180_and_each_other() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc").to_string(), abc);
        assert_eq!(sha256_parts(&[b"a", b"", b"bc"]).to_string(), abc);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::new().finish().to_string(), empty);
    }
}
