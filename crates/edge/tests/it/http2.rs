//! HTTP/2 where clients connect and behind: what passes, what is refused on the way down to HTTP/1.1, what is bounded.

use crate::device::get;
use crate::frames::{self, END_HEADERS, END_STREAM, Outcome, data, frame, headers};
use crate::gateway::Town;
use crate::tls::Pki;
use crate::world::{event, says, slice};
use glacis_host::Clock;
use glacis_wire::http::Request as Signed;
use glacis_wire::{NodeOutcome, Zone};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Body = BoxBody<Bytes, Infallible>;
type Sender = SendRequest<Body>;

/// Frames that a test sends when it likes.
struct Pieces(UnboundedReceiver<Frame<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

fn pieces() -> (UnboundedSender<Frame<Bytes>>, Body) {
    let (send, body) = unbounded_channel();
    (send, BoxBody::new(Pieces(body)))
}

fn full(bytes: impl Into<Bytes>) -> Body {
    BoxBody::new(Full::new(bytes.into()))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), work).await.unwrap() })
}

async fn speak(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Sender {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn connect(address: SocketAddr) -> Sender {
    speak(TcpStream::connect(address).await.unwrap()).await
}

fn ask(path: &str, body: Body) -> Request<Body> {
    Request::post(format!("http://shop.test{path}")).body(body).unwrap()
}

async fn text(answer: Response<Incoming>) -> (u16, String) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A request as the SDK signs it, for HTTP/2.
fn carried(request: &Signed) -> Request<Body> {
    let target = format!("https://{}{}{}", request.authority, request.path, request.query);
    let mut built = Request::builder().method(request.method.as_str()).uri(target);
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    built.body(full(request.body.clone())).unwrap()
}

/// What an echoing service of HTTP/2 was asked.
type Seen = UnboundedReceiver<(http::request::Parts, Option<HeaderMap>)>;

/// A service of HTTP/2 on a thread of its own: it sends bodies back piece by piece, and trailers as gRPC does.
fn service() -> (SocketAddr, Seen) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (send, seen) = unbounded_channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let send = send.clone();
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let send = send.clone();
                    async move { Ok::<_, Infallible>(echo(request, send)) }
                });
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
            }
        });
    });
    (address, seen)
}

