//! Random packages from few paths: they meet each other in all ways.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use osb_testrepo::Deb;

use crate::referee::{Referee, can_compare};

const PATHS: [&str; 9] = ["a", "a/x", "a/y", "b", "b/x", "c", "c/x", "l/x", "l/y"];
const NAMES: [&str; 5] = ["p", "q", "r", "s", "t"];

/// Numbers that look random, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }
}

fn package(name: &str, numbers: &mut Numbers) -> Deb {
    // Its own file keeps it from disappearing, which is not covered.
    let mut deb = Deb::new(name, "1", "all").file(&format!("own/{name}"), 0o644, "");
    let replaced: Vec<&str> =
        NAMES.into_iter().filter(|other| *other != name && !numbers.one_in(4)).collect();
    if !replaced.is_empty() {
        deb = deb.field("Replaces", &replaced.join(", "));
    }
    let (mut files, mut conffiles) = (Vec::new(), String::new());
    let mut taken = BTreeSet::new();
    for path in PATHS {
        let parent_is_file = path.split_once('/').is_some_and(|(p, _)| files.contains(&p));
        // Through the link to b: dpkg fails where one package has both.
        let twice = path.strip_prefix('l').is_some_and(|name| taken.contains(&format!("b{name}")));
        if parent_is_file || twice || !numbers.one_in(3) {
            continue;
        }
        let full = format!("opt/{path}");
        // The first letters are mostly directories.
        let kind = if path.len() == 1 && !numbers.one_in(6) { 0 } else { numbers.below(5) };
        deb = match kind {
            0 => deb.directory(&full, [0o755, 0o700][numbers.below(2)]),
            1 => deb.symlink(&full, ["b", "../opt/b", "/nowhere"][numbers.below(3)]),
            _ => deb.file(&full, [0o644, 0o4755][numbers.below(2)], name),
        };
        taken.insert(path.to_owned());
        if kind != 0 {
            files.push(path);
        }
        if kind > 1 && numbers.one_in(4) {
            conffiles += &format!("/{full}\n");
        }
    }
    if numbers.one_in(3) {
        let path = PATHS[numbers.below(PATHS.len())];
        let kind = ["interest", "interest-noawait"][numbers.below(2)];
        deb = deb.control_file("triggers", 0o644, &format!("{kind} /opt/{path}\n"));
    }
    if conffiles.is_empty() { deb } else { deb.control_file("conffiles", 0o644, &conffiles) }
}

#[test]
fn random_packages() {
    if !can_compare() {
        return;
    }
    let (mut laid, mut refused) = (0, 0);
    for seed in 0..20 {
        let mut numbers = Numbers(seed);
        let excludes = ["path-exclude=/opt/a/*", "path-include=/opt/a/y", "path-exclude=/opt/c*"];
        let excludes = &excludes[..numbers.below(excludes.len() + 1)];
        let mut referee = Referee::new(excludes, |root| {
            fs::create_dir_all(root.join("opt/b")).unwrap();
            symlink("b", root.join("opt/l")).unwrap();
        });
        let debs: Vec<Deb> = NAMES.iter().map(|name| package(name, &mut numbers)).collect();
        // Each package alone in the end, so that one that is refused does not end everything.
        for layer in [&debs[..2], &debs[2..3], &debs[3..4], &debs[4..]] {
            let (theirs, ours) = referee.unpack(layer);
            match (theirs.is_empty(), ours) {
                (true, Ok(())) => referee.finish(&format!("seed {seed}")),
                (false, Err(_)) => {
                    refused += 1;
                    break;
                }
                // Covered is no file in the place of a directory.
                (true, Err(error)) if error.to_string().contains("is a directory, and") => break,
                (_, ours) => panic!("seed {seed}: dpkg: {theirs:?}, ours: {ours:?}"),
            }
            laid += 1;
            if referee.has_leftovers() {
                break;
            }
        }
    }
    assert!(laid > 20 && refused > 0, "{laid} laid, {refused} refused");
}
