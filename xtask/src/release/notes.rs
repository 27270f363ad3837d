//! The text that goes with a release.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::changelog;
use crate::project::Project;

/// The notes of the release `tag`: what is new, which images are in its folders, and how to verify
/// them.
pub(crate) fn write(
    project: &Project,
    tag: &str,
    folders: &[PathBuf],
    public_key: &Path,
) -> Result<String> {
    let changelog = fs::read_to_string(project.root.join("CHANGELOG.md"))?;
    let version = tag.trim_start_matches('v');
    let news = changelog::section(&changelog, version).context("a version without news")?;
    let mut rows = Vec::new();
    for folder in folders.iter().filter(|folder| folder.join("metadata.json").is_file()) {
        rows.push(row(folder)?);
    }
    let key = fs::read_to_string(public_key)?;
    Ok(text(news, &rows, &key))
}

/// The table's row of one image.
fn row(folder: &Path) -> Result<String> {
    let text = fs::read_to_string(folder.join("metadata.json"))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let card = folder.join("sd.img.zst").metadata()?.len() >> 20;
    let word = |key: &str| metadata[key].as_str().unwrap_or("none");
    let packages = metadata["packages"].as_array().map_or(0, Vec::len);
    Ok(format!(
        "| `{name}` | {} | {} | {} | {packages} | {card} MiB |",
        word("board"),
        word("arch"),
        word("kubernetes")
    ))
}

fn text(news: &str, rows: &[String], key: &str) -> String {
    let mut text = format!("{news}\n\n## Images\n\n");
    text += "Each image is a release of its own, with this name.\n\n";
    text += "| image | board | architecture | Kubernetes | packages | sd.img.zst |\n";
    text += "|---|---|---|---|---|---|\n";
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{row}");
    }
    text += "\n## Verify\n\n";
    text += "Each was built twice from its lock, with the same bytes. Save the public key as\n";
    text += "`osb.pub`, and compare it with the one that you know:\n\n```text\n";
    text += key.trim();
    text += "\n```\n\n```console\n";
    text += "$ osb verify FOLDER --key osb.pub               # the files of an image, downloaded\n";
    text += "$ osb flash /dev/sdX --image FOLDER --key osb.pub\n```\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_tell_news_images_and_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("rpi5-node-1.2.3");
        fs::create_dir(&folder).unwrap();
        let metadata = r#"{"board":"rpi5","arch":"arm64","kubernetes":null,"packages":[{},{}]}"#;
        fs::write(folder.join("metadata.json"), metadata).unwrap();
        fs::write(folder.join("sd.img.zst"), vec![0; 3 << 20]).unwrap();
        let row = row(&folder).unwrap();
        assert_eq!(row, "| `rpi5-node-1.2.3` | rpi5 | arm64 | none | 2 | 3 MiB |");
        let text = text("### Added\n\n- This.", std::slice::from_ref(&row), "KEY\n");
        assert!(text.starts_with("### Added\n\n- This.\n\n## Images\n"));
        assert!(text.contains(&format!("|---|\n{row}\n\n")) && text.contains("\nKEY\n"), "{text}");
    }
}
