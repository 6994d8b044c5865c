//! Partners: who may enrol devices, what of them is believed, and how many there may be.
//!
//! A partner's key is shown when it is made and never again. Every change is a row under the audit chain, with the name of
//! the token that made it.

use super::{Answer, App, CODE, Caller, Surface, change, read, scoped};
use crate::CloudCore;
use crate::admin::{Bearer, Scope};
use crate::error::CloudError;
use crate::registry::{PartnerChange, PartnerTerms, PartnerView};
use crate::server::rest::{Named, NoQuery, Reply, json_of, whole, whole_or_none};
use crate::server::spec::{Routes, text};
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use glacis_wire::Tier;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Path of what a partner may enrol.
const LIMITS: &str = "/admin/v1/partners/{partner}/limits";
/// Path of a partner's key.
const KEY: &str = "/admin/v1/partners/{partner}/key";

/// Every operation with its handler.
pub(super) fn operations(routes: Routes<Surface>) -> Routes<Surface> {
    routes
        .on(
            read("/admin/v1/partners", "partners", "Partners, what they may enrol and how much they did")
                .gives::<Partners>(200, "All partners, by name."),
            get(partners),
        )
        .on(
            change("/admin/v1/partners", "addPartner", "Add a partner", Scope::Devices)
                .takes::<PartnerBody>()
                .gives::<NewKey>(201, "Its key, shown this once.")
                .problems([409]),
            post(add_partner),
        )
        .on(
            change(LIMITS, "limitPartner", "Change what a partner may enrol", Scope::Devices)
                .part("partner", text(CODE), "Its name.")
                .takes::<LimitsBody>()
                .gives::<Partner>(200, "The partner as it is now."),
            post(limit_partner),
        )
        .on(
            change(
                KEY,
                "renewPartnerKey",
                "Make a new key for a partner; the old one is void",
                Scope::Devices,
            )
            .part("partner", text(CODE), "Its name.")
            .gives::<NewKey>(201, "The key, shown this once."),
            post(renew_key),
        )
}

/// Every partner.
#[derive(Serialize, ToSchema)]
struct Partners {
    partners: Vec<Partner>,
}

/// A source of enrolments.
#[derive(Serialize, ToSchema)]
struct Partner {
    name: String,
    /// Families of evidence that it may enrol; `none` is no evidence.
    families: Vec<String>,
    /// The highest tier that its devices get.
    tier_max: &'static str,
    /// Enrolments that it may make in a day of UTC.
    daily_max: u64,
    /// Enrolments that it may make in total.
    total_max: u64,
    /// Enrolments today.
    today: u64,
    /// Enrolments in total.
    total: u64,
    set_at_ms: u64,
    set_by: String,
}

impl Partner {
    fn of(partner: PartnerView) -> Self {
        Self {
            name: partner.name,
            families: partner.terms.families.into_iter().collect(),
            tier_max: partner.terms.tier_max.name(),
            daily_max: partner.terms.daily_max,
            total_max: partner.terms.total_max,
            today: partner.today,
            total: partner.total,
            set_at_ms: partner.set_at.as_ms(),
            set_by: partner.set_by,
        }
    }
}

/// A partner's key, shown this once.
#[derive(Serialize, ToSchema)]
struct NewKey {
    partner: String,
    /// The secret that its vouchers are made with.
    #[schema(pattern = "^glacis_partner_[A-Za-z0-9_-]{43}$")]
    key: String,
}

/// A partner to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PartnerBody {
    #[schema(pattern = "^[a-z0-9._-]{1,64}$")]
    name: String,
    /// Families of evidence that it may enrol; `none` is no evidence.
    #[schema(min_items = 1, max_items = 16)]
    families: Vec<String>,
    tier_max: TierName,
    /// Enrolments in a day of UTC.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    daily_max: u64,
    /// Enrolments in total.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    total_max: u64,
}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LimitsBody {
    /// Families of evidence that it may enrol; `none` is no evidence.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 16)]
    families: Option<Vec<String>>,
    #[serde(default)]
    tier_max: Option<TierName>,
    /// Enrolments in a day of UTC.
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    daily_max: Option<u64>,
    /// Enrolments in total.
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    total_max: Option<u64>,
}

/// A tier that can be a ceiling.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TierName {
    Software,
    Hardware,
    Strong,
}

impl TierName {
    const fn tier(self) -> Tier {
        match self {
            Self::Software => Tier::Software,
            Self::Hardware => Tier::Hardware,
            Self::Strong => Tier::Strong,
        }
    }
}

async fn partners(State(app): App, caller: Caller, _: NoQuery) -> Answer {
    let found = scoped(&app, &caller, Scope::Read, |core, _by| core.partners()).await?;
    Reply::ok(&Partners { partners: found.into_iter().map(Partner::of).collect() })
}

async fn add_partner(State(app): App, caller: Caller, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    let body: PartnerBody = json_of(&headers, body).await?;
    let terms = PartnerTerms {
        families: body.families.into_iter().collect(),
        tier_max: body.tier_max.tier(),
        daily_max: body.daily_max,
        total_max: body.total_max,
    };
    let add = move |core: &mut CloudCore, by: &Bearer| {
        let key = core.add_partner(&body.name, &terms, by.name())?;
        Ok(NewKey { partner: body.name, key: key.expose() })
    };
    Reply::created(&scoped(&app, &caller, Scope::Devices, add).await?)
}

async fn limit_partner(
    State(app): App,
    caller: Caller,
    headers: HeaderMap,
    Named(partner): Named,
    _: NoQuery,
    body: Body,
) -> Answer {
    let body: LimitsBody = json_of(&headers, body).await?;
    let change = PartnerChange {
        families: body.families.map(|families| families.into_iter().collect()),
        tier_max: body.tier_max.map(TierName::tier),
        daily_max: body.daily_max,
        total_max: body.total_max,
    };
    let limit = move |core: &mut CloudCore, by: &Bearer| -> Result<Partner, CloudError> {
        core.limit_partner(&partner, &change, by.name()).map(Partner::of)
    };
    Reply::ok(&scoped(&app, &caller, Scope::Devices, limit).await?)
}

async fn renew_key(State(app): App, caller: Caller, Named(partner): Named, _: NoQuery) -> Answer {
    let renew = move |core: &mut CloudCore, by: &Bearer| {
        let key = core.renew_partner_key(&partner, by.name())?;
        Ok(NewKey { partner, key: key.expose() })
    };
    Reply::created(&scoped(&app, &caller, Scope::Devices, renew).await?)
}
