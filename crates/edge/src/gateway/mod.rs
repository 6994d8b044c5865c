//! Sockets of the gateway: strict framing first.

#[expect(dead_code, reason = "its caller, the gateway, follows in the next commit")]
mod framing;
