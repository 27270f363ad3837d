//! `CHANGELOG.md`, in the form of Keep a Changelog: one section for a version, newest first.

use anyhow::Result;

use crate::exit::demand;

/// The heading of what no version has yet.
const UNRELEASED: &str = "## [Unreleased]";

/// The text of the section of a version, without its heading; `None` if there is none.
pub(crate) fn section<'a>(changelog: &'a str, version: &str) -> Option<&'a str> {
    let heading = format!("## [{version}] - ");
    let start = find_line(changelog, |line| line.starts_with(&heading))?;
    let body = changelog[start..].split_once('\n').map_or("", |(_, body)| body);
    let end = find_line(body, |line| line.starts_with("## ")).unwrap_or(body.len());
    Some(body[..end].trim())
}

/// The changelog after the release of a version: what was unreleased is its section.
pub(crate) fn release(changelog: &str, version: &str, date: &str) -> Result<String> {
    let start = find_line(changelog, |line| line == UNRELEASED);
    demand!(start.is_some(), "CHANGELOG.md has no line {UNRELEASED:?}");
    demand!(section(changelog, version).is_none(), "CHANGELOG.md has {version} already");
    let (before, rest) = changelog.split_at(start.unwrap_or_default());
    let rest = &rest[UNRELEASED.len()..];
    let end = find_line(rest, |line| line.starts_with("## ")).unwrap_or(rest.len());
    demand!(
        rest[..end].lines().any(|line| !line.is_empty() && !line.starts_with('#')),
        "CHANGELOG.md says nothing below {UNRELEASED:?}: what is new?"
    );
    Ok(format!("{before}{UNRELEASED}\n\n## [{version}] - {date}{rest}"))
}

/// Where the first line begins of which `is` holds.
fn find_line(text: &str, is: impl Fn(&str) -> bool) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if is(line.trim_end()) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- This.\n";

    #[test]
    fn what_was_unreleased_becomes_a_version() {
        let first = release(TEXT, "0.1.0", "2026-11-21").unwrap();
        assert_eq!(
            first,
            "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-11-21\n\n### Added\n\n- This.\n"
        );
        assert_eq!(section(&first, "0.1.0"), Some("### Added\n\n- This."));
        assert_eq!(section(&first, "0.1"), None);
        assert_eq!(section(&first, "Unreleased"), None);
        let more = first.replace("[Unreleased]\n", "[Unreleased]\n\n- That.\n");
        let second = release(&more, "0.2.0", "2026-11-22").unwrap();
        assert_eq!(section(&second, "0.2.0"), Some("- That."));
        assert_eq!(section(&second, "0.1.0"), Some("### Added\n\n- This."));
    }

    #[test]
    fn what_cannot_be_released_is_told() {
        let told = |text: &str, version: &str| {
            release(text, version, "2026-11-21").unwrap_err().to_string()
        };
        assert!(told("# Changelog\n", "0.1.0").contains("no line"));
        assert!(told("## [Unreleased]\n\n### Added\n", "0.1.0").contains("what is new?"));
        let first = release(TEXT, "0.1.0", "2026-11-21").unwrap();
        assert!(told(&first, "0.2.0").contains("what is new?"));
        assert!(told(&first, "0.1.0").contains("already"));
    }
}
