//! What crosses the sockets of the demo, with the equality check on and off.
//!
//! Method: every listener is reached through a recorder that keeps all bytes of both directions. Two runs of one
//! seed, one with the check and one without, are cut into HTTP messages; each message becomes a *shape*: link,
//! direction, method and path or status, the length of every header field (of a signature's parameters without the
//! digits of its sequence number), the length of the body (of a report: of each entry, since how many entries share
//! a report depends on the clock; of an enrolment: without its evidence, see `body`). Both runs must have the same set of
//! shapes. Polls for policies and feed are left out of that comparison, because whether one is answered by 304
//! depends on the clock alone; they are searched like everything else. All bytes are searched for a private value
//! that every snapshot holds, as text, in hex and in base64 at each of its three offsets.

use crate::demo::{options, run};
use glacis_sim::actor::DEVICE_ONLY;
use glacis_sim::demo::DemoOptions;
use glacis_sim::net::{Capture, Frame, Link};
use glacis_wire::message::decide::Report;
use glacis_wire::message::enrol::EnrolRequest;
use glacis_wire::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One HTTP message: start line, header fields, body.
struct Message<'a> {
    start: &'a str,
    fields: Vec<(String, &'a str)>,
    body: Vec<u8>,
}

fn messages(mut bytes: &[u8], request: bool) -> Vec<Message<'_>> {
    let mut found = Vec::new();
    while let Some(end) = find(bytes, b"\r\n\r\n") {
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        bytes = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap();
        let fields: Vec<(String, &str)> = lines
            .map(|line| {
                line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).unwrap()
            })
            .collect();
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let bodiless = !request && (start.contains(" 304") || start.contains(" 204"));
        let body = match (field("transfer-encoding"), field("content-length")) {
            (Some(_), _) => chunked(&mut bytes),
            (None, Some(length)) if !bodiless => {
                let (body, rest) = bytes.split_at(length.parse().unwrap());
                bytes = rest;
                body.to_vec()
            }
            _ => Vec::new(),
        };
        found.push(Message { start, fields, body });
    }
    found
}

fn chunked(bytes: &mut &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        body.extend_from_slice(&bytes[end + 2..end + 2 + length]);
        *bytes = &bytes[end + 4 + length..];
        if length == 0 {
            return body;
        }
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Shapes of one connection: requests by path, responses by the path of the request that they answer.
fn shapes(link: Link, requests: &[u8], responses: &[u8], into: &mut BTreeSet<String>) {
    let requests = messages(requests, true);
    let responses = messages(responses, false);
    for (at, request) in requests.iter().enumerate() {
        let mut parts = request.start.split(' ');
        let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
        if target.starts_with("/v1/published") || target.starts_with("/v1/feed") {
            continue;
        }
        if target == "/v1/report" {
            into.extend(entries(&request.body));
        } else {
            into.insert(format!("{link:?} {method} {target} {}", lengths(request)));
        }
        if let Some(response) = responses.get(at) {
            let status = response.start.split(' ').nth(1).unwrap();
            into.insert(format!("{link:?} {target} -> {status} {}", lengths(response)));
        }
    }
}

fn lengths(message: &Message<'_>) -> String {
    let length = |name: &str, value: &str| match name {
        "signature-input" => format!("{}+seq", value.len() - seq(value).len()),
        _ => value.len().to_string(),
    };
    let fields: Vec<String> =
        message.fields.iter().map(|(name, value)| format!("{name}={}", length(name, value))).collect();
    format!("{} body={}", fields.join(" "), body(message))
}

/// The length of a body; of an enrolment without its evidence, whose certificates have signatures of more or fewer bytes
/// by chance.
fn body(message: &Message<'_>) -> String {
    let length = message.body.len();
    let target = message.start.split(' ').nth(1).unwrap_or_default();
    let enrols = target.split('?').next().is_some_and(|path| path.ends_with("/enrol"));
    let request = EnrolRequest::from_bytes(&message.body).ok().filter(|_| enrols);
    let evidence = request.and_then(|request| request.body.evidence);
    evidence.map_or(length.to_string(), |evidence| {
        format!("{}+{}", length - evidence.body.len(), evidence.family.0)
    })
}

/// The sequence number of a device's request: it counts what the session sent before, and how many of a burst's
/// requests the gateway let through depends on the clock. A node's nonce is random and has one length.
fn seq(signature_input: &str) -> &str {
    let (_, rest) = signature_input.split_once(";nonce=\"").unwrap();
    let (nonce, _) = rest.split_once('"').unwrap();
    if nonce.bytes().all(|byte| byte.is_ascii_digit()) { nonce } else { "" }
}

fn entries(body: &[u8]) -> Vec<String> {
    let report = Report::from_bytes(body).unwrap();
    let length = |entry: &dyn Fn() -> Vec<u8>| entry().len();
    let records = report
        .records
        .iter()
        .map(|one| format!("report record {} {}", one.facts.event, length(&|| one.to_bytes().unwrap())));
    let openings =
        report.openings.iter().map(|one| format!("report opening {}", length(&|| one.to_bytes().unwrap())));
    let devices = report
        .devices
        .iter()
        .flat_map(|batch| batch.batch.records.iter())
        .map(|one| format!("report device record {}", length(&|| one.to_bytes().unwrap())));
    records.chain(openings).chain(devices).collect()
}

/// The value in every form in which it could travel.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![value.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for lead in 0..3 {
        // Base64 digits that depend on the value alone, whatever stands around it.
        let padded = [vec![0; lead], value.as_bytes().to_vec()].concat();
        let whole = padded.len() / 3 * 3;
        let text = base64(&padded[..whole]);
        let inner = &text[if lead == 0 { 0 } else { 4 }..];
        forms.push(inner.as_bytes().to_vec());
        forms.push(inner.replace('+', "-").replace('/', "_").into_bytes());
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    glacis_seal::httpsig::sfv::bytes(bytes).trim_matches(':').to_owned()
}

