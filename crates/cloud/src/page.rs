//! Listings in pages: a cursor says where the next page begins, and only we can make one.
//!
//! A cursor is a MAC over the listing's name and the position of the last row, and that position. So a cursor of
//! another listing, of another installation or one that was changed is refused and never taken for a position.
//! Positions are keys of rows, not numbers of pages: what is added or removed meanwhile shifts nothing.

use crate::admin::{ListItem, TokenView};
use crate::browse::Incident;
use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::record::LoggedEvent;
use crate::store::{int, uint};
use glacis_seal::{Purpose, secret, text};
use glacis_wire::{Thumbprint, Tier, Timestamp};
use rusqlite::params;

/// One page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next: Option<String>,
}

/// Which rows of a listing are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where to begin; at the beginning where there is none.
    pub cursor: Option<String>,
    /// Most rows. Range: 1..=[`ROWS_MAX`].
    pub limit: u32,
}

/// Most rows on one page.
pub const ROWS_MAX: u32 = 1_000;

/// Bytes of the MAC in a cursor; a guess must be made here, one request each. Source: RFC 2104 §5, half of the MAC.
const MAC_BYTES: usize = 16;

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listing<'a> {
    Events,
    Incidents,
    Devices,
    Tokens,
    Items(&'a str),
    /// Devices, filtered so.
    Fleet(&'a str),
    /// Devices that fell, filtered so.
    Fallen(&'a str),
    Issuers,
}

impl Listing<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Incidents => "incidents",
            Self::Devices => "devices",
            Self::Tokens => "tokens",
            Self::Items(_) => "items",
            Self::Fleet(_) => "fleet",
            Self::Fallen(_) => "fallen",
            Self::Issuers => "issuers",
        }
    }

    const fn list(&self) -> &str {
        match self {
            Self::Items(list) | Self::Fleet(list) | Self::Fallen(list) => list,
            _ => "",
        }
    }
}

impl CloudCore {
    /// The event log from sequence number `from` on, oldest first.
    pub fn events_page(&mut self, ask: &Ask, from: u64) -> Result<Page<LoggedEvent>, CloudError> {
        self.read(|tx| {
            let after = tx.after_row(Listing::Events, ask)?;
            let from = after.map_or(from, |seq| seq.saturating_add(1).max(from));
            let found = tx.logged_from(from, ask.rows())?;
            Ok(tx.page(Listing::Events, ask, found, |event| event.seq.to_be_bytes().to_vec()))
        })
    }

    /// Incidents, newest first.
    pub fn incidents_page(&mut self, ask: &Ask) -> Result<Page<Incident>, CloudError> {
        self.read(|tx| {
            let before = tx.after_row(Listing::Incidents, ask)?.map_or(i64::MAX, int);
            let sql =
                "SELECT id, at, kind, thumbprint, node FROM incident WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![before, ask.rows()], |row| {
                let device: Vec<u8> = row.get(3)?;
                let incident = Incident {
                    at: Timestamp::from_ms(uint(row.get(1)?)),
                    kind: row.get(2)?,
                    thumbprint: Thumbprint::try_from(device.as_slice()).ok(),
                    node: row.get(4)?,
                };
                Ok((uint(row.get(0)?), incident))
            })?;
            let found = rows.collect::<Result<Vec<_>, _>>()?;
            let page = tx.page(Listing::Incidents, ask, found, |(id, _)| id.to_be_bytes().to_vec());
            Ok(page.map(|(_, incident)| incident))
        })
    }

    /// Devices by enrolment, newest first.
    pub fn devices_page(&mut self, ask: &Ask) -> Result<Page<(Thumbprint, Tier)>, CloudError> {
        self.read(|tx| {
            let (enrolled, device) = tx.after_device(ask)?;
            let sql = "SELECT thumbprint, tier, enrolled FROM device WHERE (enrolled, thumbprint) < (?1, ?2) \
                       ORDER BY enrolled DESC, thumbprint DESC LIMIT ?3";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query(params![enrolled, device, ask.rows()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let tier = crate::registry::tier_of_code(row.get(1)?)?;
                found.push((uint(row.get(2)?), (Thumbprint::new(row.get(0)?), tier)));
            }
            let page = tx.page(Listing::Devices, ask, found, |(enrolled, (device, _))| {
                [enrolled.to_be_bytes().as_slice(), device.as_bytes()].concat()
            });
            Ok(page.map(|(_, device)| device))
        })
    }

    /// Tokens, newest first.
    pub fn tokens_page(&mut self, ask: &Ask) -> Result<Page<TokenView>, CloudError> {
        self.read(|tx| {
            let before = tx.after_row(Listing::Tokens, ask)?.unwrap_or(u64::MAX);
            let found = tx.tokens_before(before, ask.rows())?;
            Ok(tx.page(Listing::Tokens, ask, found, |token| token.id.to_be_bytes().to_vec()))
        })
    }

    /// Items that are in `list` now or will be, sorted, with the list's version.
    pub fn items_page(&mut self, list: &str, ask: &Ask) -> Result<(u64, Page<ListItem>), CloudError> {
        crate::admin::check_code("list", list)?;
        self.read(|tx| {
            let after = tx.position(Listing::Items(list), ask)?;
            let lists = &tx.desk.state.lists;
            let beyond = |item: &str| after.as_deref().is_none_or(|after| item.as_bytes() > after);
            let items = lists.items(list, tx.now).into_iter().filter(|(item, _)| beyond(item));
            let found = items
                .take(usize::try_from(ask.rows()).unwrap_or(usize::MAX))
                .map(|(item, effective)| ListItem { item, effective })
                .collect();
            let version = lists.version(list);
            Ok((version, tx.page(Listing::Items(list), ask, found, |item| item.item.clone().into_bytes())))
        })
    }
}

