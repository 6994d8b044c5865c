//! One token: loading its module, finding it, logging in, and a session that is made anew when it was lost.
//!
//! A wrong PIN is tried once. Tokens count wrong ones and lock, so that it is remembered, salted and sealed in the vault,
//! and the same PIN is refused from then on without asking the token, by this process and by later ones, until another one
//! works. A token that allows one more try is not tried at all.

use super::pin::Pin;
use super::{NAME, Pkcs11Config, TokenName};
use crate::custody::{CustodyError, CustodyErrorKind, KeyTag};
use crate::keys::KeyError;
use crate::vault::Vault;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;
use glacis_host::entropy;
use glacis_seal::{SealError, sha256_parts};
use glacis_wire::Digest;
use glacis_wire::message::Signature;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The token of one store.
pub(super) struct Token {
    vault: Arc<Vault>,
    config: Pkcs11Config,
    open: Mutex<Open>,
}

/// What is open.
#[derive(Default)]
struct Open {
    session: Option<Session>,
    /// Private keys, by the tag that is their id.
    keys: BTreeMap<KeyTag, ObjectHandle>,
    /// A PIN that could be read only once.
    pin: Option<Pin>,
    /// As the record of a wrong PIN, also where that could not be stored.
    wrong: Option<Vec<u8>>,
}

impl Token {
    pub(super) fn new(vault: Arc<Vault>, config: Pkcs11Config) -> Self {
        Self { vault, config, open: Mutex::default() }
    }

    pub(super) const fn config(&self) -> &Pkcs11Config {
        &self.config
    }

    pub(super) fn check(&self) -> Result<(), KeyError> {
        self.with(|session, _| session.get_session_info().map(|_| ()).map_err(Fault::from))
    }

    /// Makes a key; its point. What the token says about it is checked, and a key that could leave is destroyed again.
    pub(super) fn generate(&self, tag: &KeyTag) -> Result<[u8; 65], KeyError> {
        self.with(|session, keys| {
            let label = format!("glacis {tag}").into_bytes();
            let both = [Attribute::Token(true), Attribute::Id(tag.0.to_vec()), Attribute::Label(label)];
            let mut public = both.to_vec();
            public.extend([
                Attribute::KeyType(KeyType::EC),
                Attribute::EcParams(P256.to_vec()),
                Attribute::Verify(true),
            ]);
            let mut private = both.to_vec();
            private.extend([
                Attribute::KeyType(KeyType::EC),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                Attribute::Derive(false),
            ]);
            let (public, private) =
                session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
            let point = stays_inside(session, private).and_then(|()| point_of(session, public));
            if point.is_err() {
                session.destroy_object(private)?;
                session.destroy_object(public)?;
            }
            let point = point?;
            keys.insert(*tag, private);
            Ok(point)
        })
    }

    pub(super) fn sign(&self, tag: &KeyTag, digest: &Digest) -> Result<Signature, KeyError> {
        let signature = self.with(|session, keys| {
            let key = match keys.get(tag) {
                Some(key) => *key,
                None => {
                    let found = session.find_objects(&[
                        Attribute::Class(ObjectClass::PRIVATE_KEY),
                        Attribute::Id(tag.0.to_vec()),
                    ])?;
                    match *found.as_slice() {
                        [key] => *keys.entry(*tag).or_insert(key),
                        [] => return Err(Fault::Told(CustodyErrorKind::KeyLost, String::new())),
                        _ => {
                            let what = "more than one key with one id".to_owned();
                            return Err(Fault::Told(CustodyErrorKind::Failed, what));
                        }
                    }
                }
            };
            Ok(session.sign(&Mechanism::Ecdsa, key, digest.as_bytes())?)
        })?;
        Signature::try_from(signature.as_slice())
            .map_err(|_| error(CustodyErrorKind::Lied, "a signature of another length").into())
    }

    /// Destroys both halves of a key.
    pub(super) fn destroy(&self, tag: &KeyTag) -> Result<(), KeyError> {
        self.with(|session, keys| {
            keys.remove(tag);
            for object in session.find_objects(&[Attribute::Id(tag.0.to_vec())])? {
                session.destroy_object(object)?;
            }
            Ok(())
        })
    }

    /// Acts in the session; once more in a new one if that was lost.
    fn with<T>(
        &self,
        act: impl Fn(&Session, &mut BTreeMap<KeyTag, ObjectHandle>) -> Result<T, Fault>,
    ) -> Result<T, KeyError> {
        let mut open = self.lock();
        let mut again = true;
        loop {
            let Open { session: Some(session), keys, .. } = &mut *open else {
                let session = self.log_in(&mut open)?;
                open.session = Some(session);
                continue;
            };
            let fault = match act(session, keys) {
                Ok(done) => return Ok(done),
                Err(fault) => fault,
            };
            if !fault.is_lost() {
                return Err(fault.into_error());
            }
            open.session = None;
            open.keys.clear();
            if !std::mem::take(&mut again) {
                return Err(fault.into_error());
            }
        }
    }