fn echo(
    request: Request<Incoming>,
    seen: UnboundedSender<(http::request::Parts, Option<HeaderMap>)>,
) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let (send, out) = pieces();
    tokio::spawn(async move {
        let mut trailers = None;
        while let Some(Ok(frame)) = body.frame().await {
            match frame.into_data() {
                Ok(data) => drop(send.send(Frame::data(data))),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        let mut end = HeaderMap::new();
        for (name, value) in [("grpc-status", "0"), ("grpc-message", "fine"), ("glacis-verdict", ":forged:")]
        {
            end.insert(name, value.parse().unwrap());
        }
        let _ = send.send(Frame::trailers(end));
        let _ = seen.send((parts, trailers));
    });
    Response::builder()
        .header("content-type", "application/grpc")
        .header("glacis-verdict", ":forged:")
        .body(out)
        .unwrap()
}

/// A gateway in front of such a service, at `/grpc/`.
fn grpc_town(further: &str) -> (Town, Seen) {
    let (behind, seen) = service();
    let town = Town::with(|text| {
        let route = "[[route]]\npath = \"/grpc/{*}\"\nupstream = \"grpc\"\nbody_max_bytes = 10000000\n[[route]]\npath = \"/public";
        let text = text.replace("[[route]]\npath = \"/public", route);
        format!("{text}\n[upstream.grpc]\naddress = \"{behind}\"\nprotocol = \"http2\"\n{further}")
    });
    (town, seen)
}

#[test]
fn many_requests_share_a_connection_and_reach_a_service_of_http_1() {
    let town = Town::new();
    run(async {
        let sender = connect(town.address).await;
        let asks = (0..50).map(|n| {
            let mut sender = sender.clone();
            async move {
                let answer = sender.send_request(ask(&format!("/public/{n}"), full("body"))).await.unwrap();
                assert!(answer.headers().get("x-keep").is_some() && answer.headers().get("x-hop").is_none());
                text(answer).await
            }
        });
        let asks: Vec<_> = asks.map(tokio::spawn).collect();
        for ask in asks {
            assert_eq!(ask.await.unwrap(), (200, "ok".to_owned()));
        }
    });
    let mut paths: Vec<String> = Vec::new();
    while let Ok(seen) = town.seen.try_recv() {
        let (line, rest) = seen.split_once("\r\n").unwrap();
        assert!(line.starts_with("POST /public/") && line.ends_with(" HTTP/1.1"), "{line}");
        assert!(rest.contains("host: shop.test\r\n") && rest.ends_with("body"), "{seen}");
        paths.push(line.to_owned());
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 50);
    let counts = town.running.as_ref().unwrap().core().metrics().snapshot();
    assert_eq!(counts.connections, 1);
}

#[test]
fn a_signed_request_passes_over_tls_and_http_2() {
    let pki = Pki::new();
    let town = crate::tls::town(&pki, "");
    run(async {
        let mut config = pki.config(None);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(town.address).await.unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config));
        let tls = tls.connect("localhost".try_into().unwrap(), socket).await.unwrap();
        let sender = speak(tls).await;
        let opening = town.opening();
        let answer = sender.clone().send_request(carried(&opening.request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut session = opening.finish(&answer.into_body().collect().await.unwrap().to_bytes());
        let request = session.sign(
            get("/accounts/1?a=b"),
            event(1),
            Some(&says(slice("view", Zone::Edge).policy, NodeOutcome::False)),
            None,
            town.host.now(),
        );
        let answer = sender.clone().send_request(carried(&request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        let verdict = answer.headers().get("glacis-verdict").unwrap().to_str().unwrap().to_owned();
        assert_eq!(session.verdict(&verdict).event_id, event(1));
        let again = sender.clone().send_request(carried(&request)).await.unwrap();
        assert!(text(again).await.1.contains("replayed"));
    });
    let seen = town.seen.recv().unwrap();
    assert!(seen.contains("glacis-decision: :") && !seen.contains("glacis-ticket: "), "{seen}");
}

#[test]
fn calls_of_grpc_pass_in_both_directions_with_their_trailers() {
    let (town, mut seen) = grpc_town("");
    run(async {
        let mut sender = connect(town.address).await;
        let (send, body) = pieces();
        let mut request = ask("/grpc/shop.Orders/Watch", body);
        for (name, value) in [
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "5S"),
            ("glacis-decision", ":forged:"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().get("glacis-verdict")), (200, None));
        let mut body = answer.into_body();
        // Both sides speak in turns, so nothing waits for an end.
        for piece in ["one", "two", "three"] {
            send.send(Frame::data(piece.into())).unwrap();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), piece);
        }
        let mut end = HeaderMap::new();
        for (name, value) in [("x-sum", "3"), ("glacis-decision", ":forged:"), ("host", "evil")] {
            end.insert(name, value.parse().unwrap());
        }
        send.send(Frame::trailers(end)).unwrap();
        drop(send);
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(
            (&trailers["grpc-status"], &trailers["grpc-message"]),
            (&"0".parse().unwrap(), &"fine".parse().unwrap())
        );
        assert_eq!(trailers.len(), 2, "{trailers:?}");
        let (parts, trailers) = seen.recv().await.unwrap();
        assert_eq!(parts.uri, "http://shop.test/grpc/shop.Orders/Watch");
        assert_eq!(
            (&parts.headers["te"], &parts.headers["grpc-timeout"]),
            (&"trailers".parse().unwrap(), &"5S".parse().unwrap())
        );
        assert!(!parts.headers.contains_key("glacis-decision") && !parts.headers.contains_key("host"));
        let trailers = trailers.unwrap();
        assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &"3".parse().unwrap()));
    });
}

