//! Watching: rows once each, in order, resumed where it broke off; ticks of all that was stored.

use super::{Browser, HOSTILE, raw, town};
use crate::http::{Running, start};
use crate::world::thumb;
use serde_json::Value as Json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// One event of a stream.
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Json,
}

/// An open stream, read as a browser does.
pub(crate) struct Stream {
    stream: TcpStream,
    text: String,
}

impl Stream {
    pub(crate) fn open(browser: &Browser, fields: &str) -> Self {
        Self::open_at(browser, "/console/v1/live", fields)
    }

    pub(crate) fn open_at(browser: &Browser, target: &str, fields: &str) -> Self {
        let mut stream = TcpStream::connect(browser.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "GET {target} HTTP/1.0\r\nhost: {}\r\ncookie: {}\r\n{fields}\r\n",
            browser.at, browser.cookie
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut opened = Self { stream, text: String::new() };
        while !opened.text.contains("\r\n\r\n") {
            opened.read();
        }
        let (head, rest) = opened.text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream") && head.contains("nosniff"), "{head}");
        opened.text = rest.to_owned();
        opened
    }

    fn read(&mut self) {
        let mut chunk = [0; 16 << 10];
        let read = self.stream.read(&mut chunk).unwrap();
        assert!(read > 0, "the stream ended: {}", self.text);
        self.text.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }

    /// The next event of this name; others are passed over.
    pub(crate) fn next(&mut self, name: &str) -> Event {
        loop {
            while !self.text.contains("\n\n") {
                self.read();
            }
            let (event, rest) = self.text.split_once("\n\n").unwrap();
            let field = |key: &str| event.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
            let found = (field("event: "), field("id: "), field("data: "));
            self.text = rest.to_owned();
            if let (Some(event), id, Some(data)) = found
                && event == name
            {
                return Event { name: event, id, data: serde_json::from_str(&data).unwrap() };
            }
        }
    }

    /// The next `count` rows, with the id behind the last.
    fn rows(&mut self, count: usize) -> (Vec<String>, String) {
        let (mut rows, mut last) = (Vec::new(), String::new());
        while rows.len() < count {
            let event = self.next("decisions");
            assert_eq!(event.name, "decisions");
            assert_eq!(event.data["skipped"], 0, "{}", event.data);
            last = event.id.unwrap();
            rows.extend(
                event.data["rows"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["row"].as_str().unwrap().to_owned()),
            );
        }
        (rows, last)
    }
}

fn decide(running: &Running, count: usize) {
    let handle = running.handle.as_ref().unwrap();
    let facts: Vec<_> = (0..count).map(|_| running.world.transfer(thumb(7), "ann", "bob", 20)).collect();
    handle
        .call_blocking(move |core| facts.iter().try_for_each(|facts| core.decide(facts).map(drop)))
        .unwrap();
}

#[test]
fn every_row_comes_once_in_order_and_goes_on_where_it_broke_off() {
    let running = start(1_230);
    decide(&running, 3);
    let browser = Browser::open(&running);
    let mut stream = Stream::open(&browser, "");
    let (first, _) = stream.rows(3);
    assert_eq!(first, ["1", "2", "3"], "it begins with the newest");
    decide(&running, 40);
    let (rows, last) = stream.rows(40);
    assert_eq!(rows, (4..=43).map(|row| row.to_string()).collect::<Vec<_>>());
    drop(stream);
    decide(&running, 5);
    let mut again = Stream::open(&browser, &format!("last-event-id: {last}\r\n"));
    let (rows, _) = again.rows(5);
    assert_eq!(rows, (44..=48).map(|row| row.to_string()).collect::<Vec<_>>());
    decide(&running, 2);
    assert_eq!(again.rows(2).0, ["49", "50"], "nothing twice, nothing left out");
    let page = browser.json("/console/v1/decisions?limit=2");
    let after = page["after"].as_str().unwrap();
    let mut beside = Stream::open_at(&browser, &format!("/console/v1/live?after={after}"), "");
    assert!(beside.next("decisions").data["rows"].as_array().unwrap().is_empty());
    decide(&running, 1);
    assert_eq!(beside.rows(1).0, ["51"]);
    let forged = format!(
        "GET /console/v1/live HTTP/1.0\r\nhost: {}\r\ncookie: {}\r\nlast-event-id: 1'; DROP\r\n\r\n",
        browser.at, browser.cookie
    );
    assert_eq!(raw(browser.at, &forged, "").status, 400);
}

#[test]
fn whoever_is_far_behind_is_skipped_ahead_and_told_how_much() {
    let running = start(1_231);
    decide(&running, 2_500);
    let browser = Browser::open(&running);
    let mut stream = Stream::open(&browser, "last-event-id: 0.0\r\n");
    let event = stream.next("decisions");
    let rows = event.data["rows"].as_array().unwrap();
    assert_eq!(u64::try_from(rows.len()).unwrap() + event.data["skipped"].as_u64().unwrap(), 2_500);
    assert_eq!(rows.last().unwrap()["row"], "2500");
}

#[test]
fn ticks_count_all_that_was_stored_by_zone_and_verdict() {
    let town = town(1_232);
    let browser = Browser::open(&town.running);
    let mut stream = Stream::open(&browser, "");
    let history = stream.next("history").data;
    assert_eq!(history["step_ms"], 1_000);
    let ticks = history["ticks"].as_array().unwrap();
    let sum = |zone: &str, at: usize| {
        ticks.iter().map(|tick| tick["zones"][zone][at].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!([sum("device", 2), sum("edge", 0), sum("edge", 1), sum("edge", 2)], [1, 1, 1, 1]);
    assert_eq!([sum("cloud", 0), sum("cloud", 1), sum("cloud", 2)], [1, 0, 1]);
    let ecosystem =
        |key: &str| ticks.iter().map(|tick| tick["ecosystem"][key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((ecosystem("enrolled"), ecosystem("refused")), (3, 1));
    let took: Vec<&Json> = ticks.iter().filter(|tick| !tick["took"]["edge"].is_null()).collect();
    assert_eq!(took[0]["took"]["edge"]["n"], 3);
    assert_eq!(took[0]["took"]["edge"]["p50_us"], 3_000, "as the records say: three milliseconds");
}

#[test]
fn hostile_texts_are_data_in_a_stream_and_in_answers() {
    let town = town(1_233);
    let browser = Browser::open(&town.running);
    let mut stream = Stream::open(&browser, "");
    let rows = stream.next("decisions").data;
    let rows = rows["rows"].as_array().unwrap();
    let hostile = rows.iter().find(|row| row["reference"] == town.hostile.text()).unwrap();
    assert_eq!(
        (hostile["principal"].as_str(), hostile["reasons"][0].as_str()),
        (Some(HOSTILE), Some(HOSTILE))
    );
    assert_eq!(hostile["acted"], false);
    let answer = browser.get(&format!("/console/v1/decisions/{}", town.hostile.text()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.json()["record"]["facts"]["fields"]["payee"]["value"], HOSTILE);
    let body = String::from_utf8(answer.body).unwrap();
    assert!(!body.contains('\n') && !body.contains('\0'), "controls are escaped");
}
