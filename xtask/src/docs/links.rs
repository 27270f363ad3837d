//! Every link in the repository's Markdown leads to a file, and to a heading of it; every page is a
//! chapter of the book, and every other file of `docs/` is linked by one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::markdown::{anchors, links};

/// The book's folder, and its list of chapters there.
pub(super) const BOOK: &str = "docs";
const SUMMARY: &str = "docs/SUMMARY.md";

/// Folders that hold no pages: what is built, what Git keeps, what tests feed to programs.
const PASSED_OVER: [&str; 5] = ["target", "out", ".git", "corpus", "node_modules"];

/// What of the book is mdBook's, and is linked by no page.
const UNLINKED: [&str; 1] = ["docs/book.toml"];

/// All pages, and what of them leads where.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// By path in the repository.
    texts: BTreeMap<PathBuf, String>,
    /// Links to files of the repository, by page.
    leads: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    links: usize,
}

impl Pages {
    /// Reads every page and follows every link; all that lead nowhere are told at once.
    pub(super) fn read(root: &Path) -> Result<Pages> {
        let mut pages = Pages::default();
        let mut files = BTreeSet::new();
        walk(root, Path::new(""), &mut files)?;
        for file in &files {
            if file.extension().is_some_and(|extension| extension == "md") {
                let text =
                    fs::read_to_string(root.join(file)).context(file.display().to_string())?;
                pages.texts.insert(file.clone(), text);
            }
        }
        let mut wrong = Vec::new();
        for (page, text) in &pages.texts {
            for link in links(text) {
                pages.links += 1;
                match pages.follow(root, page, &link.target) {
                    Ok(Some(file)) => {
                        pages.leads.entry(page.clone()).or_default().insert(file);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let place = format!("{}:{}", page.display(), link.line);
                        wrong.push(format!("{place}: {}: {error:#}", link.target));
                    }
                }
            }
        }
        ensure!(wrong.is_empty(), "{} links are wrong:\n{}", wrong.len(), wrong.join("\n"));
        Ok(pages)
    }

    /// How many pages and links there are.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.texts.len(), self.links)
    }

    /// The file of the repository that a link leads to; `None` if it leads out into the world.
    fn follow(&self, root: &Path, page: &Path, target: &str) -> Result<Option<PathBuf>> {
        if target.starts_with("https://") || target.starts_with("mailto:") {
            return Ok(None);
        }
        ensure!(!target.contains("://"), "only https:// is linked");
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let file = match path {
            "" => page.to_owned(),
            path => lead(page, path)?,
        };
        // A rendered book holds what is in its folder, and nothing else.
        ensure!(
            !page.starts_with(BOOK) || file.starts_with(BOOK),
            "a page of the book links to what is not in it; name it without a link"
        );
        ensure!(root.join(&file).exists(), "there is no {}", file.display());
        if !heading.is_empty() {
            let text = self.texts.get(&file).context("only pages have headings")?;
            ensure!(anchors(text).iter().any(|found| found == heading), "no such heading");
        }
        Ok(Some(file))
    }

    /// Wants every page of the book to be a chapter, once, and every other file of it to be linked.
    pub(super) fn chapters(&self, root: &Path) -> Result<usize> {
        let summary = self.texts.get(Path::new(SUMMARY)).context("there is no docs/SUMMARY.md")?;
        let mut chapters = BTreeSet::new();
        for link in links(summary) {
            let chapter = lead(Path::new(SUMMARY), &link.target)?;
            ensure!(chapters.insert(chapter), "{} is a chapter twice", link.target);
        }
        let linked: BTreeSet<&PathBuf> = self.leads.values().flatten().collect();
        let mut files = BTreeSet::new();
        walk(root, Path::new(BOOK), &mut files)?;
        for file in files.iter().filter(|file| *file != Path::new(SUMMARY)) {
            let name = file.display();
            if self.texts.contains_key(file) {
                ensure!(chapters.contains(file), "{name} is no chapter: add it to {SUMMARY}");
            } else if !UNLINKED.iter().any(|other| file == Path::new(other)) {
                ensure!(linked.contains(file), "no page links to {name}");
            }
        }
        Ok(chapters.len())
    }
}

/// The path in the repository of what a page calls `target`.
fn lead(page: &Path, target: &str) -> Result<PathBuf> {
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => bail!("leads out of the repository"),
        }
    }
    Ok(path)
}

/// All files below `folder`, as paths from `root`.
fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    let place = root.join(folder);
    for entry in fs::read_dir(&place).with_context(|| place.display().to_string())? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            found.insert(path);
        } else if !PASSED_OVER.iter().any(|name| entry.file_name() == *name) {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small book; `extra` are more files of it.
    fn book(extra: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("README.md", "[book](docs/one.md#a-heading) [self](#top)\n# Top\n"),
            (SUMMARY, "- [One](one.md)\n- [Two](part/two.md)\n"),
            ("docs/one.md", "# A heading\n[two](part/two.md) [world](https://example.org)\n"),
            ("docs/part/two.md", "![](../picture.svg)\n"),
            ("docs/picture.svg", ""),
            ("docs/book.toml", ""),
        ];
        for (path, text) in files.iter().chain(extra) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_sound_book_passes() {
        let dir = book(&[("target/x.md", "[no](where)")]);
        let pages = Pages::read(dir.path()).unwrap();
        assert_eq!(pages.count(), (4, 7));
        assert_eq!(pages.chapters(dir.path()).unwrap(), 2);
    }

    #[test]
    fn links_that_lead_nowhere_are_told() {
        for (text, says) in [
            ("[x](three.md)", "there is no docs/three.md"),
            ("[x](one.md#b)", "no such heading"),
            ("[x](picture.svg#b)", "only pages"),
            ("[x](../README.md)", "not in it"),
            ("[x](../../x)", "out of the repository"),
            ("[x](http://example.org)", "only https"),
        ] {
            let dir = book(&[("docs/one.md", &format!("# A heading\n{text}\n"))]);
            let error = Pages::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("docs/one.md:2"), "{text}: {error}");
        }
    }

    #[test]
    fn pages_that_are_no_chapters_are_told() {
        for (path, text, says) in [
            ("docs/three.md", "", "no chapter"),
            ("docs/dead.svg", "", "no page links"),
            (SUMMARY, "[One](one.md) [One](one.md) [Two](part/two.md)\n", "twice"),
            (SUMMARY, "[One](one.md)\n", "part/two.md is no chapter"),
        ] {
            let dir = book(&[(path, text)]);
            let pages = Pages::read(dir.path()).unwrap();
            let error = pages.chapters(dir.path()).unwrap_err().to_string();
            assert!(error.contains(says), "{path}: {error}");
        }
    }
}
