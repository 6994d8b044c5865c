//! Passkeys of users, for the back end that knows them: options, registration, a user's passkeys, removal.
//!
//! A scope of its own allows all of it and nothing else, since whoever has it can pass challenges as any user. Options and
//! response have the form of the standard (WebAuthn Level 3 §5.1.8, §5.4), so a page hands them through.

use super::{Answer, App, Caller, Surface, TAG, change, scoped};
use crate::CloudCore;
use crate::admin::{Bearer, Scope};
use crate::error::CloudError;
use crate::passkey::{ALGORITHMS, PasskeyView, REGISTRATION_LIFE, Registration, RegistrationOptions};
use crate::server::rest::{Named, NoQuery, Reply, json_of};
use crate::server::spec::{Operation, Routes, number, words};
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, State};
use axum::routing::{delete, get, post};
use glacis_seal::text::{base64url, parse_base64url};
use http::HeaderMap;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

/// Path of the passkeys.
const PASSKEYS: &str = "/admin/v1/passkeys";

/// Every operation with its handler.
pub(super) fn operations(routes: Routes<Surface>) -> Routes<Surface> {
    routes
        .on(
            change(
                "/admin/v1/passkeys/options",
                "passkeyOptions",
                "What a page asks a user's authenticator for, to register a passkey",
                Scope::Passkeys,
            )
            .takes::<UserBody>()
            .gives::<CreationOptions>(200, "Options, good for five minutes and one registration.")
            .problems([409]),
            post(options),
        )
        .on(
            change(PASSKEYS, "addPasskey", "Register a passkey of a user", Scope::Passkeys)
                .takes::<PasskeyBody>()
                .gives::<Passkey>(201, "Registered.")
                .problems([409, 422]),
            post(add),
        )
        .on(
            Operation::new(HttpMethod::Get, PASSKEYS, TAG, "passkeys", "The passkeys of a user")
                .scope(Scope::Passkeys)
                .required_query("principal", words(128), "Whose; 128 bytes of UTF-8 at most.")
                .gives::<Passkeys>(200, "All of them, oldest first."),
            get(of_user),
        )
        .on(
            Operation::new(
                HttpMethod::Delete,
                "/admin/v1/passkeys/{id}",
                TAG,
                "removePasskey",
                "Remove a passkey",
            )
            .scope(Scope::Passkeys)
            .part("id", number().minimum(Some(1)).maximum(Some(i64::MAX)), "Its number.")
            .gives::<Removed>(200, "It passes nothing any more."),
            delete(remove),
        )
}

/// Whose passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserBody {
    /// As your routes' principal names the user. At most 128 bytes of UTF-8.
    #[schema(min_length = 1, max_length = 128)]
    principal: String,
}

/// A passkey to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasskeyBody {
    /// As your routes' principal names the user. At most 128 bytes of UTF-8.
    #[schema(min_length = 1, max_length = 128)]
    principal: String,
    /// `challenge` of the options, unchanged.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$")]
    challenge: String,
    /// The `RegistrationResponseJSON` of the browser.
    #[schema(value_type = Object)]
    response: serde_json::Value,
}

/// A `PublicKeyCredentialCreationOptionsJSON`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CreationOptions {
    rp: RelyingParty,
    user: User,
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$")]
    challenge: String,
    pub_key_cred_params: Vec<KeyKind>,
    /// Milliseconds.
    timeout: u64,
    exclude_credentials: Vec<Descriptor>,
    authenticator_selection: Selection,
    attestation: &'static str,
}

/// Whose site it is.
#[derive(Serialize, ToSchema)]
struct RelyingParty {
    id: String,
    name: String,
}

/// For whom; a page may change both names to what the user knows, and never the id.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasskeyUser)]
struct User {
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    id: String,
    name: String,
    display_name: String,
}

/// A key that will do.
#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyKeyKind)]
struct KeyKind {
    #[serde(rename = "type")]
    kind: &'static str,
    alg: i64,
}

/// A credential that the user has already.
#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyDescriptor)]
struct Descriptor {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
}

/// Which authenticators will do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasskeySelection)]
struct Selection {
    resident_key: &'static str,
    require_resident_key: bool,
    user_verification: &'static str,
}

