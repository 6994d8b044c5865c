//! Templates of manifests in JSON, as tools of the field use them to make a manifest: recognised, and what they say.
//!
//! A template is no manifest: it has no tags, and nobody signs it. It is read so that a folder of reference values can be
//! looked through without a file that nobody knows.

use super::tree::broken;
use crate::appraisal::AttestError;
use serde_json::Value;

/// What a template says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Id of the manifest.
    pub id: String,
    /// How to read extensions.
    pub profile: Option<String>,
    /// From when on it is good, as RFC 3339.
    pub not_before: Option<String>,
    /// Until when it is good, as RFC 3339.
    pub not_after: Option<String>,
    /// Who makes it: names.
    pub entities: Vec<String>,
    /// Members that were not read.
    pub unread: Vec<String>,
}

/// Reads a template.
///
/// # Errors
/// `ReferencesMalformed` if it is none, `ReferencesTooLarge`.
pub fn read_template(bytes: &[u8]) -> Result<Template, AttestError> {
    if bytes.len() > super::DOCUMENT_BYTES_MAX {
        return Err(crate::Code::ReferencesTooLarge.into());
    }
    let document: Value = serde_json::from_slice(bytes).map_err(|_| broken("not a template"))?;
    let Value::Object(mut members) = document else { return Err(broken("not a template")) };
    let text = |value: Option<&Value>| match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(broken("a member of a template")),
    };
    let id = text(members.remove("corim-id").as_ref())?.ok_or_else(|| broken("not a template"))?;
    let profile = match members.remove("profile") {
        Some(Value::Object(typed)) => text(typed.get("value"))?,
        other => text(other.as_ref())?,
    };
    let validity = members.remove("validity");
    let time = |name: &str| text(validity.as_ref().and_then(|times| times.get(name)));
    let (not_before, not_after) = (time("not-before")?, time("not-after")?);
    let mut entities = Vec::new();
    for entity in members.remove("entities").as_ref().and_then(Value::as_array).into_iter().flatten() {
        entities.push(text(entity.get("name"))?.ok_or_else(|| broken("an entity without a name"))?);
    }
    Ok(Template { id, profile, not_before, not_after, entities, unread: members.keys().cloned().collect() })
}