#[test]
fn a_service_of_http_2_serves_clients_of_http_1() {
    let (town, mut seen) = grpc_town("");
    let mut client = std::net::TcpStream::connect(town.address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client
        .write_all(
            b"POST /grpc/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
        .unwrap();
    let answer = crate::passage::until(&mut client, "\r\n0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{answer}");
    assert!(!answer.contains("forged"), "{answer}");
    let (parts, _) = seen.blocking_recv().unwrap();
    assert_eq!(parts.uri, "http://a/grpc/a");
    assert!(!parts.headers.contains_key("transfer-encoding"));
}

#[test]
fn trailers_of_a_service_of_http_1_reach_clients_of_http_2() {
    let behind = scripted(|_, mut socket| {
        crate::passage::until(&mut socket, "\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
        let end = "2\r\nok\r\n0\r\nx-sum: 1\r\nglacis-verdict: :forged:\r\n\r\n";
        socket.write_all(format!("{head}{end}").as_bytes()).unwrap();
    });
    let town = Town::with(|text| {
        let route = "[[route]]\npath = \"/sum\"\nupstream = \"sum\"\n[[route]]\npath = \"/public";
        text.replace("[[route]]\npath = \"/public", route)
            + &format!("\n[upstream.sum]\naddress = \"{behind}\"\n")
    });
    run(async {
        let mut sender = connect(town.address).await;
        let get = Request::get("http://shop.test/sum").body(full("")).unwrap();
        let answer = sender.send_request(get).await.unwrap().into_body().collect().await.unwrap();
        let trailers = answer.trailers().unwrap();
        assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &"1".parse().unwrap()));
        assert_eq!(answer.to_bytes(), "ok");
    });
}

#[test]
fn bodies_are_not_held_back_and_windows_bound_what_waits() {
    let (town, _seen) = grpc_town("");
    run(async {
        let mut sender = connect(town.address).await;
        let body = crate::service::noise(3_000_000);
        let answer = sender.send_request(ask("/grpc/large", full(body.clone()))).await.unwrap();
        let got = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(got == body, "the same bytes");
    });
}

/// A service that does with each connection what the test says.
fn scripted(script: impl Fn(usize, std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (at, socket) in listener.incoming().flatten().enumerate() {
            script(at, socket);
        }
    });
    address
}

/// Reads frames up to the next head of a request; its stream.
fn head_of(socket: &mut std::net::TcpStream) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        socket.read_exact(&mut payload).ok()?;
        if head[3] == 1 {
            return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

#[test]
fn what_a_service_did_not_process_is_sent_once_more() {
    // First connection: one good answer, then a refusal of the second request. Others: all good.
    for refusal in ["refused", "gone"] {
        let behind = scripted(move |at, mut socket| {
            socket.write_all(&frame(4, 0, 0, &[])).unwrap();
            let mut preface = [0; 24];
            socket.read_exact(&mut preface).unwrap();
            let mut answered = 0;
            while let Some(stream) = head_of(&mut socket) {
                if at == 0 && answered == 1 {
                    let no = match refusal {
                        "refused" => frame(3, 0, stream, &7_u32.to_be_bytes()),
                        _ => frame(7, 0, 0, &[&(stream - 2).to_be_bytes()[..], &[0; 4]].concat()),
                    };
                    socket.write_all(&no).unwrap();
                    if refusal == "gone" {
                        break;
                    }
                    return;
                }
                answered += 1;
                let mut answer = frame(1, END_HEADERS, stream, &[0x88]);
                answer.extend(data(stream, END_STREAM, format!("{at}").as_bytes()));
                socket.write_all(&answer).unwrap();
            }
        });
        let town = Town::with(|text| {
            text.replace(
                "\n[[route]]\npath = \"/public",
                "\n[[route]]\npath = \"/two\"\nupstream = \"two\"\n[[route]]\npath = \"/public",
            ) + &format!("\n[upstream.two]\naddress = \"{behind}\"\nprotocol = \"http2\"\nidle_ms = 60000\n")
        });
        run(async {
            let mut sender = connect(town.address).await;
            let get = || Request::get("http://shop.test/two").body(full("")).unwrap();
            assert_eq!(text(sender.send_request(get()).await.unwrap()).await, (200, "0".into()));
            assert_eq!(text(sender.send_request(get()).await.unwrap()).await, (200, "1".into()), "{refusal}");
        });
    }
}

#[test]
fn a_connection_that_does_not_answer_gets_no_further_request() {
    let behind = scripted(|at, mut socket| {
        std::thread::spawn(move || {
            socket.write_all(&frame(4, 0, 0, &[])).unwrap();
            socket.read_exact(&mut [0; 24]).unwrap();
            while let Some(stream) = head_of(&mut socket) {
                if at > 0 {
                    socket.write_all(&frame(1, END_HEADERS | END_STREAM, stream, &[0x88])).unwrap();
                }
            }
        });
    });
    let town = Town::with(|text| {
        text.replace(
            "\n[[route]]\npath = \"/public",
            "\n[[route]]\npath = \"/two\"\nupstream = \"two\"\n[[route]]\npath = \"/public",
        ) + &format!(
            "\n[upstream.two]\naddress = \"{behind}\"\nprotocol = \"http2\"\nidle_ms = 60000\n[limits]\nupstream_wait_ms = 300\n"
        )
    });
    run(async {
        let mut sender = connect(town.address).await;
        let get = || Request::get("http://shop.test/two").body(full("")).unwrap();
        assert_eq!(sender.send_request(get()).await.unwrap().status(), 502);
        assert_eq!(sender.send_request(get()).await.unwrap().status(), 200);
    });
}

/// Fields of a good request, with `change` in place of the one of that name, or after them.
fn fields<'a>(change: &[(&'a str, &'a [u8])]) -> Vec<(&'a str, &'a [u8])> {
    let good: [(&str, &[u8]); 4] =
        [(":method", b"POST"), (":scheme", b"http"), (":authority", b"shop.test"), (":path", b"/public/a")];
    let mut all = Vec::new();
    for (name, value) in good {
        let before = all.len();
        all.extend(change.iter().filter(|(other, _)| *other == name));
        if all.len() == before {
            all.push((name, value));
        }
    }
    all.retain(|(_, value)| *value != b"-");
    all.extend(
        change.iter().filter(|(name, _)| !name.starts_with(':') || !good.iter().any(|(g, _)| g == name)),
    );
    all
}

