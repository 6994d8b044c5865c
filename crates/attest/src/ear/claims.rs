//! The claims set of a result, from and to bytes: one table of claims, two serialisations.
//!
//! Reading is strict where the drafts are: a claim in the wrong type, a time that is no integer, an empty vector, no
//! appraisal at all or a status better than its vector is refused. Names of the other serialisation are unknown claims,
//! as the drafts have it: a number in JSON would be a text.

use super::detail::{DETAIL_NAME, DETAIL_NUMBER};
use super::item::{Form, FormError, Item, Label};
use super::{Detail, Ear, PROFILE, RESULT_BYTES_MAX, Submod, VerifierId};
use crate::appraisal::{AttestError, Status, named};
use crate::cbor;
use crate::code::Code;
use glacis_seal::text::{base64url, parse_base64url};
use glacis_wire::Timestamp;
use glacis_wire::message::enrol::TrustVector;

impl Ear {
    /// Reads a claims set that is not signed.
    ///
    /// # Errors
    /// `ResultTooLarge`, `ResultProfile`, `ResultMalformed` with what is wrong.
    pub fn from_bytes(bytes: &[u8], form: Form) -> Result<Self, AttestError> {
        // LIMIT: trees take a few times the room of their bytes.
        if bytes.len() > RESULT_BYTES_MAX {
            return Err(Code::ResultTooLarge.into());
        }
        let item = match form {
            Form::Json => Item::from_json(bytes),
            Form::Cbor => Item::from_cbor(bytes),
        };
        let item = item.map_err(|FormError| broken("not a claims set"))?;
        read(&item, form)
    }

    /// The claims set as bytes, without a signature.
    ///
    /// # Errors
    /// `ResultForm` if an unknown claim has no form in this serialisation, `ResultMalformed` if a field is out of its
    /// range.
    pub fn to_bytes(&self, form: Form) -> Result<Vec<u8>, AttestError> {
        let item = write(self, form)?;
        // What is written is what would be read: no field out of range leaves this verifier.
        read(&item, form)?;
        let unfit = |FormError| AttestError::from(Code::ResultForm);
        let bytes = match form {
            Form::Json => item.to_json().map_err(unfit)?.to_string().into_bytes(),
            Form::Cbor => cbor::to_bytes(&item.to_cbor().map_err(unfit)?),
        };
        if bytes.len() > RESULT_BYTES_MAX { Err(Code::ResultTooLarge.into()) } else { Ok(bytes) }
    }
}

pub(super) fn broken(what: &'static str) -> AttestError {
    AttestError::new(Code::ResultMalformed, what)
}

/// A claim: its name in JSON, its number in CBOR.
#[derive(Clone, Copy)]
struct Claim(&'static str, i128);

impl Claim {
    fn is(self, label: &Label, form: Form) -> bool {
        match (form, label) {
            (Form::Json, Label::Name(name)) => name == self.0,
            (Form::Cbor, Label::Number(number)) => *number == self.1,
            _ => false,
        }
    }

    fn label(self, form: Form) -> Label {
        match form {
            Form::Json => Label::Name(self.0.to_owned()),
            Form::Cbor => Label::Number(self.1),
        }
    }
}

const ISSUER: Claim = Claim("iss", 1);
const AUDIENCE: Claim = Claim("aud", 3);
const EXPIRES: Claim = Claim("exp", 4);
const NOT_BEFORE: Claim = Claim("nbf", 5);
const ISSUED_AT: Claim = Claim("iat", 6);
const NONCE: Claim = Claim("eat_nonce", 10);
const EAT_PROFILE: Claim = Claim("eat_profile", 265);
const SUBMODS: Claim = Claim("submods", 266);
const STATUS: Claim = Claim("ear.status", 1000);
const VECTOR: Claim = Claim("ear.trustworthiness-vector", 1001);
const RAW_EVIDENCE: Claim = Claim("ear.raw-evidence", 1002);
const POLICY: Claim = Claim("ear.appraisal-policy-id", 1003);
const VERIFIER: Claim = Claim("ear.verifier-id", 1004);
const DETAIL: Claim = Claim(DETAIL_NAME, DETAIL_NUMBER);
const DEVELOPER: Claim = Claim("developer", 0);
const BUILD: Claim = Claim("build", 1);
/// What is known of a result.
const TOP: &[Claim] =
    &[ISSUER, AUDIENCE, EXPIRES, NOT_BEFORE, ISSUED_AT, NONCE, EAT_PROFILE, SUBMODS, RAW_EVIDENCE, VERIFIER];
/// What is known of a submod.
const SUBMOD: &[Claim] = &[STATUS, VECTOR, POLICY, DETAIL];

/// A claims set that is being read: what was asked for is taken out, the rest is unknown.
struct Claims<'a> {
    left: Vec<&'a (Label, Item)>,
    form: Form,
}

impl<'a> Claims<'a> {
    fn of(item: &'a Item, form: Form) -> Option<Self> {
        Some(Self { left: item.map()?.iter().collect(), form })
    }