    fn log_in(&self, open: &mut Open) -> Result<Session, KeyError> {
        let module = module(&self.config.module)?;
        let slot = self.slot(&module)?;
        let info = module.get_token_info(slot).map_err(gone)?;
        let session = module.open_rw_session(slot).map_err(gone)?;
        if !info.login_required() {
            return Ok(session);
        }
        if info.user_pin_locked() {
            return Err(error(CustodyErrorKind::Locked, "after wrong PINs").into());
        }
        if info.user_pin_final_try() {
            let what = "one try is left, which is not made unattended";
            return Err(error(CustodyErrorKind::Locked, what).into());
        }
        let logged_in = match self.pin(open, info.protected_authentication_path())? {
            None => session.login(UserType::User, None),
            Some(pin) => {
                self.refuse_known_wrong(open, &pin)?;
                let given = RawAuthPin::new(Box::new(pin.expose().to_vec()));
                let done = session.login_with_raw(UserType::User, &given);
                if matches!(&done, Err(Error::Pkcs11(rv, _)) if is_wrong_pin(*rv)) {
                    self.remember_wrong(open, &pin)?;
                }
                done
            }
        };
        match logged_in {
            Ok(()) => self.forget_wrong(open)?,
            // By another store of this process: the token's log-in is the process's.
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(Fault::from(error).into_error()),
        }
        Ok(session)
    }

    fn pin(&self, open: &mut Open, asks_itself: bool) -> Result<Option<Pin>, KeyError> {
        let Some(source) = &self.config.pin else {
            return match asks_itself {
                true => Ok(None),
                false => {
                    let what = "the configuration names no source";
                    Err(error(CustodyErrorKind::PinMissing, what).into())
                }
            };
        };
        if let Some(pin) = &open.pin {
            return Ok(Some(pin.clone()));
        }
        let pin = source.read()?;
        if source.is_spent() {
            open.pin = Some(pin.clone());
        }
        Ok(Some(pin))
    }

    fn refuse_known_wrong(&self, open: &Open, pin: &Pin) -> Result<(), KeyError> {
        let stored = self.vault.get(WRONG_PIN)?;
        for record in open.wrong.iter().chain(&stored) {
            let (salt, hash) = record.split_at_checked(SALT_BYTES).unwrap_or_default();
            if *hash == salted(salt, pin)[..] {
                let what = "it did so before; it is not tried again";
                return Err(error(CustodyErrorKind::PinWrong, what).into());
            }
        }
        Ok(())
    }

    fn remember_wrong(&self, open: &mut Open, pin: &Pin) -> Result<(), KeyError> {
        let salt: [u8; SALT_BYTES] =
            entropy::array(self.vault.host().as_ref()).map_err(|_| SealError::Entropy)?;
        let record = [&salt[..], &salted(&salt, pin)].concat();
        open.wrong = Some(record.clone());
        Ok(self.vault.put(WRONG_PIN, &record)?)
    }

    fn forget_wrong(&self, open: &mut Open) -> Result<(), KeyError> {
        open.wrong = None;
        match self.vault.get(WRONG_PIN)? {
            Some(record) if !record.is_empty() => Ok(self.vault.put(WRONG_PIN, &[])?),
            _ => Ok(()),
        }
    }

