//! A package laid over a database that somebody else wrote.

use std::fs;

use osb_unpack::{Filter, Layer, Store};

use crate::Target;
use crate::seeds::{deb, texts};

pub(crate) const TARGET: Target = Target {
    name: "lay",
    about: "a package laid over dpkg's database: status, diversions, statoverride, triggers",
    run,
    seeds,
    words: &[
        "Package: hello\n",
        "Status: install ok installed\n",
        "Version: 1\n",
        "Replaces: hello\n",
        "Conffiles:\n /etc/hello.conf 0 obsolete\n",
        "/etc/hello.conf\n",
        "/usr/bin/hello\n",
        "#0 #0 4755 /usr/bin/hello\n",
        "/usr/share/man man-db/noawait\n",
        "\0",
        "..",
    ],
};

/// Where the parts of an input go, separated by NUL.
const FILES: [&str; 6] = [
    "status",
    "diversions",
    "statoverride",
    "triggers/File",
    "info/other.list",
    "triggers/Unincorp",
];

fn run(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    for folder in
        ["store", "upper", "files", "below/var/lib/dpkg/info", "below/var/lib/dpkg/triggers"]
    {
        fs::create_dir_all(path(folder)).unwrap();
    }
    for (file, text) in FILES.iter().zip(bytes.split(|byte| *byte == 0)) {
        fs::write(path("below/var/lib/dpkg").join(file), text).unwrap();
    }
    fs::write(path("deb"), deb().compressed(osb_testrepo::Compression::None).bytes()).unwrap();
    let store = Store::new(path("store"), Filter::default());
    store.take_apart(&path("deb"), &store.folder("x"), &|| Ok(())).unwrap();
    let package = store.open("x").unwrap();
    let below = [path("below")];
    let mut layer = Layer::new(&path("upper"), &path("files"), &below, Filter::default());
    if layer.lay(&[package], false).is_ok() {
        let status = fs::read_to_string(path("upper/var/lib/dpkg/status")).unwrap();
        assert!(status.contains("Package: hello\n"));
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 5, "nothing beside the layer");
}

fn seeds() -> Vec<Vec<u8>> {
    texts([
        "Package: other\nStatus: install ok installed\nVersion: 1\nReplaces: hello\nConffiles:\n \
         /etc/hello.conf 00\n\n\0/usr/bin/hi\n/usr/bin/hi.real\nother\n\0#0 #0 4755 /usr/bin/hello\n\
         \0/usr/share/man man-db/noawait\n\0/etc/hello.conf\n/usr/bin/hallo\n\0/x -\n",
        "\0\0\0\0\0",
        "Package: other\nVersion: 1\n\n\0/usr/bin\n/../x\n:\n",
    ])
}
