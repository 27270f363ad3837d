//! Extended headers of tar archives (pax(1), "pax Header Block").

use super::fault::DebFault;

/// What such a header says of the entry that follows, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

impl Extended {
    /// Reads records of the form `LENGTH KEYWORD=VALUE\n`, where the length counts all of it.
    pub(super) fn parse(mut records: &[u8]) -> Result<Extended, DebFault> {
        let broken = || DebFault::Malformed("a PAX header of its tar is broken".into());
        let mut found = Extended::default();
        while !records.is_empty() {
            let blank = records.iter().position(|b| *b == b' ').ok_or_else(broken)?;
            let length = number(&records[..blank]).ok_or_else(broken)?;
            let length = usize::try_from(length).map_err(|_| broken())?;
            if length <= blank + 1 || length > records.len() || records[length - 1] != b'\n' {
                return Err(broken());
            }
            let record = &records[blank + 1..length - 1];
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(broken)?;
            let (keyword, value) = (&record[..equals], &record[equals + 1..]);
            match keyword {
                b"path" => found.path = Some(value.to_vec()),
                b"linkpath" => found.target = Some(value.to_vec()),
                b"size" => found.size = Some(number(value).ok_or_else(broken)?),
                // Its entry's content is a map and pieces, not the file.
                sparse if sparse.starts_with(b"GNU.sparse.") => {
                    return Err(DebFault::Malformed("its tar has sparse files".into()));
                }
                _ => {}
            }
            records = &records[length..];
        }
        Ok(found)
    }
}

/// A decimal number, at least one digit.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_others_passed_over() {
        let found = Extended::parse(b"30 mtime=1350244992.023960108\n11 path=ab\n9 size=7\n");
        let expected = Extended { path: Some(b"ab".to_vec()), target: None, size: Some(7) };
        assert_eq!(found.unwrap(), expected);
        assert_eq!(Extended::parse(b"").unwrap(), Extended::default());
    }

    #[test]
    fn broken_records_are_refused() {
        for bad in [
            &b"11 path=ab"[..],
            b"12 path=ab\n",
            b"0 \n",
            b"99999999999999999999999 path=a\n",
            b" path=a\n",
            b"8 pathab\n",
            b"10 size=-7\n",
            b"22 GNU.sparse.major=1\n",
        ] {
            assert!(Extended::parse(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
