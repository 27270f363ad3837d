//! Identifiers in bytes: found in any case, replaced in the case that they were in.

use crate::Renamed;

/// Replaces every old identifier by its new one, of the same length; how many there were.
///
/// One pass: what was put in is not looked at again, so that two partitions may change places.
pub(super) fn replace(bytes: &mut [u8], renamed: &[Renamed]) -> usize {
    let pairs: Vec<&Renamed> = renamed
        .iter()
        .filter(|pair| pair.old.len() == pair.new.len() && !pair.old.is_empty())
        .filter(|pair| !pair.old.eq_ignore_ascii_case(&pair.new))
        .collect();
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        let Some(pair) = pairs.iter().find(|pair| is_at(bytes, at, &pair.old)) else {
            at += 1;
            continue;
        };
        let place = &mut bytes[at..at + pair.new.len()];
        let upper = place.iter().any(u8::is_ascii_uppercase);
        place.copy_from_slice(pair.new.as_bytes());
        if upper {
            place.make_ascii_uppercase()
        } else {
            place.make_ascii_lowercase()
        }
        at += pair.new.len();
        count += 1;
    }
    count
}

/// Whether one of these identifiers is in the bytes.
pub(super) fn find<'a>(bytes: &[u8], ids: &'a [String]) -> Option<&'a String> {
    let ids: Vec<&String> = ids.iter().filter(|id| !id.is_empty()).collect();
    (0..bytes.len()).find_map(|at| ids.iter().find(|id| is_at(bytes, at, id)).copied())
}

/// Whether this very identifier is there, not a part of a longer one.
fn is_at(bytes: &[u8], at: usize, id: &str) -> bool {
    let end = at + id.len();
    let part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    bytes.get(at..end).is_some_and(|there| there.eq_ignore_ascii_case(id.as_bytes()))
        && !part(bytes.get(end))
        && !(at > 0 && part(bytes.get(at - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(old: &str, new: &str) -> Renamed {
        Renamed { old: old.to_owned(), new: new.to_owned() }
    }

    fn replaced(text: &str, pairs: &[Renamed]) -> (String, usize) {
        let mut bytes = text.as_bytes().to_vec();
        let count = replace(&mut bytes, pairs);
        (String::from_utf8(bytes).unwrap(), count)
    }

    #[test]
    fn whole_identifiers_are_replaced_in_their_case() {
        let pairs = [pair("aaaa-01", "bbbb-01"), pair("aaaa-02", "bbbb-02")];
        let done = |text: &str, changed: &str, count| {
            assert_eq!(replaced(text, &pairs), (changed.to_owned(), count));
        };
        done("root=PARTUUID=aaaa-02 rw", "root=PARTUUID=bbbb-02 rw", 1);
        done("AAAA-01\naaaa-02\n", "BBBB-01\nbbbb-02\n", 2);
        done("/by-partuuid/Aaaa-01", "/by-partuuid/BBBB-01", 1);
        done(
            "aaaa-012 xaaaa-01 aaaa-01-7 -aaaa-01 aaaa-0",
            "aaaa-012 xaaaa-01 aaaa-01-7 -aaaa-01 aaaa-0",
            0,
        );
        done("", "", 0);
    }

    #[test]
    fn partitions_may_change_places() {
        let pairs = [pair("aa", "bb"), pair("bb", "aa"), pair("cc", "cc"), pair("dd", "ddd")];
        assert_eq!(replaced("aa bb cc dd", &pairs), ("bb aa cc dd".to_owned(), 2));
    }

    #[test]
    fn one_of_them_is_found() {
        let ids = ["".to_owned(), "aaaa-01".to_owned()];
        assert_eq!(find(b"\0\xFFAAAA-01\0", &ids), Some(&ids[1]));
        assert_eq!(find(b"aaaa-011", &ids), None);
    }
}
