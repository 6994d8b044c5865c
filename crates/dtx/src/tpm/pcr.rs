//! Platform configuration registers: which, their values, and measuring into one.
//!
//! A selection has one order, by bank and number; the evidence, the quote and the digest all follow it. Reading takes
//! several answers, and begins anew if a register changed between two of them.

use super::client::Tpm;
use super::command::{Call, Entity};
use super::error::{TpmError, TpmFault};
use super::fields::{Fields, put_sized};
use super::session::Authorisation;
use glacis_seal::Sha256;
use glacis_wire::limits::PCRS_MAX;
use glacis_wire::message::Bytes;
use glacis_wire::message::tpm::Pcr;
use glacis_wire::{Digest, Writer};
use std::collections::BTreeMap;

/// A bank of registers: by the hash with which it is extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PcrBank {
    /// SHA-1, which is broken; some firmware measures into nothing else.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl PcrBank {
    /// Every bank.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// `TPM_ALG_ID`.
    pub const fn algorithm(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
            Self::Sha512 => 0x000d,
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// Registers in some banks: at most [`PCRS_MAX`], numbered 0 to 23.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PcrSelection(BTreeMap<PcrBank, u32>);

impl PcrSelection {
    /// None.
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// These of one bank.
    pub fn of(bank: PcrBank, registers: &[u8]) -> Result<Self, TpmError> {
        Self::none().and(bank, registers)
    }

    /// What firmware, boot loader and kernel measure, in the bank of SHA-256: 0 to 9, 11, 12 and 14.
    pub fn boot() -> Self {
        let bits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14];
        Self(BTreeMap::from([(PcrBank::Sha256, bits.into_iter().fold(0, |mask, bit| mask | (1 << bit)))]))
    }

    /// These of another bank as well.
    pub fn and(mut self, bank: PcrBank, registers: &[u8]) -> Result<Self, TpmError> {
        let over = TpmError::new("registers", TpmFault::Limit("a selection of registers"));
        let mask = self.0.entry(bank).or_default();
        for register in registers {
            if *register >= REGISTERS {
                return Err(over);
            }
            *mask |= 1 << register;
        }
        if self.len() > PCRS_MAX { Err(over) } else { Ok(self) }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.in_order().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bank and number, in order.
    pub fn in_order(&self) -> impl Iterator<Item = (PcrBank, u8)> + '_ {
        self.0.iter().flat_map(|(bank, mask)| {
            (0..REGISTERS).filter(move |bit| mask & (1 << bit) != 0).map(|bit| (*bank, bit))
        })
    }

    /// `TPML_PCR_SELECTION`.
    pub(super) fn put(&self, out: &mut Writer) {
        let banks: Vec<_> = self.0.iter().filter(|(_, mask)| **mask != 0).collect();
        out.u32(u32::try_from(banks.len()).unwrap_or(u32::MAX));
        for (bank, mask) in banks {
            out.u16(bank.algorithm());
            out.u8(3);
            let [a, b, c, _] = mask.to_le_bytes();
            out.raw(&[a, b, c]);
        }
    }

    /// The inverse of [`put`](Self::put); a bank that we do not know is refused.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, TpmError> {
        let mut selection = Self::none();
        for _ in 0..fields.count(16)? {
            let algorithm = fields.u16()?;
            let bank = PcrBank::ALL.into_iter().find(|bank| bank.algorithm() == algorithm);
            let bank = bank.ok_or_else(|| fields.unexpected("a bank"))?;
            let count = usize::from(fields.u8()?);
            let bits = fields.raw(count)?;
            let (low, high) = bits.split_at_checked(3).unwrap_or((bits, &[]));
            let mut mask = [0; 4];
            mask.iter_mut().zip(low).for_each(|(to, from)| *to = *from);
            if high.iter().any(|byte| *byte != 0) || selection.0.contains_key(&bank) {
                return Err(fields.unexpected("a selection"));
            }
            selection.0.insert(bank, u32::from_le_bytes(mask));
        }
        selection.0.retain(|_, mask| *mask != 0);
        Ok(selection)
    }

    fn without(&self, read: &[Pcr]) -> Self {
        let mut left = self.clone();
        for pcr in read {
            for (bank, mask) in &mut left.0 {
                if bank.algorithm() == pcr.bank {
                    *mask &= !(1 << pcr.index);
                }
            }
        }
        left.0.retain(|_, mask| *mask != 0);
        left
    }
}

