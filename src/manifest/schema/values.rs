//! Which values a key may have, as the schema tells an editor. Which keys there are is not said here.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::manifest::problem::MAX;

/// The only version.
pub(super) struct Version;

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": [1] })
    }
}

/// A value, or the word that drops an inherited one.
pub(super) struct OrUnmanaged<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OrUnmanaged<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrUnmanaged", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                T::json_schema(generator),
                { "const": "unmanaged", "description": "Drops the value that an earlier layer sets." },
            ]
        })
    }
}

/// A list of addresses and networks, or the word that drops an inherited one.
pub(super) struct NetworksOrUnmanaged;

impl JsonSchema for NetworksOrUnmanaged {
    fn schema_name() -> Cow<'static, str> {
        "NetworksOrUnmanaged".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = OrUnmanaged::<NetworkList>::json_schema(generator);
        let example = serde_json::json!(["203.0.113.0/24", "2001:db8:51::/48"]);
        schema.insert("examples".to_owned(), vec![example].into());
        schema
    }
}

/// `true`, `false`, or the word that drops an inherited one.
pub(super) struct AccessOrUnmanaged;

impl JsonSchema for AccessOrUnmanaged {
    fn schema_name() -> Cow<'static, str> {
        "AccessOrUnmanaged".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = OrUnmanaged::<bool>::json_schema(generator);
        schema.insert("examples".to_owned(), vec![true].into());
        schema
    }
}

/// An address or a network; what its pattern lets pass is judged by the reader.
fn network() -> Schema {
    json_schema!({ "anyOf": [
        {
            "type": "string",
            "pattern": "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([.]|(?=/|$))){4}(/(0?[0-9]|[12][0-9]|3[0-2]))?$",
        },
        {
            "type": "string",
            "pattern": "^[0-9A-Fa-f]*:[0-9A-Fa-f:]*[0-9A-Fa-f:.]*(/(0?0?[0-9]|0?[1-9][0-9]|1[01][0-9]|12[0-8]))?$",
        },
    ] })
}

/// A list of addresses and networks.
pub(super) struct NetworkList;

impl JsonSchema for NetworkList {
    fn schema_name() -> Cow<'static, str> {
        "NetworkList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "minItems": 1, "items": network() })
    }
}

/// Who may reach a service.
pub(super) struct Sources;

impl JsonSchema for Sources {
    fn schema_name() -> Cow<'static, str> {
        "Sources".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = ["anyone", "nobody"];
        let set = json_schema!({
            "type": "string",
            "pattern": "^[a-z][a-z0-9_-]{0,63}$",
            "not": { "enum": ["anyone", "nobody", "unmanaged"] },
        });
        json_schema!({ "anyOf": [
            { "enum": words },
            { "type": "array", "minItems": 1, "maxItems": 1, "items": { "enum": words } },
            { "type": "array", "minItems": 1, "items": { "anyOf": [set, network()] } },
        ] })
    }
}

/// What enforces `[access]`.
pub(super) struct Enforce;

impl JsonSchema for Enforce {
    fn schema_name() -> Cow<'static, str> {
        "Enforce".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": crate::model::EnforcedBy::ALL.map(crate::model::EnforcedBy::name) })
    }
}

/// `"error"` or `"note"`.
pub(super) struct Missing;

impl JsonSchema for Missing {
    fn schema_name() -> Cow<'static, str> {
        "Missing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["error", "note"] })
    }
}

/// A number that both daemons take as it stands.
pub(super) struct Number;

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX })
    }
}

/// A number or no limit.
pub(super) struct OrUnlimited;

impl JsonSchema for OrUnlimited {
    fn schema_name() -> Cow<'static, str> {
        "OrUnlimited".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                Number::json_schema(generator),
                { "const": "unlimited", "description": "No limit." },
            ]
        })
    }
}

/// `10s`, `2m`, `1h`.
pub(super) struct Duration;

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]*[1-9][0-9]*[smh]$" })
    }
}

/// `"30%"` or a number.
pub(super) struct AccountCap;

impl JsonSchema for AccountCap {
    fn schema_name() -> Cow<'static, str> {
        "AccountCap".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": u32::MAX },
                { "type": "string", "pattern": "^0*([1-9][0-9]?|100)%$" },
            ]
        })
    }
}

/// One name or a list of names.
pub(super) struct HostNames;

impl JsonSchema for HostNames {
    fn schema_name() -> Cow<'static, str> {
        "HostNames".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = json_schema!({
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,63}([.][A-Za-z0-9_-]{1,63})*$",
            "maxLength": 253,
        });
        json_schema!({ "anyOf": [name, { "type": "array", "items": name, "minItems": 1 }] })
    }
}

/// A list of addresses.
pub(super) struct Addresses;

impl JsonSchema for Addresses {
    fn schema_name() -> Cow<'static, str> {
        "Addresses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "minItems": 1,
            "items": { "anyOf": [{ "type": "string", "format": "ipv4" }, { "type": "string", "format": "ipv6" }] },
        })
    }
}
