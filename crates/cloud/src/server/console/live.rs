//! What is decided now, as server-sent events: rows as they are stored, and a tick a second.
//!
//! One task reads the log for all browsers, a few hundred rows at a time, and only while somebody watches; it makes each
//! event's text once. A browser that cannot follow is skipped ahead and told how much it missed; one that takes nothing
//! for half a minute is let go. The number of streams is bounded. A stream ends with the session that it was opened
//! under, with its token, and with the server, and says which.

use super::line::{LineJson, RESOLUTION_US};
use super::lookup::Strict;
use super::session::{SignedIn, Who};
use super::{By, Console};
use crate::error::{CloudError, CloudErrorKind};
use crate::lines::{Position, RawLines};
use crate::pulse::{ByZone, Second, Took};
use crate::server::rest::single;
use axum::Extension;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use glacis_wire::{Timestamp, Zone};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Frame;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Streams at once.
pub(super) const STREAMS_MAX: usize = 32;
/// Pause between two looks at the log.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks between two ticks.
const LOOKS_A_TICK: u32 = 4;
/// Rows in one event.
const ROWS_MAX: u32 = 1_000;
/// Rows behind the end of the log from which on everybody is skipped ahead: two seconds of as much as can be sent.
const BEHIND_MAX: u64 = 8_000;
/// Rows that a stream begins with.
const FIRST_ROWS: u32 = 100;
/// Events that a browser may be behind before it misses some.
const EVENTS_BEHIND_MAX: usize = 16;
/// Pause between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Pause between two looks whether a session still holds.
const SESSION_LOOK: Duration = Duration::from_secs(2);
/// Longest that a browser may take nothing.
const STALL_MAX: Duration = Duration::from_secs(30);
/// Where a browser that lost its connection goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The feed that streams share.
pub(super) struct Live {
    sender: broadcast::Sender<Arc<Event>>,
    slots: Arc<Semaphore>,
    state: Mutex<Reading>,
}

/// How far the log was read for everybody.
#[derive(Debug, Default)]
struct Reading {
    running: bool,
    at: Position,
    /// Rows that were read or passed over so far.
    total: u64,
}

/// An event as it is sent to everybody.
#[derive(Debug)]
struct Event {
    text: Bytes,
    /// Rows before and after it, by [`Reading::total`]; the same for a tick.
    rows: (u64, u64),
    behind: u64,
    /// When the second of a tick began.
    second: Option<Timestamp>,
}

impl Live {
    pub(super) fn new() -> Self {
        let (sender, _) = broadcast::channel(EVENTS_BEHIND_MAX);
        Self { sender, slots: Arc::new(Semaphore::new(STREAMS_MAX)), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, Reading> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Serialize)]
struct RowsJson<'a> {
    rows: &'a [LineJson],
    skipped: u64,
    behind: u64,
}

#[derive(Serialize)]
struct History {
    step_ms: u64,
    ticks: Vec<Tick>,
}

#[derive(Serialize)]
struct Tick {
    at_ms: u64,
    zones: Zones,
    ecosystem: Ecosystem,
    took: TookByZone,
    handled: Option<TookJson>,
    behind: u64,
}

/// Allow, challenge, block.
#[derive(Serialize)]
struct Zones {
    device: [u64; 3],
    edge: [u64; 3],
    cloud: [u64; 3],
}

#[derive(Serialize)]
struct Ecosystem {
    enrolled: u64,
    refused: u64,
}

#[derive(Serialize)]
struct TookByZone {
    edge: Option<TookJson>,
    cloud: Option<TookJson>,
    resolution_us: u64,
}

#[derive(Serialize)]
struct TookJson {
    n: u64,
    p50_us: u64,
    p99_us: u64,
}

#[derive(Serialize)]
struct Bye {
    reason: &'static str,
}

