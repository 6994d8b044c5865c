//! The peers, each with one worker on the core of the proxies, connections to the backend kept, and no log; and the
//! services behind them: the backend that all share, and one that lets every request pass.
//! Each is set up as its documentation says for speed; nothing of a peer is slowed down.

use crate::Outcome;
use crate::process::{LOAD_CORE, PROXY_CORE, Process};
use std::path::Path;
use std::process::{Command, Stdio};

/// Answers every request with the same 1,024 bytes.
pub fn backend(scratch: &Path, port: u16) -> Outcome<Process> {
    let answer = "x".repeat(1_024);
    let server = format!(
        "server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000;
           location / {{ default_type text/plain; return 200 {answer}; }} }}"
    );
    nginx_with("backend", scratch, LOAD_CORE, &server)
}

/// Says yes to whoever asks for a check.
pub fn yes(scratch: &Path, port: u16) -> Outcome<Process> {
    let server = format!(
        "server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000; location / {{ return 200; }} }}"
    );
    nginx_with("yes", scratch, PROXY_CORE, &server)
}

/// Plain nginx.
pub fn nginx(scratch: &Path, port: u16, backend: u16) -> Outcome<Process> {
    let server = format!(
        "{}
         server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000;
           location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}",
        upstream("b", backend)
    );
    nginx_with("nginx", scratch, PROXY_CORE, &server)
}

/// nginx that asks a service at `yes` about each request, over kept connections.
pub fn nginx_auth(scratch: &Path, port: u16, backend: u16, yes: u16) -> Outcome<Process> {
    let server = format!(
        "{} {}
         server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000;
           location / {{ auth_request /ask; proxy_pass http://b; proxy_http_version 1.1;
             proxy_set_header Connection \"\"; }}
           location = /ask {{ internal; proxy_pass http://a; proxy_http_version 1.1;
             proxy_pass_request_body off; proxy_set_header Content-Length \"\";
             proxy_set_header Connection \"\"; }} }}",
        upstream("b", backend),
        upstream("a", yes)
    );
    nginx_with("nginx-auth", scratch, PROXY_CORE, &server)
}

fn upstream(name: &str, port: u16) -> String {
    format!("upstream {name} {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 1000000000; }}")
}

fn nginx_with(name: &str, scratch: &Path, core: &str, server: &str) -> Outcome<Process> {
    let home = scratch.join(name);
    std::fs::create_dir_all(home.join("logs"))?;
    let home_text = home.display();
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {home_text}/pid; error_log {home_text}/error.log;
         events {{ worker_connections 4096; }}
         http {{ access_log off; client_header_buffer_size 8k; large_client_header_buffers 4 16k;
           client_body_temp_path {home_text}/body; proxy_temp_path {home_text}/proxy; fastcgi_temp_path {home_text}/f;
           uwsgi_temp_path {home_text}/u; scgi_temp_path {home_text}/s; {server} }}\n"
    );
    let config = home.join("nginx.conf");
    std::fs::write(&config, text)?;
    let mut command = Command::new("taskset");
    command.args(["-c", core, "nginx", "-p"]).arg(&home).arg("-c").arg(&config).stderr(Stdio::null());
    Process::start(&mut command)
}

/// haproxy with one thread.
pub fn haproxy(scratch: &Path, port: u16, backend: u16) -> Outcome<Process> {
    let config = scratch.join("haproxy.cfg");
    let text = format!(
        "global\n  nbthread 1\n  maxconn 4096\n\
         defaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n  http-reuse always\n\
         frontend f\n  bind 127.0.0.1:{port}\n  default_backend b\n\
         backend b\n  server s 127.0.0.1:{backend} pool-max-conn 256\n"
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_CORE, "haproxy", "-db", "-f"]).arg(&config);
    Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Envoy with one worker; with `yes`, it asks a service there about each request, over HTTP.
pub fn envoy(program: &Path, scratch: &Path, port: u16, backend: u16, yes: Option<u16>) -> Outcome<Process> {
    let ask = yes.map_or(String::new(), |port| {
        format!(
            "          - name: envoy.filters.http.ext_authz\n            typed_config:\n              '@type': \
             type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz\n              http_service:\n                \
             server_uri: {{ uri: 'http://127.0.0.1:{port}', cluster: a, timeout: 1s }}\n"
        )
    });
    let clusters = [Some(("b", backend)), yes.map(|port| ("a", port))];
    let clusters: String = clusters.into_iter().flatten().map(|(name, port)| cluster(name, port)).collect();
    let text = format!(
        "static_resources:\n  listeners:\n  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}\n    \
         filter_chains:\n    - filters:\n      - name: envoy.filters.network.http_connection_manager\n        typed_config:\n          \
         '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          \
         stat_prefix: h\n          generate_request_id: false\n          route_config:\n            virtual_hosts:\n            \
         - name: v\n              domains: ['*']\n              routes:\n              - match: {{ prefix: '/' }}\n                \
         route: {{ cluster: b }}\n          http_filters:\n{ask}          - name: envoy.filters.http.router\n            typed_config:\n              \
         '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\n  clusters:\n{clusters}"
    );
    let config = scratch.join(format!("envoy-{port}.yaml"));
    std::fs::write(&config, text)?;
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_CORE]).arg(program).arg("-c").arg(&config);
    command.args(["--concurrency", "1", "--log-level", "off", "--disable-hot-restart"]);
    Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

fn cluster(name: &str, port: u16) -> String {
    format!(
        "  - name: {name}\n    type: STATIC\n    load_assignment:\n      cluster_name: {name}\n      endpoints:\n      \
         - lb_endpoints:\n        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}\n"
    )
}

/// A role of this very program on the core of the proxies.
pub fn own(role: &[&str]) -> Outcome<Process> {
    let program = std::env::current_exe()?;
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_CORE]).arg(program).args(role);
    Process::start(&mut command)
}

/// What the peers say of their versions, for the table.
pub fn versions(envoy: &Path) -> Outcome<Vec<(&'static str, String)>> {
    let told = |command: &mut Command| -> Outcome<String> {
        let output = command.output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().find(|line| line.contains("ersion")).unwrap_or_default().trim().to_owned())
    };
    Ok(vec![
        ("nginx", told(Command::new("nginx").arg("-v"))?),
        ("haproxy", told(Command::new("haproxy").arg("-v"))?),
        ("envoy", told(Command::new(envoy).arg("--version"))?),
    ])
}
