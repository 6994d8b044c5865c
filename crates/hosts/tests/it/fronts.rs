//! The hosts under test, each with its proxy in front: started on free ports of loopback, ended by process id.

use crate::example;
use crate::service::Saw;
use glacis_edge::EdgeCore;
use glacis_edge::gateway::{Gateway, Running};
use glacis_hosts::{HostKind, Hosted, Secret};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// What clients connect to.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    parts: Vec<Part>,
}

enum Part {
    Gateway(Running),
    Hosted(Hosted),
    Proxy(Child, tempfile::TempDir),
    Axum(tokio::sync::oneshot::Sender<()>, std::thread::JoinHandle<()>),
}

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

impl Drop for Front {
    fn drop(&mut self) {
        // The proxy first: what it still asks is answered.
        while let Some(part) = self.parts.pop() {
            match part {
                Part::Gateway(running) => running.shutdown(),
                Part::Hosted(hosted) => hosted.shutdown(),
                Part::Proxy(mut child, _home) => {
                    let _ = child.kill();
                    let _ = child.wait();
                }
                Part::Axum(stop, thread) => {
                    drop(stop);
                    let _ = thread.join();
                }
            }
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn secret() -> Secret {
    Secret::parse(SECRET).unwrap()
}

pub(crate) fn gateway(core: Arc<EdgeCore>) -> Front {
    let running = Gateway::bind(core).unwrap().start().unwrap();
    Front { address: running.local_addr(), parts: vec![Part::Gateway(running)] }
}

/// A configuration of the guide, with the addresses of the test.
fn sample(name: &str, host: SocketAddr, service: SocketAddr, port: u16) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples");
    let text = std::fs::read_to_string(root.join(name)).unwrap();
    // Envoy's form and nginx's.
    text.replace("port_value: 7410", &format!("port_value: {}", host.port()))
        .replace("port_value: 9000", &format!("port_value: {}", service.port()))
        .replace("port_value: 8080", &format!("port_value: {port}"))
        .replace("127.0.0.1:7410", &host.to_string())
        .replace("127.0.0.1:9000", &service.to_string())
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
        .replace("\"SECRET\"", &format!("\"{SECRET}\""))
}

impl Front {
    /// Stops what the proxy asks, and leaves the proxy.
    pub(crate) fn stop_host(&mut self) {
        match self.parts.remove(0) {
            Part::Hosted(hosted) => hosted.shutdown(),
            _ => panic!("no proxy asks anybody here"),
        }
    }

    fn behind(hosted: Hosted, home: tempfile::TempDir, port: u16, command: &mut Command) -> Self {
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut front = Self { address, parts: vec![Part::Hosted(hosted), Part::Proxy(child, home)] };
        for _ in 0..1_500 {
            if TcpStream::connect(address).is_ok() {
                return front;
            }
            let Some(Part::Proxy(child, home)) = front.parts.last_mut() else { panic!() };
            let said = || std::fs::read_to_string(home.path().join("log")).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "the proxy ended by itself: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the proxy does not listen");
    }
}

/// Envoy with the guide's configuration in front of `ext-authz`.
pub(crate) fn envoy(core: Arc<EdgeCore>, service: SocketAddr) -> Option<Front> {
    envoy_with(core, service, |text| text)
}

/// The same with another configuration.
pub(crate) fn envoy_with(
    core: Arc<EdgeCore>,
    service: SocketAddr,
    change: impl FnOnce(String) -> String,
) -> Option<Front> {
    #[expect(clippy::disallowed_methods, reason = "CI says by it where the interpreter of tests is")]
    let python = std::env::var_os("GLACIS_PYTHON");
    let program =
        python.map(|python| Path::new(&python).with_file_name("envoy")).filter(|path| path.exists());
    let Some(program) = program else {
        println!("skipped: python: GLACIS_PYTHON names no interpreter with an Envoy beside it");
        return None;
    };
    let hosted = Hosted::start(core, HostKind::ExtAuthz, &secret()).unwrap();
    let (home, port) = (tempfile::tempdir().unwrap(), free_port());
    let file = home.path().join("envoy.yaml");
    std::fs::write(&file, change(sample("envoy.yaml", hosted.local_addr(), service, port))).unwrap();
    let mut command = Command::new(program);
    command.args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning", "-c"]).arg(file);
    Some(Front::behind(hosted, home, port, &mut command))
}

/// nginx with the guide's configuration in front of `auth-request`.
pub(crate) fn nginx(core: Arc<EdgeCore>, service: SocketAddr) -> Option<Front> {
    if Command::new("nginx").arg("-v").output().is_err() {
        println!("skipped: nginx: not installed");
        return None;
    }
    let hosted = Hosted::start(core, HostKind::AuthRequest, &secret()).unwrap();
    let (home, port) = (tempfile::tempdir().unwrap(), free_port());
    let at = home.path().display();
    let text = format!(
        "daemon off; master_process off; pid {at}/pid; error_log stderr;\nevents {{ worker_connections 256; }}\n\
         http {{\naccess_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/p;\n\
         fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n{}\n}}\n",
        sample("nginx.conf", hosted.local_addr(), service, port)
    );
    let file = home.path().join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let prefix = home.path().to_owned();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(prefix).arg("-c").arg(file);
    Some(Front::behind(hosted, home, port, &mut command))
}

/// The example's axum application, whose handler tells what it saw.
pub(crate) fn layer(core: Arc<EdgeCore>, seen: Sender<Saw>) -> Front {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::response::IntoResponse;

    let handler = move |request: Request<Body>| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = to_bytes(body, 1 << 20).await else {
                return axum::http::StatusCode::PAYLOAD_TOO_LARGE.into_response();
            };
            let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
                (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
            };
            let line = format!("{} {}", parts.method, parts.uri);
            seen.send(Saw { line, headers: parts.headers.iter().map(header).collect(), body: body.to_vec() })
                .unwrap();
            let said = [("glacis-verdict", ":forged:"), ("glacis-reference", "forged"), ("x-keep", "1")];
            (said, "ok").into_response()
        }
    };
    let app = example::protected(axum::Router::new().fallback(handler), core).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                served = example::serve(listener, app) => served.unwrap(),
                _ = stopped => {}
            }
        });
    });
    Front { address, parts: vec![Part::Axum(stop, thread)] }
}
