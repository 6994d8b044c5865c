//! How commands reach an installation: HTTP/1.1 over its control socket, or over loopback with a bearer token.
//!
//! The socket belongs to the operator of the machine and needs no token. A URL is `http://` on loopback only: the
//! admin surface has no TLS, and a token must not cross a network in the clear (forward the port with ssh). What
//! answers is not trusted: heads, bodies and time are bounded, and whatever is not of the expected form is one
//! error, [`Code::BadAnswer`].

mod problem;

use crate::codes::Code;
use crate::error::CliError;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;

/// Longest answer that is read. Unit: bytes. LIMIT: the largest publication in base64 is below it.
const ANSWER_BYTES_MAX: usize = 96 << 20;
/// Longest token file. Unit: bytes; a token has 50.
const TOKEN_BYTES_MAX: u64 = 4_096;
/// The control socket in a data folder.
pub(crate) const SOCKET_NAME: &str = "control.sock";

/// Where the installation is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Folder of an installation on this machine; its control.sock is asked
    #[arg(
        long,
        value_name = "DIR",
        env = "GLACIS_DATA_DIR",
        default_value = "glacis-data",
        hide_env_values = true
    )]
    pub(crate) data_dir: PathBuf,
    /// Ask this admin address instead, such as http://127.0.0.1:7402
    #[arg(long, value_name = "URL", env = "GLACIS_URL", hide_env_values = true)]
    url: Option<String>,
    /// File with the token for --url; its owner's alone
    #[arg(long, value_name = "FILE", env = "GLACIS_TOKEN_FILE", hide_env_values = true)]
    token_file: Option<PathBuf>,
    /// Longest wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout: u32,
}

/// An installation that can be asked.
#[derive(Debug)]
pub(crate) struct Client {
    target: Target,
    token: Option<String>,
    timeout: Duration,
    runtime: Runtime,
}

/// What a connection is made to.
#[derive(Clone, Debug)]
enum Target {
    Socket(PathBuf),
    Address(SocketAddr),
}

impl Connection {
    /// Reads the token and gets ready; connects with the first question.
    pub(crate) fn open(&self) -> Result<Client, CliError> {
        let (target, token) = match &self.url {
            None => (Target::Socket(self.data_dir.join(SOCKET_NAME)), None),
            Some(url) => {
                let Some(file) = &self.token_file else {
                    let error = CliError::new(Code::Argument, "--url needs a token");
                    return Err(error.help("name its file with --token-file or GLACIS_TOKEN_FILE"));
                };
                (Target::Address(address(url)?), Some(token(file)?))
            }
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                CliError::new(Code::Internal, format!("no event loop: {error}")).caused_by(error)
            })?;
        Ok(Client { target, token, timeout: Duration::from_secs(self.timeout.into()), runtime })
    }
}

impl Client {
    /// Reads.
    pub(crate) fn get(&self, path: &str) -> Result<Value, CliError> {
        self.runtime.block_on(self.ask(Method::GET, path, None))
    }

