//! A monotonic counter in the chip: what was counted stays counted, over restarts and over restored files.
//!
//! Its authorisation value is random and kept by the caller. Who may act as the chip's owner can remove a counter, but
//! not put another in its place: the new one does not know the value. A new counter begins above every one that the chip
//! ever had, so that removing never counts back.
//!
//! LIMIT: non-volatile memory wears out. Chips promise some 100,000 increments: count versions, not requests.

use super::certificate::{AUTH_READ, NvIndex, WRITTEN, missing};
use super::client::{OWNER, Tpm};
use super::command::{Call, Entity, Hide};
use super::error::{TpmError, TpmFault};
use super::fields::{Fields, put_sized};
use super::public::{Name, SHA256};
use glacis_seal::Secret;
use glacis_wire::Writer;
use std::fmt;
use std::ops::RangeInclusive;
use zeroize::Zeroizing;

/// A counter of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Counter {
    index: u32,
    auth: Secret,
}

impl Counter {
    /// Its index.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// For sealed storage.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(64);
        out.u8(VERSION);
        out.u32(self.index);
        out.raw(self.auth.expose());
        Zeroizing::new(out.into_bytes())
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TpmError> {
        let mut fields = Fields::new("stored counter", bytes);
        if fields.u8()? != VERSION {
            return Err(fields.garbage("its version"));
        }
        let index = fields.u32()?;
        let auth = fields.raw(Secret::LEN)?.try_into().map_err(|_| fields.garbage("its length"))?;
        fields.end()?;
        Ok(Self { index, auth: Secret::new(auth) })
    }

    /// `TPMS_NV_PUBLIC`; its hash is the name, so that an index with other attributes is another.
    fn public(index: u32, attributes: u32) -> Result<Vec<u8>, TpmError> {
        let mut public = Writer::new();
        public.u32(index);
        public.u16(SHA256);
        public.u32(attributes);
        put_sized(&mut public, &[])?;
        public.u16(8);
        Ok(public.into_bytes())
    }

    /// As it is once it counts.
    fn entity(&self) -> Result<NvIndex, TpmError> {
        let attributes = ATTRIBUTES | WRITTEN;
        let name = Name::of(&Self::public(self.index, attributes)?);
        Ok(NvIndex { attributes, size: 8, entity: Entity::named(self.index, name.as_bytes()) })
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counter({:#010x})", self.index)
    }
}

impl Tpm {
    /// Makes a counter at this index, and counts once: before that it has no value.
    ///
    /// # Errors
    /// [`TpmFault::NvThere`] if the index is taken.
    pub fn define_counter(&mut self, index: u32) -> Result<(Counter, u64), TpmError> {
        if !COUNTER_INDEXES.contains(&index) {
            return Err(TpmError::new(DEFINE_NAME, TpmFault::Limit("an index")));
        }
        let auth = self.new_auth()?;
        let counter = Counter { index, auth };
        self.operate(|tpm| {
            let public = Counter::public(index, ATTRIBUTES)?;
            let mut parameters = Writer::with_capacity(128);
            put_sized(&mut parameters, counter.auth.expose())?;
            put_sized(&mut parameters, &public)?;
            let handles = vec![Entity::permanent(OWNER)];
            let command = Call::new(DEFINE_NAME, NV_DEFINE_SPACE, handles, parameters).hiding(Hide::Call);
            let auth = tpm.hierarchy_auth(OWNER);
            tpm.in_session(&auth, command)?;
            let name = Name::of(&public);
            tpm.increment(Entity::named(index, name.as_bytes()), &counter)?;
            tpm.read_counter(&counter)
        })
        .map(|value| (counter.clone(), value))
    }

    /// Counts once, and returns the new value. If the answer is lost it may have counted: read it, never count back.
    pub fn count(&mut self, counter: &Counter) -> Result<u64, TpmError> {
        self.operate(|tpm| {
            tpm.increment(counter.entity()?.entity, counter)?;
            tpm.read_counter(counter)
        })
    }

    /// The value.
    pub fn counter(&mut self, counter: &Counter) -> Result<u64, TpmError> {
        self.operate(|tpm| tpm.read_counter(counter))
    }

    /// Removes a counter, as the owner.
    pub fn remove_counter(&mut self, counter: &Counter) -> Result<(), TpmError> {
        self.operate(|tpm| {
            let handles = vec![Entity::permanent(OWNER), counter.entity()?.entity];
            let command = Call::new("remove a counter", NV_UNDEFINE_SPACE, handles, Writer::new());
            let auth = tpm.hierarchy_auth(OWNER);
            tpm.in_session(&auth, command).map(drop).map_err(missing)
        })
    }

    fn increment(&mut self, entity: Entity, counter: &Counter) -> Result<(), TpmError> {
        let handles = vec![entity.clone(), entity];
        let command = Call::new("count", NV_INCREMENT, handles, Writer::new());
        self.in_session(counter.auth.expose(), command).map(drop).map_err(missing)
    }

    fn read_counter(&mut self, counter: &Counter) -> Result<u64, TpmError> {
        let index = counter.entity()?;
        let bytes = self.nv_read(&index, false, counter.auth.expose(), (0, 8))?;
        Fields::new("counter", &bytes).u64()
    }
}

/// Where counters may be: the owner's part of the non-volatile memory. Source: TCG Registry of Reserved TPM 2.0 Handles
/// and Localities 1.1, §2.3.
pub const COUNTER_INDEXES: RangeInclusive<u32> = 0x0180_0000..=0x01bf_ffff;

const DEFINE_NAME: &str = "define a counter";
const VERSION: u8 = 1;
/// `TPMA_NV`, Part 2, §13.4: a counter, written and read by its value, which does not count wrong ones.
const ATTRIBUTES: u32 = (1 << 2) | (1 << 4) | AUTH_READ | (1 << 25);

const NV_UNDEFINE_SPACE: u32 = 0x122;
const NV_DEFINE_SPACE: u32 = 0x12a;
const NV_INCREMENT: u32 = 0x134;
