//! mdBook, on this book: Debian's, from the locked tool set `test`.
//!
//! Debian's package brings no web fonts and no `book.js`, so what it renders is good for reading and for
//! checking; the buttons for themes and the sidebar are those of an mdBook from its own project.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use osb_boot::Tools;
use regex::Regex;

use super::links::BOOK;
use crate::project::Project;
use crate::steps::Steps;
use crate::test::clear;

/// Pages of mdBook's own: all chapters in one, lists, what is shown in place of a missing page.
const OWN: [&str; 3] = ["404.html", "print.html", "toc.html"];

/// Renders the book, and follows the links of what came out.
pub(crate) fn render(steps: &mut Steps, project: &Project, tools: &Tools) {
    steps.run("docs: mdbook", || {
        let out = project.work.join("book");
        clear(&out)?;
        let mut mdbook = tools.command("mdbook")?;
        mdbook.arg("build").arg("--dest-dir").arg(&out).arg(project.root.join(BOOK));
        // What it does not like it tells on standard error, and goes on.
        let output = mdbook.env("RUST_LOG", "warn").output().context("starting mdbook")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "mdbook ended with {}:\n{said}", output.status);
        ensure!(said.trim().is_empty(), "mdbook says:\n{said}");
        let (pages, links) = follow(&out)?;
        Ok(((), format!("{pages} pages, {links} links: {}", out.join("index.html").display())))
    });
}

/// Wants every link and picture of every page to lead to a file, and to an element of it; how many of
/// both.
fn follow(out: &Path) -> Result<(usize, usize)> {
    let href = Regex::new(r#"<(?:a|img)\s[^>]*?(?:href|src)="([^"]*)""#)?;
    let id = Regex::new(r#"id="([^"]*)""#)?;
    let mut pages = BTreeMap::new();
    read(out, &mut pages)?;
    let ids: BTreeMap<&PathBuf, BTreeSet<&str>> = pages
        .iter()
        .map(|(path, text)| {
            let found = id.captures_iter(text).filter_map(|found| found.get(1));
            (path, found.map(|found| found.as_str()).collect())
        })
        .collect();
    let mut links = 0;
    for (page, text) in &pages {
        for link in href.captures_iter(text).filter_map(|found| found.get(1)) {
            let link = link.as_str();
            if link.contains(':') {
                continue;
            }
            links += 1;
            let (path, element) = link.split_once('#').unwrap_or((link, ""));
            let file = match path {
                "" => page.clone(),
                path => page.with_file_name(path),
            };
            let file =
                file.canonicalize().with_context(|| format!("{}: {link}", page.display()))?;
            let known =
                ids.get(&file).is_none_or(|ids| element.is_empty() || ids.contains(element));
            ensure!(known, "{}: {link}: no such element", page.display());
        }
    }
    Ok((pages.len(), links))
}

/// Reads all chapters below `folder`.
fn read(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path().canonicalize()?;
        let own = path.file_name().is_some_and(|name| OWN.iter().any(|own| name == *own));
        if path.is_dir() {
            read(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") && !own {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_between_rendered_pages_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(dir.path().join("part")).unwrap();
            fs::write(dir.path().join(name), text).unwrap();
        };
        write("style.css", "");
        write("print.html", r#"<a href="nowhere.html">"#);
        write(
            "one.html",
            r##"<a href="part/two.html#b"><a href="#a" id="a"><a href="https://x">"##,
        );
        write("part/two.html", r#"<p id="b"><img alt="" src="../style.css"><link href="none">"#);
        assert_eq!(follow(dir.path()).unwrap(), (2, 3));
        write("part/two.html", r#"<p id="c">"#);
        assert!(follow(dir.path()).unwrap_err().to_string().contains("two.html#b"));
        fs::remove_file(dir.path().join("part/two.html")).unwrap();
        assert!(follow(dir.path()).unwrap_err().to_string().contains("two.html#b"));
    }
}
