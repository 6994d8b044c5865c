//! `glacis device sign`: one signed request as header lines, for another program to send.
//!
//! The lines are good for one request with exactly this method, URL, body and `Authorization`, within a minute,
//! once. By default the edge is asked first whether it still holds the session's leg, so that what is printed is
//! good; `--offline` skips that.

use super::Place;
use super::home::Home;
use super::phone::Phone;
use super::target::{self, Target};
use super::transport::Http;
use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_host::SystemHost;
use glacis_sdk::Action;
use glacis_seal::text::parse_hex;
use glacis_wire::http::Request;
use glacis_wire::{EventId, EventName};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// One request as arguments.
#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// GET, POST, …
    method: String,
    /// Where it goes, at the edge of this device
    url: String,
    /// A header to send along; `Authorization` is signed, too. May be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The body, byte for byte; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    body_file: Option<PathBuf>,
    /// The body as text
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// The event of the route, whose policy says what the device discloses
    #[arg(long, value_name = "NAME", default_value = "http.request")]
    event: EventText,
    /// Longest wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

/// Arguments of `glacis device sign`.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    place: Place,
    /// The user action, 32 hexadecimal digits: a retry has the same; drawn where there is none
    #[arg(long, value_name = "HEX")]
    event_id: Option<EventIdText>,
    /// Print a curl command instead of header lines
    #[arg(long, conflicts_with = "json")]
    curl: bool,
    /// Ask for a new leg first, as after the refusal `leg-unknown`
    #[arg(long)]
    renew: bool,
    /// Ask the edge nothing; fails without an open session
    #[arg(long, conflicts_with = "renew")]
    offline: bool,
}

#[derive(Clone, Debug)]
struct EventText(EventName);

impl std::str::FromStr for EventText {
    type Err = glacis_wire::id::NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EventName::parse(text).map(Self)
    }
}

#[derive(Clone, Copy, Debug)]
struct EventIdText(EventId);

impl std::str::FromStr for EventIdText {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = parse_hex(text).and_then(|bytes| EventId::try_from(bytes.as_slice()).ok());
        id.map(Self).ok_or("32 hexadecimal digits")
    }
}

impl RequestArgs {
    /// The request, unsigned. `Content-Type` and all else is as the arguments say, or not there.
    pub(super) fn action(&self) -> Result<(Action, Target), CliError> {
        let target = Target::parse(&self.url)?;
        let headers: Result<Vec<_>, _> = self.header.iter().map(|text| target::header(text)).collect();
        let request = Request {
            method: target::method(&self.method)?,
            authority: target.authority.clone(),
            path: target.path.clone(),
            query: target.query.clone(),
            headers: headers?,
            body: self.content()?,
        };
        // A command line states no copies of what its request says: a release node that compares with one fails.
        Ok((Action { event: self.event.0.clone(), request, said: BTreeMap::new() }, target))
    }

    fn content(&self) -> Result<Vec<u8>, CliError> {
        let Some(path) = &self.body_file else {
            return Ok(self.body.clone().unwrap_or_default().into_bytes());
        };
        let read = |source: &mut dyn Read| {
            let mut body = Vec::new();
            source.take(BODY_BYTES_MAX + 1).read_to_end(&mut body).map(|_| body)
        };
        let body = match path == Path::new("-") {
            true => read(&mut std::io::stdin()),
            false => std::fs::File::open(path).and_then(|mut file| read(&mut file)),
        };
        let shown = path.display();
        let body =
            body.map_err(|error| CliError::new(Code::Argument, format!("--body-file {shown}: {error}")))?;
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > BODY_BYTES_MAX {
            return Err(CliError::new(Code::Argument, format!("--body-file {shown}: longer than 64 MiB")));
        }
        Ok(body)
    }

    /// The device of this folder, if it belongs to the edge of this URL.
    pub(super) fn phone(&self, place: &Place, target: &Target, block: NonZeroU32) -> Result<Phone, CliError> {
        let host = Arc::new(SystemHost::new());
        let home = Home::open(place, &host)?;
        if home.profile.authority.0 != target.authority {
            let edge = &home.profile.authority.0;
            let what = format!("{} is not the edge of this device, which is {edge}", target.authority);
            return Err(CliError::new(Code::Argument, what));
        }
        let http = Http::new(&target.authority, Duration::from_secs(self.timeout));
        let http = http.map_err(|error| CliError::new(Code::Internal, format!("no event queue: {error}")))?;
        Phone::assemble(&home, http, &host, block)
    }
}

/// Signs one request.
pub(crate) fn run(args: &SignArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let (action, target) = args.request.action()?;
    let mut phone = args.request.phone(&args.place, &target, NonZeroU32::MIN)?;
    if args.offline {
        if phone.client.line().session().is_none() {
            let what = "there is no open session";
            return Err(CliError::new(Code::DeviceMissing, what).help("leave out --offline, to open one"));
        }
    } else {
        phone.make_ready(args.renew)?;
    }
    let event_id = match args.event_id {
        Some(given) => given.0,
        None => phone.client.line().event_id().map_err(|error| phone.fault(error))?,
    };
    let signed = phone.client.sign(action, event_id).map_err(|error| phone.fault(error))?;
    let Some(signed) = signed else {
        phone.report();
        eprintln!("glacis: block: this device's own policy slice ends the action; nothing was signed");
        return Ok(ExitCode::from(FAILED));
    };
    let headers = &signed.request.headers;
    if args.place.json {
        let json = json!({ "event_id": event_id.to_string(), "url": target.url(), "headers": headers });
        print_json(out, &json)?;
    } else if args.curl {
        print(out, &curl(args, &target, headers))?;
    } else {
        let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        print(out, &lines.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A command line that a shell takes as it is.
fn curl(args: &SignArgs, target: &Target, headers: &[(String, String)]) -> String {
    let mut words = vec![String::from("curl"), String::from("-sS"), String::from("--path-as-is")];
    match args.request.method.to_ascii_uppercase() {
        method if method == "HEAD" => words.push(String::from("-I")),
        method => words.extend([String::from("-X"), quoted(&method)]),
    }
    for (name, value) in headers {
        words.extend([String::from("-H"), quoted(&format!("{name}: {value}"))]);
    }
    match (&args.request.body_file, &args.request.body) {
        (Some(file), _) => {
            words.extend([String::from("--data-binary"), quoted(&format!("@{}", file.display()))]);
        }
        (None, Some(text)) => words.extend([String::from("--data-raw"), quoted(text)]),
        (None, None) => {}
    }
    words.push(quoted(&target.url()));
    words.join(" ")
}

/// One word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Longest body that is signed.
const BODY_BYTES_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_32_digits() {
        assert_eq!("0f".repeat(16).parse::<EventIdText>().unwrap().0, EventId::new([15; 16]));
        for text in ["", "0f", &"0g".repeat(16), &"+f".repeat(16), &"0f".repeat(17)] {
            assert!(text.parse::<EventIdText>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_quoted_word_ends_only_where_it_ends() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
    }
}
