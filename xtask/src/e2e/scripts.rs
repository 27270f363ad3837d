//! The bootstrap repository: what a node may run, and what it must not.
//!
//! The good commit is the template of `osb init --bootstrap`, filled in, with two steps of the test's
//! own behind it. The others are small: their `setup.sh` says what the node was told, and no more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use osb_boot::Tools;

use super::git::{Commit, File, Files, Id, Repository, compressed, object_path};
use crate::project::Project;
use crate::steps::{capture, show};

/// Where the repository is below the server's root.
pub(super) const PATH: &str = "/git/bootstrap.git";
/// How the `setup.sh` of [`Scripts::broken`] ends.
pub(super) const BROKEN: &str = "setup.sh ended with code 7";

/// A key that signs commits.
#[derive(Debug)]
pub(super) struct Signer {
    key: PathBuf,
}

impl Signer {
    /// The one that is kept in `folder`; made if there is none.
    pub(super) fn kept(tools: &Tools, folder: &Path, name: &str) -> Result<Self> {
        let key = folder.join(name);
        if !key.exists() {
            let mut keygen = tools.command("ssh-keygen")?;
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key);
            show(&mut keygen)?;
        }
        Ok(Self { key })
    }

    /// Its line of an `allowed_signers` file.
    pub(super) fn allowed(&self) -> Result<String> {
        Ok(format!("ops@example.org {}", fs::read_to_string(self.key.with_extension("pub"))?))
    }

    fn sign(&self, tools: &Tools, commit: Commit) -> Result<Commit> {
        let folder = tempfile::tempdir()?;
        let payload = folder.path().join("payload");
        fs::write(&payload, commit.payload())?;
        let mut keygen = tools.command("ssh-keygen")?;
        keygen.args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(&self.key).arg(&payload);
        capture(&mut keygen)?;
        Ok(commit.signed(&fs::read_to_string(payload.with_extension("sig"))?))
    }
}

/// All commits.
#[derive(Debug)]
pub(super) struct Scripts {
    repository: Repository,
    /// Signed, and older than [`Scripts::floor`].
    pub(super) ancient: Id,
    /// The oldest that the image lets run.
    pub(super) floor: Id,
    /// The template.
    pub(super) good: Id,
    /// Small, signed; its `setup.sh` fails.
    pub(super) broken: Id,
    /// Small and good, newer than [`Scripts::broken`].
    pub(super) mended: Id,
    /// Without a signature.
    pub(super) unsigned: Id,
    /// Signed by a key that nobody allowed.
    pub(super) strange: Id,
    /// Changed after it was signed.
    pub(super) forged: Id,
}

impl Scripts {
    /// Makes them; `server` is the address and port at which guests find the server.
    pub(super) fn new(
        project: &Project,
        tools: &Tools,
        signers: [&Signer; 2],
        server: &str,
    ) -> Result<Self> {
        let [signer, stranger] = signers;
        let mut repository = Repository::default();
        let small = small("");
        let sign = |commit| signer.sign(tools, commit);
        let draft = repository.draft(&small, None, "ancient")?;
        let ancient = repository.commit(&sign(draft)?)?;
        let draft = repository.draft(&small, Some(&ancient), "floor")?;
        let floor = repository.commit(&sign(draft)?)?;
        let draft = repository.draft(&template(project, server)?, Some(&floor), "template")?;
        let good = repository.commit(&sign(draft)?)?;
        let draft = repository.draft(&self::small("exit 7\n"), Some(&floor), "broken")?;
        let broken = repository.commit(&sign(draft)?)?;
        let draft = repository.draft(&small, Some(&broken), "mended")?;
        let forged = repository.commit(&sign(draft.clone())?.forged("forged\n"))?;
        let strange = repository.commit(&stranger.sign(tools, draft.clone())?)?;
        let unsigned = repository.commit(&draft)?;
        let mended = repository.commit(&sign(draft)?)?;
        Ok(Self { repository, ancient, floor, good, broken, mended, unsigned, strange, forged })
    }

    /// What the server has to serve for the branch to be at `tip`.
    pub(super) fn served(&self, tip: &Id) -> BTreeMap<String, Arc<[u8]>> {
        let files = self.repository.served(tip).into_iter();
        files.map(|(path, bytes)| (format!("{PATH}/{path}"), bytes.into())).collect()
    }

    /// The same with other bytes in place of the tip's object.
    pub(super) fn tampered(&self, tip: &Id) -> Result<BTreeMap<String, Arc<[u8]>>> {
        let mut served = self.served(tip);
        let other = b"commit 6\0tamper";
        served.insert(format!("{PATH}/{}", object_path(tip)), compressed(other)?.into());
        Ok(served)
    }
}

/// Files that a node can run, and that know every machine.
fn small(end: &str) -> Files {
    let nodes =
        "nodes: []\ndefault: { role: worker, hostname_prefix: worker-, auto_register: true }\n";
    let setup = format!("{}{end}", include_str!("guest/setup.sh"));
    Files::from([
        ("config/nodes.yaml".to_owned(), File { executable: false, bytes: nodes.into() }),
        ("setup.sh".to_owned(), File { executable: true, bytes: setup.into() }),
    ])
}

/// The template of `osb init --bootstrap`, filled in as its README says.
fn template(project: &Project, server: &str) -> Result<Files> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("bootstrap");
    capture(project.osb(&["init", "--quiet", "--bootstrap"]).arg(&target))?;
    let mut files = Files::new();
    read(&target, "", &mut files)?;
    let steps = [
        ("scripts/05-container.sh", include_str!("guest/05-container.sh")),
        ("scripts/06-report.sh", include_str!("guest/06-report.sh")),
    ];
    for (path, text) in steps {
        files.insert(path.to_owned(), File { executable: true, bytes: text.into() });
    }
    let values = [
        ("k8s.example.org:6443", server.to_owned()),
        ("https://config.example.org/join", format!("https://{server}/join")),
    ];
    for (from, to) in values {
        fill_in(&mut files, "config/cluster-config.yaml", from, &to)?;
    }
    Ok(files)
}

fn fill_in(files: &mut Files, path: &str, from: &str, to: &str) -> Result<()> {
    if let Some(file) = files.get_mut(path) {
        let text = String::from_utf8(file.bytes.clone())?;
        ensure!(text.contains(from), "{path} of the template has no {from}");
        file.bytes = text.replace(from, to).into_bytes();
    }
    Ok(())
}

/// Reads a folder's files.
fn read(folder: &Path, below: &str, files: &mut Files) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| anyhow::anyhow!("{name:?}"))?;
        let path = format!("{below}{name}");
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{path}/"), files)?;
        } else {
            let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
            files.insert(path, File { executable, bytes: fs::read(entry.path())? });
        }
    }
    Ok(())
}
