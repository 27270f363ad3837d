//! `osb vault`: everything that a lock names, kept.

use std::path::Path;

use osb_builder::{Export, FileKind, Import, VaultReport};
use serde_json::{Value, json};

use crate::cli::{Global, Vault, VaultAction, VaultExport};
use crate::environment;
use crate::exit::Failure;
use crate::format;
use crate::output::Output;

pub(crate) fn run(global: &Global, arguments: &Vault, output: &Output) -> Result<(), Failure> {
    match &arguments.action {
        VaultAction::Export(arguments) => export(global, arguments, output),
        VaultAction::Import(arguments) => {
            let cache = environment::cache_folder(global.cache_dir.as_deref())?;
            import(&arguments.source, Some(&cache), arguments.lock.as_deref(), output)
        }
        VaultAction::Verify(arguments) => import(&arguments.source, None, None, output),
    }
}

fn export(global: &Global, arguments: &VaultExport, output: &Output) -> Result<(), Failure> {
    let options = super::options(global, &arguments.project, output)?;
    let request = Export {
        destination: &arguments.destination,
        all_hosts: arguments.all_hosts,
        dry_run: arguments.dry_run,
    };
    let report = osb_builder::vault_export(&options, &request, &|event| output.event(&event))?;
    let verb = if report.written { "written" } else { "would be written" };
    output.result(&machine("export", &report), &people(&report, verb));
    Ok(())
}

fn import(
    source: &Path,
    cache: Option<&Path>,
    lock: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let interrupted = output.clone();
    let cancel = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    let request = Import { source, cache, lock, cancel: &cancel };
    let report = osb_builder::vault_import(&request, &|event| output.event(&event))?;
    let (action, verb) = match cache {
        Some(_) => ("import", "checked and imported"),
        None => ("verify", "every file is what the index says"),
    };
    output.result(&machine(action, &report), &people(&report, verb));
    Ok(())
}

fn people(report: &VaultReport, verb: &str) -> String {
    let mut parts = Vec::new();
    for (kind, what) in [
        (FileKind::Package, "package"),
        (FileKind::Artifact, "artifact"),
        (FileKind::Release, "file of signed Releases"),
    ] {
        let (count, bytes) = report.sum(kind);
        if count > 0 || kind == FileKind::Package {
            let what = match (kind, count) {
                (FileKind::Release, 2..) => format!("{count} files of signed Releases"),
                _ => format::count(count, what),
            };
            parts.push(format!("{what} ({})", format::bytes(bytes)));
        }
    }
    let index = &report.index;
    format!(
        "{}: {verb}: {}, the lock; image {}, tools for {}",
        report.path.display(),
        parts.join(", "),
        index.arch,
        index.hosts.join(", ")
    )
}

fn machine(action: &str, report: &VaultReport) -> Value {
    let index = &report.index;
    let lock = index.files.iter().find(|file| file.kind == FileKind::Lock);
    json!({
        "event": "vault",
        "action": action,
        "path": report.path,
        "written": report.written,
        "arch": index.arch,
        "hosts": index.hosts,
        "files": index.files.len(),
        "bytes": index.bytes(),
        "packages": report.sum(FileKind::Package).0,
        "artifacts": report.sum(FileKind::Artifact).0,
        "lock_sha256": lock.map(|file| &file.sha256),
    })
}
