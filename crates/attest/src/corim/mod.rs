//! Reference values as the IETF writes them: CoRIM, signed or not, CoMID, concise evidence, CoSERV. Read only.
//!
//! A typed subset is taken out: reference values by environment, attestation keys, how much else there is. What is not
//! read is named, never dropped, so that whoever relies on a manifest sees what was not looked at. Nothing is believed
//! here: an unsigned manifest is somebody's word, and a signed one is worth what its key is worth ([`Signed::verify`]).
//!
//! Decoding is strict: definite lengths, shortest forms, no key twice, 64 KiB, 24 levels; so every document is written
//! again as the same bytes ([`reencode`]).
//!
//! Source: draft-ietf-rats-corim (CoRIM, CoMID), draft-ietf-rats-concise-ta-stores' neighbours TCG Concise Evidence
//! Binding (CoEv) and draft-ietf-rats-coserv; where drafts differ, both forms are read.

mod comid;
mod template;
mod tree;

pub use comid::{
    AttestKeys, Comid, CryptoKey, DigestEntry, Environment, Identifier, Measurement, RawValue, Reference, Svn,
};
pub use template::{Template, read_template};

use crate::appraisal::AttestError;
use crate::cbor::{self, Rules, Value};
use crate::code::Code;
use crate::cose::Sign1;
use glacis_seal::PublicKey;
use glacis_wire::Timestamp;
use tree::{Map, broken};

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Document {
    /// A manifest that nobody signed.
    Unsigned(Corim),
    /// A manifest with a signature that was not checked yet.
    Signed(Box<Signed>),
    /// Reference values of one module, outside a manifest.
    Comid(Comid),
    /// Evidence in the form of reference values.
    Evidence(ConciseEvidence),
    /// A query for reference values, with its answer if it has one.
    Coserv(Coserv),
}

/// A manifest: tags with reference values, and where they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Corim {
    /// Its id.
    pub id: Identifier,
    /// How to read extensions: URIs, or object identifiers in hexadecimal.
    pub profiles: Vec<String>,
    /// From when on it is good.
    pub not_before: Option<Timestamp>,
    /// Until when it is good.
    pub not_after: Option<Timestamp>,
    /// Who made it: names.
    pub entities: Vec<String>,
    /// Modules with reference values.
    pub comids: Vec<Comid>,
    /// What is in it and was not read.
    pub unread: Vec<String>,
}

/// A manifest in `COSE_Sign1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// The manifest. Worth nothing before [`Signed::verify`].
    pub corim: Corim,
    /// Who says that he signed it.
    pub signer: Option<String>,
    /// From when on the signature is good.
    pub not_before: Option<Timestamp>,
    /// Until when the signature is good.
    pub not_after: Option<Timestamp>,
    /// How it names its key.
    pub key_id: Option<Vec<u8>>,
    /// Headers that were not read.
    pub unread: Vec<String>,
    message: Vec<u8>,
}

/// What an attester measured, in the form of reference values.
#[derive(Clone, Debug, PartialEq)]
pub struct ConciseEvidence {
    /// Measurements by environment.
    pub measured: Vec<Reference>,
    /// What is in it and was not read.
    pub unread: Vec<String>,
}

/// A query, or a query with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Coserv {
    /// How to read it.
    pub profile: String,
    /// What is asked for: 0 endorsed values, 1 trust anchors, 2 reference values.
    pub artifact: u64,
    /// Environments that are asked about.
    pub environments: Vec<Environment>,
    /// Reference values of the answer; none if this is a query alone.
    pub references: Option<Vec<Reference>>,
    /// Until when the answer is good, as RFC 3339.
    pub expires: Option<String>,
    /// What is in it and was not read.
    pub unread: Vec<String>,
}

/// Reads a document of any of these kinds.
///
/// # Errors
/// `ReferencesTooLarge`, `ReferencesMalformed` with what cannot be read.
pub fn read(bytes: &[u8]) -> Result<Document, AttestError> {
    let value = decode(bytes)?;
    match &value {
        // Earlier drafts put one more tag around either form.
        Value::Tagged(500, inner) => document(inner),
        other => document(other),
    }
}

/// Decodes a document, and of a signed one its protected headers and its manifest as well, and encodes it again: for
/// comparing with what arrived.
///
/// # Errors
/// `ReferencesTooLarge`, `ReferencesMalformed`.
pub fn reencode(bytes: &[u8]) -> Result<Vec<u8>, AttestError> {
    let value = decode(bytes)?;
    if let Some(message) = Sign1::parse(&value) {
        // An empty map of headers has the empty string for its form (RFC 9052 §3).
        let parts = [message.headers().0, message.payload].into_iter().filter(|part| !part.is_empty());
        for part in parts {
            if cbor::to_bytes(&decode(part)?) != part {
                return Err(broken("an embedded item has another form"));
            }
        }
    }
    Ok(cbor::to_bytes(&value))
}

fn decode(bytes: &[u8]) -> Result<Value<'_>, AttestError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Code::ReferencesTooLarge.into());
    }
    cbor::read_by(bytes, Rules::RATS).map_err(|_| broken("not a document of CBOR"))
}

fn document(value: &Value<'_>) -> Result<Document, AttestError> {
    match value {
        Value::Tagged(501, inner) => Corim::read(inner).map(Document::Unsigned),
        Value::Tagged(502, inner) => document(inner),
        Value::Tagged(18, _) => Signed::read(value).map(|signed| Document::Signed(Box::new(signed))),
        Value::Tagged(506, _) => comid::tagged(value)
            .and_then(|found| found.map(Document::Comid).ok_or_else(|| broken("not a CoMID"))),
        Value::Tagged(571, inner) => ConciseEvidence::read(inner).map(Document::Evidence),
        // Neither has a tag of its own: a CoMID has its identity under 1 and its triples under 4, a query its profile
        // under 0 and itself under 1.
        Value::Map(_) if value.numbered(4).is_some() => Comid::read(value).map(Document::Comid),
        Value::Map(_) if value.numbered(0).is_some() => Coserv::read(value).map(Document::Coserv),
        _ => Err(broken("no kind of reference values")),
    }
}