fn holds(frames: &[Frame], value: &str) -> bool {
    let forms = forms(value);
    frames.iter().any(|frame| forms.iter().any(|form| find(&frame.bytes, form).is_some()))
}

fn captured(check: bool) -> (Vec<Frame>, BTreeSet<String>) {
    let capture = Capture::new();
    let report = run(&DemoOptions { check, capture: Some(Arc::clone(&capture)), ..options(77) });
    assert_eq!(report.equality.checked > 0, check);
    let frames = capture.frames();
    let mut shapes_found = BTreeSet::new();
    let mut seen: BTreeMap<Link, usize> = BTreeMap::new();
    for pair in frames.chunks(2) {
        let [up, down] = pair else { panic!("a connection has two directions") };
        assert!(up.request && !down.request && up.link == down.link);
        *seen.entry(up.link).or_default() += up.bytes.len();
        shapes(up.link, &up.bytes, &down.bytes, &mut shapes_found);
    }
    assert_eq!(seen.len(), 4, "every link carried something: {seen:?}");
    (frames, shapes_found)
}

#[test]
fn nothing_private_crosses_a_socket_and_the_check_changes_no_message() {
    let (with, with_shapes) = captured(true);
    let (without, without_shapes) = captured(false);
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(only(&with_shapes, &without_shapes), Vec::<String>::new(), "only with the check");
    assert_eq!(only(&without_shapes, &with_shapes), Vec::<String>::new(), "only without the check");
    assert!(with_shapes.len() > 60, "{}", with_shapes.len());
    for frames in [&with, &without] {
        assert!(!holds(frames, DEVICE_ONLY));
        assert!(holds(frames, "merchant-rent"), "the search finds what is there");
    }
    let planted = |bytes: Vec<u8>| [Frame { link: Link::FleetEdge, request: true, bytes }];
    for lead in 0..3 {
        let around = [&vec![b'x'; lead][..], DEVICE_ONLY.as_bytes(), b"yz"].concat();
        assert!(
            holds(&planted(format!("glacis-x: :{}:", base64(&around)).into_bytes()), DEVICE_ONLY),
            "{lead}"
        );
    }
}