/// What a quote and a policy say of register values: SHA-256 of all of them.
pub(super) fn digest_of(pcrs: &[Pcr]) -> Digest {
    let mut hash = Sha256::new();
    pcrs.iter().for_each(|pcr| hash.update(&pcr.value));
    hash.finish()
}

impl Tpm {
    /// Reads registers, in order of bank and number.
    ///
    /// # Errors
    /// [`TpmFault::Unsupported`] if the chip has no such bank or register.
    pub fn read_pcrs(&mut self, selection: &PcrSelection) -> Result<Vec<Pcr>, TpmError> {
        self.operate(|tpm| tpm.read_registers(selection))
    }

    /// Measures `digest` into one register of the bank of SHA-256.
    pub fn extend_pcr(&mut self, register: u8, digest: &Digest) -> Result<(), TpmError> {
        self.operate(|tpm| {
            let mut parameters = Writer::new();
            parameters.u32(1);
            parameters.u16(PcrBank::Sha256.algorithm());
            parameters.raw(digest.as_bytes());
            let handles = vec![Entity::permanent(u32::from(register))];
            let command = Call::new("extend a register", PCR_EXTEND, handles, parameters);
            tpm.wire.call(command, &mut [Authorisation::Nobody]).map(drop)
        })
    }

    pub(super) fn read_registers(&mut self, selection: &PcrSelection) -> Result<Vec<Pcr>, TpmError> {
        for _ in 0..ATTEMPTS {
            if let Some(pcrs) = self.try_read(selection)? {
                return Ok(pcrs);
            }
        }
        Err(TpmError::new(READ, TpmFault::PcrChanged))
    }

    /// `None` if a register changed meanwhile.
    fn try_read(&mut self, selection: &PcrSelection) -> Result<Option<Vec<Pcr>>, TpmError> {
        let mut pcrs: Vec<Pcr> = Vec::new();
        let mut counter = None;
        loop {
            let left = selection.without(&pcrs);
            if left.is_empty() {
                pcrs.sort_by_key(|pcr| (pcr.bank, pcr.index));
                return Ok(Some(pcrs));
            }
            let mut parameters = Writer::new();
            left.put(&mut parameters);
            let answer = self.wire.call(Call::new(READ, PCR_READ, Vec::new(), parameters), &mut [])?;
            let mut fields = answer.fields();
            let updates = fields.u32()?;
            if *counter.get_or_insert(updates) != updates {
                return Ok(None);
            }
            let read = PcrSelection::read(&mut fields)?;
            let count = fields.count(8)?;
            let asked: Vec<_> = left.in_order().collect();
            let matches = read.in_order().all(|pair| asked.contains(&pair));
            if !matches || read.len() != usize::try_from(count).unwrap_or(usize::MAX) {
                return Err(fields.unexpected("registers"));
            }
            if read.is_empty() {
                return Err(TpmError::new(READ, TpmFault::Unsupported));
            }
            for (bank, index) in read.in_order() {
                let value = fields.sized()?;
                if value.len() != bank.length() {
                    return Err(fields.garbage("a register"));
                }
                pcrs.push(Pcr { bank: bank.algorithm(), index, value: Bytes(value.to_vec()) });
            }
            fields.end()?;
        }
    }
}

pub(super) fn put_digest(out: &mut Writer, digest: Option<&Digest>) -> Result<(), TpmError> {
    put_sized(out, digest.map_or(&[][..], |digest| digest.as_bytes()))
}

const READ: &str = "read registers";
/// Registers of a PC client.
const REGISTERS: u8 = 24;
/// How often reading begins anew: registers change while the machine boots, and seldom afterwards.
const ATTEMPTS: usize = 4;

const PCR_READ: u32 = 0x17e;
const PCR_EXTEND: u32 = 0x182;
