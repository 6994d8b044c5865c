//! What our verifier adds to an appraisal: family, reasons, tier, trust, times, collateral, and what the evidence proves.
//!
//! One claim, a map with text keys in both serialisations, so that one description serves both. It holds no hardware id:
//! results travel. Members that nobody here knows are refused, since the claim is ours alone.

use super::item::{Item, Label};
use crate::appraisal::Reason;
use glacis_wire::{Digest, Tier, Timestamp, Trust};

/// Name of the claim in JSON: collision-resistant, as RFC 7519 §4.2 asks for.
pub(super) const DETAIL_NAME: &str = "urn:glacis:attest:appraisal";
/// Number of the claim in CBOR: private use (RFC 8392 §9.1.1).
pub(super) const DETAIL_NUMBER: i128 = -71_000;

/// What our verifier adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Which verifier appraised.
    pub family: String,
    /// Tier of the device; none for a refusal.
    pub tier: Option<Tier>,
    /// Trust of what the device says; none for a refusal.
    pub trust: Option<Trust>,
    /// What keeps it from the best, or why it was refused.
    pub reasons: Vec<Found>,
    /// Names of the relaxations that were needed.
    pub relaxed: Vec<String>,
    /// As of when it was verified.
    pub verified_at: Timestamp,
    /// When what it rests on ends.
    pub not_after: Option<Timestamp>,
    /// SHA-256 of the anchor's `SubjectPublicKeyInfo`.
    pub anchor: Option<Digest>,
    /// What was asked besides the evidence.
    pub collateral: Vec<Collateral>,
    /// What the evidence proves, by family, as `glacis attest verify --json` shows it but for hardware ids; none for a
    /// refusal.
    pub claims: Option<serde_json::Value>,
}

/// A code and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name of the code, of whichever version of the table the verifier had.
    pub code: String,
    /// What exactly; may be empty.
    pub detail: String,
}

impl From<&Reason> for Found {
    fn from(reason: &Reason) -> Self {
        Self { code: reason.code.name().to_owned(), detail: reason.detail.clone().into_owned() }
    }
}

/// One piece of collateral that an appraisal rested on, by what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collateral {
    /// What it is, such as `collateral` or `revocations`.
    pub name: String,
    /// Its version, where it has one.
    pub version: Option<u64>,
    /// When it was made.
    pub as_of: Option<Timestamp>,
    /// SHA-256 of its bytes.
    pub digest: Option<Digest>,
}

impl Detail {
    pub(super) fn to_item(&self) -> Item {
        let mut map = Members::default();
        map.text("family", &self.family);
        map.maybe("tier", self.tier.map(|tier| text(tier.name())));
        map.maybe("trust", self.trust.map(|trust| text(trust.name())));
        let reasons = self.reasons.iter().map(|found| {
            let mut map = Members::default();
            map.text("code", &found.code);
            map.maybe(
                "detail",
                Some(&found.detail).filter(|detail| !detail.is_empty()).map(|detail| text(detail)),
            );
            Item::Map(map.0)
        });
        map.some("reasons", reasons.collect());
        map.some("relaxed", self.relaxed.iter().map(|name| text(name)).collect());
        map.maybe("verified_at_ms", Some(time(self.verified_at)));
        map.maybe("not_after_ms", self.not_after.map(time));
        map.maybe("anchor", self.anchor.map(|anchor| text(&anchor.to_string())));
        map.some("collateral", self.collateral.iter().map(Collateral::to_item).collect());
        map.maybe("claims", self.claims.as_ref().map(Item::of_json));
        Item::Map(map.0)
    }

    pub(super) fn from_item(item: &Item) -> Option<Self> {
        let mut map = Taken::of(item)?;
        let tier = map.read("tier", |item| name_of(item, &Tier::ALL, Tier::name))?;
        let trust = map.read("trust", |item| name_of(item, &Trust::ALL, Trust::name))?;
        let detail = Self {
            family: map.read("family", Item::owned)??,
            tier,
            trust,
            reasons: map.list("reasons", Found::from_item)?,
            relaxed: map.list("relaxed", Item::owned)?,
            verified_at: map.read("verified_at_ms", timestamp)??,
            not_after: map.read("not_after_ms", timestamp)?,
            anchor: map.read("anchor", digest)?,
            collateral: map.list("collateral", Collateral::from_item)?,
            claims: map.read("claims", |item| item.to_json().ok())?,
        };
        map.done().then_some(detail)
    }
}

