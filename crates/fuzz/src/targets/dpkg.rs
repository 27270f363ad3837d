//! dpkg's own files, which maintainer scripts of any package may have written.

use osb_unpack::fuzz;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "dpkg",
    about: "conffiles, triggers, diversions, statoverrides, status; a first byte says which",
    run,
    seeds,
    words: &[
        "remove-on-upgrade /",
        "interest-noawait /",
        "activate ",
        "/noawait",
        "\n:\n",
        "#0 #0 755 /",
        "root root 4755 /",
        "Package: a\n",
        "Conffiles:\n /a ",
        " obsolete",
        "\n\n",
    ],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(which) = text.chars().next() else { return };
    let text = &text[which.len_utf8()..];
    match which {
        'c' => {
            for (path, _) in fuzz::conffiles(text).into_iter().flatten() {
                assert!(!path.contains('\n'));
            }
        }
        't' => {
            // Each becomes the name of a file in the database.
            for file in fuzz::triggers(text).into_iter().flatten() {
                assert!(!file.contains(['/', '\0', '\n']) && file != "." && file != "..");
            }
        }
        'd' => drop(fuzz::divert(text, "bin/sh", "bash")),
        'o' => {
            let (users, list) = text.split_once("\n\n").unwrap_or(("root:x:0:0:", text));
            if let Ok(Some((_, _, mode))) = fuzz::stat_override(list, users, users, "x") {
                assert!(mode <= 0o7777);
            }
        }
        'a' => {
            let (file, unincorp) = text.split_once("\n\n").unwrap_or((text, ""));
            let _ = fuzz::activate(file, unincorp, "usr/share/man");
        }
        _ => {
            let (hash, marked) = fuzz::status(text, "a", "etc/a");
            // Marked, it is the same file but for the mark and blanks before it.
            let plain = |text: &str| -> Vec<String> {
                let hash = |line: &str| {
                    line.trim_end().trim_end_matches(" obsolete").trim_end().to_owned()
                };
                text.lines().map(hash).collect()
            };
            assert_eq!(plain(&marked), plain(text));
            let _ = (hash, fuzz::status(&marked, "a", "etc/a"));
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        "c/etc/a\nremove-on-upgrade /etc/b\n\n/etc/with space\n",
        "t# a\ninterest /usr/share/man\ninterest-noawait x\nactivate y\n",
        "d/bin/sh\n/bin/sh.distrib\ndash\n/etc/a\n/etc/b\n:\n",
        "oroot:x:0:0:\nbus:x:7:\n\nroot bus 4754 /x\n#7 #8 600 /y z\n",
        "a/usr/share/man man-db/noawait\n/usr/share/man b\n\n/usr/share/man c\n",
        "sPackage: a\nConffiles:\n /etc/a 0123\n /etc/b newconffile obsolete\n\nPackage: b\n",
    ]);
    seeds.extend([
        long("c", "/etc/a#\n", ""),
        long("t", "interest /a#\n", ""),
        long("d", "/a#\n/b#\n:\n", ""),
        long("o\n\n", "#0 #0 755 /a#\n", ""),
        long("oz:x:1:\n", "u#:x:1:\n", &"\n#1 z 755 /x\n".repeat(2000)),
        long("a", "/a# b\n", "\n/usr/share/man x\n"),
        long("sPackage: a\nConffiles:\n", " /etc/a#\n", ""),
        long("s", "Package: a\nConffiles:\n /etc/a 0\n\n", ""),
    ]);
    seeds
}
