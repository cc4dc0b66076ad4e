//! Where sysconftool keeps a setting over a package upgrade (sysconftool(7)).
//!
//! `##NAME: name:revision` begins a section; its description is the `#` lines that follow; from the first
//! other line on, what is no `#` line is the setting that is kept, up to the next `#` line.

/// The places where a new line for a setting may go, best first. Each is where a line begins, or the end of
/// the file.
pub(super) fn places(bytes: &[u8], name: &str) -> Vec<usize> {
    let mut own = None;
    let mut last_kept = None;
    let mut here = SectionPlace::Outside;
    let mut named_own = false;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        if let Some(section) = section_name(line) {
            here = SectionPlace::Description;
            named_own = own.is_none() && section == name.as_bytes();
        } else if line.starts_with(b"#") {
            if here == SectionPlace::Setting {
                here = SectionPlace::Outside;
            }
        } else if here == SectionPlace::Description {
            here = SectionPlace::Setting;
        }
        if here == SectionPlace::Description && named_own {
            own = Some(next);
        }
        if here != SectionPlace::Outside {
            last_kept = Some(next);
        }
        at = next;
    }
    let mut places: Vec<usize> = own.into_iter().chain(last_kept).collect();
    places.push(bytes.len());
    places.dedup();
    places
}

/// Where a line stands, as sysconftool sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionPlace {
    Outside,
    Description,
    Setting,
}

/// The section that a line begins.
fn section_name(line: &[u8]) -> Option<Vec<u8>> {
    let text = line.strip_prefix(b"##NAME:")?;
    let colon = text.iter().rposition(|byte| *byte == b':')?;
    let name = text[..colon].iter().copied();
    Some(name.filter(|byte| !matches!(byte, b' ' | b'\t')).collect())
}
