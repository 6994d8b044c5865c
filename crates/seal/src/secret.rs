//! Thirty-two secret bytes: wiped when dropped, silent when printed, compared in constant time.
//!
//! Every symmetric key, seed and derived secret of the system has this form and passes through this type.
//! It does not lock pages or hide from a debugger; a process that is read has lost its secrets.

use zeroize::Zeroize;

/// A 256-bit secret.
#[derive(Clone)]
pub struct Secret([u8; Self::LEN]);

impl Secret {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// From bytes; the caller wipes its own copy.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// From the caller's entropy.
    pub fn generate<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, crate::SealError> {
        let mut secret = Self([0; Self::LEN]);
        fill(&mut secret.0).map_err(|_| crate::SealError::Entropy)?;
        Ok(secret)
    }

    /// The bytes, for sealing them or handing them on.
    pub const fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl From<[u8; Self::LEN]> for Secret {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing() {
        assert_eq!(format!("{:?}", Secret::new([7; 32])), "Secret(…)");
    }

    #[test]
    fn equality_is_equality() {
        assert_eq!(Secret::new([7; 32]), Secret::new([7; 32]));
        assert_ne!(Secret::new([7; 32]), Secret::new([8; 32]));
        assert!(equal(b"", b"") && !equal(b"a", b"b") && !equal(b"a", b"aa"));
    }
}
