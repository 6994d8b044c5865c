//! [`Tpm`]: one chip, its sessions, and the few places in it.
//!
//! Every public call is one *operation*: it loads what it needs, and whatever goes wrong, what it put into the chip is
//! taken out again. If the chip was reset or the connection broke between two operations, the second notices, forgets or
//! flushes what was there, and is tried once more; within an operation that is an error.
//!
//! LIMIT: a call that is late may have put an object into a chip without resource manager, whose handle nobody knows.

use super::command::{Answer, Call, Entity, Hide, Waits, Wire};
use super::endorsement::EndorsementKind;
use super::error::{TpmError, TpmFault};
use super::fields::put_sized;
use super::live::{Live, Tag};
use super::public::{AES, CFB, Name, Public, SHA256, Template};
use super::session::{Authorisation, NONCE_BYTES, NONCE_BYTES_MIN, Session};
use core::time::Duration;
use glacis_host::{Host, TpmLink};
use glacis_seal::tpm::{SessionKey, coordinates, session_salt};
use glacis_wire::Writer;
use glacis_wire::message::PublicKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How a TPM is used.
#[derive(Clone)]
pub struct TpmOptions {
    /// Authorisation value of the owner's hierarchy; empty on most machines.
    pub owner_auth: Zeroizing<Vec<u8>>,
    /// Authorisation value of the endorsement hierarchy; empty on most machines.
    pub endorsement_auth: Zeroizing<Vec<u8>>,
    /// Name of the storage root that is expected. With another one, everything fails with [`TpmFault::OtherTpm`].
    pub root: Option<Name>,
    /// What stays in the chip between operations.
    pub keep: Keep,
    /// Longest wait for one command.
    pub wait: Duration,
    /// Longest wait for one command that makes a key; chips of 2015 took a minute for RSA.
    pub wait_slow: Duration,
}

/// What stays in the chip between operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Keys that may be used again, and one session: each operation is fast. Right behind a resource manager.
    Loaded,
    /// Nothing: another process may need the places. Right for a chip that is shared without a resource manager.
    Nothing,
}

impl Default for TpmOptions {
    fn default() -> Self {
        Self {
            owner_auth: Zeroizing::default(),
            endorsement_auth: Zeroizing::default(),
            root: None,
            keep: Keep::Loaded,
            wait: Duration::from_secs(10),
            wait_slow: Duration::from_secs(180),
        }
    }
}

impl fmt::Debug for TpmOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TpmOptions");
        shown.field("keep", &self.keep).field("wait", &self.wait).finish_non_exhaustive()
    }
}

/// What a chip says of itself. Nothing of it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmInfo {
    /// Who made it, by the TCG's registry, such as `IFX` or `IBM`.
    pub manufacturer: String,
    /// Its firmware's version.
    pub firmware: u64,
}

/// One TPM 2.0.
pub struct Tpm {
    pub(super) wire: Wire,
    pub(super) live: Live,
    pub(super) options: TpmOptions,
    session: Option<Session>,
    root: Option<Root>,
    /// Endorsement keys that are in `live`.
    pub(super) endorsements: HashMap<EndorsementKind, Public>,
    /// Resets and restarts that the chip has counted, when everything in `live` was put there.
    boots: (u32, u32),
    /// Whether `live` may not be true.
    is_doubtful: bool,
    info: TpmInfo,
}

/// The storage root as it was last seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub(super) point: PublicKey,
    pub(super) name: Name,
}

impl Tpm {
    /// Begins to use the chip behind `link`.
    ///
    /// # Errors
    /// If there is no TPM 2.0 that was started.
    pub fn open(link: Box<dyn TpmLink>, host: Arc<dyn Host>, options: TpmOptions) -> Result<Self, TpmError> {
        let waits = Waits { usual: options.wait, slow: options.wait_slow };
        let mut tpm = Self {
            wire: Wire { link, host, waits },
            live: Live::default(),
            options,
            session: None,
            root: None,
            endorsements: HashMap::new(),
            boots: (0, 0),
            is_doubtful: false,
            info: TpmInfo { manufacturer: String::new(), firmware: 0 },
        };
        tpm.info = tpm.read_info()?;
        tpm.boots = tpm.read_boots()?;
        Ok(tpm)
    }

    /// What the chip says of itself.
    pub const fn info(&self) -> &TpmInfo {
        &self.info
    }

    /// The public area of the storage root, which wraps every key and seal of ours.
    pub fn storage_root(&mut self) -> Result<Name, TpmError> {
        self.operate(|tpm| Ok(tpm.load_root()?.1.name))
    }

    /// Takes everything of ours out of the chip.
    pub fn release(&mut self) -> Result<(), TpmError> {
        self.session = None;
        let handles = self.live.take_all();
        handles.into_iter().map(|handle| self.flush(handle)).fold(Ok(()), Result::and)
    }

