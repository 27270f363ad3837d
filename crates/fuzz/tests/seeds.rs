//! Every target, run on its seeds and on what fuzzing left in `corpus/`: a guard that costs little,
//! where `cargo xtask fuzz` looks for what is new.

// A test says what broke by panicking, and that it was skipped by printing.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use osb_fuzz::{MAX_BYTES, TARGETS};

#[test]
fn every_target_holds_on_its_seeds() {
    for target in TARGETS {
        // Unpacking gives files away.
        let unpacks = ["deb", "explode", "lay"].contains(&target.name);
        if unpacks && !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED {}: only root can take packages apart", target.name);
            continue;
        }
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for (index, seed) in seeds.iter().enumerate() {
            assert!(seed.len() <= MAX_BYTES, "{} {index}: {} bytes", target.name, seed.len());
            eprintln!("{} seed {index}", target.name);
            target.check(seed);
        }
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        for file in fs::read_dir(&corpus).into_iter().flatten() {
            let path = file.unwrap().path();
            eprintln!("{}", path.display());
            target.check(&fs::read(&path).unwrap());
        }
    }
}

#[test]
fn names_are_unique_and_every_corpus_has_a_target() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len());
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for folder in fs::read_dir(corpus).into_iter().flatten() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(name.as_str()), "corpus/{name}");
    }
}
