//! Is the tag what the repository says?

use anyhow::Result;

use crate::changelog;
use crate::exit::{BadInput, demand};
use crate::project::Project;
use crate::reproduce::Git;
use crate::steps::capture;
use crate::version::CURRENT;

/// Fails unless the tag is the workspace's version, which the changelog has, all files are as they
/// are committed, and the tag, if it is there, is of this very commit.
pub(crate) fn check(project: &Project, tag: &str) -> Result<()> {
    let changelog = std::fs::read_to_string(project.root.join("CHANGELOG.md"))?;
    matches(tag, CURRENT, &changelog)?;
    let git = Git { root: &project.root };
    git.is_clean().map_err(|error| BadInput(format!("{error:#}")))?;
    let tagged = git.git(&["rev-parse", "--quiet", "--verify"]).arg(commit_of(tag)).output()?;
    let tagged = String::from_utf8_lossy(&tagged.stdout).trim().to_owned();
    let head = capture(&mut git.git(&["rev-parse", "HEAD"]))?;
    demand!(
        tagged.is_empty() || tagged == head.trim(),
        "the tag {tag} is of the commit {tagged}, not of {}: check that out",
        head.trim()
    );
    Ok(())
}

fn commit_of(tag: &str) -> String {
    format!("refs/tags/{tag}^{{commit}}")
}

fn matches(tag: &str, version: &str, changelog: &str) -> Result<()> {
    demand!(
        tag.strip_prefix('v') == Some(version),
        "the tag {tag} is not v{version}, which Cargo.toml says; `cargo xtask version` changes that"
    );
    demand!(
        changelog::section(changelog, version).is_some_and(|text| !text.is_empty()),
        "CHANGELOG.md has nothing below `## [{version}] - DATE`; `cargo xtask version` writes that"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_version_and_in_the_changelog() {
        let changelog = "## [1.2.3] - 2026-11-21\n\n- This.\n\n## [1.2.2] - 2026-11-20\n";
        matches("v1.2.3", "1.2.3", changelog).unwrap();
        for (tag, version, told) in [
            ("v1.2.4", "1.2.3", "is not v1.2.3"),
            ("1.2.3", "1.2.3", "is not v1.2.3"),
            ("v1.2.2", "1.2.2", "has nothing below"),
            ("v1.2.1", "1.2.1", "has nothing below"),
        ] {
            let error = matches(tag, version, changelog).unwrap_err();
            assert!(error.is::<BadInput>() && error.to_string().contains(told), "{error}");
        }
    }
}
