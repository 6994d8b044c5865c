//! Keys that sign and cannot leave the chip: made under the storage root, kept by us in the chip's own wrapping.
//!
//! Each has an authorisation value of 256 random bits, which goes to the chip hidden, is proven and never shown. What is
//! stored of a key ([`TpmKey::to_bytes`]) is that value and the wrapped key: sealed storage keeps it, and elsewhere than
//! with this chip it is of no use. A [`KeyUse::Attestation`] key signs only what the chip itself says.

use super::client::Tpm;
use super::command::{Call, Entity, Hide};
use super::error::{TpmError, TpmFault};
use super::fields::{Fields, put_sized};
use super::live::Tag;
use super::public::{ECDSA, Name, Public, SHA256, Template, right_aligned};
use glacis_seal::{SealError, Secret};
use glacis_wire::message::{PublicKey, Signature};
use glacis_wire::{Digest, Writer};
use std::fmt;
use zeroize::Zeroizing;

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// What it is asked to.
    Signing,
    /// Only what the chip itself says: a restricted key.
    Attestation,
}

impl KeyUse {
    fn template(self) -> Result<Template, TpmError> {
        Template::signing(self == Self::Attestation)
    }
}

/// A key of P-256 that one chip can use. Not secret but for the authorisation value; useless without the chip.
#[derive(Clone, PartialEq, Eq)]
pub struct TpmKey {
    usage: KeyUse,
    public: Public,
    point: PublicKey,
    private: Vec<u8>,
    auth: Secret,
}

impl TpmKey {
    /// What it signs.
    pub const fn usage(&self) -> KeyUse {
        self.usage
    }

    /// Its public area.
    pub const fn public(&self) -> &Public {
        &self.public
    }

    /// The public key.
    pub const fn point(&self) -> PublicKey {
        self.point
    }

    pub(super) fn auth(&self) -> &[u8] {
        self.auth.expose()
    }

    /// For sealed storage: version, use, authorisation value, public area, wrapped key.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let mut out = Writer::with_capacity(512);
        out.u8(VERSION);
        out.bool(self.usage == KeyUse::Attestation);
        out.raw(self.auth.expose());
        put_sized(&mut out, self.public.as_bytes())?;
        put_sized(&mut out, &self.private)?;
        Ok(Zeroizing::new(out.into_bytes()))
    }

    /// The inverse of [`to_bytes`](Self::to_bytes); the public area must be one of ours.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TpmError> {
        let mut fields = Fields::new("stored key", bytes);
        let (version, usage) = (fields.u8()?, fields.u8()?);
        let usage = match (version, usage) {
            (VERSION, 0) => KeyUse::Signing,
            (VERSION, 1) => KeyUse::Attestation,
            _ => return Err(fields.garbage("its version")),
        };
        let auth = fields.raw(Secret::LEN)?.try_into().map_err(|_| fields.garbage("its length"))?;
        let (public, private) = (fields.sized()?, fields.sized()?);
        fields.end()?;
        let public = Public::of("stored key", &usage.template()?, public)?;
        let point = public.point().ok_or_else(|| fields.garbage("a point"))?;
        Ok(Self { usage, public, point, private: private.to_vec(), auth: Secret::new(auth) })
    }
}

impl fmt::Debug for TpmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TpmKey({:?}, {:?})", self.usage, self.point)
    }
}

impl Tpm {
    /// Makes a key in the chip.
    pub fn create_key(&mut self, usage: KeyUse) -> Result<TpmKey, TpmError> {
        let template = usage.template()?;
        self.operate(|tpm| {
            let auth = tpm.new_auth()?;
            let (public, private) = tpm.create("create a key", &template, auth.expose(), &[])?;
            let garbage = || TpmError::new("create a key", TpmFault::Garbage("a point"));
            let point = public.point().ok_or_else(garbage)?;
            Ok(TpmKey { usage, public, point, private, auth })
        })
    }

    /// Signs a SHA-256 digest.
    pub fn sign(&mut self, key: &TpmKey, digest: &Digest) -> Result<Signature, TpmError> {
        self.operate(|tpm| {
            let key_entity = tpm.load_key(key)?;
            let mut parameters = Writer::new();
            put_sized(&mut parameters, digest.as_bytes())?;
            [ECDSA, SHA256].into_iter().for_each(|field| parameters.u16(field));
            // `TPMT_TK_HASHCHECK` of nothing: the key is not restricted, so nobody asks who made the digest.
            parameters.u16(HASH_CHECK);
            parameters.u32(super::client::NOBODY);
            parameters.u16(0);
            let command = Call::new("sign", SIGN, vec![key_entity], parameters);
            let answer = tpm.in_session(key.auth(), command)?;
            let mut fields = answer.fields();
            let signature = read_signature(&mut fields)?;
            fields.end()?;
            Ok(signature)
        })
    }

