//! The contract of key stores, run over an implementation in the app's language. For its tests, never in an app.
//!
//! It is the same suite that every store of the workspace passes, with a clock that it sets and records in memory. Only the
//! keys are the platform's, and they are deleted at the end.

use super::keys::PlatformStore;
use crate::bridge::rehearsal;

/// Runs the suite, which makes a few dozen keys and deletes them.
///
/// A broken promise panics, as assertions do; UniFFI raises it as its internal error, with the promise as the text.
#[uniffi::export]
pub fn check_platform_keys(store: PlatformStore) {
    rehearsal::check(store);
}
