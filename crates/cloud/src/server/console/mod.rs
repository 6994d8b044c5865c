//! The console: pages for a browser on this machine, and the JSON behind them.
//!
//! Its own listener on loopback, its own sessions (`session`) and passkeys for them (`passkeys`), else read-only. Every request passes one gate (`gate`):
//! the right host name, nothing from another site, a session. Handlers translate; what needs the store is a bounded
//! call between decisions, and what takes long runs on threads of its own, two at a time. The live feed (`live`) reads
//! the log once for all who watch. The pages are files in the program (`files`).

mod challenge;
mod detail;
mod devices;
mod files;
mod gate;
mod line;
mod live;
mod lookup;
mod passkeys;
mod replay;
mod session;
mod versions;

pub use session::{Link, Links};
pub(super) use session::{Sessions, links_router};

use super::Shared;
use crate::core::CloudCore;
use crate::error::{CloudError, CloudErrorKind};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Router};
use http::{HeaderName, HeaderValue, header};
use session::{SignedIn, Who};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use versions::Versions;

/// Slow looks at once: each compiles a policy and searches for what would have had to be different.
const SLOW_MAX: usize = 2;
/// Time that a slow look waits for its turn before it is told to come again.
const SLOW_WAIT: Duration = Duration::from_secs(2);

/// What the console's handlers share.
#[derive(Clone)]
pub(super) struct Console(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    at: SocketAddr,
    sessions: Arc<Sessions>,
    slow: Semaphore,
    versions: Versions,
    live: live::Live,
    stopped: watch::Receiver<()>,
}

impl Console {
    pub(super) fn new(shared: Arc<Shared>, links: &Links, stopped: watch::Receiver<()>) -> Self {
        let (at, sessions) = (links.at(), links.sessions());
        let live = live::Live::new();
        let (slow, versions) = (Semaphore::new(SLOW_MAX), Versions::default());
        Self(Arc::new(Inner { shared, at, sessions, slow, versions, live, stopped }))
    }

    /// Every route, behind the gate.
    pub(super) fn router(self) -> Router {
        let data = Router::new()
            .route("/console/v1/overview", get(lookup::overview))
            .route("/console/v1/live", get(live::stream))
            .route("/console/v1/decisions", get(lookup::decisions))
            .route("/console/v1/decisions/{reference}", get(detail::decision))
            .route("/console/v1/decisions/{reference}/replay", get(replay::replay))
            .route("/console/v1/devices", get(devices::devices))
            .route("/console/v1/devices/{thumbprint}", get(devices::device))
            .route("/console/v1/search", get(lookup::search))
            .route("/console/v1/passkeys", get(passkeys::list).post(passkeys::add))
            .route("/console/v1/passkeys/challenge", post(passkeys::begin))
            .route("/console/v1/passkeys/{id}", delete(passkeys::remove))
            .layer(from_fn_with_state(self.clone(), signed_in));
        let session = get(session::current).post(session::sign_in).delete(session::sign_out);
        let gated = Router::new()
            .route("/console/v1/session", session)
            .route("/console/v1/session/challenge", post(passkeys::challenge))
            .merge(data)
            .fallback(files::file)
            .method_not_allowed_fallback(super::rest::other_method)
            .with_state(self.clone());
        gated.layer(from_fn_with_state(self, gate::gate)).layer(from_fn(guarded))
    }

    /// A bounded call on the store, for whoever is signed in; refused once their token or passkey is not good any more.
    async fn call<T: Send + 'static>(
        &self,
        who: &Who,
        run: impl FnOnce(&mut CloudCore) -> Result<T, CloudError> + Send + 'static,
    ) -> Result<T, CloudError> {
        let by = who.clone();
        let checked = move |core: &mut CloudCore| if by.holds(core)? { run(core) } else { Err(signed_out()) };
        let answer = self.0.shared.handle.call(checked).await;
        if let Err(error) = &answer
            && error.kind() == CloudErrorKind::SignedOut
        {
            self.0.sessions.end_all_of(who);
        }
        answer
    }

    /// Work that takes long, away from everything that answers quickly; few at once.
    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, CloudError> + Send + 'static,
    ) -> Result<T, CloudError> {
        let busy =
            || CloudError::new(CloudErrorKind::Overloaded, "others are looking at decisions; try again");
        let turn = tokio::time::timeout(SLOW_WAIT, self.0.slow.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| CloudError::corrupt(error.to_string()))?
    }
}

fn signed_out() -> CloudError {
    CloudError::new(CloudErrorKind::SignedOut, "nobody is signed in: open a new link from `glacis console`")
}

/// Lets whoever has a session through, and says who it is.
async fn signed_in(State(console): State<Console>, mut request: Request, next: Next) -> Response {
    match console.0.sessions.of(&console, request.headers()) {
        None => signed_out().into_response(),
        Some(signed_in) => {
            request.extensions_mut().insert(signed_in);
            next.run(request).await
        }
    }
}

/// Who asks.
type By = Extension<SignedIn>;

/// What every answer carries: what a page of ours may do is little, and a page of others nothing.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types svelte-trusted-html",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
