//! The slice of a policy that one zone runs: loader and evaluator, no I/O, no clock, no randomness.
