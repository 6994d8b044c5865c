//! One command and its answer: header, handles, authorisations, parameters; hashes and proofs over them.
//!
//! [`Wire`] sends, waits, tries again what the chip asks to send again, and believes an answer only if each session's
//! proof holds. A parameter is hidden by the first session, and is always the first parameter. It knows no object and
//! keeps nothing.
//!
//! Source: TPM 2.0 Library 1.59, Part 1, §16 (hashes), §18 (structure), §19.6 (proofs), §21 (hidden parameters).

use super::code;
use super::error::{TpmError, TpmFault};
use super::fields::Fields;
use super::session::{Authorisation, Said};
use core::time::Duration;
use glacis_host::{Host, TpmLink};
use glacis_seal::sha256_parts;
use glacis_wire::Writer;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A handle, and what its name is in a proof.
#[derive(Clone, Debug)]
pub(super) struct Entity {
    pub(super) handle: u32,
    pub(super) name: Vec<u8>,
}

impl Entity {
    /// What has no public area is named by its handle.
    pub(super) fn permanent(handle: u32) -> Self {
        Self { handle, name: handle.to_be_bytes().to_vec() }
    }

    pub(super) fn named(handle: u32, name: &[u8]) -> Self {
        Self { handle, name: name.to_vec() }
    }
}

/// Which first parameter is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hide {
    Nothing,
    Call,
    Answer,
}

/// A command before its authorisations.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) code: u32,
    pub(super) handles: Vec<Entity>,
    pub(super) parameters: Zeroizing<Vec<u8>>,
    pub(super) hide: Hide,
    /// Whether the answer begins with a handle.
    pub(super) gives_handle: bool,
    /// Whether the chip may take long: it makes a key.
    pub(super) is_slow: bool,
}

impl Call {
    pub(super) fn new(name: &'static str, code: u32, handles: Vec<Entity>, parameters: Writer) -> Self {
        let parameters = Zeroizing::new(parameters.into_bytes());
        Self { name, code, handles, parameters, hide: Hide::Nothing, gives_handle: false, is_slow: false }
    }

    pub(super) const fn hiding(mut self, hide: Hide) -> Self {
        self.hide = hide;
        self
    }

    pub(super) const fn giving_handle(mut self) -> Self {
        self.gives_handle = true;
        self
    }

    pub(super) const fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    const fn error(&self, fault: TpmFault) -> TpmError {
        TpmError::new(self.name, fault)
    }
}

/// What the chip answered.
pub(super) struct Answer {
    pub(super) handle: u32,
    pub(super) parameters: Zeroizing<Vec<u8>>,
    command: &'static str,
}

impl Answer {
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields::new(self.command, &self.parameters)
    }
}

/// How long calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) usual: Duration,
    pub(super) slow: Duration,
}

/// The way to the chip.
pub(super) struct Wire {
    pub(super) link: Box<dyn TpmLink>,
    pub(super) host: Arc<dyn Host>,
    pub(super) waits: Waits,
}