impl Corim {
    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let mut map = Map::of(value, "corim")?;
        let id = Identifier::read(map.must(0)?)?;
        let mut comids = Vec::new();
        let tags = map.list(1)?;
        for (at, tag) in tags.iter().enumerate() {
            match comid::tagged(tag)? {
                Some(found) => comids.push(found),
                None => map.note(format!("tag {at}: {}", tree::kind(tag))),
            }
        }
        let profiles = match map.take(3) {
            None => Vec::new(),
            Some(Value::List(all)) => all.iter().map(tree::uri_or_oid).collect::<Result<_, _>>()?,
            Some(one) => vec![tree::uri_or_oid(one)?],
        };
        let (not_before, not_after) = tree::validity(map.take(4))?;
        let entities = entities(map.list(5)?, &mut map)?;
        Ok(Self { id, profiles, not_before, not_after, entities, comids, unread: map.unread() })
    }
}

fn entities(all: &[Value<'_>], map: &mut Map<'_, '_>) -> Result<Vec<String>, AttestError> {
    let mut names = Vec::new();
    for one in all {
        let mut entity = Map::of(one, "entity")?;
        names.push(tree::text(entity.must(0)?)?);
        // Where he is found and what his roles are says nothing about values.
        map.adopt(entity);
    }
    Ok(names)
}

impl Signed {
    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let message = Sign1::parse(value).ok_or_else(|| broken("not a COSE_Sign1"))?;
        let Document::Unsigned(corim) = read(message.payload)? else {
            return Err(broken("signed, but no manifest"));
        };
        let mut headers = Map::of(message.headers().1, "header")?;
        // The algorithm is checked where the signature is; the name of the key is below.
        for label in [1, 4] {
            headers.take(label);
        }
        let (mut signer, mut times) = (None, (None, None));
        if let Some(meta) = headers.take(8) {
            let bytes = meta.bytes().ok_or_else(|| broken("corim-meta"))?;
            let value = decode(bytes)?;
            let mut meta = Map::of(&value, "corim-meta")?;
            let mut who = Map::of(meta.must(0)?, "signer")?;
            signer = Some(tree::text(who.must(0)?)?);
            times = tree::validity(meta.take(1))?;
            headers.adopt(who);
            headers.adopt(meta);
        }
        Ok(Self {
            corim,
            signer,
            not_before: times.0,
            not_after: times.1,
            key_id: message.key_id().map(<[u8]>::to_vec),
            unread: headers.unread(),
            message: cbor::to_bytes(value),
        })
    }

    /// Checks the signature: ES256, by this key. Times are the caller's to compare.
    ///
    /// # Errors
    /// `ResultAlgorithm`, `ResultType`, `ResultSignature`.
    pub fn verify(&self, key: &PublicKey) -> Result<(), AttestError> {
        // INVARIANT: the reader takes one form only, so this is what arrived.
        let value =
            cbor::read_by(&self.message, Rules::RATS).map_err(|_| broken("not a document of CBOR"))?;
        let message = Sign1::parse(&value).ok_or_else(|| broken("not a COSE_Sign1"))?;
        message.check_headers()?;
        message.verify(key)
    }
}

impl ConciseEvidence {
    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let mut map = Map::of(value, "evidence")?;
        let mut triples = Map::of(map.must(0)?, "ev-triples")?;
        let measured = comid::references(triples.list(0)?, &mut triples)?;
        map.adopt(triples);
        Ok(Self { measured, unread: map.unread() })
    }
}

impl Coserv {
    fn read(value: &Value<'_>) -> Result<Self, AttestError> {
        let mut map = Map::of(value, "coserv")?;
        let profile = tree::uri_or_oid(map.must(0)?)?;
        let mut query = Map::of(map.must(1)?, "query")?;
        let artifact = tree::number(query.must(0)?)?;
        let mut selector = Map::of(query.must(1)?, "selector")?;
        let mut environments = Vec::new();
        for (place, kind) in [(0, 0_i128), (1, 1), (2, 2)] {
            for one in selector.list(place)? {
                let [what, rest @ ..] = one.list().unwrap_or_default() else {
                    return Err(broken("a selector"));
                };
                environments.push(Environment::of(kind, what, &mut selector)?);
                rest.iter().for_each(|more| selector.note(format!("selector: {}", tree::kind(more))));
            }
        }
        // Collected values or source material: it says how the answer is laid out.
        query.take(2);
        let (mut references, mut expires) = (None, None);
        if let Some(results) = map.take(2) {
            let mut results = Map::of(results, "results")?;
            let mut found = Vec::new();
            for quad in results.list(0)? {
                let mut quad = Map::of(quad, "result")?;
                let triple = std::slice::from_ref(quad.must(2)?);
                found.extend(comid::references(triple, &mut quad)?);
                results.adopt(quad);
            }
            references = Some(found);
            expires = results.take(10).map(tree::date).transpose()?;
            map.adopt(results);
        }
        map.adopt(selector);
        map.adopt(query);
        Ok(Self { profile, artifact, environments, references, expires, unread: map.unread() })
    }
}

/// Longest document. Unit: bytes; the longest real one has 726.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 10;