/// The passkeys of one user.
#[derive(Serialize, ToSchema)]
struct Passkeys {
    passkeys: Vec<Passkey>,
}

/// A passkey of a user.
#[derive(Serialize, ToSchema)]
struct Passkey {
    id: u64,
    principal: String,
    /// Name of the credential, base64url without padding.
    credential: String,
    /// The relying party that it is for.
    rp: String,
    made_ms: u64,
    made_by: String,
    /// When it passed a challenge last.
    used_ms: Option<u64>,
    /// Whether the key may leave its authenticator as a backup, as that of a synchronised passkey does.
    backup_eligible: bool,
}

/// A passkey that is removed.
#[derive(Serialize, ToSchema)]
#[schema(as = RemovedPasskey)]
struct Removed {
    removed: u64,
}

impl CreationOptions {
    fn of(principal: String, made: &RegistrationOptions) -> Self {
        let kind = "public-key";
        let descriptor = |id: &Vec<u8>| Descriptor { kind, id: base64url(id) };
        Self {
            rp: RelyingParty { id: made.rp.clone(), name: made.rp.clone() },
            user: User { id: base64url(&made.user), name: principal.clone(), display_name: principal },
            challenge: base64url(&made.challenge),
            pub_key_cred_params: ALGORITHMS.into_iter().map(|alg| KeyKind { kind, alg }).collect(),
            timeout: REGISTRATION_LIFE.as_secs().saturating_mul(1_000),
            exclude_credentials: made.exclude.iter().map(descriptor).collect(),
            authenticator_selection: Selection {
                resident_key: "required",
                require_resident_key: true,
                user_verification: "required",
            },
            attestation: "none",
        }
    }
}

impl Passkey {
    fn of(view: PasskeyView) -> Self {
        Self {
            id: view.id,
            principal: view.principal,
            credential: base64url(&view.credential),
            rp: view.rp,
            made_ms: view.made.as_ms(),
            made_by: view.made_by,
            used_ms: view.used.map(|at| at.as_ms()),
            backup_eligible: view.backup_eligible,
        }
    }
}

/// Whose passkeys are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    principal: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Whose {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, CloudError> {
        let whose = Query::<Self>::try_from_uri(&parts.uri);
        whose.map(|Query(whose)| whose).map_err(|error| CloudError::invalid(error.body_text()))
    }
}

async fn options(State(app): App, caller: Caller, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    let UserBody { principal } = json_of(&headers, body).await?;
    let make = move |core: &mut CloudCore, _by: &Bearer| {
        let made = core.passkey_options(&principal)?;
        Ok(CreationOptions::of(principal, &made))
    };
    Reply::ok(&scoped(&app, &caller, Scope::Passkeys, make).await?)
}

async fn add(State(app): App, caller: Caller, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    let body: PasskeyBody = json_of(&headers, body).await?;
    let response =
        serde_json::to_vec(&body.response).map_err(|error| CloudError::invalid(error.to_string()))?;
    let add = move |core: &mut CloudCore, by: &Bearer| {
        core.add_passkey(&Registration {
            principal: &body.principal,
            challenge: &parse_base64url(&body.challenge).unwrap_or_default(),
            response: &response,
            by: by.name(),
        })
    };
    Reply::created(&Passkey::of(scoped(&app, &caller, Scope::Passkeys, add).await?))
}

async fn of_user(State(app): App, caller: Caller, whose: Whose) -> Answer {
    let find = move |core: &mut CloudCore, _by: &Bearer| core.passkeys(&whose.principal);
    let found = scoped(&app, &caller, Scope::Passkeys, find).await?;
    Reply::ok(&Passkeys { passkeys: found.into_iter().map(Passkey::of).collect() })
}

async fn remove(State(app): App, caller: Caller, Named(id): Named, _: NoQuery) -> Answer {
    let id: u64 = id.parse().map_err(|_| CloudError::not_found("passkey"))?;
    let remove = move |core: &mut CloudCore, by: &Bearer| core.remove_passkey(id, by.name());
    scoped(&app, &caller, Scope::Passkeys, remove).await?;
    Reply::ok(&Removed { removed: id })
}
