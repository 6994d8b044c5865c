//! Errors of the interface: who has to act, a stable code, what happened and what helps.
//!
//! A program branches on the variant and on `code`; `because` and `remedy` are for people. No text holds a secret, a
//! signal's value or a path inside a request.

/// Something failed. No error is an allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum GlacisError {
    /// What the app gave is not usable.
    #[error("{code}: {because}; {remedy}")]
    Setup {
        /// Stable name.
        code: String,
        /// What happened.
        because: String,
        /// What helps.
        remedy: String,
    },
    /// The key store failed, or lied.
    #[error("{code}: {because}; {remedy}")]
    Keys {
        /// Stable name.
        code: String,
        /// What happened.
        because: String,
        /// What helps.
        remedy: String,
    },
    /// The client's folder failed.
    #[error("{code}: {because}; {remedy}")]
    Storage {
        /// Stable name.
        code: String,
        /// What happened.
        because: String,
        /// What helps.
        remedy: String,
    },
    /// Edge or cloud refused before deciding. The refusal is not authenticated.
    #[error("{code}: {because}; {remedy}")]
    Refused {
        /// Stable name of the refusal.
        code: String,
        /// What happened.
        because: String,
        /// What helps.
        remedy: String,
        /// What the user may quote to support, where there is one.
        reference: Option<String>,
    },
    /// No decision came about, for another reason.
    #[error("{code}: {because}; {remedy}")]
    Undecided {
        /// Stable name.
        code: String,
        /// What happened.
        because: String,
        /// What helps.
        remedy: String,
    },
}

impl GlacisError {
    /// The stable name.
    pub fn code(&self) -> &str {
        match self {
            Self::Setup { code, .. }
            | Self::Keys { code, .. }
            | Self::Storage { code, .. }
            | Self::Refused { code, .. }
            | Self::Undecided { code, .. } => code,
        }
    }
}
