//! What can go wrong in the cloud, as one error type with a stable kind.
//!
//! A kind decides the HTTP status and whether the process may go on writing. The text may name ids, versions,
//! files and tables; it never holds the value of a signal, a code, a token or a key. A *refusal* of an event is
//! not an error: it is a [`DecideAnswer`](glacis_wire::message::decide::DecideAnswer).

use glacis_wire::message::refusal::Refusal;
use std::fmt;
use std::time::Duration;

/// Whose fault it is, and what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloudErrorKind {
    /// The store was written by a newer version of this software.
    NewerStore,
    /// The file is not a store of this software.
    NotAStore,
    /// The store belongs to another tenant.
    WrongTenant,
    /// The store belongs to another realm.
    WrongRealm,
    /// A key of the configuration is not in the key set in force.
    WrongKey,
    /// No space left; nothing of the call was kept. Later calls work again once there is space.
    StorageFull,
    /// The store failed in another way; nothing of the call was kept.
    Storage,
    /// Stored bytes do not mean what they must.
    Corrupt,
    /// A write to disk was refused by the disk: this process never writes again.
    Stopped,
    /// The queue is full; try again.
    Overloaded,
    /// The input breaks a stated rule.
    Invalid,
    /// The requested thing does not exist.
    NotFound,
    /// The request is refused for this reason.
    Refused(Refusal),
    /// The token is missing, unknown, expired, revoked or used.
    Unauthorised,
    /// The token does not carry the scope.
    Forbidden,
    /// A signature or MAC does not verify, or its key may not sign this.
    BadSignature,
    /// The version is not newer than the one in force.
    NotNewer,
    /// Policy sources do not compile, or their cases fail.
    PolicyInvalid,
    /// Bundle and sources do not say the same.
    PolicyMismatch,
    /// Slices are not proven to mean their sources.
    NotProven,
    /// Larger than its limit.
    TooLarge,
    /// The operating system gave no randomness.
    Entropy,
    /// No policy in force decides this event.
    NoPolicy,
    /// Well formed, and not what the catalogue declares.
    Unprocessable,
    /// The state is not one in which this can be done.
    Conflict,
    /// The idempotency key was used for another request.
    KeyReused,
    /// The first request with this idempotency key is not answered yet.
    KeyInFlight,
    /// The resource is not at the version that the request is meant for.
    PreconditionFailed,
    /// The resource does not know this method.
    MethodNotAllowed,
    /// The body is of a media type that is not taken.
    MediaType,
    /// No media type that the client takes is given.
    NotAcceptable,
    /// Nobody is signed in at the console.
    SignedOut,
    /// The request is for another host name than the listener's.
    WrongHost,
    /// The request comes from a page of another site.
    CrossSite,
    /// Too many tries to sign in failed of late.
    TooManyTries,
}

impl CloudErrorKind {
    /// Stable code for wire, logs, metrics and docs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NewerStore => "newer-store",
            Self::NotAStore => "not-a-store",
            Self::WrongTenant => "wrong-tenant",
            Self::WrongRealm => "wrong-realm",
            Self::WrongKey => "wrong-key",
            Self::StorageFull => "storage-full",
            Self::Storage => "storage-failed",
            Self::Corrupt => "storage-corrupt",
            Self::Stopped => "storage-stopped",
            Self::Overloaded => "overloaded",
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Refused(refusal) => refusal.name(),
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::BadSignature => "bad-signature",
            Self::NotNewer => "not-newer",
            Self::PolicyInvalid => "policy-invalid",
            Self::PolicyMismatch => "policy-mismatch",
            Self::NotProven => "not-proven",
            Self::TooLarge => "too-large",
            Self::Entropy => "no-entropy",
            Self::NoPolicy => "no-policy",
            Self::Unprocessable => "unprocessable",
            Self::Conflict => "conflict",
            Self::KeyReused => "idempotency-key-reused",
            Self::KeyInFlight => "idempotency-key-in-flight",
            Self::PreconditionFailed => "precondition-failed",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::MediaType => "unsupported-media-type",
            Self::NotAcceptable => "not-acceptable",
            Self::SignedOut => "unauthenticated",
            Self::WrongHost => "wrong-host",
            Self::CrossSite => "cross-site",
            Self::TooManyTries => "too-many-tries",
        }
    }

    /// HTTP status of an answer that carries the error.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid | Self::PolicyInvalid | Self::PolicyMismatch | Self::NotProven => 400,
            Self::Unauthorised | Self::SignedOut => 401,
            Self::Forbidden | Self::BadSignature | Self::WrongTenant | Self::WrongRealm | Self::CrossSite => {
                403
            }
            Self::NotFound | Self::NoPolicy => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::NotNewer | Self::Conflict | Self::KeyInFlight => 409,
            Self::PreconditionFailed => 412,
            Self::TooLarge => 413,
            Self::MediaType => 415,
            Self::WrongHost => 421,
            Self::Unprocessable | Self::KeyReused => 422,
            Self::TooManyTries => 429,
            Self::Refused(refusal) => refusal.status(),
            Self::StorageFull => 507,
            Self::Stopped | Self::Overloaded | Self::Entropy => 503,
            _ => 500,
        }
    }
}

