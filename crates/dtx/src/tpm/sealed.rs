//! Small secrets that the chip gives back only while a policy holds: registers, an authorisation value, or both.
//!
//! The secret goes in and comes out hidden in a salted session. Wrong values of a seal with an authorisation value are
//! counted by the chip, which locks itself out: that is what makes a short value (a PIN) worth something. A seal by
//! registers alone counts nothing.

use super::client::Tpm;
use super::command::{Call, Hide};
use super::error::{TpmError, TpmFault};
use super::fields::{Fields, put_sized};
use super::pcr::{PcrSelection, digest_of};
use super::policy::{auth_policy, pcr_policy};
use super::public::{Public, Template};
use super::session::Authorisation;
use glacis_wire::Writer;
use zeroize::Zeroizing;

/// When a seal opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealPolicy {
    /// Registers that must have the values that they have when it is sealed.
    pub pcrs: PcrSelection,
    /// Whether an authorisation value is asked for as well.
    pub needs_auth: bool,
}

/// A sealed secret, in the chip's wrapping. Not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    policy: SealPolicy,
    public: Public,
    private: Vec<u8>,
}

impl Sealed {
    /// When it opens.
    pub const fn policy(&self) -> &SealPolicy {
        &self.policy
    }

    /// For storage: version, policy, public area, wrapped secret.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TpmError> {
        let mut out = Writer::with_capacity(512);
        out.u8(VERSION);
        out.bool(self.policy.needs_auth);
        self.policy.pcrs.put(&mut out);
        put_sized(&mut out, self.public.as_bytes())?;
        put_sized(&mut out, &self.private)?;
        Ok(out.into_bytes())
    }

    /// The inverse of [`to_bytes`](Self::to_bytes). A changed policy does not open it: the chip checks its own copy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TpmError> {
        let mut fields = Fields::new("stored seal", bytes);
        let needs_auth = match (fields.u8()?, fields.u8()?) {
            (VERSION, 0) => false,
            (VERSION, 1) => true,
            _ => return Err(fields.garbage("its version")),
        };
        let pcrs = PcrSelection::read(&mut fields)?;
        let (public, private) = (fields.sized()?, fields.sized()?.to_vec());
        fields.end()?;
        // Type, hash and attributes; then the policy, which only the chip can judge.
        let mut area = Fields::new("stored seal", public);
        area.raw(8)?;
        let template = Template::sealed(area.sized()?, needs_auth)?;
        let public = Public::of("stored seal", &template, public)?;
        Ok(Self { policy: SealPolicy { pcrs, needs_auth }, public, private })
    }
}

impl Tpm {
    /// Seals at most [`SECRET_BYTES_MAX`] bytes to this chip and policy. `auth` is asked for if the policy says so.
    ///
    /// # Errors
    /// [`TpmFault::Limit`] also for an authorisation value that is empty where one is asked for, or there where none is,
    /// or that has more than 32 bytes or ends in a zero, which the chip would drop.
    pub fn seal(&mut self, secret: &[u8], policy: &SealPolicy, auth: &[u8]) -> Result<Sealed, TpmError> {
        let over = |what| Err(TpmError::new(SEAL_NAME, TpmFault::Limit(what)));
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
            return over("a secret");
        }
        if auth.is_empty() == policy.needs_auth || auth.len() > 32 || auth.last() == Some(&0) {
            return over("an authorisation value");
        }
        if policy.pcrs.is_empty() && !policy.needs_auth {
            return over("an empty policy");
        }
        self.operate(|tpm| {
            let mut digest = [0; 32];
            if !policy.pcrs.is_empty() {
                let values = tpm.read_registers(&policy.pcrs)?;
                digest = pcr_policy(&digest, &policy.pcrs, &digest_of(&values));
            }
            if policy.needs_auth {
                digest = auth_policy(&digest);
            }
            let template = Template::sealed(&digest, policy.needs_auth)?;
            let (public, private) = tpm.create(SEAL_NAME, &template, auth, secret)?;
            Ok(Sealed { policy: policy.clone(), public, private })
        })
    }

    /// Opens a seal.
    ///
    /// # Errors
    /// [`TpmFault::PolicyFailed`] if registers have other values, [`TpmFault::AuthCounted`] if the value is wrong,
    /// [`TpmFault::Lockout`] after too many of these.
    pub fn unseal(&mut self, sealed: &Sealed, auth: &[u8]) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        self.operate(|tpm| {
            let object = tpm.load_object("load a seal", &sealed.public, &sealed.private)?;
            let mut policy = tpm.start_policy()?;
            if !sealed.policy.pcrs.is_empty() {
                tpm.play_pcrs(&policy, &sealed.policy.pcrs)?;
            }
            // Where no value is asked for there is none, whatever the caller brings.
            let auth = if sealed.policy.needs_auth { auth } else { &[] };
            if sealed.policy.needs_auth {
                tpm.play_auth_value(&policy)?;
            }
            let command = Call::new("unseal", UNSEAL, vec![object], Writer::new()).hiding(Hide::Answer);
            let handle = policy.handle;
            let answer = tpm.wire.call(command, &mut [Authorisation::last(&mut policy, auth)])?;
            tpm.live.forget_session(handle);
            let mut fields = answer.fields();
            let secret = Zeroizing::new(fields.sized()?.to_vec());
            fields.end()?;
            Ok(secret)
        })
    }
}

const SEAL_NAME: &str = "seal";
/// Longest secret. Unit: bytes. Source: `MAX_SYM_DATA`, Part 2, §11.1.14.
pub const SECRET_BYTES_MAX: usize = 128;
const VERSION: u8 = 1;

const UNSEAL: u32 = 0x15e;
