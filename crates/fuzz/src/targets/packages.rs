//! Package indices: no record leaves the repository or lies about its kind.

use osb_apt::{join_url, parse_packages};

use crate::Target;
use crate::seeds::{long, repository};

pub(crate) const TARGET: Target = Target {
    name: "packages",
    about: "Packages indices; no record's file is outside the repository",
    run,
    seeds,
    words: &[
        "Package: ",
        "\nVersion: ",
        "\nArchitecture: all",
        "\nSize: ",
        "\nSHA256: ",
        "\nFilename: pool/",
        "../",
        "\n\n",
        "\nMulti-Arch: same",
        "\nEssential: yes",
    ],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(records) = parse_packages(text, "Packages", |a| a == "all" || a == "arm64") else {
        return;
    };
    for record in records {
        assert!(matches!(record.architecture.as_str(), "all" | "arm64"));
        assert_eq!(record.sha256.len(), 64);
        assert!(record.filename.split('/').all(|part| !matches!(part, "" | "." | "..")));
        let url = join_url("http://ftp.debian.org/debian", &record.filename);
        assert!(url.starts_with("http://ftp.debian.org/debian/"), "{url}");
        assert!(!record.name.contains(['/', ' ', '\n']), "{}", record.name);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let index = repository("dists/trixie/main/binary-arm64/Packages");
    let digest = "0".repeat(64);
    let one = format!(
        "Package: p#\nVersion: 1\nArchitecture: all\nFilename: pool/p#\nSize: 1\nSHA256: {digest}\n\n"
    );
    vec![index, long("", &one, ""), long("", &one, "Package: p\nFilename: ../x\n")]
}
