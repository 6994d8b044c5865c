//! From TOML text to values with spans: the catalogue, the policy and the cases.
//!
//! Reading knows names, kinds and ranges; what the values mean together is the checker's matter. Nothing here
//! has a silent default: a key that is absent is absent in the result.

pub(crate) mod budget;
pub(crate) mod cases;
pub(crate) mod catalogue;
pub(crate) mod declassifier;
pub(crate) mod form;
pub(crate) mod model;
pub(crate) mod policy;
