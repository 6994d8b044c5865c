//! Services that we did not make, each on a free port of the loopback, ended by process id.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running service; it ends with this value.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The folder that it serves, or works in.
    _home: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that no compression or text mode leaves alone.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// What the file servers serve.
fn folder(home: &Path) -> PathBuf {
    let root = home.join("www");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(root.join("index.html"), "<p>home</p>\n").unwrap();
    std::fs::write(root.join("empty.txt"), "").unwrap();
    std::fs::write(root.join("a b.txt"), "a blank in the name\n").unwrap();
    std::fs::write(root.join("sub/page.txt"), "below\n").unwrap();
    std::fs::write(root.join("noise.bin"), noise(300_000)).unwrap();
    root
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The interpreter of the locked environment.
pub(crate) fn python() -> Option<std::ffi::OsString> {
    #[expect(clippy::disallowed_methods, reason = "CI says by it where the interpreter of tests is")]
    std::env::var_os("GLACIS_PYTHON")
}

impl Service {
    fn start(home: tempfile::TempDir, port: u16, command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut service = Self { child, address, _home: home };
        for _ in 0..1_000 {
            if TcpStream::connect(address).is_ok() {
                return service;
            }
            assert!(service.child.try_wait().unwrap().is_none(), "the service ended by itself");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the service does not listen");
    }

    /// nginx serving a folder.
    pub(crate) fn nginx() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let (root, port) = (folder(home.path()), free_port());
        let at = home.path().display();
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n  access_log off; default_type text/plain; client_max_body_size 0;\n\
             client_body_temp_path {at}/body; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
             uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             server {{ listen 127.0.0.1:{port}; root {}; autoindex on;\n\
             location /gone {{ return 410 gone; }} location /moved {{ return 301 /sub/page.txt; }}\n\
             location /none {{ return 204; }} }}\n}}\n",
            root.display()
        );
        let file = home.path().join("nginx.conf");
        std::fs::File::create(&file).unwrap().write_all(config.as_bytes()).unwrap();
        if Command::new("nginx").arg("-v").output().is_err() {
            println!("skipped: nginx: not installed");
            return None;
        }
        let prefix = home.path().to_owned();
        let mut command = Command::new("nginx");
        Some(Self::start(home, port, command.arg("-p").arg(prefix).arg("-c").arg(file)))
    }

    /// Python's file server.
    pub(crate) fn http_server() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (root, port) = (folder(home.path()), free_port());
        let mut command = Command::new("python3");
        command
            .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string(), "--directory"])
            .arg(root);
        Self::start(home, port, &mut command)
    }

    /// The Flask service next to these tests.
    pub(crate) fn flask() -> Option<Self> {
        let Some(python) = python() else {
            println!("skipped: python: GLACIS_PYTHON names no interpreter with Flask");
            return None;
        };
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/app.py");
        let (home, port) = (tempfile::tempdir().unwrap(), free_port());
        Some(Self::start(home, port, Command::new(python).arg(app).arg(port.to_string())))
    }
}
