//! Signatures on requests (DESIGN §5.3): which fields they must cover, in one byte-comparing pass.
//!
//! Our own devices write `signature-input` in exactly one form; [`fast`] recognises that form and nothing else.
//! Everything else goes through the full parser of [`glacis_seal::httpsig`], which is the meaning: whatever
//! `fast` accepts the full parser reads alike (a test compares the two on mutated fields).

use super::{Fields, Once, RequestHead, base64url_array, sequence_array};
use glacis_seal::httpsig::{self, profile};
use glacis_wire::Timestamp;
use glacis_wire::http;
use glacis_wire::message::refusal::Refusal;

/// What a signature says, before it is verified. `M` is the length of the signature, `K` of the key's name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SignatureFields<'a, const K: usize, const M: usize> {
    /// The `@signature-params` value, as it goes into the base.
    pub(crate) params: Params<'a>,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    /// The decimal number in `nonce`.
    pub(crate) number: u64,
    /// What `keyid` names.
    pub(crate) key: [u8; K],
    pub(crate) signature: [u8; M],
}

/// Where the `@signature-params` line of the base comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Params<'a> {
    /// As received, since it is in the one form that our devices write.
    Plain(&'a str),
    /// From the full parser.
    Parsed(Box<httpsig::Input<'a>>),
}

/// A signature that our profiles describe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// Covered components in order, as they stand in `signature-input`.
    list: &'static str,
    components: &'static [&'static str],
    /// What follows the key's name.
    tail: &'static str,
    tag: &'static str,
    algorithm: &'static str,
}

/// A request of an event, without and with principal header.
pub(crate) const REQUEST: Profile = Profile {
    list: concat!(
        r#"("@method" "@authority" "@path" "@query" "content-digest" "#,
        r#""glacis-ticket" "glacis-event" "glacis-disclosure" "glacis-proof")"#
    ),
    components: profile::REQUEST,
    tail: r#"";alg="hmac-sha256";tag="glacis/request/v1""#,
    tag: profile::TAG_REQUEST,
    algorithm: "hmac-sha256",
};
pub(crate) const REQUEST_WITH_PRINCIPAL: Profile = Profile {
    list: concat!(
        r#"("@method" "@authority" "@path" "@query" "content-digest" "authorization" "#,
        r#""glacis-ticket" "glacis-event" "glacis-disclosure" "glacis-proof")"#
    ),
    components: profile::REQUEST_WITH_PRINCIPAL,
    ..REQUEST
};
/// The opening of a session.
pub(crate) const SESSION: Profile = Profile {
    list: r#"("@method" "@authority" "@path" "content-digest")"#,
    components: profile::SESSION,
    tail: r#"";alg="ecdsa-p256-sha256";tag="glacis/session/v1""#,
    tag: profile::TAG_SESSION,
    algorithm: "ecdsa-p256-sha256",
};
/// The opening of a leg.
pub(crate) const LEG: Profile = Profile {
    list: r#"("@method" "@authority" "@path" "glacis-ticket")"#,
    components: profile::LEG,
    tail: r#"";alg="hmac-sha256";tag="glacis/leg/v1""#,
    tag: profile::TAG_LEG,
    algorithm: "hmac-sha256",
};

