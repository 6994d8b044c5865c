//! A TPM that says whatever the input says: every operation of the client against answers of any form.
//!
//! Input: one byte that chooses the operation, then answers. Each begins with a byte: the usual answer, bytes of the input
//! as they are, or parameters of the input in an answer whose proofs hold, as of a chip that is itself hostile. For that the
//! chip here knows the entropy of the client, from which it computes every session's key.
//!
//! Invariants: every operation ends, after a bounded number of commands, with a result or an error and without a panic;
//! what it returns has an encoding.

use glacis_dtx::tpm::{
    Counter, EndorsementKind, KeyUse, PcrBank, PcrSelection, SealPolicy, Sealed, Tpm, TpmError, TpmKey,
    TpmOptions,
};
use glacis_host::{Clock, Entropy, EntropyError, TpmLink, TpmLinkError, TpmLinkErrorKind};
use glacis_seal::tpm::{Nonces, SessionKey, coordinates, session_salt};
use glacis_seal::{SigningKey, sha256, sha256_parts};
use glacis_wire::message::tpm::Activation;
use glacis_wire::message::{Bytes, PublicKey};
use glacis_wire::{Encode, Reader, Timestamp, Writer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Checks one input.
pub fn run(data: &[u8]) {
    let Some((operation, answers)) = data.split_first() else { return };
    let host = Arc::new(Drawn::default());
    let chip = Chip { answers: answers.to_vec(), host: Arc::clone(&host), sessions: Vec::new(), calls: 0 };
    let Ok(mut tpm) = Tpm::open(Box::new(chip), host, TpmOptions::default()) else { return };
    // Twice: the second meets whatever the first left.
    for _ in 0..2 {
        let _ = operate(&mut tpm, *operation);
    }
}

fn operate(tpm: &mut Tpm, operation: u8) -> Result<(), TpmError> {
    let digest = sha256(b"message");
    let (key, ak) = (stored_key(KeyUse::Signing), stored_key(KeyUse::Attestation));
    let counter = Counter::from_bytes(&[&[1, 1, 0x80, 0, 1][..], &AUTH].concat())?;
    match operation % 13 {
        0 => drop(tpm.sign(&key, &digest)?),
        1 => {
            let quoted = tpm.quote(&ak, &digest, &PcrSelection::boot())?;
            assert!(quoted.attested.to_bytes().is_ok() && quoted.pcrs.to_bytes().is_ok(), "no encoding");
        }
        2 => drop(tpm.certify(&key, &ak, &digest)?),
        3 => {
            let made = tpm.create_key(KeyUse::Signing)?;
            assert_eq!(TpmKey::from_bytes(&made.to_bytes()?).ok(), Some(made), "another key after storage");
        }
        4 => {
            let policy = SealPolicy { pcrs: PcrSelection::of(PcrBank::Sha256, &[16])?, needs_auth: true };
            let sealed = tpm.seal(b"secret", &policy, b"value")?;
            assert_eq!(
                Sealed::from_bytes(&sealed.to_bytes()?).ok(),
                Some(sealed.clone()),
                "another seal after storage"
            );
            tpm.unseal(&sealed, b"value")?;
        }
        5 => {
            let activation = Activation { credential: Bytes(vec![0, 1, 7]), secret: Bytes(vec![0, 1, 8]) };
            tpm.activate(EndorsementKind::Rsa2048, &ak, &activation)?;
        }
        6 => drop((tpm.endorsement(EndorsementKind::P256)?, tpm.endorsement(EndorsementKind::Rsa2048)?)),
        7 => drop(tpm.endorsement_certificate(EndorsementKind::P256)?),
        8 => drop((tpm.endorsement_chain()?, tpm.platform_certificates()?)),
        9 => drop(tpm.define_counter(counter.index())?),
        10 => drop((tpm.count(&counter)?, tpm.counter(&counter)?)),
        11 => drop((tpm.lockout()?, tpm.random(16)?)),
        _ => drop(tpm.read_pcrs(&PcrSelection::boot())?),
    }
    Ok(())
}

/// A key as storage keeps it, of the chip's own point.
fn stored_key(usage: KeyUse) -> TpmKey {
    let restricted = usage == KeyUse::Attestation;
    let attributes: u32 = if restricted { 0x0005_0472 } else { 0x0004_0472 };
    let fields = [0x0010_u16, 0x0018, 0x000b, 0x0003, 0x0010].map(u16::to_be_bytes).concat();
    let head = [&[0, 0x23, 0, 0x0b][..], &attributes.to_be_bytes(), &[0, 0], &fields].concat();
    let public = with_point(&head);
    let mut stored = Writer::new();
    stored.u8(1);
    stored.bool(restricted);
    stored.raw(&AUTH);
    put(&mut stored, &public);
    put(&mut stored, b"wrapped");
    TpmKey::from_bytes(&stored.into_bytes()).expect("a stored key of this form")
}

fn root() -> PublicKey {
    SigningKey::from_scalar(&[3; 32]).expect("a scalar").public()
}

fn with_point(head: &[u8]) -> Vec<u8> {
    let point = root();
    let (x, y) = coordinates(&point).expect("a point");
    let mut out = Writer::new();
    out.raw(head);
    put(&mut out, x);
    put(&mut out, y);
    out.into_bytes()
}

fn put(out: &mut Writer, bytes: &[u8]) {
    out.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.raw(bytes);
}

/// Entropy that is a function of what was drawn before, and the last of it.
#[derive(Default)]
struct Drawn(Mutex<(u64, Vec<u8>)>);

impl Entropy for Drawn {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.0 += 1;
        let block = sha256(&drawn.0.to_be_bytes());
        out.iter_mut().zip(block.as_bytes().iter().cycle()).for_each(|(to, from)| *to = *from);
        drawn.1 = out.to_vec();
        Ok(())
    }
}

