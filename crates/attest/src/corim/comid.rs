//! One module's reference values (CoMID): which environment, and what is measured there.
//!
//! An environment is a class (id, vendor, model, layer, index) or one instance or group. Triples other than reference
//! values and attestation keys are counted and named: endorsed values, identities, domains, conditions.

use super::tree::{self, Map, broken};
use crate::appraisal::AttestError;
use crate::cbor::{self, Rules, Value};
use glacis_seal::text::hex;
use std::fmt;

/// A module.
#[derive(Clone, Debug, PartialEq)]
pub struct Comid {
    /// Its id.
    pub id: Identifier,
    /// Its version.
    pub version: u64,
    /// Who made it: names.
    pub entities: Vec<String>,
    /// Reference values.
    pub references: Vec<Reference>,
    /// Keys that sign evidence, by environment.
    pub attest_keys: Vec<AttestKeys>,
    /// How many endorsed values there are; they are not read.
    pub endorsed: usize,
    /// What is in it and was not read.
    pub unread: Vec<String>,
}

/// A name for a document, a class, an instance, a measured part: whatever the drafts let it be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identifier {
    /// A text.
    Text(String),
    /// A number, plain or with tag 551.
    Number(i128),
    /// A UUID: 16 bytes, plain or with tag 37.
    Uuid([u8; 16]),
    /// An object identifier, as its BER content (tag 111).
    Oid(Vec<u8>),
    /// Bytes that mean nothing here (tag 560), a UEID (tag 550), or another tag's.
    Bytes {
        /// The tag; none if there is none.
        tag: Option<u64>,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A text in a tag: a key as PEM (tag 554), for one.
    Tagged {
        /// The tag.
        tag: u64,
        /// The text.
        text: String,
    },
}

/// Which environment something is about; what is not given is left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Id of the class.
    pub class_id: Option<Identifier>,
    /// Vendor of the class.
    pub vendor: Option<String>,
    /// Model of the class.
    pub model: Option<String>,
    /// Layer within the model.
    pub layer: Option<u64>,
    /// Index within the layer.
    pub index: Option<u64>,
    /// One instance.
    pub instance: Option<Identifier>,
    /// One group.
    pub group: Option<Identifier>,
}

/// What is expected, or was measured, in one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Where.
    pub environment: Environment,
    /// What; at least one.
    pub measurements: Vec<Measurement>,
}

/// One measured part and its values; a value that is not given is left open.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Which part.
    pub key: Option<Identifier>,
    /// Its version.
    pub version: Option<String>,
    /// Its security version.
    pub svn: Option<Svn>,
    /// Its digests, by algorithm.
    pub digests: Vec<DigestEntry>,
    /// Its raw value.
    pub raw: Option<RawValue>,
    /// Keys that may say so.
    pub authorized_by: Vec<CryptoKey>,
}

/// A security version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Svn {
    /// Exactly this (tag 552, or plain).
    Exactly(u64),
    /// This or a later one (tag 553).
    AtLeast(u64),
}

/// A digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestEntry {
    /// Algorithm: a number of IANA's registry "Named Information Hash Algorithm" (1 SHA-256, 7 SHA-384), or a name.
    pub algorithm: Identifier,
    /// The digest.
    pub value: Vec<u8>,
}

/// Bytes of which some may count and others not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawValue {
    /// The bytes.
    pub value: Vec<u8>,
    /// Bits that count; none if all do.
    pub mask: Option<Vec<u8>>,
}

/// A key as its tag and its text or bytes: 554 a key as PEM, 555 a certificate, 556 a chain, 557 and up thumbprints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoKey {
    /// What kind.
    pub tag: u64,
    /// The text, or bytes in hexadecimal.
    pub value: String,
}

/// Keys that sign evidence of one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct AttestKeys {
    /// Where.
    pub environment: Environment,
    /// The keys; at least one.
    pub keys: Vec<CryptoKey>,
}

/// A CoMID in its tag, which wraps its bytes; none for another tag.
pub(super) fn tagged(value: &Value<'_>) -> Result<Option<Comid>, AttestError> {
    let Value::Tagged(506, inner) = value else { return Ok(None) };
    let bytes = inner.bytes().ok_or_else(|| broken("not a CoMID"))?;
    let value = cbor::read_by(bytes, Rules::RATS).map_err(|_| broken("not a CoMID"))?;
    Comid::read(&value).map(Some)
}

