//! Strict framing: every byte of a client connection passes here before hyper sees it.
//!
//! A request whose length or fields can be read in two ways is the tool of request smuggling (RFC 9112 §11.2), and
//! hyper repairs some of these silently (a `content-length` beside a `transfer-encoding`, a repeated length). So
//! this tracker follows the byte stream, validates each head when it is complete, walks over the body that the
//! head declares, and stops the stream in front of the first byte that is not strict HTTP/1.1. It keeps no
//! bytes except of a head that is not complete yet.
//!
//! Refused: any two lengths, `transfer-encoding` other than exactly `chunked`, in HTTP/1.0 or beside a length;
//! folded lines; bare CR or LF; white space before a colon; none or several `host`s, or one that an absolute
//! target contradicts; anything before the request line.
//!
//! Chunk extensions and trailers pass where they can be read in one way: no CR or LF but at the end of a line, each
//! trailer a field like those of a head, both bounded. hyper drops the ones and the gateway the others, and the body
//! is framed anew for the service, so it never sees either.

use crate::core::answer;
use glacis_wire::message::refusal::Refusal;
use std::io::BufRead;

/// Most header fields of one request. Source: hyper's own default, so that this refusal comes first.
pub(crate) const HEADERS_MAX: usize = 100;
/// Longest chunk size line in digits: 32 bits, more than any body limit.
const CHUNK_DIGITS_MAX: u32 = 8;
/// Longest chunk extensions of one body together. Unit: bytes. Source: below hyper's 16 KiB, so that this refusal
/// comes first.
const EXTENSIONS_MAX: usize = 16_000;
/// Longest trailers of one body. Unit: bytes. Source: as for [`EXTENSIONS_MAX`].
const TRAILERS_MAX: usize = 8_192;

/// Follows the requests on one connection.
#[derive(Debug)]
pub(crate) struct Tracker {
    state: State,
    head: Vec<u8>,
    head_max: usize,
    /// What a target in absolute form begins with.
    scheme: &'static [u8],
    /// Bytes of chunk extensions in this body.
    extensions: usize,
    /// Heads that were complete and good.
    pub(crate) heads: u64,
    stopped_at_head: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Sized(u64),
    Chunk(Chunk),
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size {
        value: u64,
        digits: u32,
    },
    /// White space before an extension (RFC 9112 §7.1.1).
    SizeSpace(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailers,
}

impl Tracker {
    pub(crate) const fn new(head_max: usize) -> Self {
        Self {
            state: State::Head,
            head: Vec::new(),
            head_max,
            scheme: b"http://",
            extensions: 0,
            heads: 0,
            stopped_at_head: false,
        }
    }

    /// The stream comes under TLS.
    pub(crate) const fn secured(mut self) -> Self {
        self.scheme = b"https://";
        self
    }

    /// Why the stream was stopped, if it was.
    pub(crate) const fn refusal(&self) -> Option<Refusal> {
        match self.state {
            State::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether bytes of an incomplete head are waiting.
    pub(crate) const fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head) && !self.head.is_empty()
    }

    /// Whether the stream was stopped in a head, not in a body.
    pub(crate) const fn stopped_at_head(&self) -> bool {
        self.stopped_at_head
    }