impl Clock for Drawn {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct Chip {
    answers: Vec<u8>,
    host: Arc<Drawn>,
    sessions: Vec<SessionKey>,
    calls: usize,
}

impl TpmLink for Chip {
    fn exchange(&mut self, command: &[u8], _: Duration) -> Result<Vec<u8>, TpmLinkError> {
        self.calls += 1;
        assert!(self.calls < CALLS_MAX, "an operation does not end");
        let gone = || TpmLinkError::new(TpmLinkErrorKind::Gone, "here");
        let how = if self.answers.is_empty() { 0 } else { self.answers.remove(0) };
        let asked = Asked::read(command).ok_or_else(gone)?;
        match how % 8 {
            6 => Ok(self.input(usize::from(how / 8) * 4)),
            7 => {
                let parameters = self.input(usize::from(how / 8) * 8);
                Ok(self.proven(&asked, &parameters))
            }
            5 => Err(gone()),
            _ => {
                let parameters = self.usual(&asked, usize::from(how / 8) * 8);
                Ok(self.proven(&asked, &parameters))
            }
        }
    }

    fn pause(&mut self, _: Duration) {}
}

impl Chip {
    fn input(&mut self, count: usize) -> Vec<u8> {
        self.answers.drain(..count.min(self.answers.len())).collect()
    }

    /// Parameters that let the client go on; where that takes more than a form, those of the input.
    fn usual(&mut self, asked: &Asked<'_>, count: usize) -> Vec<u8> {
        let mut out = Writer::new();
        match asked.code {
            GET_CAPABILITY if asked.parameters.starts_with(&[0, 0, 0, 6, 0, 0, 1]) => {
                out.u8(0);
                [6, 1, 0x100, 0x322e_3000].into_iter().for_each(|field| out.u32(field));
            }
            READ_CLOCK => out.raw(&[0; 25]),
            START_AUTH_SESSION => put(&mut out, &NONCE),
            CREATE_PRIMARY | CREATE => {
                if asked.code == CREATE {
                    put(&mut out, b"wrapped");
                }
                put(&mut out, &asked.template().unwrap_or_default());
                (0..4).for_each(|_| put(&mut out, &[]));
            }
            LOAD => put(&mut out, &asked.loaded().unwrap_or_default()),
            _ => out.raw(&self.input(count)),
        }
        out.into_bytes()
    }

