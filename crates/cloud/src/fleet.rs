//! Devices as an operator looks through them: pages by tier, by what the feed says, by the beginning of a thumbprint;
//! and one device with all that is stored of it.
//!
//! Each page follows an index and looks at a bounded number of rows, so that it can run between decisions. *Last seen*
//! is the newest session that a device opened: every signed request needs one, and it is found by an index.

use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::lines::Line;
use crate::page::{Ask, Listing, Page, foreign};
use crate::registry::{DeviceView, tier_of_code, trust_of_code};
use crate::store::{int, uint};
use glacis_wire::message::Signed;
use glacis_wire::message::enrol::AttestationResult;
use glacis_wire::message::policy::FeedAction;
use glacis_wire::{Decode as _, Thumbprint, Tier, Timestamp, Trust};
use rusqlite::{OptionalExtension as _, Row, params};

/// Rows that one page looks at. LIMIT: bounds one call.
const EXAMINED_MAX: u32 = 1_000;
/// Sessions, and incidents, that are told of one device.
const ROWS_MAX: u32 = 50;
/// Events that one step back through the log looks at.
const STEP: u32 = 2_048;

/// Which devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this tier.
    pub tier: Option<Tier>,
    /// With this in the revocation feed.
    pub listed: Option<FeedAction>,
    /// Whose thumbprint begins so: hexadecimal digits in lower case.
    pub prefix: Option<String>,
}

/// A device in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Names it.
    pub thumbprint: Thumbprint,
    /// Its tier now.
    pub tier: Tier,
    /// Trust of what its process produces.
    pub trust: Trust,
    /// Family of its evidence.
    pub family: String,
    /// When it enrolled last.
    pub enrolled: Timestamp,
    /// When it opened its newest session.
    pub seen: Option<Timestamp>,
    /// What the feed says of it.
    pub listed: Option<FeedAction>,
    /// How often two held its key.
    pub forks: u64,
}

/// One device with all that is stored of it.
#[derive(Clone, Debug)]
pub struct DeviceFile {
    /// As the registry shows it.
    pub view: DeviceView,
    /// When it opened its newest session.
    pub seen: Option<Timestamp>,
    /// What the verifier said of its key.
    pub appraisal: AttestationResult,
    /// Its newest sessions, newest first.
    pub sessions: Vec<SessionOpening>,
    /// Its newest incidents, newest first.
    pub incidents: Vec<DeviceIncident>,
}

/// A session as it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOpening {
    /// When, by the edge's clock.
    pub opened: Timestamp,
    /// The device's counter.
    pub counter: u64,
    /// Which node opened it.
    pub node: String,
    /// Whether another opening has its parent or its counter.
    pub forked: bool,
    parent: Vec<u8>,
    chain: Vec<u8>,
}

/// Something that should not happen and did, at one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIncident {
    /// When it was noted.
    pub at: Timestamp,
    /// Stable code.
    pub kind: String,
    /// Who reported it.
    pub node: String,
}

/// Where a look through the log for one device stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LookBack {
    /// Its decisions among the rows that were looked at, newest first.
    pub lines: Vec<Line>,
    /// Where to go on; none at the beginning of the log.
    pub before: Option<u64>,
}

impl CloudCore {
    /// A page of devices; more may follow although it is not full.
    pub fn fleet_page(&mut self, wanted: &Wanted, ask: &Ask) -> Result<Page<DeviceRow>, CloudError> {
        self.read(|tx| tx.fleet_page(wanted, ask))
    }

    /// How many devices there are of each tier, in the order of [`Tier::ALL`].
    pub fn tiers(&mut self) -> Result<[u64; Tier::ALL.len()], CloudError> {
        self.read(|tx| Ok(tx.desk.state.tiers))
    }

    /// All that is stored of one device, without its decisions.
    pub fn device_file(&mut self, device: &Thumbprint) -> Result<DeviceFile, CloudError> {
        let view = self.device(device)?;
        self.read(|tx| {
            Ok(DeviceFile {
                view,
                seen: tx.seen(device)?,
                appraisal: tx.appraisal(device)?,
                sessions: tx.sessions(device)?,
                incidents: tx.incidents_of(device)?,
            })
        })
    }

