//! Collateral: what is in force, a newer one in its place, and who falls with it; and issuers of too many devices.
//!
//! What is sent is signed by its own key: a token lets somebody bring it, not make it. Devices fall in steps, between which
//! decisions get their turn; the answer comes when all have fallen.

use super::{Answer, App, Caller, Surface, change, read, scoped};
use crate::CloudCore;
use crate::admin::{Bearer, Scope};
use crate::page::{Ask, Page};
use crate::registry::{CollateralView, Fallen, Issuer, TakenCollateral};
use crate::server::rest::{NoQuery, ROWS_DEFAULT, Reply, Rows, body_of};
use crate::server::spec::Routes;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use glacis_attest::collateral::COLLATERAL_BYTES_MAX;
use glacis_seal::text::hex;
use glacis_wire::http::MEDIA_TYPE;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

/// Path of what is in force.
const COLLATERAL: &str = "/admin/v1/collateral";

/// Every operation with its handler.
pub(super) fn operations(routes: Routes<Surface>) -> Routes<Surface> {
    routes
        .on(
            read(COLLATERAL, "collateral", "The collateral in force")
                .gives::<Collateral>(200, "Version, age and how much it holds."),
            get(in_force),
        )
        .on(
            change(COLLATERAL, "applyCollateral", "Take newer collateral into force", Scope::Devices)
                .takes_bytes(MEDIA_TYPE)
                .gives::<Applied>(200, "Taken, with the devices that fell.")
                .problems([409]),
            post(apply),
        )
        .on(
            change(
                "/admin/v1/collateral/check",
                "checkCollateral",
                "Say what newer collateral would do, and do nothing",
                Scope::Devices,
            )
            .takes_bytes(MEDIA_TYPE)
            .gives::<Applied>(200, "It could be taken, with the devices that would fall.")
            .problems([409]),
            post(check),
        )
        .on(
            read("/admin/v1/collateral/devices", "fallenDevices", "Devices that fell, newest first")
                .pages()
                .gives::<FallenDevices>(200, "A page."),
            get(fallen),
        )
        .on(
            read("/admin/v1/issuers", "issuers", "Issuers that vouch for more devices than there can be")
                .pages()
                .gives::<Issuers>(200, "A page."),
            get(issuers),
        )
}

/// What is in force.
#[derive(Serialize, ToSchema)]
struct Collateral {
    collateral: Option<InForce>,
}

/// One collateral.
#[derive(Serialize, ToSchema)]
#[schema(as = CollateralInForce)]
struct InForce {
    version: u64,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    digest: String,
    /// What it is worth now.
    #[schema(pattern = "^(future|fresh|stale|old)$")]
    age: &'static str,
    made_at_ms: u64,
    stale_after_ms: u64,
    not_after_ms: u64,
    /// Keys of makers.
    anchors: usize,
    /// Serials that are worth nothing any more.
    revoked: usize,
    /// When the revocation list was made.
    revocations_as_of_ms: Option<u64>,
    /// Apps and sites that are ours.
    apps: usize,
    /// Systems that are trusted although no maker of phones signed them.
    systems: usize,
    taken_at_ms: u64,
    taken_by: String,
}

impl InForce {
    fn of(view: CollateralView) -> Self {
        Self {
            version: view.life.version,
            digest: view.digest.to_string(),
            age: view.age.name(),
            made_at_ms: view.life.made_at.as_ms(),
            stale_after_ms: view.life.stale_after.as_ms(),
            not_after_ms: view.life.not_after.as_ms(),
            anchors: view.anchors,
            revoked: view.revoked,
            revocations_as_of_ms: view.revocations_as_of.map(|at| at.as_ms()),
            apps: view.apps,
            systems: view.systems,
            taken_at_ms: view.taken_at.as_ms(),
            taken_by: view.taken_by,
        }
    }
}

/// What came of offered collateral.
#[derive(Serialize, ToSchema)]
#[schema(as = AppliedCollateral)]
struct Applied {
    version: u64,
    /// The highest version before.
    previous: Option<u64>,
    /// What it is worth now.
    #[schema(pattern = "^(fresh|stale)$")]
    age: &'static str,
    /// Whether it differs from what was in force.
    news: bool,
    /// How many devices fell with it, or would; a check counts 100,000 at most.
    devices: u64,
    /// The first of them.
    fallen: Vec<FallenDevice>,
}

/// Devices that fell.
#[derive(Serialize, ToSchema)]
struct FallenDevices {
    devices: Vec<FallenDevice>,
    /// For the next page; none after the last.
    next: Option<String>,
}

