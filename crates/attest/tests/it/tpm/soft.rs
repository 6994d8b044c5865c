//! A TPM that lies on command: its structures in software, with keys that the test holds.
//!
//! A verifier cannot tell it from a chip, since it has what a chip has: an endorsement certificate of a maker, and keys
//! that sign. Whatever an attacker could send without a secret of somebody else is one of its outputs.

use crate::forge::{Draft, context, key, oid, seq, set, tlv};
use glacis_seal::hash::context_digest;
use glacis_seal::{Context, Purpose, SigningKey, sha256, sha256_parts};
use glacis_wire::message::tpm::{Attested, Pcr, TpmEvidence, TpmIdentity};
use glacis_wire::message::{Bytes, List};
use glacis_wire::{Realm, TenantId};

/// fixedTPM, fixedParent, sensitiveDataOrigin.
pub(crate) const BOUND: u32 = 1 << 1 | 1 << 4 | 1 << 5;
pub(crate) const RESTRICTED: u32 = 1 << 16;
pub(crate) const DECRYPT: u32 = 1 << 17;
pub(crate) const SIGN: u32 = 1 << 18;
pub(crate) const SHA256: u16 = 0x000b;

pub(crate) const CHALLENGE: [u8; 32] = [5; 32];
pub(crate) const SECRET: [u8; 32] = *b"only one TPM can open this text.";

/// Keys, and what they will be made to say.
pub(crate) struct Soft {
    pub(crate) root: SigningKey,
    pub(crate) ek: SigningKey,
    pub(crate) ak: SigningKey,
    pub(crate) device: SigningKey,
    pub(crate) realm: Realm,
    pub(crate) tenant: &'static str,
    pub(crate) challenge: Vec<u8>,
    pub(crate) ek_attributes: u32,
    pub(crate) ak_attributes: u32,
    pub(crate) device_attributes: u32,
    pub(crate) magic: u32,
    /// Bank, number, value.
    pub(crate) registers: Vec<(u16, u8, Vec<u8>)>,
    pub(crate) log: Vec<u8>,
    pub(crate) certificate: Draft,
}

impl Soft {
    pub(crate) fn new() -> Self {
        Self {
            root: key(1),
            ek: key(2),
            ak: key(3),
            device: key(4),
            realm: Realm::Production,
            tenant: "acme",
            challenge: CHALLENGE.to_vec(),
            ek_attributes: BOUND | RESTRICTED | DECRYPT,
            ak_attributes: BOUND | RESTRICTED | SIGN,
            device_attributes: BOUND | SIGN,
            magic: 0xff54_4347,
            registers: vec![(SHA256, 16, vec![0; 32])],
            log: vec![],
            certificate: certificate("id:49465800", "SLB9670", "id:0785"),
        }
    }

    pub(crate) fn ek_area(&self) -> Vec<u8> {
        area(self.ek_attributes, true, &self.ek)
    }

    pub(crate) fn ak_area(&self) -> Vec<u8> {
        area(self.ak_attributes, false, &self.ak)
    }

    pub(crate) fn device_area(&self) -> Vec<u8> {
        area(self.device_attributes, false, &self.device)
    }

    /// What both statements carry.
    pub(crate) fn qualifying(&self) -> Vec<u8> {
        let context = Context::new(TenantId::parse(self.tenant).unwrap(), self.realm);
        let public = self.device.public();
        context_digest(&context, Purpose::TpmEvidence, &[&self.challenge, &public.0]).as_bytes().to_vec()
    }

    pub(crate) fn evidence(&self) -> TpmEvidence {
        let leaf = self.certificate.sign(&self.ek, &self.root);
        TpmEvidence {
            identity: TpmIdentity {
                ek: Bytes(self.ek_area()),
                ek_certificates: List(vec![Bytes(leaf)]),
                ak: Bytes(self.ak_area()),
            },
            activation: Some(SECRET),
            device_key: Bytes(self.device_area()),
            certified: self.attest(&self.certify(&self.device_area())),
            quoted: self.attest(&self.quote()),
            pcrs: List(self.pcrs()),
            event_log: Bytes(self.log.clone()),
            platform_certificates: List(vec![]),
        }
    }