impl Wire {
    /// Sends one command and returns its answer, authentic as far as sessions took part.
    pub(super) fn call(
        &mut self,
        mut command: Call,
        authorisations: &mut [Authorisation<'_>],
    ) -> Result<Answer, TpmError> {
        let name = command.name;
        for authorisation in authorisations.iter_mut() {
            authorisation.draw(|out| self.host.fill(out)).map_err(|fault| TpmError::new(name, fault))?;
        }
        let hides = authorisations.first_mut();
        if let (Hide::Call, Some(first)) = (command.hide, hides) {
            let hidden = first_parameter(&mut command.parameters);
            let hidden = hidden.ok_or_else(|| TpmError::new(name, TpmFault::Limit("a parameter")))?;
            first.encrypt(hidden).map_err(|fault| TpmError::new(name, fault))?;
        }
        let sent = frame(&command, authorisations)?;
        let answer = self.exchange(&command, &sent)?;
        let answer = open(&command, &answer, authorisations);
        if answer.is_err() {
            // Whatever the chip did, its nonces and ours may differ now.
            authorisations.iter_mut().for_each(Authorisation::spoil);
        }
        answer
    }

    /// Sends the bytes; sends them again while the chip asks for it and there is time. A code other than success is an
    /// error.
    fn exchange(&mut self, command: &Call, sent: &[u8]) -> Result<Vec<u8>, TpmError> {
        let wait = if command.is_slow { self.waits.slow } else { self.waits.usual };
        let start = self.host.monotonic();
        let mut pause = PAUSE_FIRST;
        loop {
            let left = wait.saturating_sub(self.host.monotonic().saturating_sub(start));
            let answer = self
                .link
                .exchange(sent, left.max(PAUSE_FIRST))
                .map_err(|cause| TpmError::link(command.name, cause))?;
            let mut header = Fields::new(command.name, &answer);
            let (_tag, _size, code) = (header.u16()?, header.u32()?, header.u32()?);
            match code {
                0 => return Ok(answer),
                _ if code::is_later(code) && pause < left => {
                    self.link.pause(pause);
                    pause = pause.saturating_mul(2);
                }
                _ => return Err(command.error(code::fault(code))),
            }
        }
    }
}

/// The bytes of a command.
fn frame(command: &Call, authorisations: &[Authorisation<'_>]) -> Result<Vec<u8>, TpmError> {
    let digest = {
        let code = command.code.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&code];
        parts.extend(command.handles.iter().map(|entity| entity.name.as_slice()));
        parts.push(&command.parameters);
        sha256_parts(&parts)
    };
    let mut area = Writer::new();
    for (place, authorisation) in authorisations.iter().enumerate() {
        let hide = if place == 0 { command.hide } else { Hide::Nothing };
        authorisation.put(&mut area, digest.as_bytes(), hide)?;
    }
    let area = area.into_bytes();
    let mut body = Writer::new();
    command.handles.iter().for_each(|entity| body.u32(entity.handle));
    if !authorisations.is_empty() {
        body.u32(length(command, area.len())?);
        body.raw(&area);
    }
    body.raw(&command.parameters);
    let body = body.into_bytes();
    let mut out = Writer::with_capacity(body.len().saturating_add(HEADER_BYTES));
    out.u16(if authorisations.is_empty() { NO_SESSIONS } else { SESSIONS });
    out.u32(length(command, body.len().saturating_add(HEADER_BYTES))?);
    out.u32(command.code);
    out.raw(&body);
    Ok(out.into_bytes())
}

/// Reads an answer whose code is success, checks every proof and opens what was hidden.
fn open(command: &Call, answer: &[u8], authorisations: &mut [Authorisation<'_>]) -> Result<Answer, TpmError> {
    let mut fields = Fields::new(command.name, answer);
    let tag = fields.u16()?;
    let size = usize::try_from(fields.u32()?).map_err(|_| fields.garbage("its size"))?;
    fields.u32()?;
    let wanted = if authorisations.is_empty() { NO_SESSIONS } else { SESSIONS };
    if tag != wanted || size != answer.len() {
        return Err(fields.garbage("its header"));
    }
    let handle = if command.gives_handle { fields.u32()? } else { 0 };
    let parameters = if authorisations.is_empty() {
        fields.rest()?
    } else {
        let count = usize::try_from(fields.u32()?).map_err(|_| fields.garbage("its size"))?;
        fields.raw(count)?
    };
    let digest = sha256_parts(&[&0_u32.to_be_bytes(), &command.code.to_be_bytes(), parameters]);
    let mut parameters = Zeroizing::new(parameters.to_vec());
    for authorisation in authorisations.iter_mut() {
        let said = Said { nonce: fields.sized()?, attributes: fields.u8()?, proof: fields.sized()? };
        authorisation.check(digest.as_bytes(), &said).map_err(|fault| command.error(fault))?;
    }
    fields.end()?;
    if let (Hide::Answer, Some(first)) = (command.hide, authorisations.first_mut()) {
        let hidden = first_parameter(&mut parameters);
        let hidden = hidden.ok_or_else(|| command.error(TpmFault::Garbage("its first parameter")))?;
        first.decrypt(hidden).map_err(|fault| command.error(fault))?;
    }
    Ok(Answer { handle, parameters, command: command.name })
}

/// The bytes of the first parameter, without its length.
fn first_parameter(parameters: &mut [u8]) -> Option<&mut [u8]> {
    let (length, rest) = parameters.split_first_chunk_mut::<2>()?;
    rest.get_mut(..usize::from(u16::from_be_bytes(*length)))
}

fn length(command: &Call, length: usize) -> Result<u32, TpmError> {
    match u32::try_from(length) {
        Ok(short) if length <= COMMAND_BYTES_MAX => Ok(short),
        _ => Err(command.error(TpmFault::Limit("a command"))),
    }
}

const HEADER_BYTES: usize = 10;
/// Source: the smallest `TPM_PT_MAX_COMMAND_SIZE` of the PC Client profile is 2,048; the kernel's buffer has 4,096.
const COMMAND_BYTES_MAX: usize = 4_096;
const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
/// First pause before a command is sent again; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