    fn take(&mut self, claim: Claim) -> Option<&'a Item> {
        let at = self.left.iter().position(|(label, _)| claim.is(label, self.form))?;
        Some(&self.left.remove(at).1)
    }

    /// A claim that may be missing, but not be something else.
    fn read<T>(
        &mut self,
        claim: Claim,
        read: impl FnOnce(&'a Item) -> Option<T>,
        what: &'static str,
    ) -> Result<Option<T>, AttestError> {
        self.take(claim).map(|item| read(item).ok_or_else(|| broken(what))).transpose()
    }

    fn unknown(self) -> Vec<(Label, Item)> {
        self.left.into_iter().cloned().collect()
    }
}

fn read(item: &Item, form: Form) -> Result<Ear, AttestError> {
    let mut claims = Claims::of(item, form).ok_or_else(|| broken("not a claims set"))?;
    let profile =
        claims.read(EAT_PROFILE, Item::text, "eat_profile")?.ok_or_else(|| broken("no eat_profile"))?;
    if profile != PROFILE {
        return Err(AttestError::new(
            Code::ResultProfile,
            profile.chars().take(PROFILE_CHARS_MAX).collect::<String>(),
        ));
    }
    let bytes = |item| bytes_of(item, form);
    let nonce = |item| bytes(item).filter(|nonce| NONCE_BYTES.contains(&nonce.len()));
    let verifier = claims.read(VERIFIER, |item| verifier(item, form), "ear.verifier-id")?;
    let submods = claims.take(SUBMODS).and_then(Item::map).ok_or_else(|| broken("no submods"))?;
    if submods.is_empty() || submods.len() > SUBMODS_MAX {
        return Err(broken("none or too many submods"));
    }
    Ok(Ear {
        issued_at: claims.read(ISSUED_AT, seconds, "iat")?.ok_or_else(|| broken("no iat"))?,
        not_before: claims.read(NOT_BEFORE, seconds, "nbf")?,
        expires: claims.read(EXPIRES, seconds, "exp")?,
        issuer: claims.read(ISSUER, Item::owned, "iss")?,
        audience: claims.read(AUDIENCE, Item::owned, "aud")?,
        verifier: verifier.ok_or_else(|| broken("no ear.verifier-id"))?,
        nonce: claims.read(NONCE, nonce, "eat_nonce")?,
        raw_evidence: claims.read(RAW_EVIDENCE, bytes, "ear.raw-evidence")?,
        submods: submods.iter().map(|(label, item)| submod(label, item, form)).collect::<Result<_, _>>()?,
        unknown: claims.unknown(),
    })
}

fn submod(label: &Label, item: &Item, form: Form) -> Result<(String, Submod), AttestError> {
    let Label::Name(name) = label else { return Err(broken("a submod without a name")) };
    let mut claims = Claims::of(item, form).ok_or_else(|| broken("an appraisal"))?;
    let status = claims.read(STATUS, status, "ear.status")?.ok_or_else(|| broken("no ear.status"))?;
    let vector = claims.read(VECTOR, |item| vector(item, form), "ear.trustworthiness-vector")?;
    let worst = vector.as_ref().map_or(Status::None, Status::of);
    // §3.1: no higher trust than the worst claim of the vector. Saying nothing is no higher than affirming.
    if worst > status && worst > Status::Affirming {
        return Err(broken("a status better than its vector"));
    }
    let found = Submod {
        status,
        vector,
        policy: claims.read(POLICY, Item::owned, "ear.appraisal-policy-id")?,
        detail: claims.read(DETAIL, Detail::from_item, "the detail of the appraisal")?,
        unknown: claims.unknown(),
    };
    Ok((name.clone(), found))
}

fn verifier(item: &Item, form: Form) -> Option<VerifierId> {
    let mut claims = Claims::of(item, form)?;
    let developer = claims.take(DEVELOPER)?.owned()?;
    let build = claims.take(BUILD)?.owned()?;
    claims.left.is_empty().then_some(VerifierId { developer, build })
}

/// By name or by number, in either serialisation: both are in the field.
fn status(item: &Item) -> Option<Status> {
    match item {
        Item::Text(name) => Status::from_name(name),
        Item::Integer(number) => Status::from_number(*number),
        _ => None,
    }
}

fn vector(item: &Item, form: Form) -> Option<TrustVector> {
    let mut claims = Claims::of(item, form)?;
    if claims.left.is_empty() {
        return None;
    }
    let mut found = TrustVector::default();
    for (number, (name, slot)) in (0_i128..).zip(slots(&mut found)) {
        if let Some(item) = claims.take(Claim(name, number)) {
            *slot = i8::try_from(item.integer()?).ok()?;
        }
    }
    // A ninth category would be a warning that nobody here hears.
    claims.left.is_empty().then_some(found)
}

