//! Hand-made archives for tests, able to say what no honest tool would write.

use std::io::Write;

use super::ar::MAGIC;

/// Builds tar streams entry by entry.
pub(crate) struct TarBuilder(Vec<u8>);

impl TarBuilder {
    pub(crate) fn new() -> TarBuilder {
        TarBuilder(Vec::new())
    }

    /// Any entry, with GNU long names where needed.
    pub(crate) fn entry(
        mut self,
        name: &[u8],
        flag: u8,
        target: &[u8],
        mode: u32,
        content: &[u8],
    ) -> Self {
        for (long, value) in [(b'L', name), (b'K', target)] {
            if value.len() > 100 {
                let value = [value, b"\0"].concat();
                self.0.extend(raw_entry(b"././@LongLink", long, b"", 0o644, &value));
            }
        }
        let cut = |text: &'_ [u8]| text[..text.len().min(100)].to_vec();
        self.0.extend(raw_entry(&cut(name), flag, &cut(target), mode, content));
        self
    }

    pub(crate) fn directory(self, name: &str, mode: u32) -> Self {
        self.entry(name.as_bytes(), b'5', b"", mode, b"")
    }

    pub(crate) fn file(self, name: &str, mode: u32, content: &[u8]) -> Self {
        self.entry(name.as_bytes(), b'0', b"", mode, content)
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name.as_bytes(), b'2', target.as_bytes(), 0o777, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(name.as_bytes(), b'1', target.as_bytes(), 0o644, b"")
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// One header block with its content, padded; owned by who runs the test, of time
/// 1,700,000,000.
pub(crate) fn raw_entry(
    name: &[u8],
    flag: u8,
    target: &[u8],
    mode: u32,
    content: &[u8],
) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    block[108..116].copy_from_slice(format!("{uid:07o}\0").as_bytes());
    block[116..124].copy_from_slice(format!("{gid:07o}\0").as_bytes());
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[136..148].copy_from_slice(format!("{:011o}\0", 1_700_000_000).as_bytes());
    block[156] = flag;
    block[157..157 + target.len()].copy_from_slice(target);
    block[257..265].copy_from_slice(b"ustar  \0");
    fix_checksum(&mut block);
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// Recomputes the checksum of the header at the start of `block`.
pub(crate) fn fix_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Compresses as the member ending says.
pub(crate) fn compress(ending: &str, data: &[u8]) -> Vec<u8> {
    match ending {
        "" => data.to_vec(),
        ".gz" => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(data).unwrap();
            out.finish().unwrap()
        }
        ".xz" => {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
            out.write_all(data).unwrap();
            out.finish().unwrap()
        }
        ".zst" => zstd::encode_all(data, 1).unwrap(),
        other => panic!("{other}"),
    }
}

/// A package named `sample` whose members are compressed as the ending says.
pub(crate) fn package(ending: &str, data: &[u8]) -> Vec<u8> {
    let control = TarBuilder::new()
        .directory("./", 0o755)
        .file("./control", 0o644, b"Package: sample\nVersion: 1.0-1\nArchitecture: all\n")
        .finish();
    archive(&[
        ("debian-binary", b"2.0\n"),
        (&format!("control.tar{ending}"), &compress(ending, &control)),
        (&format!("data.tar{ending}"), &compress(ending, data)),
    ])
}

/// An ar archive.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (name, content) in members {
        let size = content.len();
        let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644");
        out.extend(header.as_bytes());
        out.extend_from_slice(content);
        if size % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}
