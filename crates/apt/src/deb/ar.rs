//! The `ar` container of a package, read strictly (deb(5)).

use std::io::{Read, Seek, SeekFrom};

use super::compression::Compression;
use super::fault::DebFault;

/// The first eight bytes of every `ar` archive.
pub(crate) const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Bytes of a member header.
const HEADER: u64 = 60;
/// No package has more members: the three that count and a few `_private` ones.
const MAX_MEMBERS: usize = 16;

/// Where a member's bytes lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Offset of the first byte.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// A tar member and how it is compressed.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// As written, as `data.tar.xz`.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) span: Span,
    /// From the name's ending.
    pub(crate) compression: Compression,
}

/// The members of a package.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// `control.tar` or a compressed form.
    pub(crate) control: Member,
    /// `data.tar` or a compressed form.
    pub(crate) data: Member,
}

/// Reads the headers of all members.
///
/// # Errors
/// Anything but `debian-binary` of format 2.x, one `control.tar`, one `data.tar`, in this order,
/// with nothing else than members whose names begin with an underscore.
pub(crate) fn read_layout<R: Read + Seek>(file: &mut R) -> Result<Layout, DebFault> {
    let bad = |what: String| Err(DebFault::Malformed(what));
    let io = DebFault::io;
    let length = file.seek(SeekFrom::End(0)).map_err(io("finding its size"))?;
    file.seek(SeekFrom::Start(0)).map_err(io("reading it"))?;
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(io("reading its first bytes"))?;
    if magic != *MAGIC {
        return bad("it does not begin as an ar archive".into());
    }
    let (mut is_first, mut control, mut data) = (true, None, None);
    let mut position = MAGIC.len() as u64;
    for _ in 0..MAX_MEMBERS {
        if position == length {
            break;
        }
        file.seek(SeekFrom::Start(position)).map_err(io("reading it"))?;
        let mut header = [0; HEADER as usize];
        file.read_exact(&mut header).map_err(io("reading a member header"))?;
        let (name, size) = parse_header(&header)?;
        let span = Span { start: position + HEADER, size };
        if size > length - span.start {
            return bad(format!("member {name} claims {size} bytes, more than the file has"));
        }
        // Members are padded to even offsets; the last one may lack the padding.
        position = (span.start + size + (size & 1)).min(length);
        if is_first {
            check_format(file, &name, size)?;
            is_first = false;
        } else if name.starts_with('_') {
            continue;
        } else if control.is_none() {
            control = Some(tar_member("control.tar", name, span)?);
        } else if data.is_none() {
            data = Some(tar_member("data.tar", name, span)?);
        } else {
            return bad(format!("there is a member {name} after data.tar"));
        }
    }
    if position != length {
        return bad(format!("it has more than {MAX_MEMBERS} members"));
    }
    match (control, data) {
        (Some(control), Some(data)) => Ok(Layout { control, data }),
        _ if is_first => bad("it is an empty archive".into()),
        (None, _) => bad("it has no control.tar".into()),
        _ => bad("it has no data.tar".into()),
    }
}

/// Name and size of a member.
fn parse_header(header: &[u8; HEADER as usize]) -> Result<(String, u64), DebFault> {
    if header[58..] != *b"`\n" {
        return Err(DebFault::Malformed("a member header is damaged".into()));
    }
    let text = |range: std::ops::Range<usize>| {
        std::str::from_utf8(&header[range])
            .ok()
            .map(|t| t.trim_end_matches(' '))
            .filter(|t| t.bytes().all(|b| b.is_ascii_graphic()))
    };
    // GNU ar ends names with a slash.
    let name = text(0..16).map(|n| n.strip_suffix('/').unwrap_or(n)).filter(|n| !n.is_empty());
    let size = text(48..58).filter(|s| s.bytes().all(|b| b.is_ascii_digit()));
    match (name, size.and_then(|s| s.parse().ok())) {
        (Some(name), Some(size)) => Ok((name.to_owned(), size)),
        _ => Err(DebFault::Malformed("a member header has no proper name and size".into())),
    }
}