/// The claims of a vector to be filled, in the order of [`named`].
const fn slots(vector: &mut TrustVector) -> [(&'static str, &mut i8); 8] {
    [
        ("instance-identity", &mut vector.instance_identity),
        ("configuration", &mut vector.configuration),
        ("executables", &mut vector.executables),
        ("file-system", &mut vector.file_system),
        ("hardware", &mut vector.hardware),
        ("runtime-opaque", &mut vector.runtime_opaque),
        ("storage-opaque", &mut vector.storage_opaque),
        ("sourced-data", &mut vector.sourced_data),
    ]
}

/// Whole seconds: EAT has no other times (RFC 9711 §4.3.1).
fn seconds(item: &Item) -> Option<Timestamp> {
    let seconds = u64::try_from(item.integer()?).ok()?;
    // Beyond that a time in milliseconds would saturate, and all such times would be one.
    (seconds <= u64::MAX / 1_000).then(|| Timestamp::from_secs(seconds))
}

fn bytes_of(item: &Item, form: Form) -> Option<Vec<u8>> {
    match (form, item) {
        // Both with and without padding are in the drafts' examples.
        (Form::Json, Item::Text(text)) => parse_base64url(text.trim_end_matches('=')),
        (Form::Cbor, Item::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

fn write(ear: &Ear, form: Form) -> Result<Item, AttestError> {
    let mut out: Vec<(Label, Item)> = Vec::new();
    let mut put = |claim: Claim, item: Option<Item>| out.extend(item.map(|item| (claim.label(form), item)));
    let text = |text: &String| Item::Text(text.clone());
    let time = |at: Timestamp| Item::Integer(at.as_secs().into());
    let bytes = |bytes: &Vec<u8>| match form {
        Form::Json => Item::Text(base64url(bytes)),
        Form::Cbor => Item::Bytes(bytes.clone()),
    };
    put(EAT_PROFILE, Some(Item::Text(PROFILE.to_owned())));
    put(ISSUED_AT, Some(time(ear.issued_at)));
    put(NOT_BEFORE, ear.not_before.map(time));
    put(EXPIRES, ear.expires.map(time));
    put(ISSUER, ear.issuer.as_ref().map(text));
    put(AUDIENCE, ear.audience.as_ref().map(text));
    let verifier = [(DEVELOPER, &ear.verifier.developer), (BUILD, &ear.verifier.build)];
    let verifier = verifier.into_iter().map(|(claim, value)| (claim.label(form), text(value)));
    put(VERIFIER, Some(Item::Map(verifier.collect())));
    put(NONCE, ear.nonce.as_ref().map(bytes));
    put(RAW_EVIDENCE, ear.raw_evidence.as_ref().map(bytes));
    let mut submods: Vec<(Label, Item)> = Vec::new();
    for (name, submod) in &ear.submods {
        let label = Label::Name(name.clone());
        if submods.iter().any(|(other, _)| *other == label) {
            return Err(broken("two submods of one name"));
        }
        submods.push((label, write_submod(submod, form)?));
    }
    put(SUBMODS, Some(Item::Map(submods)));
    append(out, &ear.unknown, (TOP, form)).map(Item::Map)
}

fn write_submod(submod: &Submod, form: Form) -> Result<Item, AttestError> {
    let mut out: Vec<(Label, Item)> = Vec::new();
    let status = match form {
        Form::Json => Item::Text(submod.status.name().to_owned()),
        Form::Cbor => Item::Integer(submod.status.number().into()),
    };
    out.push((STATUS.label(form), status));
    let claims = submod.vector.iter().flat_map(|vector| (0_i128..).zip(named(vector)));
    let claims = claims
        .filter(|(_, (_, claim))| *claim != 0)
        .map(|(number, (name, claim))| (Claim(name, number).label(form), Item::Integer(claim.into())));
    let claims: Vec<_> = claims.collect();
    // A vector without any claim has no form: it is left out, and says as much.
    if !claims.is_empty() {
        out.push((VECTOR.label(form), Item::Map(claims)));
    }
    out.extend(submod.policy.iter().map(|policy| (POLICY.label(form), Item::Text(policy.clone()))));
    out.extend(submod.detail.iter().map(|detail| (DETAIL.label(form), detail.to_item())));
    append(out, &submod.unknown, (SUBMOD, form)).map(Item::Map)
}

/// Adds unknown claims; none may take the place of a known one, whether that is there or not: what nobody looked at in one
/// serialisation would count in the other.
fn append(
    mut out: Vec<(Label, Item)>,
    unknown: &[(Label, Item)],
    (known, form): (&[Claim], Form),
) -> Result<Vec<(Label, Item)>, AttestError> {
    for (label, item) in unknown {
        let is_known = known.iter().any(|claim| claim.is(label, form));
        if is_known || out.iter().any(|(other, _)| other == label) {
            return Err(broken("a claim twice"));
        }
        out.push((label.clone(), item.clone()));
    }
    Ok(out)
}

/// RFC 9711 §4.1.
const NONCE_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
/// LIMIT: a composite device has a handful of attesters.
const SUBMODS_MAX: usize = 64;
/// Longest profile that is repeated in a refusal.
const PROFILE_CHARS_MAX: usize = 64;
