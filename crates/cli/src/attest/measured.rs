//! What a TPM or its machine left in a file that is not evidence of ours: logs, platform certificates, dumps of quotes.
//!
//! The formats of go-attestation (JSON) and go-tpm-tools (protobuf) are read as far as quote, registers and log go. Each
//! quote is checked with the key that stands beside it and the nonce that it states, so this says whether a dump holds
//! together, never whose it is.

use super::any_base64;
use super::corpus::Found;
use glacis_attest::tpm::{EventLog, PlatformCertificate, check_quote};
use glacis_attest::{AttestError, Relaxation};
use glacis_wire::message::Bytes;
use glacis_wire::message::tpm::{Attested, Pcr};
use serde_json::Value;

/// A file that a verifier of TPMs knows.
pub(super) fn recognise(bytes: &[u8]) -> Option<Found> {
    if let Ok(certificate) = PlatformCertificate::parse(bytes) {
        let platform = certificate.platform();
        let parts = [&platform.manufacturer, &platform.model, &platform.version];
        let parts: Vec<&str> = parts.into_iter().filter_map(Option::as_deref).collect();
        return Some(Found::Read(format!("platform certificate of {}", parts.join(" "))));
    }
    if let Ok(log) = EventLog::parse(bytes) {
        return Some(Found::Read(format!("log of measured boot, {}", shown(&log, &|_| true))));
    }
    if let Ok(dump) = serde_json::from_slice::<Value>(bytes) {
        return of_go_attestation(&dump);
    }
    of_go_tpm_tools(bytes)
}

/// What a log says, of the registers that count.
fn shown(log: &EventLog<'_>, replays: &dyn Fn(u8) -> bool) -> String {
    let Some(bank) = log.banks().into_iter().max_by_key(|bank| *bank == SHA256) else { return String::new() };
    let boot = log.boot(bank, replays);
    let state = match boot.secure_boot {
        Some(true) => "on",
        Some(false) => "off",
        None => "not shown",
    };
    let faults = if boot.faults.is_empty() { String::new() } else { format!("; {}", boot.faults.join(", ")) };
    format!("{} events: secure boot {state}, {} loaders{faults}", log.len(), boot.loaders.len())
}

/// One quote with what belongs to it.
struct Quote {
    attested: Attested,
    registers: Vec<Pcr>,
}

/// Checks quotes, and says what the log proves of the registers that replay.
fn judged(ak: &[u8], quotes: Vec<Quote>, raw_log: &[u8]) -> Found {
    let allow = [Relaxation::DangerSha1].into();
    let log = EventLog::parse(raw_log).ok();
    let judge = |mut quote: Quote| -> Result<String, AttestError> {
        quote.registers.sort_by_key(|pcr| pcr.index);
        let nonce = extra_data(&quote.attested.attest).unwrap_or_default().to_vec();
        check_quote(ak, &quote.attested, &nonce, &quote.registers, &allow)?;
        let bank = quote.registers.first().map_or(0, |pcr| pcr.bank);
        let Some(log) = log.as_ref().filter(|log| log.banks().contains(&bank)) else {
            return Ok(format!("bank {bank:#06x}"));
        };
        let values = log.replay(bank);
        let replays = |index: u8| {
            let quoted = quote.registers.iter().find(|pcr| pcr.index == index);
            let replayed = values.get(usize::from(index)).and_then(Option::as_ref);
            quoted.zip(replayed).is_some_and(|(pcr, value)| pcr.value.0 == *value)
        };
        let count = (0..24).filter(|index| replays(*index)).count();
        Ok(format!("bank {bank:#06x}, {count} registers replay, {}", shown(log, &replays)))
    };
    Found::Quotes(quotes.into_iter().map(judge).collect())
}

/// What the asker gave: behind magic, type and the signer's name.
fn extra_data(attest: &[u8]) -> Option<&[u8]> {
    let sized = |bytes: &'_ [u8]| {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        (length <= rest.len()).then_some(length)
    };
    let from_signer = attest.get(6..)?;
    let from_data = from_signer.get(2 + sized(from_signer)?..)?;
    from_data.get(2..2 + sized(from_data)?)
}

/// `PlatformParameters` of go-attestation.
fn of_go_attestation(dump: &Value) -> Option<Found> {
    let bytes = |value: &Value| any_base64(value.as_str()?);
    let (ak, quote, log) = (dump.get("AK")?, dump.get("Quote")?, dump.get("Log")?);
    let attested = Attested {
        attest: Bytes(bytes(quote.get("Quote")?)?),
        signature: Bytes(bytes(quote.get("Signature")?)?),
    };
    let register = |pcr: &Value| {
        let value = bytes(pcr.get("Digest")?)?;
        let bank = if value.len() == 20 { SHA1 } else { SHA256 };
        Some(Pcr { bank, index: u8::try_from(pcr.get("Index")?.as_u64()?).ok()?, value: Bytes(value) })
    };
    let registers = log.get("PCRs")?.as_array()?.iter().map(register).collect::<Option<Vec<Pcr>>>()?;
    let quotes = vec![Quote { attested, registers }];
    Some(judged(&bytes(ak.get("Public")?)?, quotes, &bytes(log.get("Raw")?)?))
}

/// `Attestation` of go-tpm-tools.
fn of_go_tpm_tools(bytes: &[u8]) -> Option<Found> {
    let whole = fields(bytes)?;
    let (ak, log) = (bytes_of(&whole, 1)?, bytes_of(&whole, 3)?);
    let mut quotes = Vec::new();
    for (_, field) in whole.iter().filter(|(number, _)| *number == 2) {
        let Field::Bytes(quote) = field else { return None };
        let quote = fields(quote)?;
        let pcrs = fields(bytes_of(&quote, 3)?)?;
        let bank = pcrs.iter().find_map(|(number, field)| match field {
            Field::Number(bank) if *number == 1 => u16::try_from(*bank).ok(),
            _ => None,
        })?;
        let mut registers = Vec::new();
        for (_, field) in pcrs.iter().filter(|(number, _)| *number == 2) {
            let Field::Bytes(entry) = field else { return None };
            let entry = fields(entry)?;
            let index = entry.iter().find_map(|(number, field)| match field {
                Field::Number(index) if *number == 1 => Some(*index),
                _ => None,
            });
            let value = Bytes(bytes_of(&entry, 2)?.to_vec());
            // A field of value zero is left out.
            registers.push(Pcr { bank, index: u8::try_from(index.unwrap_or(0)).ok()?, value });
        }
        let attest = Bytes(bytes_of(&quote, 1)?.to_vec());
        let attested = Attested { attest, signature: Bytes(bytes_of(&quote, 2)?.to_vec()) };
        quotes.push(Quote { attested, registers });
    }
    (!quotes.is_empty()).then(|| judged(ak, quotes, log))
}

/// A field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn bytes_of<'a>(fields: &[(u64, Field<'a>)], wanted: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|(number, field)| match field {
        Field::Bytes(bytes) if *number == wanted => Some(*bytes),
        _ => None,
    })
}

/// Fields of a message that has only integers and byte strings.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        // LIMIT: the message in the corpus has six, its parts 25.
        if found.len() > FIELDS_MAX {
            return None;
        }
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (taken, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Field::Bytes(taken)
            }
            _ => return None,
        };
        found.push((key >> 3, field));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..9 {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * place);
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

const SHA1: u16 = 0x0004;
const SHA256: u16 = 0x000b;
const FIELDS_MAX: usize = 256;
