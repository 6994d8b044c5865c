//! A policy over past events: rows of a file through the production compiler, engine and feature code.
//!
//! Rows stream in order of time; a row is decided with what was known before it, then becomes history. Memory
//! depends on the windows, not on the number of rows. No rule sees a label or an id, because neither is a signal.