impl Comid {
    pub(super) fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let mut map = Map::of(value, "comid")?;
        let mut identity = Map::of(map.must(1)?, "tag-identity")?;
        let id = Identifier::read(identity.must(0)?)?;
        let version = identity.take(1).map(tree::number).transpose()?.unwrap_or(0);
        map.adopt(identity);
        let entities = super::entities(map.list(2)?, &mut map)?;
        let mut triples = Map::of(map.must(4)?, "triples")?;
        let references = references(triples.list(0)?, &mut triples)?;
        let endorsed = triples.list(1)?.len();
        let mut attest_keys = Vec::new();
        for triple in triples.list(3)? {
            let (environment, keys) = pair(triple)?;
            let environment = Environment::read(environment, &mut triples)?;
            attest_keys.push(AttestKeys { environment, keys: CryptoKey::all(keys)? });
        }
        if endorsed > 0 {
            triples.note(format!("endorsed values: {endorsed}"));
        }
        map.adopt(triples);
        Ok(Self { id, version, entities, references, attest_keys, endorsed, unread: map.unread() })
    }
}

/// Reference triples: an environment, and measurements there.
pub(super) fn references(
    triples: &[Value<'_>],
    map: &mut Map<'_, '_>,
) -> Result<Vec<Reference>, AttestError> {
    let mut found = Vec::new();
    for triple in triples {
        let (environment, values) = pair(triple)?;
        let environment = Environment::read(environment, map)?;
        // A single measurement stands without its list in early drafts.
        let values = match values {
            Value::List(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        let measurements =
            values.iter().map(|value| Measurement::read(value, map)).collect::<Result<Vec<_>, _>>()?;
        if measurements.is_empty() {
            return Err(broken("no measurement"));
        }
        found.push(Reference { environment, measurements });
    }
    Ok(found)
}

fn pair<'v, 'a>(triple: &'v Value<'a>) -> Result<(&'v Value<'a>, &'v Value<'a>), AttestError> {
    match triple.list() {
        Some([environment, values]) => Ok((environment, values)),
        _ => Err(broken("a triple")),
    }
}

impl Environment {
    fn read(value: &Value<'_>, outer: &mut Map<'_, '_>) -> Result<Self, AttestError> {
        let mut map = Map::of(value, "environment")?;
        let mut found = match map.take(0) {
            Some(class) => Self::of(0, class, &mut map)?,
            None => Self::default(),
        };
        found.instance = map.take(1).map(Identifier::read).transpose()?;
        found.group = map.take(2).map(Identifier::read).transpose()?;
        outer.adopt(map);
        Ok(found)
    }

    /// An environment of one kind: 0 a class, 1 an instance, 2 a group.
    pub(super) fn of(kind: i128, value: &Value<'_>, outer: &mut Map<'_, '_>) -> Result<Self, AttestError> {
        match kind {
            0 => {
                let mut map = Map::of(value, "class")?;
                let found = Self {
                    class_id: map.take(0).map(Identifier::read).transpose()?,
                    vendor: map.take(1).map(tree::text).transpose()?,
                    model: map.take(2).map(tree::text).transpose()?,
                    layer: map.take(3).map(tree::number).transpose()?,
                    index: map.take(4).map(tree::number).transpose()?,
                    ..Self::default()
                };
                outer.adopt(map);
                Ok(found)
            }
            1 => Ok(Self { instance: Some(Identifier::read(value)?), ..Self::default() }),
            _ => Ok(Self { group: Some(Identifier::read(value)?), ..Self::default() }),
        }
    }
}

impl Measurement {
    fn read(value: &Value<'_>, outer: &mut Map<'_, '_>) -> Result<Self, AttestError> {
        let mut map = Map::of(value, "measurement")?;
        let key = map.take(0).map(Identifier::read).transpose()?;
        let mut values = Map::of(map.must(1)?, "measured value")?;
        let version = match values.take(0) {
            None => None,
            Some(version) => {
                let mut version = Map::of(version, "version")?;
                let text = tree::text(version.must(0)?)?;
                // The scheme orders versions; nothing here compares them.
                version.take(1);
                values.adopt(version);
                Some(text)
            }
        };
        let svn = values.take(1).map(Svn::read).transpose()?;
        let digests = values.list(2)?.iter().map(DigestEntry::read).collect::<Result<_, _>>()?;
        let raw = values.take(4).map(RawValue::read).transpose()?;
        let mask = values.take(5).map(bytes_of).transpose()?;
        let raw = match (raw, mask) {
            (Some(raw), Some(mask)) => Some(RawValue { mask: Some(mask), ..raw }),
            (raw, None) => raw,
            (None, Some(_)) => return Err(broken("a mask without a value")),
        };
        // The key that may say so is one, or a list of them.
        let authorized_by = match map.take(2) {
            None => Vec::new(),
            Some(keys) => CryptoKey::all(keys)?,
        };
        map.adopt(values);
        outer.adopt(map);
        Ok(Self { key, version, svn, digests, raw, authorized_by })
    }
}

impl Identifier {
    pub(super) fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let fixed = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(Self::Uuid);
        match value {
            Value::Text(text) => Ok(Self::Text((*text).to_owned())),
            Value::Integer(number) => Ok(Self::Number(*number)),
            Value::Bytes(bytes) => {
                Ok(fixed(bytes).unwrap_or_else(|| Self::Bytes { tag: None, bytes: bytes.to_vec() }))
            }
            Value::Tagged(37, inner) => inner.bytes().and_then(fixed).ok_or_else(|| broken("a UUID")),
            Value::Tagged(111, inner) => bytes_of(inner).map(Self::Oid),
            Value::Tagged(551, inner) => inner.integer().map(Self::Number).ok_or_else(|| broken("a number")),
            Value::Tagged(tag, inner) => match (inner.text(), inner.bytes()) {
                (Some(text), _) => Ok(Self::Tagged { tag: *tag, text: text.to_owned() }),
                (_, Some(bytes)) => Ok(Self::Bytes { tag: Some(*tag), bytes: bytes.to_vec() }),
                _ => Err(broken("a name")),
            },
            _ => Err(broken("a name")),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Uuid(bytes) => f.write_str(&hex(bytes)),
            Self::Oid(bytes) => write!(f, "oid:{}", hex(bytes)),
            Self::Bytes { tag: Some(tag), bytes } => write!(f, "{tag}:{}", hex(bytes)),
            Self::Bytes { tag: None, bytes } => f.write_str(&hex(bytes)),
            Self::Tagged { tag, text } => write!(f, "{tag}:{text}"),
        }
    }
}

impl Svn {
    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        match value {
            Value::Tagged(552, inner) => tree::number(inner).map(Self::Exactly),
            Value::Tagged(553, inner) => tree::number(inner).map(Self::AtLeast),
            plain => tree::number(plain).map(Self::Exactly),
        }
    }
}

impl DigestEntry {
    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let Some([algorithm @ (Value::Integer(_) | Value::Text(_)), digest]) = value.list() else {
            return Err(broken("a digest"));
        };
        Ok(Self { algorithm: Identifier::read(algorithm)?, value: bytes_of(digest)? })
    }
}