impl Profile {
    /// Reads both signature fields.
    pub(crate) fn read<'a, const K: usize, const M: usize>(
        &self,
        head: &RequestHead<'a>,
    ) -> Result<SignatureFields<'a, K, M>, Refusal> {
        let (input, signature) = match (head.fields.signature_input, head.fields.signature) {
            (Once::One(input), Once::One(signature)) => (input, signature),
            (Once::Absent, Once::Absent) => return Err(Refusal::SignatureMissing),
            _ => return Err(Refusal::SignatureMalformed),
        };
        self.fast(input, signature).map_or_else(|| self.full(input, signature), Ok)
    }

    /// The one form that our devices write.
    fn fast<'a, const K: usize, const M: usize>(
        &self,
        input: &'a str,
        signature: &str,
    ) -> Option<SignatureFields<'a, K, M>> {
        let params = input.strip_prefix("glacis=")?;
        let rest = params.strip_prefix(self.list)?.strip_prefix(";created=")?;
        let (created, rest) = digits(rest)?;
        let (expires, rest) = digits(rest.strip_prefix(";expires=")?)?;
        let (number, rest) = digits(rest.strip_prefix(";nonce=\"")?)?;
        let (key, rest) =
            rest.strip_prefix("\";keyid=\"")?.split_at_checked(K.div_ceil(3) * 4 - (3 - K % 3) % 3)?;
        if rest != self.tail {
            return None;
        }
        Some(SignatureFields {
            params: Params::Plain(params),
            created: Timestamp::from_secs(created),
            expires: Timestamp::from_secs(expires),
            number,
            key: base64url_array(key.as_bytes())?,
            signature: sequence_array(signature.strip_prefix("glacis=")?)?,
        })
    }

    /// Anything that RFC 9421 allows and our profile demands.
    fn full<'a, const K: usize, const M: usize>(
        &self,
        input: &'a str,
        signature: &str,
    ) -> Result<SignatureFields<'a, K, M>, Refusal> {
        let parsed = httpsig::parse_input(input, profile::LABEL).map_err(|_| Refusal::SignatureMalformed)?;
        let raw =
            httpsig::parse_signature(signature, profile::LABEL).map_err(|_| Refusal::SignatureMalformed)?;
        let (Some(parsed), Some(raw)) = (parsed, raw) else { return Err(Refusal::SignatureMissing) };
        let params = &parsed.params;
        let ours = params.tag.as_deref() == Some(self.tag) && params.alg.as_deref() == Some(self.algorithm);
        if !ours || !parsed.has_profile_params() || !parsed.covers(self.components) {
            return Err(Refusal::SignatureCoverage);
        }
        let number = params.nonce.as_deref().and_then(digits).filter(|(_, rest)| rest.is_empty());
        let key = params.keyid.as_deref().and_then(|key| base64url_array(key.as_bytes()));
        let (Some(created), Some(expires), Some((number, _)), Some(key)) =
            (params.created, params.expires, number, key)
        else {
            return Err(Refusal::SignatureMalformed);
        };
        Ok(SignatureFields {
            created: Timestamp::from_secs(created),
            expires: Timestamp::from_secs(expires),
            number,
            key,
            signature: <[u8; M]>::try_from(&*raw).map_err(|_| Refusal::SignatureWrong)?,
            params: Params::Parsed(Box::new(parsed)),
        })
    }

    /// Writes the signature base of RFC 9421 §2.5 into `out`.
    pub(crate) fn base(
        &self,
        head: &RequestHead<'_>,
        params: &Params<'_>,
        out: &mut String,
    ) -> Result<(), Refusal> {
        let params = match params {
            Params::Plain(text) => *text,
            Params::Parsed(input) => {
                for component in self.components.iter().filter(|name| !name.starts_with('@')) {
                    single(covered(&head.fields, component))?;
                }
                return input.write_base(out, head).map_err(|_| Refusal::SignatureMalformed);
            }
        };
        out.clear();
        for component in self.components {
            let value = match *component {
                "@method" => head.method,
                "@authority" => head.authority,
                "@path" => head.path,
                "@query" if head.query.is_empty() => "?",
                "@query" => head.query,
                field => single(covered(&head.fields, field))?,
            };
            out.push('"');
            out.push_str(component);
            out.push_str("\": ");
            out.push_str(value);
            out.push('\n');
        }
        out.push_str("\"@signature-params\": ");
        out.push_str(params);
        Ok(())
    }
}

impl<const K: usize, const M: usize> SignatureFields<'_, K, M> {
    /// Checks `created` and `expires` against our clock.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let early = self.created > now.after(profile::SKEW_MAX);
        let late = now > self.expires.after(profile::SKEW_MAX);
        let long = self.expires < self.created || self.expires.since(self.created) > profile::LIFETIME_MAX;
        if early || late || long { Err(Refusal::SignatureExpired) } else { Ok(()) }
    }
}

impl httpsig::Message for RequestHead<'_> {
    fn derived(&self, which: httpsig::Derived) -> Option<&str> {
        match which {
            httpsig::Derived::Method => Some(self.method),
            httpsig::Derived::Authority => Some(self.authority),
            httpsig::Derived::Path => Some(self.path),
            httpsig::Derived::Query => Some(self.query),
            httpsig::Derived::Scheme | httpsig::Derived::Status => None,
        }
    }

    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        covered(&self.fields, name).one().map(str::as_bytes).into_iter()
    }
}

/// The field of a component that one of our profiles covers.
fn covered<'a>(fields: &Fields<'a>, name: &str) -> Once<'a> {
    match name {
        profile::CONTENT_DIGEST => fields.content_digest,
        profile::AUTHORIZATION => fields.authorization,
        http::TICKET => fields.ticket,
        http::EVENT => fields.event,
        http::DISCLOSURE => fields.disclosure,
        http::PROOF => fields.proof,
        _ => Once::Absent,
    }
}

/// A covered field that must come exactly once.
fn single(field: Once<'_>) -> Result<&str, Refusal> {
    match field {
        Once::One(value) => Ok(value),
        Once::Absent => Err(Refusal::SignatureCoverage),
        Once::Many => Err(Refusal::SignatureMalformed),
    }
}

/// A canonical decimal number at the start of `text`, and what follows it.
fn digits(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    if number.is_empty() || number.len() > 1 && number.starts_with('0') {
        return None;
    }
    number.parse().ok().map(|number| (number, rest))
}

#[cfg(test)]
mod tests;
