//! Platform certificates: a maker of machines says that the TPM of one endorsement certificate is in a machine of his.
//!
//! They are attribute certificates: no key of their own, bound to an endorsement certificate by its issuer and serial,
//! and signed by a key that somebody has to anchor. What they tell of the machine is its maker, model and version; its
//! serial is never read, and that of the endorsement certificate, which names one device, only compared.
//!
//! Source: TCG Platform Attribute Credential Profile 1.0, §3.2, and Platform Certificate Profile 1.1, §3.2; RFC 5755,
//! §4.1.

use crate::appraisal::AttestError;
use crate::asn1::{Asn1Error, Class, Element, Reader, Rules, tag};
use crate::code::Code;
use crate::names::{CERTIFICATE_POLICIES, DIRECTORY_NAME, SUBJECT_ALT_NAME, each_attribute, each_of_name};
use crate::question::Relaxation;
use crate::relaxed::Relaxed;
use crate::x509::{Cert, Key, KeyKind};
use der::Decode;
use der::asn1::{GeneralizedTime, ObjectIdentifier as Oid};
use glacis_seal::foreign::{self, Scheme};
use glacis_wire::Timestamp;
use serde::Serialize;
use x509_cert::name::Name;

/// What a platform certificate tells of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// Who made it.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The version of the model.
    pub version: Option<String>,
}

/// A platform certificate, read and not yet believed.
#[derive(Debug)]
pub struct PlatformCertificate<'a> {
    platform: Platform,
    signed: &'a [u8],
    algorithm: Oid,
    signature: &'a [u8],
    holder_issuer: Name,
    holder_serial: &'a [u8],
    not_before: Timestamp,
    not_after: Timestamp,
}

impl<'a> PlatformCertificate<'a> {
    /// Reads exactly one (DER).
    ///
    /// # Errors
    /// `Malformed` if it is none, `CriticalExtension` if it has one that nobody here knows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AttestError> {
        let broken = |Asn1Error| AttestError::new(Code::Malformed, "not a platform certificate");
        let (found, critical) = read(bytes).map_err(broken)?;
        match critical {
            Some(unknown) => Err(AttestError::new(Code::CriticalExtension, unknown.to_string())),
            None => Ok(found),
        }
    }

    /// What it tells.
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Since when it is good.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is good.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Serial of the endorsement certificate that it is bound to: names one device, so nobody may keep it.
    pub const fn holder_serial(&self) -> &'a [u8] {
        self.holder_serial
    }

    /// Whether the key of this `SubjectPublicKeyInfo` (DER) signed it.
    ///
    /// # Errors
    /// `Signature`, `Algorithm`, or `Sha1` where that is not allowed.
    pub fn signed_by(
        &self,
        info: &[u8],
        allow: &std::collections::BTreeSet<Relaxation>,
    ) -> Result<(), AttestError> {
        let key = Key::parse(info).ok_or(Code::Algorithm)?;
        self.verify(&key, &mut Relaxed::of(allow))
    }

    fn verify(&self, key: &Key, relaxed: &mut Relaxed<'_>) -> Result<(), AttestError> {
        if self.algorithm == SHA1_WITH_RSA && key.kind == KeyKind::Rsa {
            foreign::verify(Scheme::DangerRsaPkcs1Sha1, &key.bits, self.signed, self.signature)?;
            return relaxed.use_up(Relaxation::DangerSha1, Code::Sha1);
        }
        Ok(key.verify_named(self.algorithm, self.signed, self.signature)?)
    }

    /// Whether it is bound to this endorsement certificate.
    fn binds(&self, endorsement: &Cert<'_>) -> bool {
        let digits = |serial: &'a [u8]| serial.iter().skip_while(|byte| **byte == 0);
        let theirs = endorsement.serial().iter().skip_while(|byte| **byte == 0);
        self.holder_issuer == *endorsement.issuer() && digits(self.holder_serial).eq(theirs)
    }
}

/// Checks what came with the evidence. The first list is of machines that an anchored key vouches for; the second value
/// says whether there was one that nobody vouches for.
pub(super) fn platforms(
    certificates: &[&[u8]],
    endorsement: Option<&[u8]>,
    (anchors, now): (&[Vec<u8>], Timestamp),
    relaxed: &mut Relaxed<'_>,
) -> Result<(Vec<Platform>, bool), AttestError> {
    let (mut vouched, mut strangers) = (Vec::new(), false);
    let leaf = endorsement.map(Cert::parse).transpose()?;
    for bytes in certificates {
        let certificate = PlatformCertificate::parse(bytes)?;
        if !leaf.as_ref().is_some_and(|leaf| certificate.binds(leaf)) {
            return Err(AttestError::new(Code::Binding, "a platform certificate of another TPM"));
        }
        let keys = anchors.iter().filter_map(|info| Key::parse(info));
        let known = keys.into_iter().find(|key| certificate.verify(key, relaxed).is_ok());
        let in_time = certificate.not_before <= now && now <= certificate.not_after;
        if known.is_some() && in_time {
            vouched.push(certificate.platform);
        } else {
            strangers = true;
        }
    }
    Ok((vouched, strangers))
}