/// Why a call failed. Branch on [`kind`](Self::kind), never on the text.
#[derive(Debug)]
pub struct CloudError {
    kind: CloudErrorKind,
    detail: String,
    pointer: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CloudError {
    /// An error with a text for the operator.
    pub fn new(kind: CloudErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), pointer: None, retry_after: None, source: None }
    }

    /// Keeps what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Says when the same call may be good.
    #[must_use]
    pub(crate) const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Whole seconds after which the same call may be good, where that is known.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after.map(|wait| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// Says which member of the request's body it is about, as a JSON pointer (RFC 6901).
    #[must_use]
    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Which member of the request's body it is about, as a JSON pointer.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// Safe to log, count and send back.
    pub const fn kind(&self) -> CloudErrorKind {
        self.kind
    }

    /// For the operator; an admin may see it, a device or client never does.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Invalid, detail)
    }

    pub(crate) fn corrupt(detail: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Corrupt, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::NotFound, detail)
    }

    pub(crate) fn refused(refusal: Refusal, detail: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Refused(refusal), detail)
    }

    /// Whether the same call can succeed later without any change of its input.
    pub const fn is_storage(&self) -> bool {
        matches!(
            self.kind,
            CloudErrorKind::StorageFull
                | CloudErrorKind::Storage
                | CloudErrorKind::Stopped
                | CloudErrorKind::Corrupt
        )
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl std::error::Error for CloudError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Extended result codes of SQLite after which a store must not be written again: the kernel may have dropped
/// the dirty pages of a failed fsync, so a retry would succeed without the data (IOERR_FSYNC, IOERR_DIR_FSYNC, IOERR_WRITE;
/// sqlite.org/rescode.html).
const FATAL: [i32; 3] = [1_034, 1_290, 778];

impl From<rusqlite::Error> for CloudError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let kind = match error.sqlite_error() {
            Some(code) if FATAL.contains(&code.extended_code) => CloudErrorKind::Stopped,
            Some(code) if code.code == ErrorCode::DiskFull => CloudErrorKind::StorageFull,
            Some(code) if code.code == ErrorCode::DatabaseCorrupt => CloudErrorKind::Corrupt,
            Some(code) if code.code == ErrorCode::NotADatabase => CloudErrorKind::NotAStore,
            _ => CloudErrorKind::Storage,
        };
        Self::new(kind, "the store did not take the call").caused_by(error)
    }
}

impl From<glacis_wire::EncodeError> for CloudError {
    fn from(error: glacis_wire::EncodeError) -> Self {
        Self::new(CloudErrorKind::TooLarge, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_fsync_or_write_stops_and_a_full_disk_does_not() {
        for (code, want) in [
            (1_034, CloudErrorKind::Stopped),
            (1_290, CloudErrorKind::Stopped),
            (778, CloudErrorKind::Stopped),
            (13, CloudErrorKind::StorageFull),
            (4_874, CloudErrorKind::Storage),
            (11, CloudErrorKind::Corrupt),
            (26, CloudErrorKind::NotAStore),
            (5, CloudErrorKind::Storage),
        ] {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            assert_eq!(CloudError::from(error).kind(), want, "SQLite code {code}");
        }
    }

    #[test]
    fn storage_errors_are_the_servers_fault_and_refusals_keep_their_status() {
        assert_eq!(CloudErrorKind::StorageFull.status(), 507);
        assert_eq!(CloudErrorKind::Stopped.status(), 503);
        for refusal in Refusal::ALL {
            assert_eq!(CloudErrorKind::Refused(*refusal).status(), refusal.status());
            assert_eq!(CloudErrorKind::Refused(*refusal).code(), refusal.name());
        }
    }
}
