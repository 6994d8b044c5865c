//! The protected service: a small bank-like shop with accounts, transfers, logins and a message inbox.
//!
//! It is where an attack's goal is measured: a transfer was executed or it was not. Behind its protected door it
//! executes nothing without a decision of the edge for these very bytes and this very user, so whoever reaches it
//! around the edge gains nothing. The plain door is kept for measurement: the same work on books of its own.
//!
//! An event id executes once: a retry gets the first answer again.

mod books;
pub mod http;

pub use books::Transfer;

use books::Books;
use glacis_host::Clock;
use glacis_seal::httpsig::sfv;
use glacis_seal::{Context, MacKey, PublicKey, Purpose, SigningKey, jws, open_maced, sha256};
use glacis_wire::http::{DECISION, Request, Response};
use glacis_wire::message::Maced;
use glacis_wire::message::decide::UpstreamDecision;
use glacis_wire::{Decode, EventId, Verdict};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// By which listener a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Behind the edge: executes only what the edge decided.
    Protected,
    /// For logins and paired measurements; its transfers move no money of the protected books.
    Plain,
}

/// The shop itself; its listeners are in [`http`].
pub struct Shop {
    context: Context,
    token: SigningKey,
    decision: MacKey,
    clock: Arc<dyn Clock>,
    passwords: Mutex<BTreeMap<String, String>>,
    inbox: Mutex<BTreeMap<String, Vec<String>>>,
    delivered: Condvar,
    protected: Mutex<Books>,
    plain: Mutex<Books>,
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop").finish_non_exhaustive()
    }
}

impl Shop {
    /// Issuer in the shop's tokens.
    pub const ISSUER: &str = "glacis-demo-shop";