    /// Decisions about a device among the next events before number `before` (the newest where there is none).
    pub fn look_back(
        &mut self,
        device: &Thumbprint,
        before: Option<u64>,
        limit: usize,
    ) -> Result<LookBack, CloudError> {
        self.read(|tx| {
            let sql = "SELECT seq, thumbprint = ?2 FROM event WHERE seq < ?1 ORDER BY seq DESC LIMIT ?3";
            let key = params![int(before.unwrap_or(u64::MAX)), device.as_bytes(), STEP];
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query(key)?;
            let (mut lines, mut last) = (Vec::new(), None);
            while lines.len() < limit
                && let Some(row) = rows.next()?
            {
                let seq = uint(row.get(0)?);
                last = Some(seq);
                if row.get(1)? {
                    for kept in tx.decisions_of(seq)?.into_iter().rev() {
                        lines.push(Line::of(uint(kept.id), &tx.record(kept.id)?));
                    }
                }
            }
            lines.truncate(limit);
            Ok(LookBack { lines, before: last.filter(|seq| *seq > 1) })
        })
    }

    /// Devices whose thumbprint begins with these digits.
    pub fn devices_like(&mut self, prefix: &str, limit: u32) -> Result<Vec<(Thumbprint, Tier)>, CloudError> {
        let wanted = Wanted { prefix: Some(prefix.to_owned()), ..Wanted::default() };
        let page = self.fleet_page(&wanted, &Ask { cursor: None, limit })?;
        Ok(page.items.into_iter().map(|row| (row.thumbprint, row.tier)).collect())
    }
}

/// Where a row of a list stands: by enrolment and thumbprint, or by thumbprint alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Enrolled(u64, Thumbprint),
    Name(Thumbprint),
}

impl Place {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Enrolled(at, device) => [&at.to_be_bytes()[..], device.as_bytes()].concat(),
            Self::Name(device) => device.as_bytes().to_vec(),
        }
    }
}