    fn slot(&self, module: &Pkcs11) -> Result<Slot, KeyError> {
        let mut fit = Vec::new();
        let mut seen = Vec::new();
        for slot in module.get_slots_with_initialized_token().map_err(gone)? {
            let info = module.get_token_info(slot).map_err(gone)?;
            let fits = match &self.config.token {
                TokenName::Label(label) => info.label() == label,
                TokenName::Serial(serial) => info.serial_number() == serial,
                TokenName::Slot(number) => slot.id() == *number,
            };
            seen.push(format!("`{}` in slot {}", info.label(), slot.id()));
            if fits {
                fit.push(slot);
            }
        }
        let found = if seen.is_empty() { "there is none".to_owned() } else { seen.join(", ") };
        match *fit.as_slice() {
            [slot] => Ok(slot),
            [] => {
                let what = format!("no {}; {found}", self.config.token);
                Err(error(CustodyErrorKind::Unavailable, what).into())
            }
            _ => {
                let what = format!("more than one {}: {found}", self.config.token);
                Err(error(CustodyErrorKind::Unavailable, what).into())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // A session that a panic left in the middle of something is closed by its own error.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an action in a session failed.
enum Fault {
    Library(Error),
    Told(CustodyErrorKind, String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl Fault {
    /// Whether a new session may help.
    const fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Library(Error::Pkcs11(
                RvError::SessionHandleInvalid
                    | RvError::SessionClosed
                    | RvError::UserNotLoggedIn
                    | RvError::KeyHandleInvalid
                    | RvError::ObjectHandleInvalid
                    | RvError::DeviceRemoved
                    | RvError::TokenNotPresent
                    | RvError::OperationActive
                    | RvError::CryptokiNotInitialized,
                _
            ))
        )
    }

    fn into_error(self) -> KeyError {
        let (kind, what) = match self {
            Self::Told(kind, what) => (kind, what),
            Self::Library(Error::Pkcs11(rv, function)) => (kind_of(rv), format!("{function}: {rv}")),
            Self::Library(error) => (CustodyErrorKind::Failed, error.to_string()),
        };
        let error = CustodyError::new(NAME, kind);
        if what.is_empty() { error.into() } else { error.said(what).into() }
    }
}

/// An error on the way to a session, where whatever is invalid means that the token is not there.
fn gone(error: Error) -> KeyError {
    Fault::from(error).into_error()
}

fn error(kind: CustodyErrorKind, what: impl Into<String>) -> CustodyError {
    CustodyError::new(NAME, kind).said(what)
}

const fn is_wrong_pin(rv: RvError) -> bool {
    matches!(rv, RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange)
}

const fn kind_of(rv: RvError) -> CustodyErrorKind {
    match rv {
        rv if is_wrong_pin(rv) => CustodyErrorKind::PinWrong,
        RvError::PinLocked | RvError::PinExpired => CustodyErrorKind::Locked,
        RvError::UserPinNotInitialized => CustodyErrorKind::PinMissing,
        RvError::DeviceRemoved
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::SlotIdInvalid
        | RvError::SessionClosed
        | RvError::SessionHandleInvalid
        | RvError::CryptokiNotInitialized => CustodyErrorKind::Gone,
        RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid => CustodyErrorKind::KeyLost,
        RvError::DeviceMemory | RvError::HostMemory => CustodyErrorKind::Full,
        RvError::SessionCount | RvError::OperationActive => CustodyErrorKind::Busy,
        RvError::MechanismInvalid
        | RvError::CurveNotSupported
        | RvError::FunctionNotSupported
        | RvError::DomainParamsInvalid
        | RvError::TemplateInconsistent
        | RvError::AttributeValueInvalid => CustodyErrorKind::Unsupported,
        RvError::ActionProhibited
        | RvError::FunctionRejected
        | RvError::FunctionCanceled
        | RvError::Cancel
        | RvError::TokenWriteProtected
        | RvError::SessionReadOnly
        | RvError::UserNotLoggedIn => CustodyErrorKind::Refused,
        _ => CustodyErrorKind::Failed,
    }
}

/// Whether a fresh private key is one that the token made and will not give away.
fn stays_inside(session: &Session, key: ObjectHandle) -> Result<(), Fault> {
    let wanted = [
        AttributeType::Extractable,
        AttributeType::NeverExtractable,
        AttributeType::Sensitive,
        AttributeType::AlwaysSensitive,
        AttributeType::Local,
    ];
    let is = session.get_attributes(key, &wanted)?;
    let all = [
        Attribute::Extractable(false),
        Attribute::NeverExtractable(true),
        Attribute::Sensitive(true),
        Attribute::AlwaysSensitive(true),
        Attribute::Local(true),
    ];
    if all.iter().all(|attribute| is.contains(attribute)) {
        return Ok(());
    }
    Err(Fault::Told(CustodyErrorKind::Unsupported, "the key that it made could leave it".to_owned()))
}

/// The point of a public key: in a DER octet string, as the standard says, or bare, as some tokens give it.
fn point_of(session: &Session, key: ObjectHandle) -> Result<[u8; 65], Fault> {
    let found = session.get_attributes(key, &[AttributeType::EcPoint])?;
    let point = found.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(bytes) => {
            <[u8; 65]>::try_from(bytes.strip_prefix(&[0x04, 0x41]).unwrap_or(bytes)).ok()
        }
        _ => None,
    });
    let none =
        || Fault::Told(CustodyErrorKind::Lied, "a public key without an uncompressed point".to_owned());
    point.ok_or_else(none)
}

fn salted(salt: &[u8], pin: &Pin) -> [u8; 32] {
    *sha256_parts(&[salt, b"pkcs11-pin", pin.expose()]).as_bytes()
}

/// The module at this path, loaded once. PKCS#11 knows one initialisation a process, so that every store of a process
/// shares it, and none ends it: another one may be in the middle of something.
fn module(path: &Path) -> Result<Pkcs11, KeyError> {
    static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(path) {
        return Ok(module.clone());
    }
    let unusable = |error: Error| {
        let what = match error {
            Error::Pkcs11(rv, function) => format!("{}: {function}: {rv}", path.display()),
            // The loader's message names the path and what is wrong with it.
            Error::LibraryLoading(error) => error.to_string(),
            error => format!("{}: {error}", path.display()),
        };
        KeyError::from(CustodyError::new(NAME, CustodyErrorKind::Unavailable).said(what))
    };
    let module = Pkcs11::new(path).map_err(unusable)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(unusable(error)),
    }
    loaded.insert(path.to_owned(), module.clone());
    Ok(module)
}

/// `prime256v1`, as an object identifier in DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const WRONG_PIN: &str = "pkcs11-pin";
const SALT_BYTES: usize = 16;
