//! What certificates about TPMs say in their extensions: whom they name, and what for.
//!
//! The TCG puts maker, model and version of a TPM into a directory name among the alternative names, and the purpose
//! into the extended key usage; WebAuthn's attestation keys and endorsement keys do it alike.
//!
//! Source: TCG EK Credential Profile 2.6, §3.2.9; X.509 §9.2.2.4 (key usages).

use crate::asn1::{Asn1Error, Class, Reader, Rules, tag};
use der::asn1::ObjectIdentifier as Oid;

/// What a TPM is called.
#[derive(Debug)]
pub(crate) struct TpmName {
    /// `id:` and eight hexadecimal digits.
    pub(crate) manufacturer: String,
    #[cfg_attr(not(feature = "tpm"), expect(dead_code, reason = "has to be there; said by family `tpm`"))]
    pub(crate) model: String,
    #[cfg_attr(not(feature = "tpm"), expect(dead_code, reason = "has to be there; said by family `tpm`"))]
    pub(crate) version: String,
}

/// Maker, model and version, of a name that gives all three.
pub(crate) fn tpm_name(extension: &[u8]) -> Result<TpmName, Asn1Error> {
    let mut found = [const { None::<String> }; 3];
    each_attribute(extension, |oid, value| {
        if let [head @ .., last @ 1..=3] = oid
            && head == TCG_ATTRIBUTES
            && let Some(slot) = found.get_mut(usize::from(*last) - 1)
        {
            *slot = Some(value.to_owned());
        }
    })?;
    let [Some(manufacturer), Some(model), Some(version)] = found else { return Err(Asn1Error) };
    let digits = manufacturer.strip_prefix("id:").ok_or(Asn1Error)?;
    let is_id = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(TpmName { manufacturer, model, version }) } else { Err(Asn1Error) }
}

/// Whether an extension of usages names this one.
pub(crate) fn names_purpose(extension: &[u8], wanted: &[u8]) -> Result<bool, Asn1Error> {
    let mut usages = Reader::only(extension, Rules::Der)?.sequence()?;
    while !usages.is_empty() {
        if usages.next()?.oid()? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Calls back for each attribute of each directory name among general names, with its text.
pub(crate) fn each_attribute(names: &[u8], mut each: impl FnMut(&[u8], &str)) -> Result<(), Asn1Error> {
    let mut names = Reader::only(names, Rules::Der)?.sequence()?;
    while !names.is_empty() {
        let name = names.next()?;
        if name.class != Class::Context || name.tag != DIRECTORY_NAME {
            continue;
        }
        each_of_name(name.explicit()?.sequence()?, &mut each)?;
    }
    Ok(())
}

/// Calls back for each attribute of one name, with its text.
pub(crate) fn each_of_name(
    mut sets: Reader<'_>,
    each: &mut impl FnMut(&[u8], &str),
) -> Result<(), Asn1Error> {
    while !sets.is_empty() {
        let mut set = sets.next()?.set()?;
        while !set.is_empty() {
            let mut attribute = set.next()?.sequence()?;
            let (oid, value) = (attribute.next()?.oid()?, attribute.next()?);
            attribute.finish()?;
            if matches!(value.tag, tag::UTF8_STRING | tag::PRINTABLE_STRING) {
                each(oid, std::str::from_utf8(value.body).map_err(|_| Asn1Error)?);
            }
        }
    }
    Ok(())
}

/// Critical extensions of such certificates: names and purpose are checked, policies restrict nothing here.
pub(crate) const KNOWN: &[Oid] = &[SUBJECT_ALT_NAME, EXTENDED_KEY_USAGE, CERTIFICATE_POLICIES];
pub(crate) const CERTIFICATE_POLICIES: Oid = Oid::new_unwrap("2.5.29.32");
pub(crate) const SUBJECT_ALT_NAME: Oid = Oid::new_unwrap("2.5.29.17");
pub(crate) const EXTENDED_KEY_USAGE: Oid = Oid::new_unwrap("2.5.29.37");
/// 2.23.133.2: attributes of TPMs; 1 is the maker, 2 the model, 3 the version.
const TCG_ATTRIBUTES: &[u8] = &[0x67, 0x81, 0x05, 2];
/// `directoryName` of `GeneralName`.
pub(crate) const DIRECTORY_NAME: u32 = 4;