    /// Runs one operation: the chip is left as clean as [`Keep`] says, also after an error.
    pub(super) fn operate<T>(
        &mut self,
        mut operation: impl FnMut(&mut Self) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let mut result = self.attempt(&mut operation);
        if result.as_ref().is_err_and(|error| error.fault().is_stale()) {
            result = self.attempt(&mut operation);
        }
        result
    }

    fn attempt<T>(
        &mut self,
        operation: &mut impl FnMut(&mut Self) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        self.settle()?;
        self.live.begin();
        let result = operation(self);
        match &result {
            Err(error) if error.fault().is_doubtful() => self.is_doubtful = true,
            Ok(_) if self.options.keep == Keep::Loaded => self.flush_sessions(),
            // The result stands; what could not be flushed is tried again before the next operation.
            _ => drop(self.release()),
        }
        result
    }

    fn flush_sessions(&mut self) {
        let stays = self.session.as_ref().map(|session| session.handle);
        for handle in self.live.take_sessions(stays) {
            let _ = self.flush(handle);
        }
    }

    /// After a call that failed in the middle: is the chip the same, without a reset? Then what is in it is ours to take
    /// out. Otherwise it is gone, and the handles may be somebody else's by now.
    fn settle(&mut self) -> Result<(), TpmError> {
        if !self.is_doubtful {
            return Ok(());
        }
        let boots = self.read_boots()?;
        self.session = None;
        let handles = self.live.take_all();
        self.is_doubtful = false;
        if boots == self.boots {
            handles.into_iter().map(|handle| self.flush(handle)).fold(Ok(()), Result::and)?;
        }
        self.boots = boots;
        Ok(())
    }

    /// Takes one object or session out. What cannot be taken out now is remembered.
    fn flush(&mut self, handle: u32) -> Result<(), TpmError> {
        let mut parameters = Writer::new();
        parameters.u32(handle);
        let command = Call::new("flush", FLUSH_CONTEXT, Vec::new(), parameters);
        match self.wire.call(command, &mut []) {
            Ok(_) => Ok(()),
            Err(error) if is_unknown(error.fault()) => Ok(()),
            Err(error) => {
                self.live.add_stray(handle);
                self.is_doubtful = true;
                Err(error)
            }
        }
    }

    /// Loads an object by a command that gives its handle.
    pub(super) fn load(
        &mut self,
        tag: Tag,
        call: impl FnMut(&mut Self) -> Result<Answer, TpmError>,
    ) -> Result<Answer, TpmError> {
        let answer = self.with_room(call)?;
        self.live.add_object(tag, answer.handle);
        Ok(answer)
    }

    /// Runs a command that needs a place for an object, also for itself alone: what is not needed now goes before, and
    /// more of it if the chip is full nevertheless.
    pub(super) fn with_room(
        &mut self,
        mut call: impl FnMut(&mut Self) -> Result<Answer, TpmError>,
    ) -> Result<Answer, TpmError> {
        while self.live.objects() >= OBJECTS_MAX {
            let Some(idle) = self.live.take_idle() else { break };
            self.flush(idle)?;
        }
        loop {
            match call(self) {
                Err(error) if error.fault() == TpmFault::ObjectsFull => {
                    let Some(idle) = self.live.take_idle() else { return Err(error) };
                    self.flush(idle)?;
                }
                result => return result,
            }
        }
    }

    /// The storage root, made anew from the chip's seed, which gives the same key each time.
    pub(super) fn load_root(&mut self) -> Result<(u32, Root), TpmError> {
        if let (Some(handle), Some(root)) = (self.live.find(Tag::Root), self.root) {
            return Ok((handle, root));
        }
        let (handle, public) =
            self.create_primary("storage root", OWNER, Tag::Root, &Template::storage_root()?)?;
        let garbage = || TpmError::new("storage root", TpmFault::Garbage("a point"));
        let root = Root { point: public.point().ok_or_else(garbage)?, name: public.name() };
        let known = self.options.root.or(self.root.map(|root| root.name));
        if known.is_some_and(|known| known != root.name) {
            return Err(TpmError::new("storage root", TpmFault::OtherTpm));
        }
        self.root = Some(root);
        Ok((handle, root))
    }

    /// `TPM2_CreatePrimary`. It comes before there is a salt; see [`Self::hierarchy`] for how it is authorised.
    pub(super) fn create_primary(
        &mut self,
        name: &'static str,
        hierarchy: u32,
        tag: Tag,
        template: &Template,
    ) -> Result<(u32, Public), TpmError> {
        let answer = self.load(tag, |tpm| {
            let mut parameters = Writer::new();
            put_sized(&mut parameters, &[0, 0, 0, 0])?;
            put_sized(&mut parameters, &template.to_bytes()?)?;
            put_sized(&mut parameters, &[])?;
            parameters.u32(0);
            let handles = vec![Entity::permanent(hierarchy)];
            let command = Call::new(name, CREATE_PRIMARY, handles, parameters).giving_handle().slow();
            tpm.hierarchy(hierarchy, command)
        })?;
        let public = Public::of(name, template, answer.fields().sized()?)?;
        Ok((answer.handle, public))
    }