    pub(crate) fn pcrs(&self) -> Vec<Pcr> {
        let registers = self.registers.iter();
        registers
            .map(|(bank, index, value)| Pcr { bank: *bank, index: *index, value: Bytes(value.clone()) })
            .collect()
    }

    /// `TPMS_ATTEST` of a certification of this public area.
    pub(crate) fn certify(&self, area: &[u8]) -> Vec<u8> {
        let name = [&SHA256.to_be_bytes()[..], sha256(area).as_bytes()].concat();
        [self.head(0x8017), sized(&name), sized(&[0; 34])].concat()
    }

    /// `TPMS_ATTEST` of a quote of the registers.
    pub(crate) fn quote(&self) -> Vec<u8> {
        let mut banks: Vec<(u16, [u8; 3])> = Vec::new();
        for (bank, index, _) in &self.registers {
            if banks.last().is_none_or(|(last, _)| last != bank) {
                banks.push((*bank, [0; 3]));
            }
            banks.last_mut().unwrap().1[usize::from(index / 8)] |= 1 << (index % 8);
        }
        let mut selection = u32::try_from(banks.len()).unwrap().to_be_bytes().to_vec();
        for (bank, bits) in banks {
            selection.extend([&bank.to_be_bytes()[..], &[3], &bits].concat());
        }
        let values: Vec<&[u8]> = self.registers.iter().map(|(_, _, value)| value.as_slice()).collect();
        [self.head(0x8018), selection, sized(sha256_parts(&values).as_bytes())].concat()
    }

    fn head(&self, kind: u16) -> Vec<u8> {
        let clock = [&7_000_u64.to_be_bytes()[..], &3_u32.to_be_bytes(), &1_u32.to_be_bytes(), &[1]].concat();
        let firmware = 0x0007_0055_u64.to_be_bytes();
        [
            &self.magic.to_be_bytes()[..],
            &kind.to_be_bytes(),
            &sized(&[0; 34]),
            &sized(&self.qualifying()),
            &clock,
            &firmware,
        ]
        .concat()
    }

    /// Signs a statement with the attestation key.
    pub(crate) fn attest(&self, statement: &[u8]) -> Attested {
        Attested { attest: Bytes(statement.to_vec()), signature: Bytes(signature(&self.ak, statement)) }
    }
}

/// `TPMT_SIGNATURE`.
pub(crate) fn signature(signer: &SigningKey, statement: &[u8]) -> Vec<u8> {
    let signed = signer.sign_raw(statement).unwrap();
    [&[0, 0x18, 0, 0x0b][..], &sized(&signed[..32]), &sized(&signed[32..])].concat()
}

/// An endorsement certificate's words; its key comes with the signature.
pub(crate) fn certificate(manufacturer: &str, model: &str, version: &str) -> Draft {
    let attribute = |id: &str, text: &str| set(&[seq(&[oid(id), tlv(&[12], text.as_bytes())])]);
    let name = seq(&[
        attribute("2.23.133.2.1", manufacturer),
        attribute("2.23.133.2.2", model),
        attribute("2.23.133.2.3", version),
    ]);
    Draft::new("", "maker").with("2.5.29.17", true, seq(&[context(4, &name)])).with(
        "2.5.29.37",
        false,
        seq(&[oid("2.23.133.8.1")]),
    )
}

/// `TPMT_PUBLIC` of a key on P-256.
pub(crate) fn area(attributes: u32, parent: bool, key: &SigningKey) -> Vec<u8> {
    let symmetric: &[u8] = if parent { &[0, 6, 0, 128, 0, 0x43] } else { &[0, 0x10] };
    let scheme: &[u8] = if parent { &[0, 0x10] } else { &[0, 0x18, 0, 0x0b] };
    let public = key.public();
    let (x, y) = public.0[1..].split_at(32);
    [
        &[0, 0x23, 0, 0x0b][..],
        &attributes.to_be_bytes(),
        &[0, 0],
        symmetric,
        scheme,
        &[0, 3, 0, 0x10],
        &sized(x),
        &sized(y),
    ]
    .concat()
}

pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A log in the making: of SHA-256 alone, unless `old`.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) bytes: Vec<u8>,
    pub(crate) registers: Vec<Vec<u8>>,
    /// What was hashed into which register.
    pub(crate) extended: Vec<(u8, [u8; 32])>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let spec =
            [&b"Spec ID Event03\0"[..], &[0, 0, 0, 0, 0, 2, 0, 2], &[1, 0, 0, 0], &[0x0b, 0, 32, 0], &[0]]
                .concat();
        let bytes = [
            &[0, 0, 0, 0, 3, 0, 0, 0][..],
            &[0; 20],
            &u32::try_from(spec.len()).unwrap().to_le_bytes(),
            &spec,
        ]
        .concat();
        Self { bytes, registers: vec![vec![0; 32]; 24], extended: vec![] }
    }

    /// An event whose digest is that of its text.
    pub(crate) fn event(self, register: u8, kind: u32, data: &[u8]) -> Self {
        let digest = *sha256(data).as_bytes();
        self.event_of(register, kind, &digest, data)
    }

    /// An event of something else.
    pub(crate) fn event_of(mut self, register: u8, kind: u32, digest: &[u8; 32], data: &[u8]) -> Self {
        let head = [u32::from(register).to_le_bytes(), kind.to_le_bytes(), 1_u32.to_le_bytes()].concat();
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        self.bytes.extend([&head[..], &[0x0b, 0], digest, &length, data].concat());
        if kind != 3 {
            self.extended.push((register, *digest));
            let value = &mut self.registers[usize::from(register)];
            *value = sha256_parts(&[value.as_slice(), digest]).as_bytes().to_vec();
        }
        self
    }

    pub(crate) fn separators(mut self, registers: impl IntoIterator<Item = u8>) -> Self {
        for register in registers {
            self = self.event(register, 4, &[0; 4]);
        }
        self
    }

    /// Firmware that starts with secure boot on or off.
    pub(crate) fn firmware(secure_boot: &[u8]) -> Self {
        Self::new()
            .event(0, 8, b"1.0")
            .event(7, DRIVER_CONFIG, &variable("SecureBoot", EFI_GLOBAL, secure_boot))
            .event(7, DRIVER_CONFIG, &variable("PK", EFI_GLOBAL, b"platform key"))
    }

    /// A whole boot: firmware, a loader that `authority` vouches for, the system.
    pub(crate) fn boot(secure_boot: &[u8], authority: &[u8]) -> Self {
        Self::firmware(secure_boot)
            .event(4, ACTION, b"Calling EFI Application from Boot Option")
            .separators(0..=7)
            .event(7, AUTHORITY, &vouch(authority))
            .event_of(4, APPLICATION, sha256(b"the loader").as_bytes(), b"a device path")
            .event(5, ACTION, b"Exit Boot Services Invocation")
            .event(5, ACTION, b"Exit Boot Services Returned with Success")
    }

    /// Puts log and registers 0 to 7 into a TPM.
    pub(crate) fn into(self, soft: &mut Soft) {
        let registers = self.registers.iter().take(8).enumerate();
        soft.registers =
            registers.map(|(index, value)| (SHA256, u8::try_from(index).unwrap(), value.clone())).collect();
        soft.log = self.bytes;
    }
}

/// `UEFI_VARIABLE_DATA`.
pub(crate) fn variable(name: &str, guid: [u8; 16], value: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lengths = [name.len() as u64, value.len() as u64].map(u64::to_le_bytes).concat();
    [&guid[..], &lengths, &text, value].concat()
}

/// The event by which firmware says that this certificate vouched for what it runs next.
pub(crate) fn vouch(authority: &[u8]) -> Vec<u8> {
    variable("db", SECURITY, &[&[9; 16][..], authority].concat())
}

/// A certificate, as far as a log cares.
pub(crate) fn authority(name: &str) -> Vec<u8> {
    [&[0x30, 0x82, 1, 0][..], name.as_bytes()].concat()
}

pub(crate) const DRIVER_CONFIG: u32 = 0x8000_0001;
pub(crate) const APPLICATION: u32 = 0x8000_0003;
pub(crate) const ACTION: u32 = 0x8000_0007;
pub(crate) const AUTHORITY: u32 = 0x8000_00e0;
pub(crate) const EFI_GLOBAL: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
pub(crate) const SECURITY: [u8; 16] =
    [0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f];
