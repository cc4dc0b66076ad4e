//! What is asked for: one attribute with one value, checked.

use super::super::attribute::{self, Attribute};
use super::super::file::{AttributeFate, XinetdFile};
use super::super::reader::is_space;
use super::change::ByteChange;
use super::{BlockRef, XinetdRefusal, find, values};

/// A checked value for one attribute.
pub(super) struct AttributeWish<'a> {
    pub(super) attribute: Attribute,
    pub(super) words: Vec<&'a str>,
}

impl<'a> AttributeWish<'a> {
    pub(super) fn new(attribute: Attribute, value: &'a str) -> Result<Self, XinetdRefusal> {
        let words: Vec<&str> = value.split(' ').collect();
        let texts: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let plain = |word: &&str| {
            (!word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()))
                || (attribute != Attribute::Cps && word.eq_ignore_ascii_case("UNLIMITED"))
        };
        let known = match attribute {
            Attribute::PerSource | Attribute::Instances => {
                words.len() == 1 && attribute::count(texts[0]).is_some()
            }
            Attribute::Cps => attribute::rate(&texts).is_some(),
        };
        let wraps = texts.iter().any(|text| attribute::wraps(text));
        if known && !wraps && words.iter().all(plain) {
            Ok(Self { attribute, words })
        } else {
            Err(XinetdRefusal::Value { attribute: attribute.name(), value: value.to_owned() })
        }
    }

    pub(super) fn value(&self) -> String {
        self.words.join(" ")
    }

    /// Whether these values mean what is wanted.
    pub(super) fn is(&self, values: &[&[u8]]) -> bool {
        let wanted: Vec<&[u8]> = self.words.iter().map(|word| word.as_bytes()).collect();
        match self.attribute {
            Attribute::PerSource | Attribute::Instances => {
                matches!((values, wanted.as_slice()), ([have], [want])
                    if attribute::count(have) == attribute::count(want))
            }
            Attribute::Cps => attribute::rate(values) == attribute::rate(&wanted),
        }
    }

    pub(super) fn holds(
        &self,
        file: &XinetdFile,
        heading: BlockRef,
        change: &ByteChange,
    ) -> Result<(), XinetdRefusal> {
        let found = find(file, heading)?;
        let set = found
            .iter()
            .flat_map(|block| &block.settings)
            .find(|setting| matches!(setting.fate, AttributeFate::Set(known) if known.name == self.attribute.name()));
        let holds = set.is_some_and(|setting| self.is(&values(file, setting)));
        if holds { Ok(()) } else { Err(XinetdRefusal::Unproved { spot: change.spot() }) }
    }

    /// Whether a line looks like a try at the attribute, in the daemon's eyes or a person's.
    pub(super) fn is_meant_by(&self, text: &[u8]) -> bool {
        let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
        let text = &text[start..];
        let end = text
            .iter()
            .position(|&b| is_space(b) || matches!(b, b'=' | b'+' | b'-' | b':'))
            .unwrap_or(text.len());
        attribute::is(&text[..end], self.attribute.name())
    }
}
