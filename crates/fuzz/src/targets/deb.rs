//! Whole packages as they come, for what lies between the parsers; the file says it all.

use std::fs;

use osb_testrepo::Compression;
use osb_unpack::{Filter, Store};

use crate::Target;
use crate::seeds::deb;

pub(crate) const TARGET: Target = Target {
    name: "deb",
    about: "whole .debs, taken apart for the store and opened there",
    run,
    seeds,
    words: &["!<arch>\n", "debian-binary   ", "control.tar", "data.tar", ".xz", ".gz", ".zst"],
};

fn run(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("deb");
    fs::write(&path, bytes).unwrap();
    let store = Store::new(place.path(), Filter::parse(["path-exclude=/usr/share/doc/*"]));
    if store.take_apart(&path, &store.folder("x"), &|| Ok(())).is_err() {
        return;
    }
    let package = store.open("x").expect("what was taken apart can be opened");
    for field in ["Depends", "Pre-Depends", "Replaces"] {
        let _ = package.names_in(field);
    }
    let _ = osb_unpack::unpack_order(vec![package]);
}

fn seeds() -> Vec<Vec<u8>> {
    Compression::ALL.map(|compression| deb().compressed(compression).bytes()).to_vec()
}
