//! Records of extended headers (pax), which long names of GNU tar become, too.

use std::collections::BTreeMap;

use super::FORMAT;
use crate::error::Fault;

/// Records of extended headers.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.to_vec(), value.to_vec());
    }

    /// `LENGTH KEY=VALUE\n`, over and over.
    pub(super) fn parse(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let record = || {
                let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
                let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
                let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
                let equals = record.iter().position(|byte| *byte == b'=')?;
                Some((length, &record[..equals], &record[equals + 1..]))
            };
            let Some((length, key, value)) = record() else {
                return Err(Fault::damaged(FORMAT, "an extended header without a valid record"));
            };
            self.set(key, value);
            bytes = &bytes[length..];
        }
        Ok(())
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    pub(super) fn number(&self, key: &[u8]) -> Option<u64> {
        std::str::from_utf8(self.get(key)?).ok()?.parse().ok()
    }

    pub(super) fn any(&self, prefix: &[u8]) -> bool {
        self.0.keys().any(|key| key.starts_with(prefix))
    }

    pub(super) fn attributes(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let named = self.0.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(b"SCHILY.xattr.")?;
            Some((unescape(name), value.clone()))
        });
        named.collect()
    }
}

/// `%3D` is an equals sign and `%25` a percent sign, as GNU tar writes them.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, after @ ..] = rest {
        match after {
            [b'3', b'D', ..] if *first == b'%' => out.push(b'='),
            [b'2', b'5', ..] if *first == b'%' => out.push(b'%'),
            _ => {
                out.push(*first);
                rest = after;
                continue;
            }
        }
        rest = &after[2..];
    }
    out
}