    /// A shop without customers. `token` signs logins; `decision` is the key that it shares with the edge.
    pub fn new(context: Context, token: SigningKey, decision: MacKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            context,
            token,
            decision,
            clock,
            passwords: Mutex::default(),
            inbox: Mutex::default(),
            delivered: Condvar::new(),
            protected: Mutex::default(),
            plain: Mutex::default(),
        }
    }

    /// The key that verifies the shop's tokens.
    pub const fn token_key(&self) -> PublicKey {
        self.token.public()
    }

    /// Opens an account with some money in it.
    pub fn register(&self, user: &str, password: &str) {
        lock(&self.passwords).insert(user.to_owned(), password.to_owned());
        lock(&self.protected).open(user);
        lock(&self.plain).open(user);
    }

    /// Every transfer that was executed behind the protected door.
    pub fn transfers(&self) -> Vec<Transfer> {
        lock(&self.protected).transfers().to_vec()
    }

    /// How often accounts were shown behind the protected door, by user.
    pub fn views(&self, user: &str) -> u32 {
        lock(&self.protected).views(user)
    }

    /// Puts a one-time password into a user's inbox.
    pub fn deliver(&self, user: &str, code: &str) {
        lock(&self.inbox).entry(user.to_owned()).or_default().push(code.to_owned());
        self.delivered.notify_all();
    }

    /// Takes the newest one-time password out of a user's inbox, as the user would read it on the own phone;
    /// waits for it at most `patience`.
    pub fn wait_inbox(&self, user: &str, patience: Duration) -> Option<String> {
        let inbox = lock(&self.inbox);
        let empty = |inbox: &mut BTreeMap<String, Vec<String>>| inbox.get(user).is_none_or(Vec::is_empty);
        let waited = self.delivered.wait_timeout_while(inbox, patience, empty);
        let (mut inbox, _) = waited.unwrap_or_else(PoisonError::into_inner);
        inbox.get_mut(user)?.pop()
    }

    /// Answers one request.
    pub fn handle(&self, door: Door, request: &Request) -> Response {
        match self.try_handle(door, request) {
            Ok(body) => reply(200, &body),
            Err(refusal) => reply(refusal.status, &json!({ "title": refusal.title })),
        }
    }

    fn try_handle(&self, door: Door, request: &Request) -> Result<Json, Refused> {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/login") if door == Door::Plain => self.login(&request.body),
            ("POST", "/transfers") => self.transfer(door, request),
            ("GET", path) => {
                let owner = path.strip_prefix("/accounts/").ok_or(NOT_FOUND)?;
                self.view(door, request, owner)
            }
            _ => Err(NOT_FOUND),
        }
    }

    fn login(&self, body: &[u8]) -> Result<Json, Refused> {
        let login: Login = serde_json::from_slice(body).map_err(|_| UNREADABLE)?;
        let known =
            lock(&self.passwords).get(&login.user).is_some_and(|password| *password == login.password);
        if !known {
            return Err(UNAUTHORISED);
        }
        let token =
            self.issue(&login.user).ok_or(Refused { status: 500, title: "no token could be made" })?;
        Ok(json!({ "token": token }))
    }

    /// A token for `user`, as a login gives it.
    pub fn issue(&self, user: &str) -> Option<String> {
        let expires = self.clock.now().after(TOKEN_TTL).as_secs();
        let claims = json!({ "iss": Self::ISSUER, "sub": user, "exp": expires });
        jws::sign_es256(&self.token, TOKEN_HEAD, claims.to_string().as_bytes()).ok()
    }

    fn view(&self, door: Door, request: &Request, owner: &str) -> Result<Json, Refused> {
        let user = self.user(request)?;
        if user != owner {
            return Err(FORBIDDEN);
        }
        self.admit(door, request, "account.view", &user)?;
        let balance = self.books(door).view(&user).ok_or(NOT_FOUND)?;
        Ok(json!({ "user": user, "balance": balance }))
    }

    fn transfer(&self, door: Door, request: &Request) -> Result<Json, Refused> {
        let user = self.user(request)?;
        let order: Order = serde_json::from_slice(&request.body).map_err(|_| UNREADABLE)?;
        let event = self.admit(door, request, "payment.transfer", &user)?;
        let transfer = Transfer { from: user, payee: order.payee, amount: order.amount, event };
        let number = self.books(door).execute(transfer, &order.currency).ok_or(UNREADABLE)?;
        Ok(json!({ "transfer": number }))
    }

    fn books(&self, door: Door) -> MutexGuard<'_, Books> {
        match door {
            Door::Protected => lock(&self.protected),
            Door::Plain => lock(&self.plain),
        }
    }

    /// The user whose token the request carries.
    fn user(&self, request: &Request) -> Result<String, Refused> {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(UNAUTHORISED)?;
        let verified = jws::verify(token, jws::Key::Es256(&self.token.public())).map_err(|_| UNAUTHORISED)?;
        let claims: Claims = serde_json::from_slice(&verified.payload).map_err(|_| UNAUTHORISED)?;
        let fresh = claims.exp > self.clock.now().as_secs();
        if fresh { Ok(claims.sub) } else { Err(UNAUTHORISED) }
    }

    /// Behind the protected door: the edge allowed this event with this body for this user. Returns its id.
    fn admit(
        &self,
        door: Door,
        request: &Request,
        event: &str,
        user: &str,
    ) -> Result<Option<EventId>, Refused> {
        if door == Door::Plain {
            return Ok(None);
        }
        let field = request.header(DECISION).ok_or(FORBIDDEN)?;
        let maced = sfv::parse_bytes(field, DECISION_BYTES_MAX).map_err(|_| FORBIDDEN)?;
        let maced = Maced::from_bytes(&maced).map_err(|_| FORBIDDEN)?;
        let decision: UpstreamDecision =
            open_maced(&maced, &self.context, Purpose::Decision, &self.decision).map_err(|_| FORBIDDEN)?;
        let holds = decision.verdict == Verdict::Allow
            && decision.event.as_str() == event
            && decision.content == sha256(&request.body)
            && decision.principal.as_deref() == Some(user)
            && decision.not_after > self.clock.now();
        if holds { Ok(Some(decision.event_id)) } else { Err(FORBIDDEN) }
    }
}

/// Header of the shop's tokens; it verifies its own with the one key it has, so nothing in it is a choice.
const TOKEN_HEAD: &[u8] = br#"{"alg":"ES256","typ":"JWT"}"#;
/// Longest decision header that is read. Unit: bytes.
const DECISION_BYTES_MAX: usize = 2_048;
/// How long a login lasts.
const TOKEN_TTL: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug)]
struct Refused {
    status: u16,
    title: &'static str,
}

const NOT_FOUND: Refused = Refused { status: 404, title: "not found" };
const UNREADABLE: Refused = Refused { status: 400, title: "unreadable" };
const UNAUTHORISED: Refused = Refused { status: 401, title: "log in first" };
const FORBIDDEN: Refused = Refused { status: 403, title: "not without a decision of the edge" };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    user: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    payee: String,
    amount: i64,
    currency: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

fn reply(status: u16, body: &Json) -> Response {
    let media = if status < 400 { "application/json" } else { "application/problem+json" };
    Response {
        status,
        headers: vec![("content-type".to_owned(), media.to_owned())],
        body: body.to_string().into_bytes(),
    }
}

/// Books stay whole where a thread panicked: every change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
