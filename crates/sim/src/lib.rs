//! A fleet under one seed: real SDK, edge and cloud, attackers, and the equality check.
