//! The peer: plain nginx as backend (1 KiB answers) and as reverse proxy, set up as well as we know how.
//!
//! One process each (no master), so that its CPU time is all of it; keep-alive on both sides; no logs; header
//! buffers large enough for signed requests, so that nginx never has to take the slow way.

use crate::{Outcome, Proxy};
use std::path::Path;
use std::process::{Command, Stdio};

/// The service behind both proxies.
pub(crate) fn backend(scratch: &Path, port: u16, core: &str) -> Outcome<Proxy> {
    let answer = "x".repeat(1_024);
    let server = format!(
        "server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000; location / {{ default_type text/plain; return 200 {answer}; }} }}"
    );
    start("backend", scratch, port, core, &server)
}

/// The peer under measurement.
pub(crate) fn proxy(scratch: &Path, port: u16, backend: u16, core: &str) -> Outcome<Proxy> {
    let server = format!(
        "upstream b {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
         server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000;
           location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
    );
    start("nginx", scratch, port, core, &server)
}

fn start(name: &'static str, scratch: &Path, port: u16, core: &str, server: &str) -> Outcome<Proxy> {
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
    let child = Command::new("taskset")
        .args(["-c", core, "nginx", "-p"])
        .arg(&home)
        .arg("-c")
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("nginx or taskset does not start: {error}"))?;
    Ok(Proxy { name, address: format!("127.0.0.1:{port}").parse()?, child, micros: Vec::new() })
}