    /// Runs a command that a hierarchy authorises. An empty value goes as the empty password; another is proven in a
    /// session, with a salt if there is a storage root already.
    fn hierarchy(&mut self, hierarchy: u32, command: Call) -> Result<Answer, TpmError> {
        let auth = self.hierarchy_auth(hierarchy);
        if self.session.is_some() {
            return self.in_session(&auth, command);
        }
        if auth.is_empty() {
            return self.wire.call(command, &mut [Authorisation::Nobody]);
        }
        let mut session = self.start_session(SessionKind::Hmac, None)?;
        let handle = session.handle;
        let answer = self.wire.call(command, &mut [Authorisation::last(&mut session, &auth)])?;
        self.live.forget_session(handle);
        Ok(answer)
    }

    pub(super) fn hierarchy_auth(&self, hierarchy: u32) -> Zeroizing<Vec<u8>> {
        match hierarchy {
            OWNER => self.options.owner_auth.clone(),
            ENDORSEMENT => self.options.endorsement_auth.clone(),
            _ => Zeroizing::default(),
        }
    }

    /// Runs a command with one authorisation, in the session that is kept.
    pub(super) fn in_session(&mut self, auth: &[u8], command: Call) -> Result<Answer, TpmError> {
        let mut session = self.take_session()?;
        let result = self.wire.call(command, &mut [Authorisation::session(&mut session, auth)]);
        self.keep_session(session);
        result
    }

