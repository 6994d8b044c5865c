//! CEL text to types to slices, and the reference interpreter that is the oracle.
