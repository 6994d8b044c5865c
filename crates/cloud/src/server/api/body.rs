//! The body of a question: read strictly, so that no two readers of it can find two questions in it.
//!
//! A member that comes twice, one that is not known and one of another type are refused by name. What the policy's
//! catalogue says of the fields is not checked here but where they are decided.

use super::super::rest::parse_hex;
use crate::ask::Question;
use crate::error::CloudError;
use glacis_seal::httpsig::parse_content_digest;
use glacis_wire::limits::SIGNALS_MAX;
use glacis_wire::{EventId, EventName};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

/// A question: may this action go on?
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "event": "payment.transfer",
    "event_id": "00112233445566778899aabbccddeeff",
    "content": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
    "principal": "ann",
    "fields": { "amount": 5, "payee": "bob" },
    "device_zone": "absent",
})))]
pub(super) struct DecideBody {
    /// Which event.
    #[schema(pattern = "^[a-z0-9._-]{1,64}$")]
    event: String,
    /// 128 random bits that name the user action; the same over retries.
    #[schema(pattern = "^[0-9a-fA-F]{32}$")]
    event_id: String,
    /// Digest of the action, in the form of `Content-Digest` (RFC 9530). The verdict is bound to it.
    #[schema(pattern = "^sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:$")]
    content: String,
    /// The user, as you authenticated them. At most 128 bytes of UTF-8, or what the catalogue says.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    principal: Option<String>,
    /// Signals of zone `request` that the policy's catalogue declares, in their types; `null` says there is none.
    #[serde(default)]
    #[schema(required = false, schema_with = fields_schema)]
    fields: Fields,
    /// `absent` where the action has no device zone at all.
    #[serde(default)]
    #[schema(required = false)]
    device_zone: DeviceZone,
}

/// Why the device's signals are not there.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DeviceZone {
    /// The action has no device zone.
    Absent,
    /// There may be a device, and it told us nothing.
    #[default]
    Withheld,
}

/// Members, each at most once.
#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl DecideBody {
    pub(super) fn question(self) -> Result<Question, CloudError> {
        let event = EventName::parse(&self.event)
            .map_err(|error| CloudError::invalid(error.to_string()).at("/event"))?;
        let event_id = parse_hex(&self.event_id).map(EventId::new);
        let event_id = event_id
            .ok_or_else(|| CloudError::invalid("an event id has 32 hexadecimal digits").at("/event_id"))?;
        let one = self.content.strip_prefix("sha-256=:").is_some_and(|rest| rest.len() == 45);
        let content = parse_content_digest(&self.content).ok().filter(|_| one).ok_or_else(|| {
            CloudError::invalid("`content` is `sha-256=:` and 32 bytes in base64 and `:`").at("/content")
        })?;
        Ok(Question {
            event,
            event_id,
            content,
            principal: self.principal,
            fields: self.fields.0,
            no_device_zone: matches!(self.device_zone, DeviceZone::Absent),
        })
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with unique keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Fields, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = input.next_entry::<String, Value>()? {
            if members.len() == SIGNALS_MAX {
                return Err(A::Error::custom(format!("more than {SIGNALS_MAX} fields")));
            }
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a field comes twice"));
            }
        }
        Ok(Fields(members))
    }
}

fn fields_schema() -> Schema {
    let scalars = || SchemaType::from_iter([Type::Boolean, Type::Integer, Type::Number, Type::String]);
    let item = ObjectBuilder::new().schema_type(scalars()).build();
    let list = ArrayBuilder::new().items(item).max_items(Some(1_024)).build();
    let value = utoipa::openapi::schema::OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(SchemaType::from_iter([
            Type::Boolean,
            Type::Number,
            Type::String,
            Type::Null,
        ])))
        .item(list);
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("Signals of zone `request`, by name."))
        .max_properties(Some(SIGNALS_MAX))
        .additional_properties(Some(AdditionalProperties::RefOr(Schema::from(value.build()).into())))
        .build()
        .into()
}