impl Tick {
    fn of(second: &Second, behind: u64) -> Self {
        let took = |took: Took| TookJson { n: took.n, p50_us: micros(took.p50), p99_us: micros(took.p99) };
        Self {
            at_ms: second.at.as_ms(),
            zones: Zones::of(&second.zones),
            ecosystem: Ecosystem { enrolled: second.enrolled, refused: second.refused },
            took: TookByZone {
                edge: second.edge.map(took),
                cloud: second.cloud.map(took),
                resolution_us: RESOLUTION_US,
            },
            handled: second.handled.map(took),
            behind,
        }
    }
}

impl Zones {
    fn of(counts: &ByZone) -> Self {
        let of = |zone: Zone| {
            let at = Zone::ALL.iter().position(|known| *known == zone);
            at.and_then(|at| counts.get(at)).copied().unwrap_or_default()
        };
        Self { device: of(Zone::Device), edge: of(Zone::Edge), cloud: of(Zone::Cloud) }
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// The text of an event. JSON has no line breaks, so its data is one line.
fn text(name: &str, id: Option<Position>, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveAsked {
    after: Option<String>,
}

/// `GET /console/v1/live`
pub(super) async fn stream(
    State(console): State<Console>,
    Extension(by): By,
    headers: HeaderMap,
    Strict(asked): Strict<LiveAsked>,
) -> Result<Response, CloudError> {
    let slot = Arc::clone(&console.0.live.slots).try_acquire_owned();
    let full = |_| CloudError::new(CloudErrorKind::Overloaded, "as many streams are open as may be");
    let slot = slot.map_err(full)?;
    let asked = single(&headers, &LAST_EVENT_ID)?.map(str::to_owned).or(asked.after);
    let place = |text: String| {
        Position::parse(&text)
            .ok_or_else(|| CloudError::invalid("hand `id` back unchanged as `Last-Event-ID`"))
    };
    let from = asked.map(place).transpose()?;
    let (out, events) = mpsc::channel(2);
    let pump = Pump { console, by, out, _slot: slot };
    tokio::spawn(async move {
        // Whoever went away needs no more.
        let _gone = pump.run(from).await;
    });
    let mut response = Body::new(Pumped(events)).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The body of a stream: what its pump sends.
struct Pumped(mpsc::Receiver<Bytes>);

impl HttpBody for Pumped {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// The browser took nothing for too long, or went away.
struct Gone;

/// What feeds one stream.
struct Pump {
    console: Console,
    by: SignedIn,
    out: mpsc::Sender<Bytes>,
    _slot: OwnedSemaphorePermit,
}

impl Pump {
    async fn run(mut self, from: Option<Position>) -> Result<(), Gone> {
        // First, so that no second can fall between what is over and what is to come.
        let Ok((mut events, start, mut seen)) = self.console.watch().await else { return Ok(()) };
        let now = self.console.0.shared.host.now();
        let seconds = self.console.0.shared.handle.seconds(now, Timestamp::ZERO);
        let over = seconds.last().map_or(Timestamp::ZERO, |second| second.at);
        let ticks = seconds.iter().map(|second| Tick::of(second, 0)).collect();
        self.send(text("history", None, &History { step_ms: 1_000, ticks })).await?;
        if let Ok(first) = self.first(from, start).await {
            self.send(first).await?;
        }
        let mut stopped = self.console.0.stopped.clone();
        let mut heartbeat = interval(HEARTBEAT);
        let mut look = interval(SESSION_LOOK);
        let reason = loop {
            tokio::select! {
                event = events.recv() => match event {
                    // Told in the history already.
                    Ok(event) if event.second.is_some_and(|second| second <= over) => {}
                    Ok(event) => seen = self.pass_on(&event, seen).await?,
                    // How much was missed is in the numbers of the next event.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break "shutdown",
                },
                _ = heartbeat.tick() => self.send(Bytes::from_static(b":\n\n")).await?,
                _ = look.tick() => if !self.holds().await { break "signed-out" },
                _ = self.by.gone.changed() => break "signed-out",
                _ = stopped.changed() => break "shutdown",
                () = self.out.closed() => return Err(Gone),
            }
        };
        self.send(text("bye", None, &Bye { reason })).await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        match timeout(STALL_MAX, self.out.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Sends an event, and before it how much was missed.
    async fn pass_on(&self, event: &Event, seen: u64) -> Result<u64, Gone> {
        let (before, after) = event.rows;
        if before > seen && after > before {
            let missed = RowsJson { rows: &[], skipped: before - seen, behind: event.behind };
            self.send(text("decisions", None, &missed)).await?;
        }
        self.send(event.text.clone()).await?;
        Ok(if after > before { after } else { seen })
    }

    /// The rows that a stream begins with: those since `from`, or a few.
    async fn first(&self, from: Option<Position>, start: Position) -> Result<Bytes, CloudError> {
        let call = |from: Option<Position>| {
            move |core: &mut crate::CloudCore| match from {
                Some(from) => core.lines_after(from, ROWS_MAX),
                None => {
                    let next = Position { decision: start.decision + 1, device: start.device + 1 };
                    let mut newest = core.lines_before(next, FIRST_ROWS)?;
                    newest.lines.reverse();
                    newest.at = start;
                    Ok(newest)
                }
            }
        };
        let resumed = from.map(|from| ahead(from, start));
        let mut raw: RawLines = self.console.call(&self.by.who, call(resumed.map(|(from, _)| from))).await?;
        // What came since is in the events to come.
        raw.lines.retain(|line| line.is_within(&start));
        let unread = start.since(raw.at);
        let skipped = resumed.map_or(0, |(_, skipped)| skipped + unread);
        let versions = self.console.versions().await?;
        let rows = tokio::task::spawn_blocking(move || LineJson::all(&raw.lines, &versions));
        let rows = rows.await.map_err(|error| CloudError::corrupt(error.to_string()))?;
        Ok(text("decisions", Some(start), &RowsJson { rows: &rows, skipped, behind: 0 }))
    }

    /// Whether the session still holds.
    async fn holds(&self) -> bool {
        if self.by.expires <= self.console.0.shared.host.now() {
            return false;
        }
        if self.by.who == Who::Local {
            return true;
        }
        let asked = self.console.call(&self.by.who, |_core| Ok(())).await;
        !asked.is_err_and(|error| error.kind() == CloudErrorKind::SignedOut)
    }
}

/// Where to begin so that at most one event's rows are before `end`, and how many rows are passed over for it.
fn ahead(from: Position, end: Position) -> (Position, u64) {
    let few = u64::from(ROWS_MAX / 4);
    if end.since(from) <= few {
        return (from, 0);
    }
    let many = u64::from(ROWS_MAX) - few;
    let near = Position {
        decision: from.decision.max(end.decision.saturating_sub(many)),
        device: from.device.max(end.device.saturating_sub(few)),
    };
    (near, near.since(from))
}

impl Console {
    /// Takes part in the feed, which is started where nobody did: its events from now on, the place in the log that they
    /// begin behind, and how many rows were read so far.
    async fn watch(&self) -> Result<(broadcast::Receiver<Arc<Event>>, Position, u64), CloudError> {
        let end = self.0.shared.handle.call(|core| core.end_of_lines()).await?;
        let mut state = self.0.live.state();
        let events = self.0.live.sender.subscribe();
        if !state.running {
            state.running = true;
            state.at = end;
            tokio::spawn(self.clone().feed());
        }
        Ok((events, state.at, state.total))
    }

    /// Reads the log for everybody until nobody watches any more.
    async fn feed(self) {
        let mut stopped = self.0.stopped.clone();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The second that is open now is the first to be told.
        let now = self.0.shared.host.now();
        let mut last_tick = Timestamp::from_ms(now.as_secs().saturating_mul(1_000).saturating_sub(1));
        for number in 0_u32.. {
            tokio::select! {
                _ = look.tick() => {}
                _ = stopped.changed() => break,
            }
            if self.is_unwatched() {
                return;
            }
            let behind = match self.read_on().await {
                Ok(behind) => behind,
                Err(error) => {
                    tracing::debug!(%error, "the live feed could not read");
                    0
                }
            };
            if number % LOOKS_A_TICK == 0 {
                last_tick = self.tick(last_tick, behind);
            }
        }
        self.0.live.state().running = false;
    }

    /// Ends the feed where nobody watches.
    fn is_unwatched(&self) -> bool {
        let mut state = self.0.live.state();
        // Under the lock that subscribing takes, so nobody can come in between.
        let unwatched = self.0.live.sender.receiver_count() == 0;
        state.running &= !unwatched;
        unwatched
    }

    /// Sends the next rows; says how many are left.
    async fn read_on(&self) -> Result<u64, CloudError> {
        let from = self.0.live.state().at;
        let raw = self.0.shared.handle.call(move |core| core.lines_after(from, ROWS_MAX)).await?;
        let (raw, skipped) = if raw.end.since(from) > BEHIND_MAX {
            let (near, skipped) = ahead(from, raw.end);
            let raw = self.0.shared.handle.call(move |core| core.lines_after(near, ROWS_MAX)).await?;
            (raw, skipped)
        } else {
            (raw, 0)
        };
        let behind = raw.end.since(raw.at);
        if raw.lines.is_empty() && skipped == 0 {
            return Ok(behind);
        }
        let versions = self.versions().await?;
        let (at, count) = (raw.at, u64::try_from(raw.lines.len()).unwrap_or(u64::MAX));
        let made = tokio::task::spawn_blocking(move || {
            let rows = LineJson::all(&raw.lines, &versions);
            text("decisions", Some(at), &RowsJson { rows: &rows, skipped, behind })
        });
        let text = made.await.map_err(|error| CloudError::corrupt(error.to_string()))?;
        let mut state = self.0.live.state();
        // What was passed over for everybody is told in the event itself, so it counts as given.
        let before = state.total;
        state.at = at;
        state.total = before + count + skipped;
        // Nobody may be left to hear it.
        let _watchers = self.0.live.sender.send(Arc::new(Event {
            text,
            rows: (before, state.total),
            behind,
            second: None,
        }));
        Ok(behind)
    }

    /// Sends the seconds that ended; says up to when.
    fn tick(&self, after: Timestamp, behind: u64) -> Timestamp {
        let now = self.0.shared.host.now();
        let seconds = self.0.shared.handle.seconds(now, after);
        let total = self.0.live.state().total;
        for second in &seconds {
            let text = text("tick", None, &Tick::of(second, behind));
            let tick = Event { text, rows: (total, total), behind, second: Some(second.at) };
            let _watchers = self.0.live.sender.send(Arc::new(tick));
        }
        seconds.last().map_or(after, |second| second.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_far_behind_begins_near_the_end_and_knows_how_much_was_passed_over() {
        let at = |decision, device| Position { decision, device };
        assert_eq!(ahead(at(10, 10), at(100, 60)), (at(10, 10), 0));
        assert_eq!(ahead(at(0, 0), at(10_000, 3)), (at(9_250, 0), 9_250));
        assert_eq!(ahead(at(9_900, 0), at(10_000, 1_000)), (at(9_900, 750), 750));
        assert_eq!(
            ahead(at(500, 9), at(100, 2)),
            (at(500, 9), 0),
            "a place of another store is behind nothing"
        );
    }

    #[test]
    fn an_event_is_one_line_of_data_whatever_is_in_it() {
        let bye = Bye { reason: "a\nb\r\ndata: forged\n\nevent: forged" };
        let text = String::from_utf8(text("bye", None, &bye).to_vec()).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1, "{text}");
    }
}
