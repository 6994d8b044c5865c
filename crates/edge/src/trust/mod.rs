//! Who is asking: sessions and legs of devices, principals of users, proofs of passed challenges, and what the
//! cloud published about all of them. Each module turns bytes into a type that only verification can make.
//! What a request may do then is the slice's matter, not theirs.

pub(crate) mod feed;
pub(crate) mod proof;
pub(crate) mod session;
pub(crate) mod token;