impl Found {
    fn from_item(item: &Item) -> Option<Self> {
        let mut map = Taken::of(item)?;
        let found = Self {
            code: map.read("code", Item::owned)??,
            detail: map.read("detail", Item::owned)?.unwrap_or_default(),
        };
        map.done().then_some(found)
    }
}

impl Collateral {
    fn to_item(&self) -> Item {
        let mut map = Members::default();
        map.text("name", &self.name);
        map.maybe("version", self.version.map(|version| Item::Integer(version.into())));
        map.maybe("as_of_ms", self.as_of.map(time));
        map.maybe("digest", self.digest.map(|digest| text(&digest.to_string())));
        Item::Map(map.0)
    }

    fn from_item(item: &Item) -> Option<Self> {
        let mut map = Taken::of(item)?;
        let found = Self {
            name: map.read("name", Item::owned)??,
            version: map.read("version", number)?,
            as_of: map.read("as_of_ms", timestamp)?,
            digest: map.read("digest", digest)?,
        };
        map.done().then_some(found)
    }
}

/// Members of a map that is written.
#[derive(Default)]
struct Members(Vec<(Label, Item)>);

impl Members {
    fn text(&mut self, name: &str, value: &str) {
        self.maybe(name, Some(text(value)));
    }

    fn maybe(&mut self, name: &str, value: Option<Item>) {
        self.0.extend(value.map(|value| (Label::Name(name.to_owned()), value)));
    }

    fn some(&mut self, name: &str, values: Vec<Item>) {
        self.maybe(name, Some(values).filter(|values| !values.is_empty()).map(Item::List));
    }
}

/// Members of a map that is read; whatever is not asked for makes it unreadable.
struct Taken<'a> {
    left: Vec<(&'a str, &'a Item)>,
}

impl<'a> Taken<'a> {
    fn of(item: &'a Item) -> Option<Self> {
        let members = item.map()?.iter().map(|(label, item)| match label {
            Label::Name(name) => Some((name.as_str(), item)),
            Label::Number(_) => None,
        });
        Some(Self { left: members.collect::<Option<_>>()? })
    }

    /// Outer none: it is there and cannot be read. Inner none: it is not there.
    fn read<T>(&mut self, name: &str, read: impl Fn(&Item) -> Option<T>) -> Option<Option<T>> {
        let Some(at) = self.left.iter().position(|(other, _)| *other == name) else { return Some(None) };
        let (_, item) = self.left.swap_remove(at);
        read(item).map(Some)
    }

    fn list<T>(&mut self, name: &str, read: impl Fn(&Item) -> Option<T>) -> Option<Vec<T>> {
        let all = self.read(name, |item| item.list()?.iter().map(&read).collect::<Option<Vec<T>>>())?;
        Some(all.unwrap_or_default())
    }

    const fn done(&self) -> bool {
        self.left.is_empty()
    }
}

fn text(value: &str) -> Item {
    Item::Text(value.to_owned())
}

fn time(at: Timestamp) -> Item {
    Item::Integer(at.as_ms().into())
}

fn number(item: &Item) -> Option<u64> {
    u64::try_from(item.integer()?).ok()
}

fn timestamp(item: &Item) -> Option<Timestamp> {
    number(item).map(Timestamp::from_ms)
}

fn digest(item: &Item) -> Option<Digest> {
    let bytes = glacis_seal::text::parse_hex(item.text()?)?;
    Digest::try_from(bytes.as_slice()).ok().filter(|digest| Some(digest.to_string().as_str()) == item.text())
}

fn name_of<T: Copy>(item: &Item, all: &[T], name: impl Fn(T) -> &'static str) -> Option<T> {
    let wanted = item.text()?;
    all.iter().copied().find(|one| name(*one) == wanted)
}
