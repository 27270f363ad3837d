//! What several targets make their seeds with.

use osb_testrepo::{Compression, Deb, Key, Suite, TestRepo};

use crate::MAX_BYTES;

/// Texts as seeds.
pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The longest inputs that consist of `head`, then of `piece` over and over with a number in place
/// of each `#`, then of `tail`: what shows code that is quadratic.
pub(crate) fn long(head: &str, piece: &str, tail: &str) -> Vec<u8> {
    let mut text = head.to_owned();
    for number in 0.. {
        let next = piece.replace('#', &format!("{number:x}"));
        if next.is_empty() || text.len() + next.len() + tail.len() > MAX_BYTES {
            break;
        }
        text += &next;
    }
    (text + tail).into_bytes()
}

/// The key that signs the seeds.
pub(crate) fn key() -> Key {
    Key::build(7).subkey().finish()
}

/// A small package with every kind of entry.
pub(crate) fn deb() -> Deb {
    Deb::new("hello", "1:2.10-3+deb13u1", "arm64")
        .field("Depends", "libc6 (>= 2.38), foo:any | bar (<< 2~) [arm64] <!nocheck>")
        .field("Multi-Arch", "same")
        .file("etc/hello.conf", 0o644, "a = 1\n")
        .file("usr/bin/hello", 0o4755, "program")
        .hard_link("usr/bin/hallo", "usr/bin/hello")
        .symlink("usr/bin/hi", "hello")
        .control_file("conffiles", 0o644, "/etc/hello.conf\nremove-on-upgrade /etc/old\n")
        .control_file("triggers", 0o644, "interest-noawait /usr/share/man\nactivate ldconfig\n")
        .script("postinst", "#!/bin/sh\n")
}

/// A file of a small signed repository.
pub(crate) fn repository(path: &str) -> Vec<u8> {
    let repo = TestRepo::new();
    let suite = Suite::new("trixie")
        .package("main", deb())
        .package("main", Deb::new("other", "2", "all").field("Provides", "bar (= 2)"))
        .compressions(&[Compression::None, Compression::Xz])
        .signing(osb_testrepo::Signing::Both)
        .signed_by(&key());
    repo.write(&suite);
    repo.read(path)
}
