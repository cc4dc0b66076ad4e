//! A value of the JSON that nft prints, borrowed from the text: a list of ten thousand networks has thirty
//! thousand objects of one field or two, for which a tree and a text of its own each cost more than all that
//! is then done with them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Index;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'j> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'j, str>),
    Array(Vec<Value<'j>>),
    Object(Fields<'j>),
}

/// The fields of an object, sorted by their names; of several of one name the last.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields<'j>(Vec<(Cow<'j, str>, Value<'j>)>);

impl<'j> Fields<'j> {
    fn of(mut fields: Vec<(Cow<'j, str>, Value<'j>)>) -> Self {
        if fields.len() > 1 {
            fields.reverse();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            fields.dedup_by(|(one, _), (other, _)| one == other);
        }
        Self(fields)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value<'j>> {
        let mut fields = self.0.iter();
        fields.find_map(|(known, value)| (known == name).then_some(value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'j>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The first of them: the only one where an object stands for a kind of things.
    pub(super) fn first(&self) -> Option<(&str, &Value<'j>)> {
        self.iter().next()
    }
}

impl<'j> Value<'j> {
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    pub(super) fn as_object(&self) -> Option<&Fields<'j>> {
        match self {
            Self::Object(fields) => Some(fields),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    pub(super) fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    pub(super) fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }
}

impl<'j> Index<&str> for Value<'j> {
    type Output = Value<'j>;

    /// What has no such field has nothing there.
    fn index(&self, name: &str) -> &Value<'j> {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl PartialEq<str> for Value<'_> {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == Some(text)
    }
}

impl PartialEq<&str> for Value<'_> {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

impl fmt::Display for Value<'_> {
    /// The JSON without a blank.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(fields) => serializer.collect_map(fields.iter()),
        }
    }
}

impl<'j> Deserialize<'j> for Value<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfAnyKind)
    }
}

/// The name of a field, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'j>(#[serde(borrow)] Cow<'j, str>);

struct OfAnyKind;

impl<'j> Visitor<'j> for OfAnyKind {
    type Value = Value<'j>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value<'j>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'j>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'j>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'j>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'j>, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'j str) -> Result<Value<'j>, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'j>, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut items: A) -> Result<Value<'j>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Value<'j>, A::Error> {
        // Nearly all have one.
        let mut fields = Vec::with_capacity(1);
        while let Some((Name(name), value)) = map.next_entry()? {
            fields.push((name, value));
        }
        Ok(Value::Object(Fields::of(fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_serde_json_takes_it_for() {
        for text in [
            "null",
            "[]",
            "{}",
            "[1, -2, 18446744073709551615, 1.5, true, false, null, \"\"]",
            "{\"b\": 1, \"a\": {\"d\": [{}], \"c\": \"x\\n\\u00e9\\\"\"}, \"b\": 2, \"\\u0061b\": 3, \"b\": 4}",
            "{\"set\": [{\"prefix\": {\"addr\": \"10.0.0.0\", \"len\": 8}}, \"192.0.2.1\"]}",
        ] {
            let value: Value<'_> = serde_json::from_str(text).unwrap();
            let other: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(value.to_string(), other.to_string());
        }
        for text in ["", "[", "{\"a\"}", "{\"a\": 1,}", "[1] 2", "nil"] {
            assert!(serde_json::from_str::<Value<'_>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_a_field_that_is_given_twice_the_last_counts() {
        let value: Value<'_> = serde_json::from_str("{\"b\": 1, \"a\": 2, \"b\": \"x\", \"c\": 3}").unwrap();
        assert_eq!(value["b"], "x");
        assert_eq!(value["a"].as_u64(), Some(2));
        assert_eq!(value["d"], Value::Null);
        assert_eq!(value["d"]["e"].as_str(), None);
    }
}