impl Tx<'_> {
    fn fleet_page(&self, wanted: &Wanted, ask: &Ask) -> Result<Page<DeviceRow>, CloudError> {
        let filter = wanted.text();
        let listing = Listing::Fleet(&filter);
        let after = self.position(listing, ask)?;
        let (candidates, examined_all) = match (&wanted.prefix, wanted.listed) {
            (Some(prefix), _) => self.by_name(prefix, after)?,
            (None, Some(_)) => self.by_feed(wanted, after)?,
            (None, None) => self.by_enrolment(wanted.tier, after)?,
        };
        let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
        let (mut items, mut last, mut whole) = (Vec::new(), None, examined_all);
        for (place, row) in candidates {
            let fits = wanted.tier.is_none_or(|tier| row.tier == tier)
                && wanted.listed.is_none_or(|action| row.listed == Some(action));
            if fits && items.len() == limit {
                whole = false;
                break;
            }
            last = Some(place);
            if fits {
                items.push(DeviceRow {
                    seen: self.seen(&row.thumbprint)?,
                    forks: self.forks(&row.thumbprint)?,
                    ..row
                });
            }
        }
        let next = last.filter(|_| !whole).map(|place| self.cursor(listing, &place.bytes()));
        Ok(Page { items, next })
    }

    fn by_enrolment(
        &self,
        tier: Option<Tier>,
        after: Option<Vec<u8>>,
    ) -> Result<(Vec<(Place, DeviceRow)>, bool), CloudError> {
        let (enrolled, device) = match &after {
            None => (i64::MAX, Vec::new()),
            Some(position) => {
                let (at, device) = position.split_first_chunk::<8>().ok_or_else(foreign)?;
                (int(u64::from_be_bytes(*at)), device.to_vec())
            }
        };
        let columns = "SELECT thumbprint, tier, trust, family, enrolled FROM device";
        let order = "ORDER BY enrolled DESC, thumbprint DESC LIMIT ?3";
        let sql = match tier {
            None => format!("{columns} WHERE (enrolled, thumbprint) < (?1, ?2) {order}"),
            Some(_) => format!("{columns} WHERE tier = ?4 AND (enrolled, thumbprint) < (?1, ?2) {order}"),
        };
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = match tier {
            None => statement.query(params![enrolled, device, EXAMINED_MAX])?,
            Some(tier) => statement.query(params![enrolled, device, EXAMINED_MAX, tier as u8])?,
        };
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let row = self.device_row(row)?;
            found.push((Place::Enrolled(row.enrolled.as_ms(), row.thumbprint), row));
        }
        let all = found.len() < usize::try_from(EXAMINED_MAX).unwrap_or(usize::MAX);
        Ok((found, all))
    }

    fn by_name(
        &self,
        prefix: &str,
        after: Option<Vec<u8>>,
    ) -> Result<(Vec<(Place, DeviceRow)>, bool), CloudError> {
        let ends =
            ends_of(prefix).ok_or_else(|| CloudError::invalid("`q` has 1 to 64 hexadecimal digits"))?;
        let from = after.unwrap_or_default();
        let sql = "SELECT thumbprint, tier, trust, family, enrolled FROM device WHERE thumbprint >= ?1 \
                   AND thumbprint <= ?2 AND thumbprint > ?3 ORDER BY thumbprint LIMIT ?4";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![ends.0, ends.1, from, EXAMINED_MAX])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let row = self.device_row(row)?;
            found.push((Place::Name(row.thumbprint), row));
        }
        let all = found.len() < usize::try_from(EXAMINED_MAX).unwrap_or(usize::MAX);
        Ok((found, all))
    }

    fn by_feed(
        &self,
        wanted: &Wanted,
        after: Option<Vec<u8>>,
    ) -> Result<(Vec<(Place, DeviceRow)>, bool), CloudError> {
        let after = match after {
            None => None,
            Some(bytes) => Some(Thumbprint::try_from(bytes.as_slice()).map_err(|_| foreign())?),
        };
        let most = usize::try_from(EXAMINED_MAX).unwrap_or(usize::MAX);
        let listed: Vec<Thumbprint> =
            self.desk.state.feed.listed(wanted.listed, after.as_ref()).take(most).collect();
        let sql = "SELECT thumbprint, tier, trust, family, enrolled FROM device WHERE thumbprint = ?1";
        let mut found = Vec::new();
        for device in &listed {
            let mut statement = self.conn.prepare_cached(sql)?;
            let mut rows = statement.query([device.as_bytes()])?;
            // What was listed without ever being enrolled here has no row.
            if let Some(row) = rows.next()? {
                found.push((Place::Name(*device), self.device_row(row)?));
            }
        }
        Ok((found, listed.len() < most))
    }

    fn device_row(&self, row: &Row<'_>) -> Result<DeviceRow, CloudError> {
        let thumbprint = Thumbprint::new(row.get(0)?);
        Ok(DeviceRow {
            thumbprint,
            tier: tier_of_code(row.get(1)?)?,
            trust: trust_of_code(row.get(2)?)?,
            family: row.get(3)?,
            enrolled: Timestamp::from_ms(uint(row.get(4)?)),
            seen: None,
            listed: self.desk.state.feed.action(&thumbprint),
            forks: 0,
        })
    }

    fn seen(&self, device: &Thumbprint) -> Result<Option<Timestamp>, CloudError> {
        let sql = "SELECT opened_at FROM opening WHERE thumbprint = ?1 ORDER BY epoch_ctr DESC LIMIT 1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let found: Option<i64> = statement.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        Ok(found.map(|at| Timestamp::from_ms(uint(at))))
    }

    fn forks(&self, device: &Thumbprint) -> Result<u64, CloudError> {
        let sql = "SELECT count(*) FROM tier_change WHERE thumbprint = ?1 AND reason = 'session-fork'";
        Ok(uint(self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0))?))
    }

    fn appraisal(&self, device: &Thumbprint) -> Result<AttestationResult, CloudError> {
        let sql = "SELECT result_bytes FROM device WHERE thumbprint = ?1";
        let bytes: Vec<u8> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0))?;
        let read = Signed::from_bytes(&bytes).and_then(|signed| AttestationResult::from_bytes(&signed.body));
        read.map_err(|error| CloudError::corrupt(format!("attestation result: {error}")))
    }

    fn sessions(&self, device: &Thumbprint) -> Result<Vec<SessionOpening>, CloudError> {
        let sql = "SELECT opened_at, epoch_ctr, node, parent, chain FROM opening WHERE thumbprint = ?1 \
                   ORDER BY epoch_ctr DESC LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![device.as_bytes(), ROWS_MAX])?;
        let mut found: Vec<SessionOpening> = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(SessionOpening {
                opened: Timestamp::from_ms(uint(row.get(0)?)),
                counter: uint(row.get(1)?),
                node: row.get(2)?,
                forked: false,
                parent: row.get(3)?,
                chain: row.get(4)?,
            });
        }
        let rivals = |one: &SessionOpening, other: &SessionOpening| {
            one.chain != other.chain && (one.parent == other.parent || one.counter == other.counter)
        };
        let forked: Vec<bool> =
            found.iter().map(|one| found.iter().any(|other| rivals(one, other))).collect();
        found.iter_mut().zip(forked).for_each(|(one, forked)| one.forked = forked);
        Ok(found)
    }

    fn incidents_of(&self, device: &Thumbprint) -> Result<Vec<DeviceIncident>, CloudError> {
        let sql = "SELECT at, kind, node FROM incident WHERE thumbprint = ?1 ORDER BY id DESC LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(params![device.as_bytes(), ROWS_MAX], |row| {
            let at = Timestamp::from_ms(uint(row.get(0)?));
            Ok(DeviceIncident { at, kind: row.get(1)?, node: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Wanted {
    /// Binds a cursor to its filter.
    fn text(&self) -> String {
        let tier = self.tier.map_or("", Tier::name);
        let listed = self.listed.map_or("", FeedAction::name);
        format!("{tier}/{listed}/{}", self.prefix.as_deref().unwrap_or(""))
    }
}

impl DeviceFile {
    /// The tier that the device had at a moment, as its history tells.
    pub fn tier_at(&self, at: Timestamp) -> Tier {
        let before = self.view.history.iter().rev().find(|change| change.at <= at);
        before.map_or(Tier::None, |change| change.to)
    }
}

/// The first and the last thumbprint that begin with these digits.
fn ends_of(prefix: &str) -> Option<([u8; 32], [u8; 32])> {
    if prefix.is_empty() || prefix.len() > 64 {
        return None;
    }
    let digits = prefix.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits = digits.collect::<Option<Vec<u8>>>()?;
    let filled = |with: u8| {
        let mut all = digits.iter().copied().chain(std::iter::repeat(with));
        let mut bytes = [0_u8; 32];
        for byte in &mut bytes {
            *byte = all.next().unwrap_or(with) << 4 | all.next().unwrap_or(with);
        }
        bytes
    };
    Some((filled(0), filled(0xf)))
}

/// What a reason code of a tier change means; one sentence each, in one place.
pub fn words(reason: &str) -> String {
    match reason {
        "enrolled" => "The device enrolled: this is the tier that its evidence earned.",
        "enrolled-again" => "The device enrolled again, and its evidence was appraised anew.",
        "session-fork" => {
            "Two hold this key: two sessions went on from one point, so both are capped until a new key is enrolled."
        }
        "replaced" => "Another key took its place, and this one vouched for it: it can vouch for no other.",
        "same-hardware" => "Another key of the same chip took its place: one chip is one device.",
        "partner-ceiling" => "The partner that brought the device may enrol none above this tier.",
        "stale-collateral" => "The collateral was stale when it enrolled: nothing is worth more until a newer one is there.",
        "collateral-serial" => "A certificate that it rested on is revoked or suspended: it has to attest anew.",
        "collateral-anchor" => "The maker's key that it rested on is not trusted any more: it has to attest anew.",
        "collateral-app" => "The app that it rested on is not one of ours any more: it has to attest anew.",
        "collateral-boot-key" => "The system that it rested on is not trusted any more: it has to attest anew.",
        "collateral-boot-authority" => {
            "Who vouched for what it booted is not trusted any more: it has to attest anew."
        }
        other => return format!("An operator refused the device: {other}"),
    }
    .to_owned()
}

/// Where the look for a device's decisions ends. Unit: events. LIMIT: so many rows of one column are read.
pub const LOOK_BACK_MAX: u32 = 8 * STEP;
/// Steps of one look back.
pub const LOOK_BACK_STEPS: u32 = LOOK_BACK_MAX / STEP;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_prefix_enclose_what_begins_with_it_and_nothing_else() {
        let (low, high) = ends_of("aB1").unwrap();
        assert_eq!((low[0], low[1], low[31]), (0xab, 0x10, 0));
        assert_eq!((high[0], high[1], high[31]), (0xab, 0x1f, 0xff));
        for bad in ["", "xy", "é", &"a".repeat(65)] {
            assert_eq!(ends_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_reason_code_of_the_registry_has_its_sentence() {
        let own = ["enrolled", "enrolled-again", "session-fork", "partner-ceiling", "stale-collateral"];
        let fallen = glacis_attest::collateral::SupportKind::ALL.map(|kind| kind.reason());
        let lineage = crate::registry::Why::ALL.map(crate::registry::Why::name);
        for code in own.into_iter().chain(lineage).chain(fallen) {
            assert!(!words(code).contains("operator"), "{code}");
        }
        assert!(words("stolen").contains("stolen"));
    }
}
