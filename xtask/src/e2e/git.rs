//! Git objects, made by hand, and the files of a repository that is served as it lies there ("dumb"
//! HTTP, gitprotocol-http(5)): no Git is needed on this machine, and what shall be wrong can be made
//! wrong to the byte.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest, Sha1};

/// An object's id, in hex.
pub(super) type Id = String;

/// The one branch.
const BRANCH: &str = "refs/heads/main";
/// Who and when: the same commits have the same ids in every run.
const PERSON: &str = "Operator <ops@example.org> 1700000000 +0000";

/// A file of a commit.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) executable: bool,
    pub(super) bytes: Vec<u8>,
}

/// The files of a commit, by their paths.
pub(super) type Files = BTreeMap<String, File>;

/// All objects, compressed as they lie in a repository, by id.
#[derive(Debug, Default)]
pub(super) struct Repository {
    objects: BTreeMap<Id, Vec<u8>>,
}

/// A commit's text, before and after it is signed.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    headers: String,
    message: String,
}

impl Commit {
    /// What a signature is made of.
    pub(super) fn payload(&self) -> String {
        format!("{}\n{}", self.headers, self.message)
    }

    /// With a signature in the place where Git has it (gitformat-signature(5)).
    pub(super) fn signed(mut self, signature: &str) -> Self {
        let lines: Vec<&str> = signature.trim_end().lines().collect();
        self.headers += &format!("gpgsig {}\n", lines.join("\n "));
        self
    }

    /// With another message, and the signature of the first.
    pub(super) fn forged(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }
}

impl Repository {
    /// A commit of these files, not yet one of the repository.
    pub(super) fn draft(
        &mut self,
        files: &Files,
        parent: Option<&Id>,
        message: &str,
    ) -> Result<Commit> {
        let entries: Vec<(&str, &File)> =
            files.iter().map(|(path, file)| (path.as_str(), file)).collect();
        let tree = self.tree(&entries)?;
        let parent = parent.map(|id| format!("parent {id}\n")).unwrap_or_default();
        let headers = format!("tree {tree}\n{parent}author {PERSON}\ncommitter {PERSON}\n");
        Ok(Commit { headers, message: format!("{message}\n") })
    }

    /// Makes a commit one of the repository.
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<Id> {
        self.object("commit", commit.payload().as_bytes())
    }

    /// The paths below a repository's URL, with the branch at `tip`.
    pub(super) fn served(&self, tip: &Id) -> BTreeMap<String, Vec<u8>> {
        let objects = self.objects.iter().map(|(id, bytes)| (object_path(id), bytes.clone()));
        objects
            .chain([
                ("HEAD".to_owned(), format!("ref: {BRANCH}\n").into_bytes()),
                ("info/refs".to_owned(), format!("{tip}\t{BRANCH}\n").into_bytes()),
            ])
            .collect()
    }

    /// A folder, from entries that are sorted by path.
    fn tree(&mut self, entries: &[(&str, &File)]) -> Result<Id> {
        let mut lines: Vec<(Vec<u8>, String, Id)> = Vec::new();
        let mut rest = entries;
        while let Some((path, file)) = rest.first() {
            let Some((folder, _)) = path.split_once('/') else {
                let mode = if file.executable { "100755" } else { "100644" };
                let id = self.object("blob", &file.bytes)?;
                lines.push((path.as_bytes().to_vec(), format!("{mode} {path}"), id));
                rest = &rest[1..];
                continue;
            };
            let below =
                |path: &'_ str| path.strip_prefix(folder).is_some_and(|p| p.starts_with('/'));
            let count = rest.iter().take_while(|(path, _)| below(path)).count();
            let inner: Vec<(&str, &File)> = rest[..count]
                .iter()
                .map(|(path, file)| (&path[folder.len() + 1..], *file))
                .collect();
            // Git sorts a folder as if its name ended with a slash.
            let id = self.tree(&inner)?;
            lines.push((format!("{folder}/").into_bytes(), format!("40000 {folder}"), id));
            rest = &rest[count..];
        }
        lines.sort();
        let mut bytes = Vec::new();
        for (_, head, id) in lines {
            bytes.extend(head.bytes().chain([0]));
            bytes.extend(hex::decode(id)?);
        }
        self.object("tree", &bytes)
    }

    fn object(&mut self, kind: &str, content: &[u8]) -> Result<Id> {
        let mut bytes = format!("{kind} {}\0", content.len()).into_bytes();
        bytes.extend(content);
        let id = hex::encode(Sha1::digest(&bytes));
        self.objects.insert(id.clone(), compressed(&bytes)?);
        Ok(id)
    }
}

/// Where an object lies.
pub(super) fn object_path(id: &Id) -> String {
    format!("objects/{}/{}", &id[..2], &id[2..])
}

/// zlib, as objects are stored.
pub(super) fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, executable: bool) -> File {
        File { executable, bytes: text.into() }
    }

    /// The ids are those that Git 2.39 gives: `git hash-object`, `git write-tree`, `git commit-tree`.
    #[test]
    fn ids_are_those_of_git() {
        let mut repository = Repository::default();
        let files = Files::from([
            ("a-b".to_owned(), file("x\n", false)),
            ("a/run".to_owned(), file("#!/bin/sh\n", true)),
            ("a.b".to_owned(), file("", false)),
        ]);
        let draft = repository.draft(&files, None, "first").unwrap();
        let id = repository.commit(&draft).unwrap();
        assert_eq!(
            draft.headers.lines().next().unwrap(),
            "tree 318cdc23f16310b20504a0660feaaddee4b81fe0"
        );
        assert_eq!(id, "98a51b252692d1c61aed63cccf4dc00a20d6659d");
    }

    #[test]
    fn a_signature_stands_between_headers_and_message() {
        let commit = Commit { headers: "tree 1\n".into(), message: "m\n".into() };
        assert_eq!(commit.payload(), "tree 1\n\nm\n");
        let signed = commit.signed("-----BEGIN\nabc\n-----END\n");
        assert_eq!(signed.payload(), "tree 1\ngpgsig -----BEGIN\n abc\n -----END\n\nm\n");
    }
}
