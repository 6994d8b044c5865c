//! Listings, page by page: follows the cursors of an installation until the end or a limit.
//!
//! Whoever answers decides the cursors, so they are not trusted: one that repeats, or more rows than a listing can
//! sensibly have, is an error and not an endless loop.

use crate::client::Client;
use crate::codes::Code;
use crate::error::CliError;
use serde_json::Value;

/// Most rows of one listing. LIMIT: keeps a listing of an answerer that lies in memory.
const ROWS_MAX: usize = 1_000_000;

/// The rows below `key` of all pages of `path`, at most `limit` where there is one.
pub(crate) fn rows(
    client: &Client,
    path: &str,
    key: &str,
    limit: Option<u32>,
) -> Result<Vec<Value>, CliError> {
    let limit = limit.map_or(ROWS_MAX, |limit| usize::try_from(limit).unwrap_or(ROWS_MAX));
    let mut found: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let asked = match &cursor {
            None => path.to_owned(),
            Some(cursor) => {
                let join = if path.contains('?') { '&' } else { '?' };
                format!("{path}{join}cursor={}", crate::client::segment(cursor))
            }
        };
        let mut page = client.get(&asked)?;
        let Some(Value::Array(rows)) = page.get_mut(key).map(Value::take) else {
            return Err(CliError::new(Code::BadAnswer, format!("the answer holds no `{key}`")));
        };
        let empty = rows.is_empty();
        found.extend(rows);
        if found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        match next {
            None => return Ok(found),
            Some(_) if empty => return Err(CliError::new(Code::BadAnswer, "an empty page has a next one")),
            next if next == cursor => {
                return Err(CliError::new(Code::BadAnswer, "a page is its own next one"));
            }
            next => cursor = next,
        }
    }
}
