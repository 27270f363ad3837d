//! Outer layers of packages around what is fuzzed, so that the fuzzer gets to the inner ones; and
//! second, simple implementations of both formats to compare with.

/// An `ar` archive (ar(5)).
pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let (zero, mode, size) = (0, "100644", content.len());
        out.extend(format!("{name:<16}{zero:<12}{zero:<6}{zero:<6}{mode:<8}{size:<10}`\n").bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

/// A package of uncompressed archives.
pub(crate) fn deb(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar", data)])
}

/// One tar header with its content, padded. Names that are too long get a GNU entry before it.
pub(crate) fn tar_entry(
    name: &[u8],
    flag: u8,
    target: &[u8],
    mode: u32,
    content: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    for (flag, value) in [(b'L', name), (b'K', target)] {
        if value.len() > 100 {
            out.extend(block(b"././@LongLink", flag, b"", 0o644, value));
        }
    }
    let cut = |text: &[u8]| text[..text.len().min(100)].to_vec();
    out.extend(block(&cut(name), flag, &cut(target), mode, content));
    out
}

fn block(name: &[u8], flag: u8, target: &[u8], mode: u32, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for (at, text) in [
        (100, format!("{:07o}", mode & 0o7777)),
        (108, format!("{uid:07o}")),
        (116, format!("{gid:07o}")),
        (124, format!("{:011o}", content.len())),
        (136, format!("{:011o}", 1_700_000_000)),
    ] {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    block[156] = flag;
    block[157..157 + target.len()].copy_from_slice(target);
    block[257..265].copy_from_slice(b"ustar  \0");
    fix_checksum(&mut block);
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// A tar stream of these entries.
pub(crate) fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

/// Makes the checksum of every header right that a reader would come to: no fuzzer guesses one.
pub(crate) fn fix_checksums(stream: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = stream.get_mut(at..at + 512) {
        if block.iter().all(|byte| *byte == 0) {
            return;
        }
        fix_checksum(block);
        let size = block[124..136].iter().fold(0_usize, |size, byte| match byte {
            b'0'..=b'7' => size.saturating_mul(8).saturating_add(usize::from(byte - b'0')),
            _ => size,
        });
        at = match size.checked_next_multiple_of(512).and_then(|size| size.checked_add(at + 512)) {
            Some(next) => next,
            None => return,
        };
    }
}

fn fix_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