    /// An answer that says success, with a proof of each session.
    fn proven(&mut self, asked: &Asked<'_>, parameters: &[u8]) -> Vec<u8> {
        let mut body = Writer::new();
        match asked.code {
            CREATE_PRIMARY | LOAD => body.u32(0x8000_0000 + u32::try_from(self.calls).unwrap_or(0)),
            START_AUTH_SESSION => body.u32(self.begin(asked.parameters)),
            _ => {}
        }
        if !asked.sessions.is_empty() {
            body.u32(u32::try_from(parameters.len()).unwrap_or(0));
        }
        body.raw(parameters);
        let digest = sha256_parts(&[&[0; 4], &asked.code.to_be_bytes(), parameters]);
        for (handle, nonce, attributes) in &asked.sessions {
            let session = handle.checked_sub(FIRST_SESSION).and_then(|place| usize::try_from(place).ok());
            match session.and_then(|place| self.sessions.get(place)) {
                Some(key) => {
                    let nonces = Nonces { newer: &NONCE, older: nonce };
                    put(&mut body, &NONCE);
                    body.u8(*attributes);
                    put(&mut body, &key.mac(asked.auth(), digest.as_bytes(), nonces, *attributes));
                }
                None => body.raw(&[0, 0, 1, 0, 0]),
            }
        }
        let body = body.into_bytes();
        let mut out = Writer::new();
        out.u16(if asked.sessions.is_empty() { 0x8001 } else { 0x8002 });
        out.u32(u32::try_from(body.len() + 10).unwrap_or(0));
        out.u32(0);
        out.raw(&body);
        out.into_bytes()
    }

    /// A session with the key that the client computes: its ephemeral scalar is what it drew last.
    fn begin(&mut self, parameters: &[u8]) -> u32 {
        let drawn = self.host.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        let salt = session_salt(&root(), |out| {
            out.iter_mut().zip(&drawn).for_each(|(to, from)| *to = *from);
            Ok::<_, ()>(())
        });
        let nonce = parameters.get(2..34).unwrap_or_default();
        let key = salt
            .map_or_else(|_| SessionKey::unsalted(), |(_, salt)| SessionKey::salted(&salt, &NONCE, nonce));
        self.sessions.push(key);
        FIRST_SESSION + u32::try_from(self.sessions.len() - 1).unwrap_or(0)
    }
}

/// A command as the client sent it.
struct Asked<'a> {
    code: u32,
    sessions: Vec<(u32, &'a [u8], u8)>,
    parameters: &'a [u8],
}

impl<'a> Asked<'a> {
    fn read(command: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(command);
        let (tag, _size, code) = (reader.u16().ok()?, reader.u32().ok()?, reader.u32().ok()?);
        let handles = match code {
            0x17a | 0x17b | 0x17e | 0x181 | 0x165 => 0,
            0x147 | 0x148 | 0x151 | 0x176 | 0x14e | 0x134 | 0x122 => 2,
            _ => 1,
        };
        reader.raw(handles * 4).ok()?;
        let mut sessions = Vec::new();
        if tag == 0x8002 {
            let size = usize::try_from(reader.u32().ok()?).ok()?;
            let mut area = Reader::new(reader.raw(size).ok()?);
            while area.remaining() > 0 {
                let handle = area.u32().ok()?;
                let length = usize::from(area.u16().ok()?);
                let nonce = area.raw(length).ok()?;
                sessions.push((handle, nonce, area.u8().ok()?));
                let length = usize::from(area.u16().ok()?);
                area.raw(length).ok()?;
            }
        }
        let parameters = reader.raw(reader.remaining()).ok()?;
        Some(Self { code, sessions, parameters })
    }

    /// The value that the client proves, and the chip with it.
    fn auth(&self) -> &'static [u8] {
        match self.code {
            0x15d | 0x158 | 0x148 | 0x147 | 0x134 | 0x14e => &AUTH,
            0x15e => b"value",
            _ => &[],
        }
    }

