//! Authorization lists: what a key may do, which device and system it belongs to.
//!
//! Schema: <https://source.android.com/docs/security/features/keystore/attestation#authorizationlist-fields>; tag
//! numbers are those of KeyMint's `Tag.aidl`. Tags that nobody here knows yet are kept by number: a new version of
//! Android must not make a device worthless. A tag twice, or out of order under [`Rules::Der`], makes the list
//! unreadable.

use crate::asn1::{Asn1Error, Class, Element, Reader, Rules, tag};
use serde::Serialize;
use std::fmt;

/// One value of a list, read from what its tag wraps.
trait FromElement: Sized {
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error>;
}

macro_rules! authorization_list {
    ($($tag:literal $field:ident: $kind:ty, $what:literal;)*) => {
        /// What the system or the hardware enforces. Absent is not the same as false or zero.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct AuthorizationList {
            $(
                #[doc = $what]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$kind>,
            )*
            /// Tags that this verifier does not know.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub unknown_tags: Vec<u32>,
        }

        impl AuthorizationList {
            fn take(&mut self, number: u32, value: Element<'_>) -> Result<(), Asn1Error> {
                match number {
                    $($tag => set(&mut self.$field, value),)*
                    _ => {
                        self.unknown_tags.push(number);
                        Ok(())
                    }
                }
            }
        }
    };
}

authorization_list! {
    1 purposes: Numbers, "What the key may be used for.";
    2 algorithms: u64, "Kind of the key: 1 RSA, 3 EC, 4 ML-DSA, 32 AES, 128 HMAC.";
    3 key_size: u64, "Bits.";
    4 block_modes: Numbers, "Modes of block ciphers.";
    5 digests: Numbers, "Digests that may be used.";
    6 paddings: Numbers, "Paddings that may be used.";
    7 caller_nonce: Present, "The caller may choose nonces.";
    8 min_mac_length: u64, "Shortest MAC, in bits.";
    10 ec_curve: u64, "Curve: 0 P-224, 1 P-256, 2 P-384, 3 P-521, 4 Curve25519.";
    11 ml_dsa_variant: u64, "Variant of ML-DSA.";
    200 rsa_public_exponent: u64, "Public exponent of RSA.";
    203 rsa_oaep_mgf_digests: Numbers, "Digests of OAEP's mask.";
    303 rollback_resistance: Present, "A deleted key stays deleted.";
    305 early_boot_only: Present, "For early boot only.";
    400 active_date_time: u64, "Usable from, in milliseconds since the epoch.";
    401 origination_expire_date_time: u64, "Signs and encrypts until.";
    402 usage_expire_date_time: u64, "Verifies and decrypts until.";
    405 usage_count_limit: u64, "How often it may be used.";
    502 user_secure_id: u64, "Which user must confirm.";
    503 no_auth_required: Present, "The user need not confirm.";
    504 user_auth_type: u64, "How the user confirms: 1 password, 2 biometry, as bits.";
    505 auth_timeout: u64, "For how many seconds a confirmation is good; absent means for one use.";
    506 allow_while_on_body: Present, "Usable while the device is carried.";
    507 trusted_user_presence_required: Present, "The user must be seen by the hardware.";
    508 trusted_confirmation_required: Present, "The user must confirm the text on a trusted display.";
    509 unlocked_device_required: Present, "Only while the screen is unlocked.";
    600 all_applications: Present, "For every app.";
    701 creation_date_time: u64, "When the key was made, by the system's clock, in milliseconds since the epoch.";
    702 origin: u64, "Where it comes from: 0 made inside, 1 derived, 2 imported, 4 imported securely.";
    703 rollback_resistant: Present, "As 303, until version 3.";
    704 root_of_trust: RootOfTrust, "How the device booted.";
    705 os_version: u64, "Version of Android, such as 140000.";
    706 os_patch_level: u64, "Patch level of the system, as `YYYYMM`.";
    709 attestation_application_id: ApplicationId, "Which app asked.";
    710 attestation_id_brand: HardwareId, "Brand.";
    711 attestation_id_device: HardwareId, "Device.";
    712 attestation_id_product: HardwareId, "Product.";
    713 attestation_id_serial: HardwareId, "Serial number.";
    714 attestation_id_imei: HardwareId, "IMEI.";
    715 attestation_id_meid: HardwareId, "MEID.";
    716 attestation_id_manufacturer: HardwareId, "Manufacturer.";
    717 attestation_id_model: HardwareId, "Model.";
    718 vendor_patch_level: u64, "Patch level of the vendor image, as `YYYYMMDD` or `YYYYMM`.";
    719 boot_patch_level: u64, "Patch level of the boot image, as `YYYYMMDD` or `YYYYMM`.";
    720 device_unique_attestation: Present, "Signed by a key of this device alone.";
    721 identity_credential_key: Present, "A key of an identity credential.";
    723 attestation_id_second_imei: HardwareId, "IMEI of the second slot.";
    724 module_hash: Octets, "SHA-256 over the modules of the system.";
}

