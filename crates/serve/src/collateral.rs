//! Collateral on the disk of who makes it and of who serves with it: the description that it is made of, the key that
//! signs it, and the file that a running installation takes up when it changes.
//!
//! A description (`collateral.toml`) names the vendors' own files; each is read whole or refuses the build, so that nothing
//! is lost silently. Files are written beside their place and then moved there: who reads meanwhile sees the old one or the
//! new one.

mod describe;
mod file;
mod watch;

pub use describe::{Made, build};
pub use file::{read_bounded, write_new, write_whole};
pub(crate) use watch::{key, load, watch};