    fn sized(&self, place: usize) -> Option<&'a [u8]> {
        let mut reader = Reader::new(self.parameters);
        for _ in 0..place {
            let length = usize::from(reader.u16().ok()?);
            reader.raw(length).ok()?;
        }
        let length = usize::from(reader.u16().ok()?);
        reader.raw(length).ok()
    }

    /// The template that was asked for, with a key in it.
    fn template(&self) -> Option<Vec<u8>> {
        let template = self.sized(1)?;
        if template.starts_with(&[0, 1]) {
            let (head, _) = template.split_at_checked(template.len().checked_sub(256)?)?;
            return Some([head, &[0xff; 256]].concat());
        }
        if template.starts_with(&[0, 8]) {
            let (head, _) = template.split_at_checked(template.len().checked_sub(2)?)?;
            return Some([head, &[0, 32], &[7; 32]].concat());
        }
        let unique = if self.code == CREATE { 4 } else { 68 };
        let (head, _) = template.split_at_checked(template.len().checked_sub(unique)?)?;
        Some(with_point(head))
    }

    /// The name of what was loaded.
    fn loaded(&self) -> Option<Vec<u8>> {
        Some([&[0, 0x0b][..], sha256(self.sized(1)?).as_bytes()].concat())
    }
}

/// The value of every key and counter here.
const AUTH: [u8; 32] = [1; 32];
const NONCE: [u8; 32] = [2; 32];
const FIRST_SESSION: u32 = 0x0200_0000;
/// An operation takes some dozens, twice as many where it is tried again.
const CALLS_MAX: usize = 600;

const CREATE_PRIMARY: u32 = 0x131;
const CREATE: u32 = 0x153;
const LOAD: u32 = 0x157;
const START_AUTH_SESSION: u32 = 0x176;
const GET_CAPABILITY: u32 = 0x17a;
const READ_CLOCK: u32 = 0x181;

/// Inputs by name: each operation with usual answers as far as a form goes, and with what a chip says.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let seed = |name: &str, operation: u8, answers: &[&[u8]]| {
        ("tpm_response", name.to_owned(), [&[operation][..], &answers.concat()].concat())
    };
    let mut seeds = vec![seed("nothing", 0, &[]), seed("raw", 0, &[&[14, 0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0]])];
    // Open takes two answers, the root one, a session one, loading one; then comes the operation's own.
    let point = [&[0, 0x18, 0, 0x0b, 0, 32][..], &[5; 32], &[0, 32], &[6; 32]].concat();
    let signed = [&[0; 5][..], &[7 + 8 * 9], &point].concat();
    seeds.push(seed("signed", 0, &[&signed]));
    let registers =
        [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0x0b, 3, 1, 0, 0, 0, 0, 0, 1, 0, 32][..], &[7; 32]].concat();
    seeds.push(seed("registers", 12, &[&[0, 0, 7 + 8 * 7], &registers, &[0; 4]]));
    seeds.push(seed("created", 3, &[&[0; 8]]));
    seeds.push(seed("sealed", 4, &[&[0; 2], &[7 + 8 * 7], &registers, &[0; 20]]));
    seeds.push(seed("endorsed", 6, &[&[0, 0, 14, 0x80, 1, 0], &[0; 40]]));
    seeds.push(seed("gone", 1, &[&[0, 0, 5, 0, 0, 5, 5]]));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_answers_lead_through_a_signature() {
        let (_, _, data) = seeds().into_iter().find(|(_, name, _)| name == "signed").expect("the seed");
        let host = Arc::new(Drawn::default());
        let chip =
            Chip { answers: data[1..].to_vec(), host: Arc::clone(&host), sessions: Vec::new(), calls: 0 };
        let mut tpm = Tpm::open(Box::new(chip), host, TpmOptions::default()).expect("opens");
        let signature = tpm.sign(&stored_key(KeyUse::Signing), &sha256(b"message")).expect("proofs hold");
        assert_eq!((&signature[..32], &signature[32..]), (&[5; 32][..], &[6; 32][..]));
        let made = tpm.create_key(KeyUse::Signing).expect("the usual answer");
        assert_eq!(made.point(), root());
    }
}
