//! What the chip states under an attestation key: the values of registers, and that a key lives in it.
//!
//! What it says is looked at before it leaves: a quote whose digest is not that of the values read beside it is made
//! anew. A verifier looks again, and believes none of this.
//!
//! Source: TPM 2.0 Library 1.59, Part 2, §10.12 (attestation structures); Part 3, §18.

use super::client::{SessionKind, Tpm};
use super::command::Call;
use super::error::{TpmError, TpmFault};
use super::fields::{Fields, put_sized};
use super::key::{KeyUse, TpmKey, read_signature};
use super::pcr::{PcrSelection, digest_of};
use super::public::NULL;
use super::session::Authorisation;
use glacis_wire::message::tpm::{Attested, Pcr};
use glacis_wire::message::{Bytes, List};
use glacis_wire::{Digest, Writer};

/// A quote, with the values that it is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Quoted {
    /// What the chip signed.
    pub attested: Attested,
    /// The registers, in order of bank and number.
    pub pcrs: List<Pcr, { glacis_wire::limits::PCRS_MAX }>,
}

impl Tpm {
    /// Quotes registers under an attestation key.
    pub fn quote(
        &mut self,
        by: &TpmKey,
        qualifying: &Digest,
        selection: &PcrSelection,
    ) -> Result<Quoted, TpmError> {
        attests(by)?;
        self.operate(|tpm| {
            let key = tpm.load_key(by)?;
            for _ in 0..ATTEMPTS {
                let pcrs = tpm.read_registers(selection)?;
                let mut parameters = Writer::new();
                put_sized(&mut parameters, qualifying.as_bytes())?;
                parameters.u16(NULL);
                selection.put(&mut parameters);
                let command = Call::new(QUOTE_NAME, QUOTE, vec![key.clone()], parameters);
                let answer = tpm.in_session(by.auth(), command)?;
                let attested = read_attested(answer.fields())?;
                let mut said = Fields::new(QUOTE_NAME, &attested.attest);
                skip_head(&mut said, ATTEST_QUOTE, qualifying)?;
                let (quoted, digest) = (PcrSelection::read(&mut said)?, said.sized()?);
                said.end()?;
                if quoted != *selection {
                    return Err(said.unexpected("registers"));
                }
                if digest == digest_of(&pcrs).as_bytes() {
                    return Ok(Quoted { attested, pcrs: List(pcrs) });
                }
            }
            Err(TpmError::new(QUOTE_NAME, TpmFault::PcrChanged))
        })
    }

    /// Has an attestation key certify that `key` lives in this chip.
    pub fn certify(&mut self, key: &TpmKey, by: &TpmKey, qualifying: &Digest) -> Result<Attested, TpmError> {
        attests(by)?;
        self.operate(|tpm| {
            let certifier = tpm.load_key(by)?;
            let object = tpm.load_key(key)?;
            // One session stands for one handle in a command.
            let mut first = tpm.take_session()?;
            let mut second = tpm.start_salted(SessionKind::Hmac)?;
            let second_handle = second.handle;
            let mut parameters = Writer::new();
            put_sized(&mut parameters, qualifying.as_bytes())?;
            parameters.u16(NULL);
            let command = Call::new(CERTIFY_NAME, CERTIFY, vec![object, certifier], parameters);
            let authorisations = &mut [
                Authorisation::session(&mut first, key.auth()),
                Authorisation::last(&mut second, by.auth()),
            ];
            let answer = tpm.wire.call(command, authorisations)?;
            tpm.live.forget_session(second_handle);
            tpm.keep_session(first);
            let attested = read_attested(answer.fields())?;
            let mut said = Fields::new(CERTIFY_NAME, &attested.attest);
            skip_head(&mut said, ATTEST_CERTIFY, qualifying)?;
            let (name, _qualified) = (said.sized()?, said.sized()?);
            said.end()?;
            if name != key.public().name().as_bytes() {
                return Err(said.unexpected("a name"));
            }
            Ok(attested)
        })
    }
}

fn attests(key: &TpmKey) -> Result<(), TpmError> {
    match key.usage() {
        KeyUse::Attestation => Ok(()),
        KeyUse::Signing => Err(TpmError::new("attest", TpmFault::Unexpected("a key that is not restricted"))),
    }
}

/// `TPM2B_ATTEST` and `TPMT_SIGNATURE`.
fn read_attested(mut fields: Fields<'_>) -> Result<Attested, TpmError> {
    let attest = fields.sized()?.to_vec();
    let signature = fields.rest()?;
    let mut signed = Fields::new(QUOTE_NAME, signature);
    read_signature(&mut signed)?;
    signed.end()?;
    Ok(Attested { attest: Bytes(attest), signature: Bytes(signature.to_vec()) })
}

/// `TPMS_ATTEST` up to what is attested.
fn skip_head(said: &mut Fields<'_>, kind: u16, qualifying: &Digest) -> Result<(), TpmError> {
    if (said.u32()?, said.u16()?) != (GENERATED, kind) {
        return Err(said.unexpected("a statement"));
    }
    let (_signer, extra) = (said.sized()?, said.sized()?);
    // Clock, resets, restarts, whether the clock is safe; firmware.
    said.raw(8 + 4 + 4 + 1 + 8)?;
    if extra == qualifying.as_bytes() { Ok(()) } else { Err(said.unexpected("qualifying data")) }
}

const QUOTE_NAME: &str = "quote";
const CERTIFY_NAME: &str = "certify";
/// How often a quote is made anew because a register changed after it was read.
const ATTEMPTS: usize = 4;
/// `TPM_GENERATED_VALUE`, `TPM_ST_ATTEST_QUOTE`, `TPM_ST_ATTEST_CERTIFY`: Part 2, §6.2, §6.9.
const GENERATED: u32 = 0xff54_4347;
const ATTEST_CERTIFY: u16 = 0x8017;
const ATTEST_QUOTE: u16 = 0x8018;

const CERTIFY: u32 = 0x148;
const QUOTE: u32 = 0x158;