    /// The session that is kept, or a new one.
    pub(super) fn take_session(&mut self) -> Result<Session, TpmError> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => self.start_salted(SessionKind::Hmac),
        }
    }

    /// For the next command; one that cannot be used is flushed with the operation.
    pub(super) fn keep_session(&mut self, session: Session) {
        if session.is_usable() {
            self.session = Some(session);
        }
    }

    /// Starts a session that is salted by the storage root.
    pub(super) fn start_salted(&mut self, kind: SessionKind) -> Result<Session, TpmError> {
        let (handle, root) = self.load_root()?;
        self.start_session(kind, Some((handle, root)))
    }

    /// Makes sure of the session that is kept, while there is room for the storage root.
    pub(super) fn ready_session(&mut self) -> Result<(), TpmError> {
        let session = self.take_session()?;
        self.keep_session(session);
        Ok(())
    }

    fn start_session(&mut self, kind: SessionKind, root: Option<(u32, Root)>) -> Result<Session, TpmError> {
        let name = "start a session";
        let failed = |error| TpmError::new(name, TpmFault::Seal(error));
        let host = Arc::clone(&self.wire.host);
        let mut nonce = [0; NONCE_BYTES];
        host.fill(&mut nonce).map_err(|_| failed(glacis_seal::SealError::Entropy))?;
        let mut salt = None;
        let mut encrypted = Writer::new();
        if let Some((_, root)) = &root {
            let (point, secret) = session_salt(&root.point, |out| host.fill(out)).map_err(failed)?;
            let (x, y) = coordinates(&point).ok_or_else(|| failed(glacis_seal::SealError::Key))?;
            put_sized(&mut encrypted, x)?;
            put_sized(&mut encrypted, y)?;
            salt = Some(secret);
        }
        let mut parameters = Writer::new();
        put_sized(&mut parameters, &nonce)?;
        put_sized(&mut parameters, &encrypted.into_bytes())?;
        parameters.u8(kind as u8);
        [AES, 128, CFB, SHA256].into_iter().for_each(|field| parameters.u16(field));
        let salted_by = root.map_or(NOBODY, |(handle, _)| handle);
        let handles = vec![Entity::permanent(salted_by), Entity::permanent(NOBODY)];
        let command = Call::new(name, START_AUTH_SESSION, handles, parameters).giving_handle();
        let answer = self.wire.call(command, &mut [])?;
        self.live.add_session(answer.handle);
        let mut fields = answer.fields();
        let theirs = fields.sized()?;
        if !(NONCE_BYTES_MIN..=NONCE_BYTES).contains(&theirs.len()) {
            return Err(fields.garbage("a nonce"));
        }
        fields.end()?;
        let key = salt.map_or_else(SessionKey::unsalted, |salt| SessionKey::salted(&salt, theirs, &nonce));
        Ok(Session::new(answer.handle, key, theirs))
    }

    /// Random bytes of the chip, in a session that hides them. For mixing, never alone: [`Host`] is the source.
    pub fn random(&mut self, count: u16) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        self.operate(|tpm| {
            let mut parameters = Writer::new();
            parameters.u16(count);
            let command = Call::new("random", GET_RANDOM, Vec::new(), parameters).hiding(Hide::Answer);
            let answer = tpm.in_session(&[], command)?;
            let mut fields = answer.fields();
            let bytes = Zeroizing::new(fields.sized()?.to_vec());
            fields.end()?;
            if bytes.is_empty() || bytes.len() > usize::from(count) {
                return Err(fields.unexpected("random bytes"));
            }
            Ok(bytes)
        })
    }

    fn read_info(&mut self) -> Result<TpmInfo, TpmError> {
        let values = self.properties(PT_FAMILY, 13)?;
        let value =
            |wanted: u32| values.iter().find(|(property, _)| *property == wanted).map(|(_, value)| *value);
        if value(PT_FAMILY) != Some(FAMILY_2_0) {
            return Err(TpmError::new("capability", TpmFault::Unsupported));
        }
        let maker = value(PT_MANUFACTURER).unwrap_or_default().to_be_bytes();
        let letters = maker.iter().filter(|byte| byte.is_ascii_graphic());
        let manufacturer = letters.map(|byte| char::from(*byte)).collect();
        let half = |property| u64::from(value(property).unwrap_or_default());
        Ok(TpmInfo { manufacturer, firmware: (half(PT_FIRMWARE) << 32) | half(PT_FIRMWARE + 1) })
    }

    /// `TPM2_GetCapability` of tagged properties: at most `count`, from this one on.
    pub(super) fn properties(&mut self, first: u32, count: u32) -> Result<Vec<(u32, u32)>, TpmError> {
        let mut parameters = Writer::new();
        [CAP_TPM_PROPERTIES, first, count].into_iter().for_each(|field| parameters.u32(field));
        let command = Call::new("capability", GET_CAPABILITY, Vec::new(), parameters);
        let answer = self.wire.call(command, &mut [])?;
        let mut fields = answer.fields();
        let (_more, capability) = (fields.u8()?, fields.u32()?);
        if capability != CAP_TPM_PROPERTIES {
            return Err(fields.unexpected("a capability"));
        }
        let count = fields.count(count)?;
        let values = (0..count).map(|_| Ok((fields.u32()?, fields.u32()?))).collect::<Result<_, _>>()?;
        fields.end()?;
        Ok(values)
    }

    /// `TPM2_ReadClock`: how often the chip was reset and restarted.
    fn read_boots(&mut self) -> Result<(u32, u32), TpmError> {
        let command = Call::new("clock", READ_CLOCK, Vec::new(), Writer::new());
        let answer = self.wire.call(command, &mut [])?;
        let mut fields = answer.fields();
        fields.raw(16)?;
        let boots = (fields.u32()?, fields.u32()?);
        fields.u8()?;
        fields.end()?;
        Ok(boots)
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        // Best effort: a link that failed must not be waited for once more.
        if !self.is_doubtful {
            let _ = self.release();
        }
    }
}

impl fmt::Debug for Tpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tpm").field("info", &self.info).field("live", &self.live).finish_non_exhaustive()
    }
}

/// `FlushContext` of what is not there: its parameter is no handle that the chip knows.
fn is_unknown(fault: TpmFault) -> bool {
    fault == TpmFault::HandleGone
}

/// `TPM_SE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum SessionKind {
    Hmac = 0,
    Policy = 1,
}

/// Places for objects that every chip has. Source: PC Client Platform TPM Profile 1.05, §3.9 (`TPM_PT_HR_TRANSIENT_MIN`).
const OBJECTS_MAX: usize = 3;

/// `TPM_RH`: Part 2, §7.4.
pub(super) const OWNER: u32 = 0x4000_0001;
pub(super) const NOBODY: u32 = 0x4000_0007;
pub(super) const ENDORSEMENT: u32 = 0x4000_000b;

/// `TPM_CC`: Part 2, §6.5.2.
const CREATE_PRIMARY: u32 = 0x131;
const FLUSH_CONTEXT: u32 = 0x165;
const START_AUTH_SESSION: u32 = 0x176;
const GET_CAPABILITY: u32 = 0x17a;
const GET_RANDOM: u32 = 0x17b;
const READ_CLOCK: u32 = 0x181;

/// `TPM_CAP` and `TPM_PT`: Part 2, §6.12, §6.13.
const CAP_TPM_PROPERTIES: u32 = 6;
const PT_FAMILY: u32 = 0x100;
const PT_MANUFACTURER: u32 = 0x105;
const PT_FIRMWARE: u32 = 0x10b;
/// `2.0` and a zero byte.
const FAMILY_2_0: u32 = 0x322e_3000;
