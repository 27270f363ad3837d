//! Extended header records: what does not fit into a ustar header.
//!
//! POSIX.1-2017, `pax`, "pax Extended Header": records `LENGTH KEY=VALUE\n` in an entry of type
//! `x` before the entry that they describe. The length counts itself.

/// The records of one entry, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    /// Whether a name or a link target is no UTF-8, which records are unless one says otherwise.
    binary: bool,
}

impl Records {
    /// Adds a record. Values may hold any byte, since the length says where they end.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        // Space, '=' and newline.
        let rest = key.len() + value.len() + 3;
        let mut len = rest + 1;
        while len != rest + digits(len) {
            len = rest + digits(len);
        }
        self.bytes.extend_from_slice(len.to_string().as_bytes());
        self.bytes.push(b' ');
        self.bytes.extend_from_slice(key);
        self.bytes.push(b'=');
        self.bytes.extend_from_slice(value);
        self.bytes.push(b'\n');
    }

    /// Adds a name or a link target.
    pub(crate) fn push_name(&mut self, key: &[u8], name: &[u8]) {
        self.binary |= std::str::from_utf8(name).is_err();
        self.push(key, name);
    }

    /// Adds an extended attribute the way star, GNU tar, bsdtar and the container tools do.
    pub(crate) fn push_xattr(&mut self, name: &[u8], value: &[u8]) {
        let mut key = b"SCHILY.xattr.".to_vec();
        for byte in name {
            // '=' would end the key; GNU tar escapes it so, and with it '%'.
            match byte {
                b'=' => key.extend_from_slice(b"%3D"),
                b'%' => key.extend_from_slice(b"%25"),
                _ => key.push(*byte),
            }
        }
        self.push(&key, value);
    }

    /// The records as they stand in the archive; empty if there are none.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        if !self.binary {
            return self.bytes;
        }
        // Before the names that it is about. bsdtar refuses them otherwise; GNU tar takes bytes as they
        // are, and says that it ignores this.
        let mut all = Records::default();
        all.push(b"hdrcharset", b"BINARY");
        all.bytes.extend_from_slice(&self.bytes);
        all.bytes
    }
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_itself() {
        for len in 0..1200 {
            let mut records = Records::default();
            records.push(b"path", &vec![b'x'; len]);
            let text = records.into_bytes();
            let space = text.iter().position(|byte| *byte == b' ').unwrap();
            let said: usize = std::str::from_utf8(&text[..space]).unwrap().parse().unwrap();
            assert_eq!(said, text.len());
        }
    }

    #[test]
    fn a_known_record() {
        let mut records = Records::default();
        records.push(b"uid", b"4294967294");
        records.push_xattr(b"user.a=b", b"\0\n");
        assert_eq!(records.into_bytes(), b"18 uid=4294967294\n30 SCHILY.xattr.user.a%3Db=\0\n\n");
    }

    #[test]
    fn names_that_are_no_text_are_announced() {
        let records = |name: &[u8]| {
            let mut records = Records::default();
            records.push(b"uid", b"9");
            records.push_name(b"path", name);
            records.into_bytes()
        };
        assert_eq!(records("é".as_bytes()), "8 uid=9\n11 path=é\n".as_bytes());
        assert_eq!(records(b"\xff"), b"21 hdrcharset=BINARY\n8 uid=9\n9 path=\xff\n");
    }
}
