//! The framing of signed messages: the text that is used is the text that is hashed.

use osb_apt::fuzz::cleartext;

use crate::Target;
use crate::seeds::{long, repository};

pub(crate) const TARGET: Target = Target {
    name: "cleartext",
    about: "cleartext-signed framing; the text used is the text hashed",
    run,
    seeds,
    words: &[
        "-----BEGIN PGP SIGNED MESSAGE-----\n",
        "Hash: SHA256\n",
        "-----BEGIN PGP SIGNATURE-----\n",
        "-----END PGP SIGNATURE-----\n",
        "\n- -",
        "\r\n",
        "\r",
    ],
};

fn run(bytes: &[u8]) {
    let Ok((text, hashed, armor)) = cleartext(bytes) else { return };
    assert!(!text.contains('\r'));
    assert_eq!(hashed, text.strip_suffix('\n').unwrap_or(&text).replace('\n', "\r\n").as_bytes());
    assert!(armor.starts_with("-----BEGIN PGP SIGNATURE-----"));
    assert!(armor.ends_with("-----END PGP SIGNATURE-----"));
    // Framed again, it is the same message.
    let escape = |line: &str| match line.starts_with('-') {
        true => format!("- {line}\n"),
        false => format!("{line}\n"),
    };
    let body: String = text.lines().map(escape).collect();
    let framed = format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{body}{armor}\n");
    assert_eq!(cleartext(framed.as_bytes()).unwrap(), (text, hashed, armor));
}

fn seeds() -> Vec<Vec<u8>> {
    let (begin, end) = ("-----BEGIN PGP SIGNED MESSAGE-----\n", "-----END PGP SIGNATURE-----\n");
    let signature = format!("-----BEGIN PGP SIGNATURE-----\n\nAAAA\n{end}");
    vec![
        repository("dists/trixie/InRelease"),
        format!("{begin}Hash: SHA256\n\na: 1  \r\n- -b: 2\t\n\n- \nend\n{signature}\n")
            .into_bytes(),
        long(&format!("{begin}\n"), "- -#\n", &signature),
        long(begin, "Hash: SHA256\n", &signature),
        long(&format!("{begin}\na\n"), "-----BEGIN PGP SIGNATURE-----\n", end),
    ]
}
