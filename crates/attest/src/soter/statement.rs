//! What a level signs: JSON of the device with a signature by RSA-PSS, whose salt the JSON names.
//!
//! The JSON is read as it was signed and never written again. It is strict JSON or it is refused: a name that stands twice
//! could be read in two ways. A statement of one level never passes for one of another: only those of keys have a key, and
//! only the final one has a challenge.

use super::rsa;
use crate::appraisal::AttestError;
use crate::code::Code;
use crate::json::{Json, wrong};
use crate::pem;
use crate::x509::Key;
use glacis_seal::foreign::{self, HashName, Scheme};

/// A statement as it arrived.
pub(super) struct Signed {
    text: Vec<u8>,
    signature: Vec<u8>,
    pub(super) json: Json,
    scheme: Scheme,
}

impl Signed {
    pub(super) fn parse(text: Vec<u8>, signature: Vec<u8>) -> Result<Self, AttestError> {
        // LIMIT: the longest real statement has about 600 bytes.
        if text.len() > STATEMENT_BYTES_MAX || signature.len() > SIGNATURE_BYTES_MAX {
            return Err(AttestError::new(Code::TooLarge, "a statement"));
        }
        let json = Json::read_object(&text)?;
        let scheme = scheme(&json)?;
        Ok(Self { text, signature, json, scheme })
    }

    /// Checks the signature with the key of the level above, which is RSA.
    pub(super) fn verify(&self, key: &Key) -> Result<(), AttestError> {
        Ok(foreign::verify(self.scheme, &key.bits, &self.text, &self.signature)?)
    }
}

/// The salt is as long as the statement says, and nothing said means 20; two lengths are in use.
fn scheme(json: &Json) -> Result<Scheme, AttestError> {
    match json.member("rsa_pss_saltlen").map(Json::number) {
        None | Some(Some(20)) => Ok(Scheme::RsaPssSalt20),
        Some(Some(32)) => Ok(Scheme::RsaPss(HashName::Sha256)),
        Some(_) => Err(AttestError::new(Code::Algorithm, "a salt that is neither 20 nor 32 bytes long")),
    }
}

/// What every level says.
pub(super) struct Stated {
    pub(super) cpu_id: String,
    pub(super) uid: String,
    pub(super) counter: u64,
}

impl Stated {
    pub(super) fn parse(json: &Json) -> Result<Self, AttestError> {
        // Devices write the number of the app as text or as a number.
        let uid = json.member("uid").and_then(|uid| match uid {
            Json::Text(text) => Some(text.clone()),
            other => other.number().map(|number| number.to_string()),
        });
        let uid = uid.filter(|uid| !uid.is_empty()).ok_or_else(|| wrong("uid", "missing"))?;
        let cpu_id = json.need_text("cpu_id")?.to_owned();
        if cpu_id.is_empty() {
            return Err(wrong("cpu_id", "empty"));
        }
        let counter = json.member("counter").and_then(Json::number);
        let counter = counter.ok_or_else(|| wrong("counter", "not a number"))?;
        Ok(Self { cpu_id, uid, counter })
    }
}

/// A statement about a key, and the key.
pub(super) fn signed_key(signed: &Signed) -> Result<(Stated, Key), AttestError> {
    if signed.json.member("raw").is_some() {
        return Err(AttestError::new(Code::Malformed, "a final statement where a key's belongs"));
    }
    let stated = Stated::parse(&signed.json)?;
    let text = signed.json.need_text("pub_key")?;
    let blocks = pem::blocks(text, &["PUBLIC KEY"], 1).unwrap_or_default();
    let key = blocks.first().and_then(|block| Key::parse(block));
    Ok((stated, rsa(key.ok_or_else(|| wrong("pub_key", "not one public key as PEM"))?)?))
}

/// The final statement.
pub(super) struct Final {
    pub(super) raw: String,
    pub(super) fid: String,
    pub(super) tee: String,
    pub(super) tee_version: String,
    pub(super) sensor: String,
    pub(super) sensor_version: String,
    pub(super) stated: Stated,
}

impl Final {
    pub(super) fn parse(signed: &Signed) -> Result<Self, AttestError> {
        let json = &signed.json;
        if json.member("pub_key").is_some() {
            return Err(AttestError::new(Code::Malformed, "a key's statement where the final one belongs"));
        }
        let text = |name| json.need_text(name).map(str::to_owned);
        Ok(Self {
            raw: text("raw")?,
            fid: text("fid")?,
            tee: text("tee_n")?,
            tee_version: text("tee_v")?,
            sensor: text("fp_n")?,
            sensor_version: text("fp_v")?,
            stated: Stated::parse(json)?,
        })
    }
}

/// Longest statement.
const STATEMENT_BYTES_MAX: usize = 4 << 10;
/// Longest signature: RSA of 8192 bits.
const SIGNATURE_BYTES_MAX: usize = 1_024;
