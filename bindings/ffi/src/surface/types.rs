//! Plain values of the interface: HTTP messages, signals, actions, and how flows end.
//!
//! They are copies. Changing one in the app changes nothing here; a request that was changed after it was signed is refused
//! by the edge.

use std::collections::HashMap;

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A request that a flow wants sent, or that an app wants to be guarded.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Host and port. Of a request that the app gives, the client's own is used.
    #[uniffi(default)]
    pub authority: String,
    /// Path without query, never empty.
    pub path: String,
    /// Query with its leading `?`, or empty.
    #[uniffi(default)]
    pub query: String,
    /// Header fields in order.
    #[uniffi(default)]
    pub headers: Vec<HttpHeader>,
    /// Body; empty where there is none.
    #[uniffi(default)]
    pub body: Vec<u8>,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Header fields in order.
    pub headers: Vec<HttpHeader>,
    /// Body; empty where there is none.
    pub body: Vec<u8>,
}

/// What a client is opened with.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ClientConfig {
    /// The client's own folder, made if there is none. One client at a time has it.
    pub folder: String,
    /// The key set that the app was built with (`glacis keys export --raw`): where trust in the installation begins.
    pub key_set: Vec<u8>,
    /// Host and port of the edge, lower case, default port left out.
    pub authority: String,
    /// The app that this is, as policies name it.
    #[uniffi(default)]
    pub app: Option<String>,
    /// How long after its last confirmation a policy may still decide on the device; a day unless told otherwise.
    #[uniffi(default)]
    pub device_final_ttl_s: Option<u64>,
    /// Whether sessions are kept in the folder, for processes that live as long as a few requests.
    #[uniffi(default)]
    pub keep_sessions: bool,
}

/// A value of a signal.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum SignalValue {
    /// True or false.
    Truth {
        /// It.
        value: bool,
    },
    /// A whole number.
    Int {
        /// It.
        value: i64,
    },
    /// A whole number from zero.
    Uint {
        /// It.
        value: u64,
    },
    /// A number with a fraction.
    Double {
        /// It.
        value: f64,
    },
    /// Text.
    Text {
        /// It.
        value: String,
    },
    /// Bytes.
    Bytes {
        /// They.
        value: Vec<u8>,
    },
    /// Texts.
    Texts {
        /// They.
        value: Vec<String>,
    },
    /// There is none: the app looked, and the signal has no value.
    Missing,
}

/// What the app wants to do, under guard.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Action {
    /// The event of the route, as the policy names it.
    pub event: String,
    /// The app's own request, unsigned.
    pub request: HttpRequest,
    /// What the app knows, by signal. It stays on the device but for what the policy releases; what is not stated is
    /// withheld.
    #[uniffi(default)]
    pub signals: HashMap<String, SignalValue>,
    /// What the request says, by signal, where a policy compares the device with it (`vs_request`). It is not sent.
    #[uniffi(default)]
    pub said: HashMap<String, SignalValue>,
}

/// What the user is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Method {
    /// A code that was sent to the user.
    Otp,
    /// Approval by a key that the platform guards.
    Passkey,
}

/// A question to the user.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Prompt {
    /// What is asked for.
    pub method: Method,
    /// What a passkey approves.
    pub message: Vec<u8>,
    /// For a passkey that the operator registered for the user: the challenge to ask the platform's WebAuthn with.
    pub webauthn: Option<Vec<u8>>,
}

/// What the user answered.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Reply {
    /// The app says that its user approved; a platform that asks the user itself asks again.
    Approved,
    /// What the platform's WebAuthn answered.
    Assertion {
        /// The `AuthenticationResponseJSON`.
        json: String,
    },
    /// What the user typed.
    Code {
        /// It.
        code: String,
    },
    /// The user declined, or did not answer.
    Declined,
}

/// What the owner of a flow has to do now.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum Step {
    /// Send this as it is, and hand the answer to `receive`; or call `lost`.
    Send {
        /// It.
        request: HttpRequest,
    },
    /// Ask the user, and hand the answer to `reply`.
    Ask {
        /// It.
        prompt: Prompt,
    },
    /// The flow has ended.
    Done {
        /// How.
        ended: Ended,
    },
}

/// How a flow ended.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum Ended {
    /// The device is enrolled.
    Enrolled {
        /// As what.
        appraised: Appraised,
    },
    /// The session is open.
    Opened,
    /// The policy in force is the newest.
    Pulled {
        /// The version of a bundle that is newer than the one before; none if nothing is new.
        newer: Option<u64>,
    },
    /// So many records of local decisions arrived.
    Reported {
        /// How many.
        records: u64,
    },
    /// The action was decided.
    Decided {
        /// How.
        outcome: Outcome,
    },
}

/// What the installation found about the device.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Appraised {
    /// Names the device: 64 hexadecimal digits.
    pub device: String,
    /// What its keys are worth: `none`, `software`, `hardware` or `strong`.
    pub tier: String,
    /// What values of its process are worth: `claimed`, `attested` or `proven`.
    pub trust: String,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Verdict {
    /// The action went on.
    Allow,
    /// The user was asked, and did not pass.
    Challenge {
        /// What for.
        method: Method,
    },
    /// The action did not go on.
    Block,
}

/// A decided action. It was proven to be about this very request, or decided by the device's own policy.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Outcome {
    /// What was decided. Go on only if it is `Allow`.
    pub verdict: Verdict,
    /// Whether the device's own policy decided, and nothing was sent.
    pub on_device: bool,
    /// Names the user action: 32 hexadecimal digits.
    pub event_id: String,
    /// What the user may quote to support; none for a decision of the device.
    pub reference: Option<String>,
    /// What came back; none for a decision of the device.
    pub response: Option<HttpResponse>,
}

/// How a client stands.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Status {
    /// The enrolment, if there is one.
    pub enrolled: Option<Enrolment>,
    /// Whether the edge named a policy that is newer than the one in force: time to pull.
    pub is_behind: bool,
    /// Local decisions that wait to be reported.
    pub records: u64,
    /// Local decisions that were never queued, because the queue was full.
    pub dropped: u64,
}

/// An enrolment.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Enrolment {
    /// What the installation found.
    pub appraised: Appraised,
    /// When it ends, in milliseconds since 1970.
    pub not_after_ms: u64,
}