/// A device that fell, or would.
#[derive(Serialize, ToSchema)]
struct FallenDevice {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    thumbprint: String,
    at_ms: u64,
    /// Version of the collateral.
    collateral: u64,
    from: &'static str,
    to: &'static str,
    /// Stable code.
    reason: &'static str,
    /// What it rested on, in hexadecimal: a serial, an app, a system's key, …
    piece: String,
}

impl FallenDevice {
    fn of(fallen: Fallen) -> Self {
        Self {
            thumbprint: fallen.thumbprint.to_string(),
            at_ms: fallen.at.as_ms(),
            collateral: fallen.collateral,
            from: fallen.from.name(),
            to: fallen.to.name(),
            reason: fallen.support.kind.reason(),
            piece: hex(&fallen.support.value),
        }
    }
}

/// Issuers with an alarm.
#[derive(Serialize, ToSchema)]
struct Issuers {
    issuers: Vec<CrowdedIssuer>,
    /// For the next page; none after the last.
    next: Option<String>,
}

/// An issuer that vouches for more devices than there can be: its key has leaked, or a limit is too low.
#[derive(Serialize, ToSchema)]
struct CrowdedIssuer {
    /// SHA-256 of its key; of a key that is one device's own, a pseudonym under this operator's key.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    key: String,
    /// Whose key it is: a batch's, made in a factory, or one device's own.
    #[schema(pattern = "^(batch|device)$")]
    of: &'static str,
    /// Devices that it vouches for now.
    devices: u64,
    alarm_ms: u64,
}

impl CrowdedIssuer {
    fn of(issuer: Issuer) -> Self {
        Self {
            key: issuer.key.to_string(),
            of: if issuer.own { "device" } else { "batch" },
            devices: issuer.devices,
            alarm_ms: issuer.alarm.as_ms(),
        }
    }
}

fn applied(taken: &TakenCollateral, devices: u64, fallen: Vec<Fallen>) -> Applied {
    Applied {
        version: taken.version,
        previous: taken.previous,
        age: taken.age.name(),
        news: taken.news,
        devices,
        fallen: fallen.into_iter().map(FallenDevice::of).collect(),
    }
}

async fn in_force(State(app): App, caller: Caller, _: NoQuery) -> Answer {
    let found = scoped(&app, &caller, Scope::Read, |core, _by| core.collateral()).await?;
    Reply::ok(&Collateral { collateral: found.map(InForce::of) })
}

async fn apply(State(app): App, caller: Caller, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    // Look at the token before reading what may be sixteen megabytes.
    scoped(&app, &caller, Scope::Devices, |_core, _by| Ok(())).await?;
    let bytes = body_of(&headers, body, MEDIA_TYPE, COLLATERAL_BYTES_MAX).await?;
    let take = move |core: &mut CloudCore, by: &Bearer| core.take_collateral(&bytes, by.name());
    let taken = scoped(&app, &caller, Scope::Devices, take).await?;
    while app.shared.handle.call(CloudCore::reappraise).await?.more {}
    let version = taken.version;
    let count = move |core: &mut CloudCore| {
        let ask = Ask { cursor: None, limit: ROWS_DEFAULT };
        Ok((core.fallen_count(version)?, core.fallen_page(Some(version), &ask)?))
    };
    let (devices, page) = app.shared.handle.call(count).await?;
    Reply::ok(&applied(&taken, devices, page.items))
}

async fn check(State(app): App, caller: Caller, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    scoped(&app, &caller, Scope::Devices, |_core, _by| Ok(())).await?;
    let bytes = body_of(&headers, body, MEDIA_TYPE, COLLATERAL_BYTES_MAX).await?;
    let look = move |core: &mut CloudCore, _by: &Bearer| {
        Ok((core.try_collateral(&bytes)?, core.falling_with(&bytes, ROWS_DEFAULT)?))
    };
    let (taken, (devices, fallen)) = scoped(&app, &caller, Scope::Devices, look).await?;
    Reply::ok(&applied(&taken, devices, fallen))
}

async fn fallen(State(app): App, caller: Caller, rows: Rows) -> Answer {
    let ask = rows.page()?;
    let page = scoped(&app, &caller, Scope::Read, move |core, _by| core.fallen_page(None, &ask)).await?;
    let Page { items, next } = page;
    Reply::ok(&FallenDevices { devices: items.into_iter().map(FallenDevice::of).collect(), next })
}

async fn issuers(State(app): App, caller: Caller, rows: Rows) -> Answer {
    let ask = rows.page()?;
    let page = scoped(&app, &caller, Scope::Read, move |core, _by| core.issuers_page(&ask)).await?;
    let Page { items, next } = page;
    Reply::ok(&Issuers { issuers: items.into_iter().map(CrowdedIssuer::of).collect(), next })
}