    /// `TPM2_Create` under the storage root: public area and wrapped private one.
    pub(super) fn create(
        &mut self,
        name: &'static str,
        template: &Template,
        auth: &[u8],
        data: &[u8],
    ) -> Result<(Public, Vec<u8>), TpmError> {
        let (root, known) = self.load_root()?;
        // Room enough, so that no copy is left behind where it grew.
        let mut sensitive = Writer::with_capacity(512);
        put_sized(&mut sensitive, auth)?;
        put_sized(&mut sensitive, data)?;
        let sensitive = Zeroizing::new(sensitive.into_bytes());
        let answer = self.with_room(|tpm| {
            let mut parameters = Writer::with_capacity(512);
            put_sized(&mut parameters, &sensitive)?;
            put_sized(&mut parameters, &template.to_bytes()?)?;
            put_sized(&mut parameters, &[])?;
            parameters.u32(0);
            let handles = vec![Entity::named(root, known.name.as_bytes())];
            tpm.in_session(&[], Call::new(name, CREATE, handles, parameters).hiding(Hide::Call).slow())
        })?;
        let mut fields = answer.fields();
        let (private, public) = (fields.sized()?.to_vec(), fields.sized()?);
        let (_creation, _hash, _ticket) = (fields.sized()?, fields.sized()?, fields.rest()?);
        Ok((Public::of(name, template, public)?, private))
    }

    /// Loads a key, or finds it where it is.
    pub(super) fn load_key(&mut self, key: &TpmKey) -> Result<Entity, TpmError> {
        self.load_object("load a key", &key.public, &key.private)
    }

    /// `TPM2_Load` under the storage root.
    pub(super) fn load_object(
        &mut self,
        name: &'static str,
        public: &Public,
        private: &[u8],
    ) -> Result<Entity, TpmError> {
        let object: Name = public.name();
        let tag = Tag::Named(*object.as_bytes());
        if let Some(handle) = self.live.find(tag) {
            return Ok(Entity::named(handle, object.as_bytes()));
        }
        let (root, known) = self.load_root()?;
        self.ready_session()?;
        let answer = self.load(tag, |tpm| {
            let mut parameters = Writer::with_capacity(512);
            put_sized(&mut parameters, private)?;
            put_sized(&mut parameters, public.as_bytes())?;
            let handles = vec![Entity::named(root, known.name.as_bytes())];
            tpm.in_session(&[], Call::new(name, LOAD, handles, parameters).giving_handle())
        })?;
        let mut fields = answer.fields();
        let theirs = fields.sized()?;
        fields.end()?;
        if theirs != object.as_bytes() {
            return Err(fields.unexpected("a name"));
        }
        Ok(Entity::named(answer.handle, object.as_bytes()))
    }

    /// 256 random bits. A chip drops zero bytes at the end of an authorisation value, so the last is none.
    pub(super) fn new_auth(&self) -> Result<Secret, TpmError> {
        let failed = |error| TpmError::new("authorisation value", TpmFault::Seal(error));
        let mut bytes = Zeroizing::new([0; Secret::LEN]);
        self.wire.host.fill(bytes.as_mut()).map_err(|_| failed(SealError::Entropy))?;
        if let Some(last) = bytes.last_mut() {
            *last = (*last).max(1);
        }
        Ok(Secret::new(*bytes))
    }
}

/// `TPMT_SIGNATURE` of ECDSA with SHA-256, as r ‖ s.
pub(super) fn read_signature(fields: &mut Fields<'_>) -> Result<Signature, TpmError> {
    if (fields.u16()?, fields.u16()?) != (ECDSA, SHA256) {
        return Err(fields.unexpected("a signature"));
    }
    let mut signature: Signature = [0; 64];
    let (r, s) = signature.split_at_mut(32);
    right_aligned(r, fields.sized()?).ok_or_else(|| fields.garbage("a signature"))?;
    right_aligned(s, fields.sized()?).ok_or_else(|| fields.garbage("a signature"))?;
    Ok(signature)
}

const VERSION: u8 = 1;

/// `TPM_ST_HASHCHECK`: Part 2, §6.9.
const HASH_CHECK: u16 = 0x8024;

/// `TPM_CC`: Part 2, §6.5.2.
const CREATE: u32 = 0x153;
const LOAD: u32 = 0x157;
const SIGN: u32 = 0x15d;
