//! Where a redirect leads (RFC 9110, section 10.2.2, and RFC 3986, section 5.2).

/// The URL that the answer for `base` names with `location`; an error says why it is not followed.
///
/// Only http and https are followed: a server must not name files of this machine. https stays
/// https: who chose it does not want the request to be seen.
pub(crate) fn target(base: &str, location: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("a redirect to {location:?} is not followed: {why}"));
    let location_only = location.split('#').next().unwrap_or_default().trim();
    let Some((scheme, rest)) = base.split_once("://") else { return refuse("no base") };
    let end = |text: &str| text.find(['/', '?']).unwrap_or(text.len());
    let (host, path) = rest.split_at(end(rest));
    let url = if let Some(rest) = location_only.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location_only.starts_with('/') {
        format!("{scheme}://{host}{location_only}")
    } else if has_scheme(location_only) {
        location_only.to_owned()
    } else if location_only.is_empty() {
        return refuse("it names nothing");
    } else {
        // Relative to the folder; a path without one is that of the host.
        let path = path.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{host}{folder}/{location_only}")
    };
    match url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
        Some("https") => Ok(url),
        Some("http") if scheme.eq_ignore_ascii_case("http") => Ok(url),
        Some("http") => refuse("it leaves https"),
        _ => refuse("it leads to neither http nor https"),
    }
}

/// Whether a reference begins with a scheme (RFC 3986, section 3.1).
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn every_kind_of_reference() {
        let from = |location| target("http://h:8/a/b?c", location);
        assert_eq!(from("http://x/y#z").as_deref(), Ok("http://x/y"));
        assert_eq!(from("https://x/y").as_deref(), Ok("https://x/y"));
        assert_eq!(from("//x/y").as_deref(), Ok("http://x/y"));
        assert_eq!(from("/y").as_deref(), Ok("http://h:8/y"));
        assert_eq!(from("y/z").as_deref(), Ok("http://h:8/a/y/z"));
        assert_eq!(target("http://h", "y").as_deref(), Ok("http://h/y"));
    }

    #[test]
    fn what_is_not_followed() {
        for location in ["file:///etc/passwd", "FILE:///x", "ftp://x/y", "javascript:x", "", "#a"] {
            assert!(target("http://h/a", location).is_err(), "{location}");
        }
        assert!(target("https://h/a", "http://h/a").unwrap_err().contains("leaves https"));
        assert!(target("https://h/a", "/b").is_ok());
    }
}
