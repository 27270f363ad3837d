//! Programs that run beside the configuration of other packages.
//!
//! `dpkg --configure` does one thing after the other. A program that takes seconds and whose output
//! nobody reads until the layer is finished need not hold it up: a folder before all others in
//! `PATH` has a script of its name that starts it and returns. Calls are run one after the other,
//! in their order; the layer waits for all of them and fails if one does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::BuildError;

/// depmod(8) reads all kernel modules, which are compressed: four to eight seconds. py3compile(1)
/// compiles the modules of one package, a hundred starts of python for cloud-init and what it needs:
/// who imports them meanwhile compiles for itself, and is overwritten.
const PROGRAMS: [&str; 2] = ["usr/sbin/depmod", "usr/bin/py3compile"];

/// Starts the program of its own name as the next job. A job holds the lock on its file `.lock`
/// until it is done and has left its exit code in `.status`. Other descriptors are closed: debconf
/// and others wait until nobody holds the other end.
const START: &str = r#"#!/bin/sh
set -e
cd /run/osb-background
PATH=${PATH#*:}
name=${0##*/}
last=$(cat last)
job=$((last + 1))
echo $job >last
exec 9>$job.lock
flock 9
{
    flock $last.lock true
    code=0
    (cd / && "$name" "$@") 9>&- >$job.log 2>&1 || code=$?
    echo "$code $name ${DPKG_MAINTSCRIPT_PACKAGE:-the layer}" >$job.status
} </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- &
"#;

/// Runs its arguments, then waits for the jobs that they have started.
const RUN: &str = r#"#!/bin/sh
mkdir /run/osb-background
echo 0 >/run/osb-background/last
"$@"
result=$?
cd /run/osb-background
job=0
while [ $job -lt $(cat last) ]; do
    job=$((job + 1))
    flock $job.lock true
    code=
    read -r code name package <$job.status
    if [ "$code" != 0 ]; then
        cat $job.log
        echo "$name, run in the background for $package, failed with exit code $code"
        result=1
    fi
done
cd /
rm -rf /run/osb-background
exit $result
"#;

/// Where the sandbox shows the folder, as a name below `/run/osb`.
pub(crate) const NAME: &str = "background";
/// The program that runs its arguments and waits.
pub(crate) const RUNNER: &str = "/run/osb/background/run";
/// `PATH` with the folder.
pub(crate) const PATH: &str =
    "/run/osb/background:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes into `folder` the scripts for those programs that one of `roots` has: who asks for
/// another must not find it.
pub(crate) fn prepare(folder: &Path, roots: &[PathBuf]) -> Result<(), BuildError> {
    let has = |path: &&str| roots.iter().any(|root| fs::symlink_metadata(root.join(path)).is_ok());
    let names = PROGRAMS.iter().filter(|path| has(path)).filter_map(|path| path.rsplit('/').next());
    let scripts = names.map(|name| (name, START)).chain([("run", RUN)]);
    for (name, text) in scripts {
        let path = folder.join(name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(BuildError::io("writing", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Runs `script` as a layer would, with `depmod` being this one.
    fn run(depmod: &str, script: &str) -> (bool, String) {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["background", "bin"] {
            fs::create_dir(at(folder)).unwrap();
        }
        let jobs = at("jobs").display().to_string();
        let put = |name: &str, text: &str| {
            fs::write(at(name), text.replace("/run/osb-background", &jobs)).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).unwrap();
        };
        put("background/depmod", START);
        put("background/run", RUN);
        put("bin/depmod", &format!("#!/bin/sh\n{depmod}\n"));
        let path = format!("{}:{}:/usr/bin:/bin", at("background").display(), at("bin").display());
        let output = Command::new(at("background/run"))
            .args(["sh", "-c", script])
            .env("PATH", path)
            .env("OUT", at("out"))
            .output()
            .unwrap();
        assert!(!at("jobs").exists());
        let out = fs::read_to_string(at("out")).unwrap_or_default();
        (output.status.success(), out + &String::from_utf8_lossy(&output.stdout))
    }

    #[test]
    fn jobs_run_in_order_beside_the_rest_and_are_waited_for() {
        let (ok, out) =
            run("sleep 0.2; echo \"job $1\" >>$OUT", "depmod 'a b'; depmod 2; echo rest >>$OUT");
        assert!(ok);
        assert_eq!(out, "rest\njob a b\njob 2\n");
    }

    #[test]
    fn a_failed_job_fails_the_whole() {
        let (ok, out) = run("echo no modules; exit 3", "depmod; exit 0");
        assert!(!ok);
        assert!(out.contains("no modules") && out.contains("depmod") && out.contains('3'), "{out}");
        assert!(run("exit 0", "depmod").0);
        assert!(!run("exit 0", "exit 7").0, "the program's own failure counts, too");
    }
}