/// A certificate, and a critical extension that is not known here.
fn read(bytes: &[u8]) -> Result<(PlatformCertificate<'_>, Option<Oid>), Asn1Error> {
    let mut whole = Reader::only(bytes, Rules::Lenient)?.sequence()?;
    let info = whole.next()?;
    let outside = algorithm(whole.next()?)?;
    let signature = bits(whole.next()?)?;
    whole.finish()?;
    let mut fields = info.sequence()?;
    if fields.next()?.integer()? != VERSION_2 {
        return Err(Asn1Error);
    }
    let (holder_issuer, holder_serial) = holder(fields.next()?)?;
    let _issuer = fields.next()?;
    // RFC 5755 §4.2.4: one algorithm inside and outside.
    if algorithm(fields.next()?)? != outside {
        return Err(Asn1Error);
    }
    let _serial = fields.universal(tag::INTEGER)?;
    let mut validity = fields.next()?.sequence()?;
    let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
    validity.finish()?;
    let _attributes = fields.universal(tag::SEQUENCE)?;
    let (mut platform, mut critical) = (Platform::default(), None);
    while !fields.is_empty() {
        let element = fields.next()?;
        // A unique id of the issuer may come first.
        if element.class == Class::Universal && element.tag == tag::SEQUENCE {
            critical = extensions(element, &mut platform)?;
        }
    }
    let found = PlatformCertificate {
        platform,
        signed: info.raw,
        algorithm: outside,
        signature,
        holder_issuer,
        holder_serial,
        not_before,
        not_after,
    };
    Ok((found, critical))
}

/// Issuer and serial of the endorsement certificate: `[0] IssuerSerial`, the only form that binds.
fn holder(element: Element<'_>) -> Result<(Name, &[u8]), Asn1Error> {
    let mut forms = element.sequence()?;
    let base = forms.next()?;
    if base.class != Class::Context || base.tag != 0 {
        return Err(Asn1Error);
    }
    let mut parts = base.inside()?;
    let mut names = parts.next()?.sequence()?;
    let name = names.next()?;
    if name.class != Class::Context || name.tag != DIRECTORY_NAME {
        return Err(Asn1Error);
    }
    names.finish()?;
    let issuer = Name::from_der(name.explicit()?.raw).map_err(|_| Asn1Error)?;
    let serial = parts.universal(tag::INTEGER)?.body;
    Ok((issuer, serial))
}

fn extensions(list: Element<'_>, platform: &mut Platform) -> Result<Option<Oid>, Asn1Error> {
    let (mut list, mut critical) = (list.sequence()?, None);
    while !list.is_empty() {
        let mut extension = list.next()?.sequence()?;
        let id = Oid::from_bytes(extension.next()?.oid()?).map_err(|_| Asn1Error)?;
        let mut value = extension.next()?;
        let mut is_critical = false;
        if value.tag == tag::BOOLEAN {
            is_critical = value.boolean()?;
            value = extension.next()?;
        }
        let value = value.octets()?;
        if id == SUBJECT_ALT_NAME {
            names(value, platform)?;
        } else if is_critical && id != CERTIFICATE_POLICIES {
            critical = Some(id);
        }
    }
    Ok(critical)
}

/// Maker, model and version, in the words of either version of the profile.
fn names(value: &[u8], platform: &mut Platform) -> Result<(), Asn1Error> {
    let mut each = |oid: &[u8], text: &str| {
        let slot = match oid {
            [0x67, 0x81, 0x05, 2, 4] | [0x67, 0x81, 0x05, 5, 1, 1] => &mut platform.manufacturer,
            [0x67, 0x81, 0x05, 2, 5] | [0x67, 0x81, 0x05, 5, 1, 4] => &mut platform.model,
            [0x67, 0x81, 0x05, 2, 6] | [0x67, 0x81, 0x05, 5, 1, 5] => &mut platform.version,
            // 2.23.133.5.1.6 is the machine's serial: a hardware id.
            _ => return,
        };
        *slot = Some(text.to_owned());
    };
    // Intel's first ones have the name itself where a list of names belongs.
    let bare = Reader::only(value, Rules::Der)?.sequence()?;
    let mut ahead = bare;
    let is_name = ahead.next().is_ok_and(|first| first.universal(tag::SET).is_ok());
    if is_name { each_of_name(bare, &mut each) } else { each_attribute(value, each) }
}

fn algorithm(element: Element<'_>) -> Result<Oid, Asn1Error> {
    Oid::from_bytes(element.sequence()?.next()?.oid()?).map_err(|_| Asn1Error)
}

/// The bytes of a BIT STRING that has whole ones.
fn bits(element: Element<'_>) -> Result<&[u8], Asn1Error> {
    element.universal(tag::BIT_STRING)?.body.strip_prefix(&[0]).ok_or(Asn1Error)
}

fn time(element: Element<'_>) -> Result<Timestamp, Asn1Error> {
    let time = GeneralizedTime::from_der(element.raw).map_err(|_| Asn1Error)?;
    Ok(Timestamp::ZERO.after(time.to_unix_duration()))
}

/// `AttCertVersion` v2.
const VERSION_2: u64 = 1;
const SHA1_WITH_RSA: Oid = Oid::new_unwrap("1.2.840.113549.1.1.5");
