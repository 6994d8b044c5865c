//! Keys of one tenant in one realm, in a private folder: made once, rotated, never overwritten.
//!
//! Every file says whose it is and of which realm; a ring is opened for one tenant and realm and refuses files of
//! another, so that a demo key cannot serve production. Every change is planned in memory ([`Plan`]) and applied
//! file by file in an order that a crash cannot turn into a loss: a key is on disk before anything names it.
//!
//! - `policy-N`, `result-N`, `feed-N`: signing keys, by generation. Their public halves are in the key set.
//! - `key-set-N`: signed key sets; each is signed by a policy key of the one before it.
//! - `cluster`: the ticket keys of the edge: previous, current and next epoch.
//! - `nonce`, `own`, `upstream`: secrets of the installation ([`Shared`]).
//! - `node-NAME`: the key that one node shares with the cloud, and the one before it.

mod error;
mod file;
mod folder;
mod plan;
mod public;
mod ring;
mod single;

pub use error::{KeysError, KeysErrorKind};
pub use folder::{is_private, open_private};
pub use plan::{Plan, Rotate};
pub use public::{export_key_set, read_key_set};
pub use ring::{Cluster, Epoch, NodeKey, Ring, Shared, SigningEntry, owner};
pub use single::{make_signing, read_signing};