    /// Takes the next bytes of the stream; how many of them may go on to hyper.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                Ok(used) => at += used,
                Err(refusal) => {
                    self.stopped_at_head |= self.state == State::Head;
                    self.state = State::Refused(refusal);
                    self.head = Vec::new();
                    break;
                }
            }
        }
        at
    }

    fn step(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        match self.state {
            State::Refused(refusal) => Err(refusal),
            State::Head => self.head(rest),
            State::Sized(left) => {
                let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(left);
                self.state = if here == left { State::Head } else { State::Sized(left - here) };
                Ok(usize::try_from(here).unwrap_or(rest.len()))
            }
            State::Chunk(chunk) => self.chunk(chunk, rest),
        }
    }

    fn head(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        if self.head.is_empty() {
            return match parse(rest, self.head_max, self.scheme)? {
                Some(head) => Ok(self.complete(&head)),
                None => {
                    self.head.extend_from_slice(rest);
                    Ok(rest.len())
                }
            };
        }
        // Without a line end no new line can be judged; the limit still holds.
        let before = self.head.len();
        let room = self.head_max.saturating_sub(before).min(rest.len());
        let Some(taken) = rest.get(..room).filter(|taken| !taken.is_empty()) else {
            return Err(Refusal::HeadTooLarge);
        };
        self.head.extend_from_slice(taken);
        if taken.contains(&b'\n')
            && let Some(head) = parse(&self.head, self.head_max, self.scheme)?
        {
            self.head.clear();
            return Ok(self.complete(&head) - before);
        }
        if self.head.len() >= self.head_max { Err(Refusal::HeadTooLarge) } else { Ok(room) }
    }

    fn complete(&mut self, head: &Head) -> usize {
        self.heads += 1;
        self.extensions = 0;
        self.state = match head.body {
            Length::Sized(0) => State::Head,
            Length::Sized(bytes) => State::Sized(bytes),
            Length::Chunked => State::Chunk(Chunk::Size { value: 0, digits: 0 }),
        };
        head.bytes
    }

    fn chunk(&mut self, chunk: Chunk, rest: &[u8]) -> Result<usize, Refusal> {
        if let Chunk::Data(left) = chunk {
            let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(left);
            self.state = State::Chunk(if here == left { Chunk::DataCr } else { Chunk::Data(left - here) });
            return Ok(usize::try_from(here).unwrap_or(rest.len()));
        }
        if chunk == Chunk::Trailers {
            return self.trailers(rest);
        }
        let byte = rest.first().copied().unwrap_or(0);
        let next = match (chunk, byte) {
            (Chunk::Size { digits: 1.., value } | Chunk::Extension(value), b'\r') => Chunk::SizeLf(value),
            (Chunk::Size { digits: 1.., value } | Chunk::SizeSpace(value), b' ' | b'\t') => {
                self.extension(Chunk::SizeSpace(value))?
            }
            (Chunk::Size { digits: 1.., value } | Chunk::SizeSpace(value), b';') => {
                self.extension(Chunk::Extension(value))?
            }
            (Chunk::Extension(_), b'\t' | b' '..=b'~' | 0x80..) => self.extension(chunk)?,
            (Chunk::Size { value, digits }, _) if digits < CHUNK_DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16).ok_or(Refusal::Framing)?;
                Chunk::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Chunk::SizeLf(0), b'\n') => Chunk::Trailers,
            (Chunk::SizeLf(size), b'\n') => Chunk::Data(size),
            (Chunk::DataCr, b'\r') => Chunk::DataLf,
            (Chunk::DataLf, b'\n') => Chunk::Size { value: 0, digits: 0 },
            _ => return Err(Refusal::Framing),
        };
        self.state = State::Chunk(next);
        Ok(1)
    }

    /// One more byte of an extension.
    fn extension(&mut self, next: Chunk) -> Result<Chunk, Refusal> {
        self.extensions += 1;
        if self.extensions > EXTENSIONS_MAX { Err(Refusal::Framing) } else { Ok(next) }
    }

    /// What follows the last chunk: fields, mostly none, and an empty line.
    fn trailers(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let before = self.head.len();
        let room = TRAILERS_MAX.saturating_sub(before).min(rest.len());
        let Some(taken) = rest.get(..room).filter(|taken| !taken.is_empty()) else {
            return Err(Refusal::Framing);
        };
        self.head.extend_from_slice(taken);
        if taken.contains(&b'\n')
            && let Some(end) = trailers(&self.head)?
        {
            self.head.clear();
            self.state = State::Head;
            return Ok(end - before);
        }
        Ok(room)
    }
}

struct Head {
    /// Bytes up to and with the empty line.
    bytes: usize,
    body: Length,
}

#[derive(Clone, Copy)]
enum Length {
    Sized(u64),
    Chunked,
}

/// A whole head at the start of `bytes`; `None` where it is not complete.
fn parse(bytes: &[u8], head_max: usize, scheme: &[u8]) -> Result<Option<Head>, Refusal> {
    let mut rest = bytes;
    let Some(line) = next_line(&mut rest, bytes.len(), head_max)? else { return Ok(None) };
    let request = RequestLine::parse(line, scheme)?;
    let mut seen = Seen::default();
    loop {
        let Some(line) = next_line(&mut rest, bytes.len(), head_max)? else { return Ok(None) };
        if line.is_empty() {
            let bytes = bytes.len() - rest.len();
            if bytes > head_max {
                return Err(Refusal::HeadTooLarge);
            }
            return seen.body(&request).map(|body| Some(Head { bytes, body }));
        }
        seen.field(line)?;
    }
}

/// Where the trailers at the start of `bytes` end; `None` where they are not complete.
fn trailers(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut rest = bytes;
    let mut seen = Seen::default();
    while let Some(line) = next_line(&mut rest, bytes.len(), TRAILERS_MAX)? {
        if line.is_empty() {
            return Ok(Some(bytes.len() - rest.len()));
        }
        seen.field(line)?;
        // Whoever takes trailers for fields of the head would frame or route by these (RFC 9110 §6.5.1).
        if seen.chunked || seen.length.is_some() || seen.host.is_some() {
            return Err(Refusal::Framing);
        }
    }
    Ok(None)
}