/// Checks the member that must come first.
fn check_format<R: Read>(file: &mut R, name: &str, size: u64) -> Result<(), DebFault> {
    let bad = |what: String| Err(DebFault::Malformed(what));
    if name != "debian-binary" {
        return bad(format!("its first member is {name}, not debian-binary"));
    }
    // deb(5): lines of text, of which only the first, "major.minor", has a meaning today.
    if size > 1024 {
        return bad(format!("its debian-binary has {size} bytes"));
    }
    let mut content = vec![0; size as usize];
    file.read_exact(&mut content).map_err(DebFault::io("reading debian-binary"))?;
    let minor = content.strip_prefix(b"2.").and_then(|rest| rest.split(|b| *b == b'\n').next());
    match minor {
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => bad("its format is not 2.x".into()),
    }
}

/// The member `name`, which must be `expected` with a known ending.
fn tar_member(expected: &str, name: String, span: Span) -> Result<Member, DebFault> {
    let Some(ending) = name.strip_prefix(expected) else {
        return Err(DebFault::Malformed(format!("it has {name} where {expected} should be")));
    };
    match Compression::from_ending(ending) {
        Some(compression) => Ok(Member { compression, name, span }),
        None => Err(DebFault::Malformed(format!(
            "its {name} is compressed in a way that is not supported (known: none, gz, xz, zst)"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::archive;
    use super::*;
    use std::io::Cursor;

    fn layout(members: &[(&str, &[u8])]) -> Result<Layout, String> {
        read_layout(&mut Cursor::new(archive(members))).map_err(|e| e.to_string())
    }

    const FORMAT: (&str, &[u8]) = ("debian-binary", b"2.0\n");

    #[test]
    fn a_proper_archive_is_read() {
        let members: [(&str, &[u8]); 5] = [
            FORMAT,
            ("_gpgorigin", b"x"),
            ("control.tar.gz/", b"abc"),
            ("data.tar", b"defg"),
            ("_trailer", b""),
        ];
        let layout = layout(&members).unwrap();
        assert_eq!(layout.control.compression, Compression::Gzip);
        assert_eq!(layout.control.span.size, 3);
        assert_eq!(layout.data.compression, Compression::None);
        let bytes = archive(&members);
        let data = layout.data.span;
        assert_eq!(&bytes[data.start as usize..][..data.size as usize], b"defg");
    }

    #[test]
    fn improper_archives_are_refused() {
        let control: (&str, &[u8]) = ("control.tar", b"c");
        let data: (&str, &[u8]) = ("data.tar", b"d");
        for (members, expected) in [
            (vec![], "empty"),
            (vec![("debian-binary", &b"3.0\n"[..]), control, data], "2.x"),
            (vec![control, data], "not debian-binary"),
            (vec![FORMAT, data, control], "where control.tar should be"),
            (vec![FORMAT, control], "no data.tar"),
            (vec![FORMAT, ("control.tar.bz2", b""), data], "not supported"),
            (vec![FORMAT, control, data, ("more", b"")], "after data.tar"),
            (vec![FORMAT, control, control, data], "where data.tar should be"),
        ] {
            let error = layout(&members).unwrap_err();
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }

    #[test]
    fn sizes_beyond_the_file_are_refused() {
        let mut bytes = archive(&[FORMAT, ("control.tar", b"c"), ("data.tar", b"dd")]);
        bytes.truncate(bytes.len() - 1);
        let error = read_layout(&mut Cursor::new(bytes)).unwrap_err().to_string();
        assert!(error.contains("more than the file has"), "{error}");
    }

    #[test]
    fn every_truncation_and_every_flipped_header_byte_is_survived() {
        let bytes = archive(&[FORMAT, ("control.tar", b"cc"), ("data.tar", b"dd")]);
        for end in 0..bytes.len() {
            assert!(read_layout(&mut Cursor::new(&bytes[..end])).is_err(), "{end}");
        }
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 0x55;
            let _ = read_layout(&mut Cursor::new(changed));
        }
    }
}
