//! Upstream Kubernetes: a real build with kubelet and its kin from one more signed source.
//!
//! The Kubernetes project's repository is played by a flat one that is made here, signed and
//! served on this machine: its packages are small, everything around them is real.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use osb_testrepo::{Deb, Key, Server, Suite, TestRepo, serve};

use crate::project::Project;
use crate::steps::{Steps, capture, show};
use crate::test::clear;

const VERSION: &str = "1.36.2";

/// Builds the tree with `kubernetes.upstream` and looks at what was locked and installed.
pub(crate) fn check(steps: &mut Steps, project: &Project, recipe: &Path) {
    steps.run("kubernetes.upstream", || {
        let own = project.work.join("kubernetes");
        clear(&own)?;
        let folder = recipe.parent().context("the recipe lies in a folder")?;
        show(Command::new("cp").arg("-a").arg(folder).arg(&own))?;
        let (repository, key) = repository();
        let server = serve(repository.path());
        let report = build(project, &own, &server, &key)?;
        let last = report.lines().last().context("osb reports at the end")?;
        let report: serde_json::Value = serde_json::from_str(last)?;
        ensure!(report["kubernetes"] == VERSION, "the report says {}", report["kubernetes"]);
        let metadata = std::fs::read_to_string(own.join("out/metadata.json"))?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
        ensure!(metadata["kubernetes"] == VERSION, "metadata says {}", metadata["kubernetes"]);
        let packages = metadata["packages"].as_array().context("metadata lists packages")?;
        let upstream = packages.iter().filter(|package| package["source"] == "kubernetes").count();
        ensure!(upstream == 4, "{upstream} packages come from the source kubernetes, not 4");
        Ok(((), format!("Kubernetes {VERSION}, {upstream} packages of its source")))
    });
}

/// What stands in for the Kubernetes project's repository, and the key that signed it.
pub(crate) fn repository() -> (TestRepo, Key) {
    let key = Key::new(36);
    let repository = TestRepo::new();
    let mut suite = Suite::flat("/").architectures(&["arm64", "amd64"]).signed_by(&key);
    for name in ["kubeadm", "kubelet", "kubectl", "cri-tools"] {
        let deb = Deb::new(name, &format!("{VERSION}-1.1"), "arm64")
            .directory("usr", 0o755)
            .directory("usr/bin", 0o755)
            .file(&format!("usr/bin/{name}"), 0o755, "#!/bin/sh\nexit 0\n");
        suite = suite.package("", deb);
    }
    repository.write(&suite);
    repository.put("Release.key", key.armored().as_bytes());
    (repository, key)
}

/// The settings of a recipe that take the packages from there.
pub(crate) fn settings(server: &Server, key: &Key) -> [String; 3] {
    let url = server.url();
    [
        format!("kubernetes.repository={url}/"),
        format!("kubernetes.key={url}/Release.key"),
        format!("kubernetes.fingerprint={}", key.fingerprint()),
    ]
}

fn build(project: &Project, own: &Path, server: &Server, key: &Key) -> Result<String> {
    let mut command = project.osb(&["--json", "build", "--only", "rootfs", "--recipe"]);
    command.arg(own.join("osb.toml")).arg("--output").arg(own.join("out"));
    command.args(["--set", "kubernetes.upstream=1.36"]);
    for setting in settings(server, key) {
        command.args(["--set", &setting]);
    }
    capture(&mut command)
}