    /// Asks for a change, with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let body = Body { media_type: "application/json", bytes: body.to_string().into_bytes() };
        self.runtime.block_on(self.ask(Method::POST, path, Some(body)))
    }

    /// Asks for a change, with a message in canonical encoding.
    pub(crate) fn post_message(&self, path: &str, bytes: Vec<u8>) -> Result<Value, CliError> {
        let body = Body { media_type: glacis_wire::http::MEDIA_TYPE, bytes };
        self.runtime.block_on(self.ask(Method::POST, path, Some(body)))
    }

    /// Ends something.
    pub(crate) fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.runtime.block_on(self.ask(Method::DELETE, path, None))
    }

    /// Runs what asks more than once and waits in between.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// One question, one answer as JSON; a problem is an error.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Value, CliError> {
        let exchange = self.exchange(method, path, body);
        let answer = tokio::time::timeout(self.timeout, exchange).await.map_err(|_| {
            let waited = self.timeout.as_secs();
            CliError::new(Code::Timeout, format!("{} gave no answer within {waited} s", self.target))
        })?;
        let (status, bytes) = answer?;
        if !status.is_success() {
            return Err(problem::read(&self.target.to_string(), status, &bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("{} gave an answer that is not JSON: {error}", self.target);
            CliError::new(Code::BadAnswer, what)
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<(StatusCode, Bytes), CliError> {
        match &self.target {
            Target::Socket(path_of_socket) => {
                let stream =
                    UnixStream::connect(path_of_socket).await.map_err(|error| self.unreachable(error))?;
                self.talk(stream, method, path, body).await
            }
            Target::Address(address) => {
                let stream = TcpStream::connect(address).await.map_err(|error| self.unreachable(error))?;
                self.talk(stream, method, path, body).await
            }
        }
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<(StatusCode, Bytes), CliError> {
        let broken = |error: hyper::Error| self.broken(&error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let request = self.request(method, path, body)?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let bytes = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            let what = if error.is::<LengthLimitError>() {
                format!("gave an answer of more than {ANSWER_BYTES_MAX} bytes")
            } else {
                format!("broke its answer off: {error}")
            };
            CliError::new(Code::BadAnswer, format!("{} {what}", self.target))
        })?;
        connection.abort();
        Ok((status, bytes.to_bytes()))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Request<Full<Bytes>>, CliError> {
        let host = match &self.target {
            Target::Socket(_) => "localhost".to_owned(),
            Target::Address(address) => address.to_string(),
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let bytes = match body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, body.media_type);
                Bytes::from(body.bytes)
            }
        };
        let request = request.body(Full::new(bytes));
        request
            .map_err(|error| CliError::new(Code::Argument, format!("`{path}` cannot be asked for: {error}")))
    }

    fn unreachable(&self, error: io::Error) -> CliError {
        let what = format!("nobody answers at {}: {error}", self.target);
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => Code::NotPrivate,
            _ => Code::Unreachable,
        };
        let answer = CliError::new(code, what);
        match (error.kind(), &self.target) {
            (io::ErrorKind::PermissionDenied, _) => answer
                .help("run the command as the user that runs the installation, or use --url with a token"),
            (io::ErrorKind::InvalidInput, Target::Socket(_)) => {
                answer.help("the path of a socket has at most 107 bytes: name the folder by a shorter path")
            }
            _ => answer,
        }
        .caused_by(error)
    }

    fn broken(&self, error: &hyper::Error) -> CliError {
        let (code, what) = if error.is_parse() || error.is_parse_too_large() {
            (Code::BadAnswer, "does not speak HTTP")
        } else {
            (Code::Unreachable, "ended the connection")
        };
        CliError::new(code, format!("{} {what}: {error}", self.target))
    }
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Body {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Address(address) => write!(f, "http://{address}"),
        }
    }
}

/// An answer in the form that the command needs.
pub(crate) fn typed<T: DeserializeOwned>(answer: &Value) -> Result<T, CliError> {
    T::deserialize(answer).map_err(|error| {
        CliError::new(Code::BadAnswer, format!("the answer is not of the form asked for: {error}"))
    })
}

/// One segment of a path; whatever has a meaning in a URL is escaped.
pub(crate) fn segment(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// `http://ADDRESS:PORT` on loopback.
fn address(url: &str) -> Result<SocketAddr, CliError> {
    let wrong = |why: &str| CliError::new(Code::Argument, format!("--url `{url}` {why}"));
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(wrong("is not of the form http://ADDRESS:PORT").help("such as http://127.0.0.1:7402"));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "80"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    match (host.parse::<IpAddr>(), port.parse::<u16>()) {
        (Ok(ip), Ok(port)) if ip.is_loopback() => Ok(SocketAddr::new(ip, port)),
        (Ok(_), Ok(_)) => Err(wrong("is not on loopback, and a token must not cross a network in the clear")
            .help("forward the port, such as ssh -L 7402:127.0.0.1:7402 HOST, and name the local end")),
        _ => Err(wrong("is not of the form http://ADDRESS:PORT").help("such as http://127.0.0.1:7402")),
    }
}

/// Reads the token of a private file.
fn token(file: &Path) -> Result<String, CliError> {
    let wrong = |why: String| CliError::new(Code::TokenFile, format!("{}: {why}", file.display()));
    let mut open = std::fs::File::open(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let meta = open.metadata().map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(wrong("others may read this file".to_owned()).help("chmod 600 the file"));
    }
    let mut text = String::new();
    let read = open.by_ref().take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let token = text.trim();
    let usable = token.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() as u64 <= TOKEN_BYTES_MAX;
    if token.is_empty() || !usable {
        return Err(wrong("does not hold a token".to_owned()));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_http_on_loopback() {
        for (url, want) in [
            ("http://127.0.0.1:7402", Some("127.0.0.1:7402")),
            ("http://localhost:7402/", Some("127.0.0.1:7402")),
            ("http://[::1]:7402", Some("[::1]:7402")),
            ("http://10.0.0.1:7402", None),
            ("https://127.0.0.1:7402", None),
            ("127.0.0.1:7402", None),
            ("http://127.0.0.1:7402@evil.example", None),
            ("http://example.com:80", None),
        ] {
            assert_eq!(address(url).ok().map(|address| address.to_string()).as_deref(), want, "{url}");
        }
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("a/../b?c#d e"), "a%2F..%2Fb%3Fc%23d%20e");
    }
}
