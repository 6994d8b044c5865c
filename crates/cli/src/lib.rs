//! The glacis command: one binary, many roles.