#[test]
fn nothing_that_http_1_reads_in_another_way_goes_down_to_it() {
    const REFUSED: Outcome = Outcome::Status(400);
    const MALFORMED: Outcome = Outcome::Reset(1);
    let town = Town::new();
    type Change<'a> = &'a [(&'a str, &'a [u8])];
    let cases: &[(&str, Change<'_>, &[u8], &[Outcome])] = &[
        ("length below the data", &[("content-length", b"3")], b"hello", &[MALFORMED]),
        ("length above the data", &[("content-length", b"30")], b"hello", &[MALFORMED]),
        (
            "two lengths that agree",
            &[("content-length", b"5"), ("content-length", b"5")],
            b"hello",
            &[REFUSED],
        ),
        (
            "two lengths that do not",
            &[("content-length", b"5"), ("content-length", b"0")],
            b"hello",
            &[REFUSED, MALFORMED],
        ),
        ("lengths in one field", &[("content-length", b"5, 5")], b"hello", &[REFUSED, MALFORMED]),
        ("a length with a sign", &[("content-length", b"+5")], b"hello", &[REFUSED, MALFORMED]),
        ("transfer-encoding", &[("transfer-encoding", b"chunked")], b"0\r\n\r\n", &[MALFORMED]),
        (
            "transfer-encoding beside a length",
            &[("content-length", b"5"), ("transfer-encoding", b"chunked")],
            b"0\r\n\r\n",
            &[MALFORMED],
        ),
        ("connection", &[("connection", b"x-a")], b"", &[MALFORMED]),
        ("keep-alive", &[("keep-alive", b"1")], b"", &[MALFORMED]),
        ("proxy-connection", &[("proxy-connection", b"close")], b"", &[MALFORMED]),
        ("upgrade", &[("upgrade", b"h2c")], b"", &[MALFORMED]),
        ("te that is not trailers", &[("te", b"gzip")], b"", &[MALFORMED]),
        ("CR LF in a value", &[("x-a", b"1\r\nx-b: 2")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("LF in a value", &[("x-a", b"1\nx-b: 2")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("NUL in a value", &[("x-a", b"1\x002")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("blank before a value", &[("x-a", b" 1")], b"", &[REFUSED]),
        ("blank after a value", &[("x-a", b"1\t")], b"", &[REFUSED]),
        ("CR LF in a name", &[("x-a\r\nx-b", b"1")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("colon in a name", &[("x-a: 1\r\nx-b", b"1")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("blank in a name", &[("content-length ", b"0")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("upper case in a name", &[("X-A", b"1")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("no name", &[("", b"1")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("path with a blank", &[(":path", b"/public/a HTTP/1.1")], b"", &[MALFORMED]),
        ("path with CR LF", &[(":path", b"/public/a HTTP/1.1\r\nx: y")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("path in absolute form", &[(":path", b"http://other/public/a")], b"", &[REFUSED, MALFORMED]),
        ("path without a slash", &[(":path", b"public/a")], b"", &[REFUSED, MALFORMED]),
        ("path of a star for a post", &[(":path", b"*")], b"", &[REFUSED]),
        ("path beyond ASCII", &[(":path", "/public/\u{e9}".as_bytes())], b"", &[REFUSED, MALFORMED]),
        ("empty path", &[(":path", b"")], b"", &[MALFORMED]),
        ("no path", &[(":path", b"-")], b"", &[MALFORMED]),
        ("two paths", &[(":path", b"/public/a"), (":path", b"/public/b")], b"", &[MALFORMED]),
        ("no method", &[(":method", b"-")], b"", &[MALFORMED]),
        ("two methods", &[(":method", b"GET"), (":method", b"POST")], b"", &[MALFORMED]),
        (
            "method with a line",
            &[(":method", b"GET / HTTP/1.1\r\nx: y\r\n\r\nPOST")],
            b"",
            &[MALFORMED, Outcome::Away(1)],
        ),
        ("no scheme", &[(":scheme", b"-")], b"", &[MALFORMED]),
        ("two schemes", &[(":scheme", b"http"), (":scheme", b"https")], b"", &[MALFORMED]),
        ("another scheme", &[(":scheme", b"file")], b"", &[REFUSED]),
        ("two authorities", &[(":authority", b"a"), (":authority", b"b")], b"", &[MALFORMED]),
        ("no host at all", &[(":authority", b"-")], b"", &[REFUSED]),
        ("another host", &[("host", b"evil.test")], b"", &[REFUSED]),
        ("two hosts", &[("host", b"shop.test"), ("host", b"shop.test")], b"", &[REFUSED]),
        ("authority with a user", &[(":authority", b"evil@shop.test")], b"", &[REFUSED]),
        ("authority with a path", &[(":authority", b"shop.test/x")], b"", &[MALFORMED]),
        ("host with a blank", &[(":authority", b"-"), ("host", b"a b")], b"", &[REFUSED]),
        ("unknown pseudo-field", &[(":protocl", b"x")], b"", &[MALFORMED, Outcome::Away(1)]),
        ("status in a request", &[(":status", b"200")], b"", &[MALFORMED]),
        ("connect", &[(":method", b"CONNECT"), (":scheme", b"-"), (":path", b"-")], b"", &[REFUSED]),
        (
            "extended connect",
            &[(":method", b"CONNECT"), (":protocol", b"websocket")],
            b"",
            &[REFUSED, MALFORMED],
        ),
    ];
    for (name, change, body, want) in cases {
        let mut socket = frames::open(town.connect());
        let fields = fields(change);
        let sent = if body.is_empty() {
            headers(1, END_STREAM, &fields)
        } else {
            [headers(1, 0, &fields), data(1, END_STREAM, body)].concat()
        };
        socket.write_all(&sent).unwrap();
        let got = frames::outcome(&mut socket, 1);
        assert!(want.contains(&got), "{name}: {got:?}");
        assert!(town.seen.try_recv().is_err(), "{name}: something reached the service");
    }
    // After a pseudo-field nothing of the kind may follow a field, and the good request passes.
    let mut socket = frames::open(town.connect());
    let late: Vec<(&str, &[u8])> = vec![
        (":method", b"GET"),
        (":scheme", b"http"),
        ("x-a", b"1"),
        (":authority", b"shop.test"),
        (":path", b"/public/a"),
    ];
    socket.write_all(&headers(1, END_STREAM, &late)).unwrap();
    assert_eq!(frames::outcome(&mut socket, 1), MALFORMED);
    let good = fields(&[
        ("content-length", b"5"),
        ("host", b"SHOP.test"),
        ("cookie", b"a=1"),
        ("cookie", b"b=2"),
        ("te", b"trailers"),
    ]);
    let mut socket = frames::open(town.connect());
    socket.write_all(&[headers(1, 0, &good), data(1, END_STREAM, b"hello")].concat()).unwrap();
    assert_eq!(frames::outcome(&mut socket, 1), Outcome::Status(200));
    let seen = town.seen.recv().unwrap();
    assert!(seen.starts_with("POST /public/a HTTP/1.1\r\n") && seen.ends_with("\r\n\r\nhello"), "{seen}");
    assert!(seen.contains("cookie: a=1; b=2\r\n") && seen.contains("host: SHOP.test\r\n"), "{seen}");
    assert!(!seen.contains("te:") && !seen.contains("transfer-encoding"), "{seen}");
}

#[test]
fn a_first_line_in_pieces_is_read_as_what_it_is() {
    let town = Town::new();
    for (text, http2) in [
        (frames::PREFACE, true),
        (&b"POST /public/a HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"[..], false),
    ] {
        let mut socket = town.connect();
        socket.set_nodelay(true).unwrap();
        for byte in text {
            socket.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut start = [0; 9];
        if http2 {
            socket.write_all(&frame(4, 0, 0, &[])).unwrap();
            socket.write_all(&headers(1, END_STREAM, &fields(&[]))).unwrap();
            assert_eq!(frames::outcome(&mut socket, 1), Outcome::Status(200));
        } else {
            socket.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 ");
        }
    }
    // What only looks like it for a while is HTTP/1.1, and no good one.
    let mut socket = town.connect();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 400");
    // Where HTTP/2 is off, so is its preface.
    let town = Town::with(|text| text + "\n[http2]\noff = true\n");
    let mut socket = town.connect();
    socket.write_all(frames::PREFACE).unwrap();
    socket.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 400");
}

/// Sends `flood` until the gateway takes no more, at most `most` times; what then comes.
fn flood(town: &Town, most: usize, before: &[u8], flood: impl Fn(usize) -> Vec<u8>) -> Outcome {
    let mut socket = frames::open(town.connect());
    let mut reader = socket.try_clone().unwrap();
    // Whoever does not read would stop by itself.
    let outcome = std::thread::spawn(move || {
        loop {
            match frames::outcome(&mut reader, 0) {
                Outcome::Status(_) | Outcome::Reset(_) => {}
                end => return end,
            }
        }
    });
    let mut sent = socket.write_all(before);
    for at in 0..most {
        if sent.is_err() {
            break;
        }
        sent = socket.write_all(&flood(at));
    }
    outcome.join().unwrap()
}

#[test]
fn floods_end_their_connection_and_no_other() {
    const CALM: Outcome = Outcome::Away(11);
    let town = Town::with(|text| text + "\n[http2]\nresets = 10\nstreams = 10\n");
    let good = fields(&[]);
    let stream = |at: usize| u32::try_from(at).unwrap() * 2 + 1;
    let reset = |at: usize, code: u32| frame(3, 0, stream(at), &code.to_be_bytes());
    // Streams that are opened and taken back at once (CVE-2023-44487).
    let rapid = flood(&town, 5_000, &[], |at| [headers(stream(at), 0, &good), reset(at, 8)].concat());
    assert!(matches!(rapid, CALM | Outcome::Closed), "{rapid:?}");
    // A header block without an end (CVE-2024-27316).
    let begun = frame(1, 0, 1, &frames::block(&good));
    let endless = flood(&town, 5_000, &begun, |_| frame(9, 0, 1, &frames::block(&[("x-a", b"1")])));
    assert!(matches!(endless, CALM | Outcome::Away(1) | Outcome::Closed), "{endless:?}");
    let empty = flood(&town, 5_000, &begun, |_| frame(9, 0, 1, &[]));
    assert!(matches!(empty, CALM | Outcome::Away(1) | Outcome::Closed), "{empty:?}");
    // Streams that we have to reset, as their length is wrong.
    let wrong = fields(&[("content-length", b"1")]);
    let errors = flood(&town, 5_000, &[], |at| headers(stream(at), END_STREAM, &wrong));
    assert!(matches!(errors, CALM | Outcome::Closed), "{errors:?}");
    // Frames that want an answer get one each, and a client that does not read them is not read from.
    let mut socket = frames::open(town.connect());
    socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let pings = frame(6, 0, 0, &[7; 8]).repeat(1_000);
    let taken = (0..1_000).take_while(|_| socket.write_all(&pings).is_ok()).count();
    assert!(taken < 1_000, "17 MB of pings were taken from a client that reads no answer");
    // More streams at once than there may be are refused each by itself.
    let mut socket = frames::open(town.connect());
    for at in 0..11 {
        socket.write_all(&headers(stream(at), 0, &good)).unwrap();
    }
    assert_eq!(frames::outcome(&mut socket, stream(10)), Outcome::Reset(7));
    // A header list beyond the limit of heads is refused, and the connection goes on.
    let mut socket = frames::open(town.connect());
    let long = vec![b'x'; 9_000];
    let large = frames::block(&[&good[..], &[("x-a", &long), ("x-b", &long)]].concat());
    let (first, rest) = large.split_at(10_000);
    socket.write_all(&[frame(1, END_STREAM, 1, first), frame(9, END_HEADERS, 1, rest)].concat()).unwrap();
    assert_eq!(frames::outcome(&mut socket, 1), Outcome::Status(431));
    socket.write_all(&headers(3, END_STREAM, &good)).unwrap();
    assert_eq!(frames::outcome(&mut socket, 3), Outcome::Status(200));
}

#[test]
fn slow_clients_of_http_2_lose_their_connection() {
    let town =
        Town::with(|text| text + "\n[limits]\nhead_wait_ms = 300\nidle_ms = 1000\nupstream_wait_ms = 500\n");
    // Nothing but the preface; a header block that does not end, dripping; a body that does not come; an idle connection
    // with pings.
    let silent = frames::open(town.connect());
    let mut dripping = frames::open(town.connect());
    dripping.write_all(&frame(1, 0, 1, &frames::block(&fields(&[])))).unwrap();
    let mut waiting = frames::open(town.connect());
    waiting.write_all(&headers(1, 0, &fields(&[("content-length", b"5")]))).unwrap();
    let mut idle = frames::open(town.connect());
    idle.write_all(&headers(1, END_STREAM, &fields(&[]))).unwrap();
    assert_eq!(frames::outcome(&mut idle, 1), Outcome::Status(200));
    let ping = frame(6, 0, 0, &[0; 8]);
    let more = frame(9, 0, 1, &frames::block(&[("x-a", b"1")]));
    for (mut socket, drip) in [(silent, &ping), (dripping, &more), (waiting, &ping), (idle, &ping)] {
        let mut writer = socket.try_clone().unwrap();
        let drip = drip.clone();
        let drip = std::thread::spawn(move || {
            while writer.write_all(&drip).is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        // Whatever comes, it comes to an end.
        while !matches!(frames::outcome(&mut socket, 0), Outcome::Closed) {}
        drip.join().unwrap();
    }
}

#[test]
fn a_client_that_does_not_read_holds_nothing_for_long() {
    let (town, _seen) = grpc_town("[limits]\nupstream_wait_ms = 300\n");
    let mut socket = frames::open(town.connect());
    // No window: the answer's body cannot leave.
    socket.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    let ask = fields(&[(":path", b"/grpc/a"), ("content-length", b"5")]);
    socket.write_all(&[headers(1, 0, &ask), data(1, END_STREAM, b"hello")].concat()).unwrap();
    assert_eq!(frames::outcome(&mut socket, 1), Outcome::Status(200));
    while !matches!(frames::outcome(&mut socket, 0), Outcome::Closed) {}
}

/// An operator's drain, after which the node runs on.
#[test]
fn a_draining_node_tells_connections_of_http_2_to_go() {
    let (town, _seen) = grpc_town("");
    let core = town.running.as_ref().unwrap().core();
    let ask = fields(&[(":path", b"/grpc/a")]);
    let request = [headers(1, 0, &ask), data(1, END_STREAM, b"one")].concat();
    let mut before = frames::open(town.connect());
    before.write_all(&request).unwrap();
    assert_eq!(frames::outcome(&mut before, 1), Outcome::Status(200));
    core.drain(true, "ann").unwrap();
    assert_eq!(frames::outcome(&mut before, 9), Outcome::Away(0));
    // Whoever comes all the same is answered.
    let mut late = frames::open(town.connect());
    late.write_all(&request).unwrap();
    let both = [frames::outcome(&mut late, 1), frames::outcome(&mut late, 1)];
    assert!(both.contains(&Outcome::Status(200)) && both.contains(&Outcome::Away(0)), "{both:?}");
}

#[test]
fn draining_says_goodbye_and_lets_requests_finish() {
    let (mut town, _seen) = grpc_town("");
    let running = town.running.take().unwrap();
    let mut socket = frames::open(town.connect());
    let ask = fields(&[(":path", b"/grpc/a")]);
    socket.write_all(&[headers(1, 0, &ask), data(1, 0, b"one")].concat()).unwrap();
    assert_eq!(frames::outcome(&mut socket, 1), Outcome::Status(200));
    let stopping = std::thread::spawn(move || running.shutdown());
    assert_eq!(frames::outcome(&mut socket, 9), Outcome::Away(0));
    socket.write_all(&data(1, END_STREAM, b"two")).unwrap();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert!(rest.windows(3).any(|three| three == b"two"), "the answer came to its end");
    stopping.join().unwrap();
}
