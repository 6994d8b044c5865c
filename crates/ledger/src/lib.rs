//! Append-only hash-chained log and the journal that survives kill -9.