impl AuthorizationList {
    pub(crate) fn read(element: Element<'_>, rules: Rules) -> Result<Self, Asn1Error> {
        let mut list = Self::default();
        let mut reader = element.sequence()?;
        let mut seen: Vec<u32> = Vec::new();
        while !reader.is_empty() {
            let wrapped = reader.next()?;
            let ordered = seen.last().is_none_or(|last| *last < wrapped.tag);
            let known = seen.contains(&wrapped.tag);
            if wrapped.class != Class::Context || known || (!ordered && rules == Rules::Der) {
                return Err(Asn1Error);
            }
            // LIMIT: there are some fifty tags.
            if seen.len() == TAGS_MAX {
                return Err(Asn1Error);
            }
            seen.push(wrapped.tag);
            list.take(wrapped.tag, wrapped.explicit()?)?;
        }
        Ok(list)
    }
}

impl AuthorizationList {
    /// The same without what names one device or one user of it. Brand, model and the like name many.
    pub(super) fn without_hardware_ids(&self) -> Self {
        Self {
            attestation_id_serial: None,
            attestation_id_imei: None,
            attestation_id_meid: None,
            attestation_id_second_imei: None,
            user_secure_id: None,
            ..self.clone()
        }
    }
}

fn set<T: FromElement>(field: &mut Option<T>, element: Element<'_>) -> Result<(), Asn1Error> {
    *field = Some(T::from_element(element)?);
    Ok(())
}

/// A set of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Numbers(pub Vec<u64>);

/// A flag: it is there, or it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present;

/// Bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

/// Text that names a device. It is not printed by `Debug`, so that no log holds one by accident.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct HardwareId(pub String);

/// How the device booted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootOfTrust {
    /// SHA-256 of the key that the system was verified with.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub verified_boot_key: Vec<u8>,
    /// Whether the bootloader is locked.
    pub device_locked: bool,
    /// What verified boot said.
    pub verified_boot_state: BootState,
    /// Digest of everything that was verified; absent before version 3.
    #[serde(serialize_with = "hex_option")]
    pub verified_boot_hash: Option<Vec<u8>>,
}

/// What verified boot said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BootState {
    /// The maker's system.
    Verified,
    /// The owner's system, under the owner's key.
    SelfSigned,
    /// Nobody verified it.
    Unverified,
    /// Verification failed.
    Failed,
}

/// Which app asked, by the system's word: all apps that share its user id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApplicationId {
    /// The packages.
    pub packages: Vec<AppPackage>,
    /// SHA-256 of the certificates that signed them.
    #[serde(serialize_with = "crate::appraisal::hexes")]
    pub signatures: Vec<Vec<u8>>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppPackage {
    /// Its name.
    pub name: String,
    /// Its version code.
    pub version: u64,
}

impl FromElement for u64 {
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error> {
        element.integer()
    }
}

impl FromElement for Present {
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error> {
        element.null().map(|()| Self)
    }
}

impl FromElement for Numbers {
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error> {
        let mut reader = element.set()?;
        let mut numbers = Vec::new();
        while !reader.is_empty() {
            numbers.push(reader.next()?.integer()?);
        }
        Ok(Self(numbers))
    }
}

impl FromElement for Octets {
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error> {
        element.octets().map(|bytes| Self(bytes.to_vec()))
    }
}

impl FromElement for HardwareId {
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error> {
        text(element).map(Self)
    }
}

impl FromElement for RootOfTrust {
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error> {
        let mut fields = element.sequence()?;
        let verified_boot_key = fields.next()?.octets()?.to_vec();
        let device_locked = fields.next()?.boolean()?;
        let verified_boot_state = match fields.next()?.unsigned(tag::ENUMERATED)? {
            0 => BootState::Verified,
            1 => BootState::SelfSigned,
            2 => BootState::Unverified,
            3 => BootState::Failed,
            _ => return Err(Asn1Error),
        };
        let hash = if fields.is_empty() { None } else { Some(fields.next()?.octets()?.to_vec()) };
        fields.finish()?;
        Ok(Self { verified_boot_key, device_locked, verified_boot_state, verified_boot_hash: hash })
    }
}

impl FromElement for ApplicationId {
    /// The system encodes it once more, inside an OCTET STRING.
    fn from_element(element: Element<'_>) -> Result<Self, Asn1Error> {
        let mut fields = Reader::only(element.octets()?, Rules::Der)?.sequence()?;
        let (mut infos, mut digests) = (fields.next()?.set()?, fields.next()?.set()?);
        fields.finish()?;
        let (mut packages, mut signatures) = (Vec::new(), Vec::new());
        while !infos.is_empty() {
            let mut info = infos.next()?.sequence()?;
            packages.push(AppPackage { name: text(info.next()?)?, version: info.next()?.integer()? });
            info.finish()?;
        }
        while !digests.is_empty() {
            signatures.push(digests.next()?.octets()?.to_vec());
        }
        Ok(Self { packages, signatures })
    }
}

fn text(element: Element<'_>) -> Result<String, Asn1Error> {
    String::from_utf8(element.octets()?.to_vec()).map_err(|_| Asn1Error)
}

impl fmt::Debug for HardwareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HardwareId(…)")
    }
}

impl Serialize for Present {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl Serialize for Octets {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::appraisal::hex(&self.0, serializer)
    }
}

fn hex_option<S: serde::Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => crate::appraisal::hex(bytes, serializer),
        None => serializer.serialize_none(),
    }
}

/// Most tags of a list.
const TAGS_MAX: usize = 128;
