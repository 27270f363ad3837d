//! Package URLs of Debian packages (purl-spec, type `deb`).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// Everything but letters, digits, `.-_~` and the colon, which purl-spec wants as it is.
const ENCODED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~').remove(b':');

/// `pkg:deb/debian/curl@8.14.1-2?arch=arm64&distro=debian-13`; qualifiers are sorted by their names.
pub(super) fn deb(
    vendor: &str,
    name: &str,
    version: &str,
    architecture: &str,
    distro: Option<&str>,
) -> String {
    let mut purl = format!(
        "pkg:deb/{}/{}@{}?arch={}",
        encode(&vendor.to_lowercase()),
        encode(&name.to_lowercase()),
        encode(version),
        encode(architecture)
    );
    if let Some(distro) = distro {
        purl += &format!("&distro={}", encode(distro));
    }
    purl
}

fn encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, &ENCODED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_encoded_as_the_specification_says() {
        assert_eq!(
            deb("debian", "libstdc++6", "1:14.2.0-19+b1~x", "arm64", Some("debian-13")),
            "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1~x?arch=arm64&distro=debian-13"
        );
        assert_eq!(deb("my repo", "x", "1", "all", None), "pkg:deb/my%20repo/x@1?arch=all");
    }
}
