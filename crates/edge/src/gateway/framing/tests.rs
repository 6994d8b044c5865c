//! What passes, and in front of which byte the stream stops.

use super::*;
use proptest::prelude::*;

/// Feeds `text` in pieces of `piece` bytes; `passed bytes, heads, refusal`.
fn check(text: &str, piece: usize) -> (usize, u64, Option<&'static str>) {
    let mut tracker = Tracker::new(512);
    let mut passed = 0;
    for part in text.as_bytes().chunks(piece) {
        let taken = tracker.feed(part);
        passed += taken;
        if taken < part.len() {
            break;
        }
    }
    (passed, tracker.heads, tracker.refusal().map(Refusal::name))
}

const OK: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn strict_requests_pass_in_any_pieces() {
    for text in [
        OK.to_owned(),
        OK.repeat(3),
        "POST /x?y HTTP/1.1\r\nhost: a:1\r\nContent-Length: 5\r\n\r\nhello".to_owned() + OK,
        "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0a\r\n0123456789\r\n0\r\n\r\n".to_owned() + OK,
        "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d e\"\r\nhello\r\n1 \t;\r\n!\r\n0;z\r\nX-Sum: 1\r\nx-sum:2\r\n\r\n".to_owned() + OK,
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET http://a/x HTTP/1.1\r\nHost: A\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost:a\r\nX:\t y \r\nZ:\r\n\r\n".to_owned(),
    ] {
        let heads = text.matches(" HTTP/1.").count() as u64;
        for piece in [1, 2, 3, 7, 4_096] {
            assert_eq!(check(&text, piece), (text.len(), heads, None), "{text:?} in pieces of {piece}");
        }
    }
}

#[test]
fn ambiguous_framing_is_stopped_before_the_request_is_complete() {
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(600));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x:\r\n".repeat(100));
    for (text, want) in [
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 5\r\n\r\nhello", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x5\r\n\r\nhello", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n", "framing"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "framing",
        ),
        ("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", "framing"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\n x: y\r\nhost: a\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\nhost: a\n\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\rz: w\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\0z\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", "framing"),
        ("GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("GET https://a/ HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "framing"),
        ("CONNECT /x HTTP/1.1\r\nhost: 10.0.0.5:22\r\n\r\n", "framing"),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("OPTIONS *x HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("GET  / HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("GET / x HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", "framing"),
        ("GET /\u{e4} HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", "framing"),
        ("GET / HTTP/1.1\r\nhost: a\r\n: y\r\n\r\n", "framing"),
        (&long, "head-too-large"),
        (&many, "head-too-large"),
    ] {
        for piece in [1, 3, 4_096] {
            let (passed, heads, refusal) = check(text, piece);
            assert_eq!(refusal, Some(want), "{text:?} in pieces of {piece}");
            assert_eq!(heads, 0, "{text:?}");
            assert!(passed < text.len(), "{text:?}");
        }
        let (_, heads, refusal) = check(&(OK.to_owned() + text), 4_096);
        assert_eq!((heads, refusal), (1, Some(want)), "after a good request: {text:?}");
    }
}

#[test]
fn bad_chunks_are_stopped() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        ";x\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "5;x\r\rhello\r\n",
        "5;x\0\r\nhello\r\n",
        "5;\"\r\n\"\r\nhello\r\n",
        "5 x\r\nhello\r\n",
        "5\t5\r\nhello\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "\r\n",
        "0x5\r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\nhello!\r\n",
        "5\r\nhello\n",
        "g\r\n",
        "-1\r\n",
        "000000005\r\nhello\r\n",
        "fffffffff\r\n",
        "0\r\nx: y\n\r\n",
        "0\r\nx: y\rz\r\n\r\n",
        "0\r\nx: y\r\n z\r\n\r\n",
        "0\r\nx : y\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\ntransfer-encoding: chunked\r\n\r\n",
        "0\r\nhost: a\r\n\r\n",
    ] {
        for piece in [1, 4_096] {
            let (_, heads, refusal) = check(&format!("{head}{body}"), piece);
            assert_eq!((heads, refusal), (1, Some("framing")), "{body:?} in pieces of {piece}");
        }
    }
}

#[test]
fn extensions_and_trailers_are_bounded_for_each_body() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1;{}\r\nx\r\n", "e".repeat(99));
    let field = |bytes: usize| format!("x: {}\r\n", "y".repeat(bytes - 5));
    let body = |chunks: usize, trailers: &str| format!("{head}{}0\r\n{trailers}\r\n", chunk.repeat(chunks));
    let fits = body(EXTENSIONS_MAX / 100, &field(TRAILERS_MAX - 2));
    let twice = fits.repeat(2);
    assert_eq!(check(&twice, 4_096), (twice.len(), 2, None));
    for over in [body(EXTENSIONS_MAX / 100 + 1, ""), body(0, &field(TRAILERS_MAX - 1))] {
        for piece in [1, 4_096] {
            let (passed, heads, refusal) = check(&over, piece);
            assert_eq!((heads, refusal), (1, Some("framing")));
            assert!(passed < over.len());
        }
    }
    let many = body(0, &"x:\r\n".repeat(HEADERS_MAX + 1));
    assert_eq!(check(&many, 4_096).2, Some("head-too-large"));
}

proptest! {
    /// How the stream is cut changes nothing about what passes.
    #[test]
    fn pieces_do_not_matter(text in "(GET|P) (/|http://a/) HTTP/1.[012]\r?\n(host: a\r\n|x:[ y]\r\n|content-length: [0-3]\r\n){0,4}\r?\n[xG]{0,4}", piece in 1_usize..9) {
        let whole = check(&text, text.len().max(1));
        let cut = check(&text, piece);
        prop_assert_eq!((whole.1, whole.2), (cut.1, cut.2));
    }
}
