//! Sensors of a real process under real attacks: the two that stand alone, and the suite.
//!
//! What needs no tool is carried out by the test itself: writes through `/proc/PID/mem`, environments.
//! What needs a tool says `skipped:` where the machine has none, and fails in CI.

mod alone;
mod suite;