impl Ask {
    /// One more than asked for, which tells whether there is a next page.
    pub(crate) const fn rows(&self) -> u32 {
        self.limit.saturating_add(1)
    }
}

impl<T> Page<T> {
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

impl Tx<'_> {
    pub(crate) fn page<T>(
        &self,
        listing: Listing<'_>,
        ask: &Ask,
        mut items: Vec<T>,
        position: impl FnOnce(&T) -> Vec<u8>,
    ) -> Page<T> {
        let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more).map(position);
        Page { next: last.map(|position| self.cursor(listing, &position)), items }
    }

    pub(crate) fn cursor(&self, listing: Listing<'_>, position: &[u8]) -> String {
        let mac = self.cursor_mac(listing, position);
        text::base64url(&[mac.get(..MAC_BYTES).unwrap_or(&mac), position].concat())
    }

    fn cursor_mac(&self, listing: Listing<'_>, position: &[u8]) -> [u8; 32] {
        let list = listing.list().as_bytes();
        let length = [u8::try_from(list.len()).unwrap_or(u8::MAX)];
        let parts: [&[u8]; 5] = [listing.name().as_bytes(), &[0], &length, list, position];
        self.desk.keys.own.mac_parts(&self.desk.context, Purpose::Cursor, &parts)
    }

    /// What the cursor says, if it is one of ours for this listing.
    pub(crate) fn position(&self, listing: Listing<'_>, ask: &Ask) -> Result<Option<Vec<u8>>, CloudError> {
        let Some(cursor) = &ask.cursor else { return Ok(None) };
        let bytes = text::parse_base64url(cursor).unwrap_or_default();
        let own = bytes.split_at_checked(MAC_BYTES).filter(|(mac, position)| {
            let want = self.cursor_mac(listing, position);
            secret::equal(want.get(..MAC_BYTES).unwrap_or(&want), mac)
        });
        let (_, position) = own.ok_or_else(foreign)?;
        Ok(Some(position.to_vec()))
    }

    pub(crate) fn after_row(&self, listing: Listing<'_>, ask: &Ask) -> Result<Option<u64>, CloudError> {
        let Some(position) = self.position(listing, ask)? else { return Ok(None) };
        let row = <[u8; 8]>::try_from(position.as_slice()).map_err(|_| foreign())?;
        Ok(Some(u64::from_be_bytes(row)))
    }

    /// Enrolment and thumbprint of the last device that was listed; beyond every device at the beginning.
    fn after_device(&self, ask: &Ask) -> Result<(i64, Vec<u8>), CloudError> {
        let Some(position) = self.position(Listing::Devices, ask)? else {
            return Ok((i64::MAX, Vec::new()));
        };
        let (enrolled, device) = position.split_first_chunk::<8>().ok_or_else(foreign)?;
        Ok((int(u64::from_be_bytes(*enrolled)), device.to_vec()))
    }
}

pub(crate) fn foreign() -> CloudError {
    CloudError::invalid("`cursor` is not a cursor of this listing; take `next` of its last page, unchanged")
}
