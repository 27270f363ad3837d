//! One difference in words.

use osb_image::compare::FileDifference;
use osb_tree::diff::{Aspect, Change, ContentDifference, Difference, Links, Type};
use osb_tree::{Device, Time};

use crate::printable::path;

/// Names of a hard-link group that are listed.
const NAMES: usize = 3;
/// Bytes of an attribute that are shown.
const SHOWN: usize = 24;

/// A line for a path: a sign, the path, and what differs.
pub(super) fn difference(difference: &Difference) -> String {
    let directory = difference.kind == Type::Directory;
    let shown = path(&difference.path, directory);
    let below = match difference.below {
        0 => String::new(),
        1 => ", with 1 path below it".to_owned(),
        more => format!(", with {more} paths below it"),
    };
    match &difference.change {
        Change::Added => format!("+ {shown}{below}"),
        Change::Removed => format!("- {shown}{below}"),
        Change::Changed(aspects) => {
            let words: Vec<String> = aspects.iter().map(aspect).collect();
            format!("~ {shown}: {}{below}", words.join("; "))
        }
    }
}

/// What differs, and how.
pub(super) fn aspect(aspect: &Aspect) -> String {
    match aspect {
        Aspect::Type { a, b } => format!("{} → {}", a.name(), b.name()),
        Aspect::Mode { a, b } => format!("mode {a:04o} → {b:04o}"),
        Aspect::Owner { a, b } => format!("owner {}:{} → {}:{}", a.0, a.1, b.0, b.1),
        Aspect::Mtime { a, b } => format!("mtime {} → {}", time(*a), time(*b)),
        Aspect::Size { a, b } => format!("size {a} → {b}"),
        Aspect::Content(difference) => content(difference),
        Aspect::Target { a, b } => format!("target {} → {}", a.escape_ascii(), b.escape_ascii()),
        Aspect::Device { a, b } => format!("device {} → {}", device(*a), device(*b)),
        Aspect::Xattr { name, a, b } => {
            format!("{} {} → {}", name.escape_ascii(), value(a.as_deref()), value(b.as_deref()))
        }
        Aspect::Links { a, b } => format!("names {} → {}", names(a), names(b)),
    }
}

/// Where two contents differ first.
pub(super) fn content(difference: &ContentDifference) -> String {
    let ContentDifference { offset, line, a, b } = difference;
    match (line, first_line(a), first_line(b)) {
        (Some(line), Some(a), Some(b)) => {
            format!("line {line} (byte {offset}) {a:?} → {b:?}")
        }
        _ => format!("byte {offset} {} → {}", hex(a), hex(b)),
    }
}

/// A line for a file whose bytes differ.
pub(super) fn file(file: &FileDifference) -> String {
    let FileDifference { name, first, inside, place } = file;
    let mut text = name.clone();
    if let Some(first) = first {
        let inside = if *inside { "decompressed, " } else { "" };
        text += &format!(": {inside}{}", content(first));
    }
    if !place.is_empty() {
        text += &format!(": {place}");
    }
    text
}

fn time(time: Time) -> String {
    match time.nanos {
        0 => time.secs.to_string(),
        nanos => format!("{}.{nanos:09}", time.secs),
    }
}

fn device(device: Device) -> String {
    format!("{}:{}", device.major, device.minor)
}

fn value(value: Option<&[u8]>) -> String {
    match value {
        None => "none".to_owned(),
        Some([]) => "empty".to_owned(),
        Some(bytes) if bytes.len() > SHOWN => {
            format!("{}… ({} bytes)", hex(&bytes[..SHOWN]), bytes.len())
        }
        Some(bytes) => hex(bytes),
    }
}

fn names(names: &Links) -> String {
    let shown: Vec<String> = names.first.iter().take(NAMES).map(|name| path(name, false)).collect();
    let more = names.count - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(" = "))
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the end".to_owned();
    }
    bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect()
}

/// `None` if it is no UTF-8: replaced bytes could look the same on both sides. What is shown may
/// end within a character.
fn first_line(bytes: &[u8]) -> Option<&str> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            std::str::from_utf8(&line[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_one_line_each() {
        let difference = |kind, change, below| {
            super::difference(&Difference { path: b"etc/x\n".to_vec(), kind, change, below })
        };
        assert_eq!(
            difference(Type::Directory, Change::Removed, 2),
            "- /etc/x\\n/, with 2 paths below it"
        );
        let aspects = vec![
            Aspect::Mode { a: 0o644, b: 0o4755 },
            Aspect::Mtime { a: Time::from_secs(1), b: Time { secs: 2, nanos: 3 } },
            Aspect::Xattr { name: b"user.x".to_vec(), a: None, b: Some(vec![1, 255]) },
        ];
        assert_eq!(
            difference(Type::File, Change::Changed(aspects), 0),
            "~ /etc/x\\n: mode 0644 → 4755; mtime 1 → 2.000000003; user.x none → 01ff"
        );
    }

    #[test]
    fn contents_are_shown_as_text_or_bytes() {
        let difference =
            |line| ContentDifference { offset: 8, line, a: b"a\"\nb".to_vec(), b: vec![] };
        assert_eq!(content(&difference(Some(3))), "line 3 (byte 8) \"a\\\"\" → \"\"");
        assert_eq!(content(&difference(None)), "byte 8 61220a62 → the end");
        let latin = |byte| vec![b'a', byte, b'\n'];
        let difference =
            ContentDifference { offset: 8, line: Some(3), a: latin(0xE4), b: latin(0xF6) };
        assert_eq!(content(&difference), "byte 8 61e40a → 61f60a");
        assert_eq!(value(Some(&[])), "empty");
    }
}
