//! TLS where clients connect, over real sockets: what is negotiated, who gets which certificate, who is let in.

use crate::device::{get, render};
use crate::forge::{self, Draft, octets, seq, tlv};
use crate::gateway::Town;
use crate::world::{event, says, slice};
use glacis_edge::gateway::ReloadError;
use glacis_host::Clock;
use glacis_seal::SigningKey;
use glacis_wire::{NodeOutcome, Zone};
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore};
use rustls::{StreamOwned, version};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A CA with the files of a gateway.
pub(crate) struct Pki {
    home: tempfile::TempDir,
    ca: SigningKey,
}

pub(crate) type Client = StreamOwned<ClientConnection, TcpStream>;

const SAN: &str = "2.5.29.17";

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// PKCS #8 of a P-256 key (RFC 5208, RFC 5915).
fn pkcs8(key: &SigningKey) -> Vec<u8> {
    let algorithm = seq(&[forge::oid("1.2.840.10045.2.1"), forge::oid("1.2.840.10045.3.1.7")]);
    let public = forge::context(1, &tlv(&[3], &[&[0][..], &key.public().0].concat()));
    let inner = seq(&[forge::int(1), octets(key.scalar().expose()), public]);
    seq(&[tlv(&[2], &[0]), algorithm, octets(&inner)])
}

impl Pki {
    pub(crate) fn new() -> Self {
        let pki = Self { home: tempfile::tempdir().unwrap(), ca: forge::key(0x51) };
        let ca = Draft::new("test ca", "test ca").ca(None).sign(&pki.ca, &pki.ca);
        std::fs::write(pki.home.path().join("ca.pem"), pem("CERTIFICATE", &ca)).unwrap();
        pki
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// A certificate for these host names; DER.
    fn certificate(&self, key: &SigningKey, names: &[&str], ends: &'static str) -> Vec<u8> {
        let names: Vec<Vec<u8>> = names.iter().map(|name| tlv(&[0x82], name.as_bytes())).collect();
        let mut draft = Draft::new("server", "test ca").with(SAN, false, seq(&names));
        draft.ends = ends;
        draft.sign(key, &self.ca)
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn issue(&self, file: &str, seed: u8, names: &[&str]) {
        let key = forge::key(seed);
        let chain = self.certificate(&key, names, "20400101000000Z");
        self.write(&format!("{file}.pem"), &pem("CERTIFICATE", &chain));
        self.write(&format!("{file}.key"), &pem("PRIVATE KEY", &pkcs8(&key)));
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.home.path().join(file), text).unwrap();
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let ca = Draft::new("test ca", "test ca").ca(None).sign(&self.ca, &self.ca);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(ca)).unwrap();
        roots
    }

    /// `[[tls.certificate]]` of these files.
    fn table(&self, file: &str, names: &str) -> String {
        let at = self.home.path().display();
        format!("\n[[tls.certificate]]\n{names}\nchain = \"{at}/{file}.pem\"\nkey = \"{at}/{file}.key\"\n")
    }

    pub(crate) fn config(
        &self,
        client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> ClientConfig {
        let groups = vec![kx_group::X25519MLKEM768, kx_group::X25519];
        let provider = CryptoProvider { kx_groups: groups, ..aws_lc_rs::default_provider() };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        match client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        }
    }
}

/// A gateway for `localhost`, with further settings of `[tls]`.
pub(crate) fn town(pki: &Pki, keys: &str) -> Town {
    pki.issue("local", 0x21, &["localhost"]);
    let tables = pki.table("local", "");
    Town::with(|text| format!("{text}\n[tls]\n{keys}\n{tables}"))
}

