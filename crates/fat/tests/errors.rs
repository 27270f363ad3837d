//! Bad input gives one error that names the path or the number.

mod support;

use osb_fat::{FatError, Options, Plan};
use osb_tree::{Content, Device, Inode, Kind, Tree};
use support::{MIB, add, options};

fn refused(tree: &Tree, options: &Options) -> FatError {
    Plan::new(tree, options).expect_err("it was accepted")
}

#[test]
fn only_directories_and_files() {
    let device = Device { major: 1, minor: 3 };
    let kinds = [Kind::Symlink(b"x".to_vec()), Kind::Fifo, Kind::Socket, Kind::CharDevice(device)];
    for kind in kinds {
        let mut tree = Tree::new();
        tree.insert("d", Inode::directory(0o755)).unwrap();
        tree.insert("d/odd", Inode::new(0o644, kind)).unwrap();
        let error = refused(&tree, &options(33 * MIB));
        assert!(matches!(&error, FatError::Unsupported { path, .. } if path == "d/odd"), "{error}");
    }
}

#[test]
fn bad_names_are_named_with_their_rule() {
    for name in ["a:b", "what?", "dot.", "new\nline"] {
        let mut tree = Tree::new();
        add(&mut tree, &format!("d/{name}"), vec![]);
        let error = refused(&tree, &options(33 * MIB));
        assert!(matches!(&error, FatError::Name { path, .. } if path.ends_with(name)), "{error}");
    }
    let mut tree = Tree::new();
    tree.insert(b"\xFF", Inode::file(0o644, vec![])).unwrap();
    assert!(matches!(refused(&tree, &options(33 * MIB)), FatError::Name { .. }));
}

#[test]
fn two_names_that_differ_by_case_only() {
    let mut tree = Tree::new();
    add(&mut tree, "d/Config.txt", vec![]);
    add(&mut tree, "d/config.TXT", vec![]);
    let error = refused(&tree, &options(33 * MIB)).to_string();
    assert!(error.contains("d/Config.txt and d/config.TXT"), "{error}");
    // In different directories they are no problem.
    let mut tree = Tree::new();
    add(&mut tree, "d/config", vec![]);
    add(&mut tree, "e/CONFIG", vec![]);
    assert!(Plan::new(&tree, &options(33 * MIB)).is_ok());
}

#[test]
fn the_suggested_size_is_the_least_that_fits() {
    for (mib, largest) in [(33, 40), (33, 200), (64, 255), (33, 259), (256, 300), (300, 1000)] {
        let mut tree = Tree::new();
        let content =
            Content::File { path: "never read".into(), size: largest * MIB, fingerprint: None };
        tree.insert("big", Inode::new(0o644, Kind::File(content))).unwrap();
        add(&mut tree, "small", vec![1; 700]);
        let FatError::Full { needed, available, suggested, size } =
            refused(&tree, &options(mib * MIB))
        else {
            panic!("{largest} MiB fitted into {mib}");
        };
        assert!(needed > available && available < size && size == mib * MIB);
        assert!(Plan::new(&tree, &options(suggested)).is_ok(), "{suggested}");
        assert!(Plan::new(&tree, &options(suggested - MIB)).is_err(), "{suggested}");
    }
}

#[test]
fn a_hundredth_stays_free() {
    let fits = |bytes: usize| {
        let mut tree = Tree::new();
        add(&mut tree, "FILE", vec![0; bytes]);
        Plan::new(&tree, &options(33 * MIB))
    };
    let all = fits(0).unwrap();
    // One cluster is the root's.
    let clusters = u64::from(all.free_clusters()) + 1;
    let spare = clusters.div_ceil(100);
    let largest = ((clusters - 1 - spare) * 512) as usize;
    assert_eq!(u64::from(fits(largest).unwrap().free_clusters()), spare);
    assert!(matches!(fits(largest + 1).unwrap_err(), FatError::Full { .. }));
}

#[test]
fn files_and_directories_have_limits() {
    let mut tree = Tree::new();
    let content = Content::File { path: "never read".into(), size: 1 << 32, fingerprint: None };
    tree.insert("big", Inode::new(0o644, Kind::File(content))).unwrap();
    let error = refused(&tree, &options(16 * 1024 * MIB)).to_string();
    assert!(error.starts_with("big: 4294967296 bytes"), "{error}");

    let mut tree = Tree::new();
    for index in 0..16_384 {
        // 40 units: four long entries and a short one.
        add(&mut tree, &format!("d/{index:040}"), vec![]);
    }
    let error = refused(&tree, &options(33 * MIB)).to_string();
    assert!(error.starts_with("/d: 81922 directory entries"), "{error}");
}

#[test]
fn options_are_checked() {
    let tree = Tree::new();
    for size in [0, 32 * MIB, 33 * MIB + 1, 1 << 41] {
        assert!(
            matches!(
                refused(&tree, &options(size)),
                FatError::TooSmall { .. } | FatError::Uneven { .. } | FatError::TooLarge { .. }
            ),
            "{size}"
        );
    }
    for label in ["TWELVE CHARS", "SLASH/", "ÜBER", "END ", "TAB\t"] {
        let options = Options { label: label.into(), ..options(33 * MIB) };
        assert!(matches!(refused(&tree, &options), FatError::Label { .. }), "{label}");
    }
    let unlabelled = Options { label: String::new(), ..options(33 * MIB) };
    assert!(Plan::new(&tree, &unlabelled).is_ok());
}
