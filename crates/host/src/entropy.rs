//! Randomness as a trait: the only source of keys, nonces, salts and ids.
//!
//! A caller treats failure as fatal for what it was about to do; there is no weaker source to fall back to.
//! Retrying, mixing and stretching belong to the operating system, not here.

use std::sync::Arc;

/// The source of randomness did not answer. There is nothing weaker to fall back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no randomness from the operating system")]
pub struct EntropyError;

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `out` wholly, or fails.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError>;

    /// `N` random bytes.
    fn array<const N: usize>(&self) -> Result<[u8; N], EntropyError>
    where
        Self: Sized,
    {
        array(self)
    }
}

/// `N` random bytes, also from a `dyn` source.
pub fn array<const N: usize>(source: &(impl Entropy + ?Sized)) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    source.fill(&mut bytes)?;
    Ok(bytes)
}

impl<T: Entropy + ?Sized> Entropy for Arc<T> {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(out)
    }
}

impl<T: Entropy + ?Sized> Entropy for &T {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(out)
    }
}