/// The next line without its CRLF; `None` where it is not complete.
fn next_line<'a>(rest: &mut &'a [u8], total: usize, head_max: usize) -> Result<Option<&'a [u8]>, Refusal> {
    let start = *rest;
    // Reading from a slice cannot fail; this finds the byte with the platform's fastest search.
    let read = rest.skip_until(b'\n').unwrap_or(0);
    let line = start.get(..read).unwrap_or(&[]);
    match line {
        [text @ .., b'\r', b'\n'] => Ok(Some(text)),
        [.., b'\n'] => Err(Refusal::Framing),
        _ if total > head_max => Err(Refusal::HeadTooLarge),
        _ => Ok(None),
    }
}

struct RequestLine<'a> {
    /// The authority of a target in absolute form.
    authority: Option<&'a [u8]>,
    is_1_0: bool,
}

impl<'a> RequestLine<'a> {
    /// `wanted` is what a target in absolute form begins with.
    fn parse(line: &'a [u8], wanted: &[u8]) -> Result<Self, Refusal> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Framing);
        };
        let is_1_0 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Refusal::Framing),
        };
        let visible = target.iter().all(|byte| matches!(byte, 0x21..=0x7E) && *byte != b'#');
        // An upstream of HTTP/2 would be asked for a tunnel to the host that it names.
        if !is_token(method) || method == b"CONNECT" || !visible {
            return Err(Refusal::Framing);
        }
        let authority = match target {
            [b'/', ..] => None,
            b"*" if method == b"OPTIONS" => None,
            _ => {
                let (scheme, rest) = target.split_at_checked(wanted.len()).ok_or(Refusal::Framing)?;
                if !scheme.eq_ignore_ascii_case(wanted) {
                    return Err(Refusal::Framing);
                }
                let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
                Some(rest.get(..end).unwrap_or(rest))
            }
        };
        Ok(Self { authority, is_1_0 })
    }
}

/// The fields of one head that framing depends on.
#[derive(Default)]
struct Seen<'a> {
    fields: usize,
    length: Option<u64>,
    chunked: bool,
    host: Option<&'a [u8]>,
}

impl<'a> Seen<'a> {
    fn field(&mut self, line: &'a [u8]) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > HEADERS_MAX {
            return Err(Refusal::HeadTooLarge);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::Framing)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Refusal::Framing)?;
        let value = value.get(1..).unwrap_or(&[]);
        // A folded line starts with white space, which no token holds.
        if !is_token(name) || !is_value(value) {
            return Err(Refusal::Framing);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let host = value.trim_ascii();
                let plain = !host
                    .iter()
                    .any(|byte| matches!(byte, b'@' | b'/' | b'?' | b',' | b' ' | b'\t' | 0x80..));
                if self.host.replace(host).is_some() || !plain {
                    return Err(Refusal::Framing);
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = decimal(value.trim_ascii()).ok_or(Refusal::Framing)?;
                if self.length.replace(length).is_some() {
                    return Err(Refusal::Framing);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::Framing);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&self, request: &RequestLine<'_>) -> Result<Length, Refusal> {
        let host = match (self.host, request.is_1_0) {
            (None, false) => return Err(Refusal::Framing),
            (host, _) => host.unwrap_or(&[]),
        };
        if request.authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
            return Err(Refusal::Framing);
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::Framing),
            (true, None) if request.is_1_0 => Err(Refusal::Framing),
            (true, None) => Ok(Length::Chunked),
            (false, length) => Ok(Length::Sized(length.unwrap_or(0))),
        }
    }
}

/// Digits only, at most 19 of them (RFC 9110 §8.6).
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let fits = !text.is_empty() && text.len() <= 19 && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    let tchar = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            )
    };
    !text.is_empty() && text.iter().all(tchar)
}

/// Visible bytes, spaces and tabs; written without early exit so that it runs over whole vectors.
fn is_value(text: &[u8]) -> bool {
    !text.iter().fold(false, |bad, byte| bad | (*byte < 0x20 && *byte != b'\t') | (*byte == 0x7F))
}

/// A refusal as raw bytes, for a connection that hyper has given back.
pub(crate) fn raw(response: &glacis_wire::http::Response) -> Vec<u8> {
    let reason = answer::title(response.status);
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", response.status);
    for (name, value) in &response.headers {
        out.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
    }
    out.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", response.body.len()));
    let mut out = out.into_bytes();
    out.extend_from_slice(&response.body);
    out
}

#[cfg(test)]
mod tests;