impl RawValue {
    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        match value {
            Value::Tagged(560, inner) => Ok(Self { value: bytes_of(inner)?, mask: None }),
            // Later drafts: value and mask as one.
            Value::Tagged(563, inner) => match inner.list() {
                Some([value, mask]) => Ok(Self { value: bytes_of(value)?, mask: Some(bytes_of(mask)?) }),
                _ => Err(broken("a raw value")),
            },
            _ => Err(broken("a raw value")),
        }
    }
}

impl CryptoKey {
    /// One key or a list of them.
    fn all(value: &Value<'_>) -> Result<Vec<Self>, AttestError> {
        let keys = match value {
            Value::List(keys) => keys.as_slice(),
            one => std::slice::from_ref(one),
        };
        if keys.is_empty() {
            return Err(broken("no key"));
        }
        keys.iter().map(Self::read).collect()
    }

    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let Value::Tagged(tag, inner) = value else { return Err(broken("a key")) };
        let value = match &**inner {
            Value::Text(text) => (*text).to_owned(),
            Value::Bytes(bytes) => hex(bytes),
            // A thumbprint: algorithm and digest.
            Value::List(_) => {
                let DigestEntry { algorithm, value } = DigestEntry::read(inner)?;
                format!("{algorithm}:{}", hex(&value))
            }
            _ => return Err(broken("a key")),
        };
        Ok(Self { tag: *tag, value })
    }
}

fn bytes_of(value: &Value<'_>) -> Result<Vec<u8>, AttestError> {
    value.bytes().map(<[u8]>::to_vec).ok_or_else(|| broken("not bytes"))
}
