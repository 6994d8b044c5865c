//! The endorsement key, by which its maker vouches for a chip, and the proof that an attestation key lives beside it.
//!
//! The templates are the TCG's low range: RSA of 2048 bits and P-256. A key that the machine's maker left in the chip is
//! used if it is of that template, for making one of RSA takes seconds; otherwise it is made anew from the chip's seed,
//! which gives the same key. The certificate names the key; whether it is right is the verifier's to say.
//!
//! Source: TCG EK Credential Profile 2.6, §2.2.1.4 (indexes), §2.2.1.5 (handles), B.3.3, B.3.4.

use super::client::{ENDORSEMENT, Tpm};
use super::command::{Call, Entity, Hide};
use super::error::{TpmError, TpmFault};
use super::key::{KeyUse, TpmKey};
use super::live::Tag;
use super::public::{Public, Template};
use super::session::Authorisation;
use glacis_seal::Secret;
use glacis_wire::Writer;
use glacis_wire::message::tpm::Activation;

/// Which endorsement key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndorsementKind {
    /// Template L-1.
    Rsa2048,
    /// Template L-2.
    P256,
}

impl EndorsementKind {
    /// Every kind, the quicker first.
    pub const ALL: [Self; 2] = [Self::P256, Self::Rsa2048];

    fn template(self) -> Result<Template, TpmError> {
        match self {
            Self::Rsa2048 => Template::endorsement_rsa(),
            Self::P256 => Template::endorsement_p256(),
        }
    }

    /// Where makers leave it.
    const fn persistent(self) -> u32 {
        match self {
            Self::Rsa2048 => 0x8101_0001,
            Self::P256 => 0x8101_0002,
        }
    }

    /// Where its certificate is.
    pub(super) const fn certificate_index(self) -> u32 {
        match self {
            Self::Rsa2048 => 0x01c0_0002,
            Self::P256 => 0x01c0_000a,
        }
    }

    const fn tag(self) -> Tag {
        match self {
            Self::Rsa2048 => Tag::Endorsement(0),
            Self::P256 => Tag::Endorsement(1),
        }
    }
}

impl Tpm {
    /// The endorsement key of this kind.
    pub fn endorsement(&mut self, kind: EndorsementKind) -> Result<Public, TpmError> {
        self.operate(|tpm| tpm.load_endorsement(kind).map(|(_, public)| public))
    }

    /// The certificate of this endorsement key, in DER; `None` if the chip has none.
    pub fn endorsement_certificate(&mut self, kind: EndorsementKind) -> Result<Option<Vec<u8>>, TpmError> {
        self.operate(|tpm| tpm.read_certificate(kind.certificate_index()))
    }

    /// Opens what only this chip can open, and only for this attestation key.
    ///
    /// # Errors
    /// [`TpmFault::NotOfThisTpm`] if it was made for another chip or another attestation key, or was changed.
    pub fn activate(
        &mut self,
        kind: EndorsementKind,
        key: &TpmKey,
        activation: &Activation,
    ) -> Result<Secret, TpmError> {
        if key.usage() != KeyUse::Attestation {
            let fault = TpmFault::Unexpected("a key that is not restricted");
            return Err(TpmError::new(ACTIVATE_NAME, fault));
        }
        let wrong = || TpmError::new(ACTIVATE_NAME, TpmFault::NotOfThisTpm);
        let whole = [&*activation.credential, &*activation.secret].into_iter().all(is_sized);
        if !whole {
            return Err(wrong());
        }
        self.operate(|tpm| {
            let attestation = tpm.load_key(key)?;
            let (endorsement, public) = tpm.load_endorsement(kind)?;
            let mut policy = tpm.start_policy()?;
            tpm.play_endorsement(&policy)?;
            let mut session = tpm.take_session()?;
            let handle = policy.handle;
            // A persistent endorsement key takes a place while it is used.
            let answer = tpm.with_room(|tpm| {
                let mut parameters = Writer::new();
                parameters.raw(&activation.credential);
                parameters.raw(&activation.secret);
                let handles = vec![attestation.clone(), Entity::named(endorsement, public.name().as_bytes())];
                let command =
                    Call::new(ACTIVATE_NAME, ACTIVATE_CREDENTIAL, handles, parameters).hiding(Hide::Answer);
                let authorisations = &mut [
                    Authorisation::session(&mut session, key.auth()),
                    Authorisation::last(&mut policy, &[]),
                ];
                tpm.wire.call(command, authorisations)
            });
            let answer = answer.map_err(|error| match error.fault() {
                // A blob for another key: its integrity, its size or its value does not hold.
                TpmFault::Code(code) if code & 0x80 != 0 => wrong(),
                _ => error,
            })?;
            tpm.live.forget_session(handle);
            tpm.keep_session(session);
            let mut fields = answer.fields();
            let secret = fields.sized()?.try_into().map_err(|_| wrong())?;
            fields.end()?;
            Ok(Secret::new(secret))
        })
    }

    fn load_endorsement(&mut self, kind: EndorsementKind) -> Result<(u32, Public), TpmError> {
        if let (Some(handle), Some(public)) = (self.live.find(kind.tag()), self.endorsements.get(&kind)) {
            return Ok((handle, public.clone()));
        }
        if let Some(public) = self.read_persistent(kind)? {
            return Ok((kind.persistent(), public));
        }
        let (handle, public) =
            self.create_primary(ENDORSEMENT_NAME, ENDORSEMENT, kind.tag(), &kind.template()?)?;
        self.endorsements.insert(kind, public.clone());
        Ok((handle, public))
    }

    /// The key that the maker left, if it is there and of our template.
    fn read_persistent(&mut self, kind: EndorsementKind) -> Result<Option<Public>, TpmError> {
        // The chip takes a persistent object into one of its places while it uses it.
        let answer = self.with_room(|tpm| {
            let handles = vec![Entity::permanent(kind.persistent())];
            tpm.wire.call(Call::new(ENDORSEMENT_NAME, READ_PUBLIC, handles, Writer::new()), &mut [])
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.fault() == TpmFault::HandleGone => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut fields = answer.fields();
        let (public, _name, _qualified) = (fields.sized()?, fields.sized()?, fields.sized()?);
        fields.end()?;
        Ok(Public::of(ENDORSEMENT_NAME, &kind.template()?, public).ok())
    }
}

/// Whether these bytes are one `TPM2B` and nothing else.
fn is_sized(bytes: &[u8]) -> bool {
    let length = bytes.split_first_chunk::<2>();
    length.is_some_and(|(length, rest)| usize::from(u16::from_be_bytes(*length)) == rest.len())
}

const ENDORSEMENT_NAME: &str = "endorsement key";
const ACTIVATE_NAME: &str = "activate a credential";

const ACTIVATE_CREDENTIAL: u32 = 0x147;
const READ_PUBLIC: u32 = 0x173;
