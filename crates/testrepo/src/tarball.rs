//! Tar archives as projects release them: owned by whoever packed them, and hostile ones.

/// An uncompressed tar of regular files: path, mode, content. Paths (100 bytes at most) stand there
/// as they are, `../x` and `/x` too.
pub fn tarball(members: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_uid(1001);
        header.set_gid(118);
        header.set_mtime(1_700_000_000);
        // The tar crate would refuse the hostile ones.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}