pub(crate) fn connect(town: &Town, config: &Arc<ClientConfig>, name: &str) -> io::Result<Client> {
    let socket = TcpStream::connect(town.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Sends one request of HTTP/1.1; head and body of the answer.
pub(crate) fn ask(client: &mut Client, request: &[u8]) -> (String, Vec<u8>) {
    client.write_all(request).unwrap();
    answer(client).unwrap()
}

fn answer(client: &mut Client) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.to_ascii_lowercase();
    let length =
        length.split("content-length: ").nth(1).map_or("0", |rest| rest.split("\r\n").next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    client.read_exact(&mut body)?;
    Ok((head, body))
}

const GET: &[u8] = b"GET /public/a HTTP/1.1\r\nhost: localhost\r\nx-forwarded-proto: ftp\r\n\r\n";

#[test]
fn tls_1_3_with_the_hybrid_exchange_is_what_is_spoken() {
    let pki = Pki::new();
    let town = town(&pki, "");
    let config = Arc::new(pki.config(None));
    let mut client = connect(&town, &config, "localhost").unwrap();
    assert_eq!(client.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = client.conn.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    let (head, body) = ask(&mut client, GET);
    assert!(head.starts_with("HTTP/1.1 200") && body == b"ok", "{head}");
    let seen = town.seen.recv().unwrap();
    assert!(
        seen.starts_with("GET /public/a HTTP/1.1") && seen.contains("x-forwarded-proto: https"),
        "{seen}"
    );

    // Clients without it get what they can.
    let group = |groups: &[&'static dyn SupportedKxGroup]| {
        let provider = CryptoProvider { kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(pki.roots()).with_no_client_auth();
        let client = connect(&town, &Arc::new(config), "localhost").unwrap();
        client.conn.negotiated_key_exchange_group().unwrap().name()
    };
    assert_eq!(group(&[kx_group::X25519]), NamedGroup::X25519);
    assert_eq!(group(&[kx_group::SECP256R1]), NamedGroup::secp256r1);

    // A ticket resumes, and without early data.
    assert_eq!(client.conn.handshake_kind(), Some(HandshakeKind::Full));
    let mut again = connect(&town, &config, "localhost").unwrap();
    assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(!again.conn.is_early_data_accepted());
    assert!(ask(&mut again, GET).0.starts_with("HTTP/1.1 200"));
}

#[test]
fn tls_1_2_is_spoken_where_it_is_asked_for_only() {
    let pki = Pki::new();
    let old = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(pki.roots())
        .with_no_client_auth();
    let old = Arc::new(old);
    let strict = town(&pki, "");
    assert!(connect(&strict, &old, "localhost").is_err());
    let lax = town(&pki, "tls12 = true");
    let mut client = connect(&lax, &old, "localhost").unwrap();
    assert_eq!(client.conn.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert!(ask(&mut client, GET).0.starts_with("HTTP/1.1 200"));
}

#[test]
fn names_pick_certificates_and_protocols_are_agreed() {
    let pki = Pki::new();
    pki.issue("a", 0x22, &["a.test"]);
    pki.issue("wild", 0x23, &["*.b.test"]);
    let tables = pki.table("a", "names = [\"a.test\"]") + &pki.table("wild", "names = [\"*.b.test\"]");
    let town = Town::with(|text| format!("{text}\n[tls]\n{tables}"));
    let config = Arc::new(pki.config(None));
    let key = |client: &Client| client.conn.peer_certificates().unwrap()[0].to_vec();
    let [a, b] = [(0x22, "a.test"), (0x23, "*.b.test")]
        .map(|(seed, name)| pki.certificate(&forge::key(seed), &[name], "20400101000000Z"));
    // Signatures differ from one signing to the next; what is signed does not.
    let body = |der: &[u8]| der[4..200].to_vec();
    assert_eq!(body(&key(&connect(&town, &config, "a.test").unwrap())), body(&a));
    assert_eq!(body(&key(&connect(&town, &config, "x.b.test").unwrap())), body(&b));
    // Nothing is for anybody else.
    for name in ["b.test", "x.y.b.test", "other.test"] {
        assert!(connect(&town, &config, name).is_err(), "{name}");
    }
    for (offers, want) in
        [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let mut config = pki.config(None);
        config.alpn_protocols = offers.iter().map(|name| name.as_bytes().to_vec()).collect();
        let client = connect(&town, &Arc::new(config), "a.test").unwrap();
        assert_eq!(client.conn.alpn_protocol(), want, "{offers:?}");
    }
    let mut config = pki.config(None);
    config.alpn_protocols = vec![b"h3".to_vec()];
    assert!(connect(&town, &Arc::new(config), "a.test").is_err());
}

#[test]
fn clients_without_the_right_certificate_are_not_let_in() {
    let pki = Pki::new();
    let key = forge::key(0x31);
    let certificate = |issuer: &SigningKey, ends| {
        let usage = seq(&[forge::oid("1.3.6.1.5.5.7.3.2")]);
        let mut draft = Draft::new("client", "test ca").with("2.5.29.37", false, usage);
        draft.ends = ends;
        draft.sign(&key, issuer)
    };
    let shown = |der: Vec<u8>| {
        let key = PrivateKeyDer::try_from(pkcs8(&key)).unwrap();
        Arc::new(pki.config(Some((vec![CertificateDer::from(der)], key))))
    };
    let right = shown(certificate(&pki.ca, "20400101000000Z"));
    let stranger = shown(certificate(&forge::key(0x32), "20400101000000Z"));
    let expired = shown(certificate(&pki.ca, "20210101000000Z"));
    let none = Arc::new(pki.config(None));
    let ca = pki.path().join("ca.pem");
    let served = |town: &Town, config| {
        connect(town, config, "localhost").is_ok_and(|mut client| {
            client.write_all(GET).is_ok() && answer(&mut client).is_ok_and(|(head, _)| head.contains(" 200 "))
        })
    };
    let required = town(&pki, &format!("client_auth = \"required\"\nclient_ca = \"{}\"", ca.display()));
    let optional = town(&pki, &format!("client_auth = \"optional\"\nclient_ca = \"{}\"", ca.display()));
    for (config, by_required, by_optional) in
        [(&right, true, true), (&none, false, true), (&stranger, false, false), (&expired, false, false)]
    {
        assert_eq!((served(&required, config), served(&optional, config)), (by_required, by_optional));
    }
    // What the certificate says is nothing that a policy or a service would hear of.
    assert!(!required.seen.recv().unwrap().contains("client-cert"));
    // After a change of the CAs, no ticket of the old ones lets anybody in.
    let other = forge::key(0x33);
    let other = Draft::new("other ca", "other ca").ca(None).sign(&other, &other);
    std::fs::write(&ca, pem("CERTIFICATE", &other)).unwrap();
    reload(&required).unwrap();
    assert!(!served(&required, &right));
}

/// Reads the files again under the settings in force.
fn reload(town: &Town) -> Result<bool, ReloadError> {
    let reloader = town.running.as_ref().unwrap().reloader();
    reloader.reload((*reloader.config()).clone(), "ann")
}

#[test]
fn certificates_are_read_again_without_a_failed_connection() {
    let pki = Pki::new();
    let town = town(&pki, "");
    let config = Arc::new(pki.config(None));
    let leaf = |client: &Client| client.conn.peer_certificates().unwrap()[0].to_vec();
    let fresh = || Arc::new(pki.config(None));
    let mut kept = connect(&town, &config, "localhost").unwrap();
    let before = leaf(&kept);
    for seed in 0x60..0x68 {
        pki.issue("local", seed, &["localhost"]);
        reload(&town).unwrap();
        let mut client = connect(&town, &fresh(), "localhost").unwrap();
        assert_ne!(leaf(&client), before);
        assert!(ask(&mut client, GET).0.starts_with("HTTP/1.1 200"));
        assert!(ask(&mut kept, GET).0.starts_with("HTTP/1.1 200"), "what is open goes on");
        // Tickets of before still resume.
        let mut resumed = connect(&town, &config, "localhost").unwrap();
        assert_eq!(resumed.conn.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(ask(&mut resumed, GET).0.starts_with("HTTP/1.1 200"));
    }
    // Files that are wrong change nothing.
    let last = leaf(&connect(&town, &fresh(), "localhost").unwrap());
    pki.write("local.key", &pem("PRIVATE KEY", &pkcs8(&forge::key(0x70))));
    let error = reload(&town).unwrap_err().to_string();
    assert!(error.contains("local.key` is not the key of the certificate in"), "{error}");
    assert_eq!(leaf(&connect(&town, &fresh(), "localhost").unwrap()), last);
}

#[test]
fn files_that_are_wrong_are_named_with_their_fault() {
    let pki = Pki::new();
    let right = || pki.issue("local", 0x21, &["localhost"]);
    right();
    for (file, text, want) in [
        ("local.pem", "nothing", "local.pem` holds no certificate as PEM"),
        ("local.key", "nothing", "local.key` holds no private key as PEM"),
        (
            "local.pem",
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "local.pem` is not PEM",
        ),
        (
            "local.pem",
            &pem("CERTIFICATE", b"no certificate"),
            "local.pem` begins with what is no certificate",
        ),
        ("local.key", &pem("PRIVATE KEY", b"no key"), "local.key` cannot be used"),
        ("local.key", &pem("PRIVATE KEY", &pkcs8(&forge::key(9))), "local.key` is not the key of"),
    ] {
        right();
        pki.write(file, text);
        let error = crate::gateway::fails(&pki.table("local", ""));
        assert!(error.contains(want), "{file}: {error}");
    }
    right();
    let error = crate::gateway::fails(&pki.table("local", "names = [\"other.test\"]"));
    assert!(error.contains("local.pem` is not a certificate for `other.test`"), "{error}");
    let error = crate::gateway::fails(&pki.table("gone", ""));
    assert!(error.contains("gone.pem` cannot be read: No such file"), "{error}");
    // One that has expired is served: its clients refuse it, and the log says why.
    let key = forge::key(0x21);
    pki.write("local.pem", &pem("CERTIFICATE", &pki.certificate(&key, &["localhost"], "20210101000000Z")));
    let tables = pki.table("local", "");
    let town = Town::with(|text| format!("{text}\n{tables}"));
    let error = connect(&town, &Arc::new(pki.config(None)), "localhost").unwrap_err().to_string();
    assert!(error.contains("certificate expired"), "{error}");
}

#[test]
fn a_signed_request_passes_over_tls() {
    let pki = Pki::new();
    let town = town(&pki, "");
    let config = Arc::new(pki.config(None));
    let mut client = connect(&town, &config, "localhost").unwrap();
    let mut session = town.session_with(|request| ask(&mut client, &render(request)));
    let request = session.sign(
        get("/accounts/1?a=b"),
        event(1),
        Some(&says(slice("view", Zone::Edge).policy, NodeOutcome::False)),
        None,
        town.host.now(),
    );
    let (head, _) = ask(&mut client, &render(&request));
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("glacis-verdict: "), "{head}");
    assert!(town.seen.recv().unwrap().contains("glacis-decision: :"));
    // The default port of the scheme is no part of the authority.
    let mut named = session.sign(
        get("/accounts/2"),
        event(2),
        Some(&says(slice("view", Zone::Edge).policy, NodeOutcome::False)),
        None,
        town.host.now(),
    );
    named.authority += ":443";
    assert!(ask(&mut client, &render(&named)).0.starts_with("HTTP/1.1 200"));
    // Absolute targets have the scheme that is spoken.
    let absolute = |scheme| format!("GET {scheme}://localhost/public/a HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(ask(&mut client, absolute("https").as_bytes()).0.starts_with("HTTP/1.1 200"));
    assert!(ask(&mut client, absolute("http").as_bytes()).0.starts_with("HTTP/1.1 400"));
}

#[test]
fn handshakes_that_do_not_end_are_ended_and_bounded() {
    let pki = Pki::new();
    pki.issue("local", 0x21, &["localhost"]);
    let tables = pki.table("local", "");
    let town =
        Town::with(|text| format!("{text}\n[limits]\nhead_wait_ms = 300\n[tls]\nhandshakes = 2\n{tables}"));
    let slow = || {
        let mut socket = TcpStream::connect(town.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(&[0x16, 3, 1]).unwrap();
        socket
    };
    let mut held = [slow(), slow()];
    // Both are being served before the third comes.
    let core = town.running.as_ref().unwrap().core();
    while core.metrics().snapshot().open_connections < 2 {
        std::thread::yield_now();
    }
    let mut third = TcpStream::connect(town.address).unwrap();
    third.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(third.read(&mut [0; 10]).unwrap_or(0), 0, "one too many");
    for socket in &mut held {
        assert_eq!(socket.read(&mut [0; 10]).unwrap_or(0), 0, "ended without an answer");
    }
    let mut client = connect(&town, &Arc::new(pki.config(None)), "localhost").unwrap();
    assert!(ask(&mut client, GET).0.starts_with("HTTP/1.1 200"));
}

#[test]
fn websockets_pass_under_tls() {
    use std::net::TcpListener;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let behind = listener.local_addr().unwrap();
    let service = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let head = crate::passage::until(&mut socket, "\r\n\r\n");
        assert!(head.to_ascii_lowercase().contains("upgrade: websocket"), "{head}");
        socket
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi",
            )
            .unwrap();
        assert_eq!(crate::passage::until(&mut socket, "ping"), "ping");
        socket.write_all(b"pong").unwrap();
    });
    let pki = Pki::new();
    pki.issue("local", 0x21, &["localhost"]);
    let tables = pki.table("local", "");
    let town = Town::with(|text| {
        let text = text.replace(
            "path = \"/public/",
            "path = \"/socket\"\nupstream = \"socket\"\n[[route]]\npath = \"/public/",
        );
        format!("{text}\n[upstream.socket]\naddress = \"{behind}\"\n{tables}")
    });
    let mut client = connect(&town, &Arc::new(pki.config(None)), "localhost").unwrap();
    let ask = b"GET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    client.write_all(ask).unwrap();
    assert!(answer(&mut client).unwrap().0.starts_with("HTTP/1.1 101 "));
    let mut two = [0; 2];
    client.read_exact(&mut two).unwrap();
    assert_eq!(&two, b"hi");
    client.write_all(b"ping").unwrap();
    let mut four = [0; 4];
    client.read_exact(&mut four).unwrap();
    assert_eq!(&four, b"pong");
    service.join().unwrap();
}
