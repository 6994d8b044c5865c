//! Every use of cryptography, and the only crate that names a crypto library.
