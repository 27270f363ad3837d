//! Programs that run beside the configuration of other packages.
//!
//! `dpkg --configure` does one thing after the other. A program that takes seconds and whose output
//! nobody reads until the layer is finished need not hold it up: a folder before all others in
//! `PATH` has a script of its name that starts it and returns. Calls are run one after the other,
//! in their order; the layer waits for all of them and fails if one does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::error::BuildError;
use crate::job::Job;

/// depmod(8) reads all kernel modules, which are compressed: four to eight seconds.
const PROGRAMS: [&str; 1] = ["depmod"];

/// Starts the program of its own name. A job is a file in `/run/osb-background`; it is done when
/// there is one with its name and `.status`. Descriptors are closed: debconf and others wait until
/// nobody holds the other end.
const START: &str = r#"#!/bin/sh
set -e
cd /run/osb-background
PATH=${PATH#*:}
name=${0##*/}
last=$(cat last)
job=$((last + 1))
echo $job >last
{
    while [ $last -gt 0 ] && [ ! -e $last.status ]; do sleep 0.02; done
    code=0
    (cd / && "$name" "$@") >$job.log 2>&1 || code=$?
    echo "$code $name" >$job.new
    mv $job.new $job.status
} </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
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
    while [ ! -e $job.status ]; do sleep 0.02; done
    read -r code name <$job.status
    if [ $code != 0 ]; then
        cat $job.log
        echo "$name, run in the background, failed with exit code $code"
        result=1
    fi
done
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

/// Writes the scripts; returns their folder.
pub(crate) fn folder(job: &Job) -> Result<PathBuf, BuildError> {
    let folder = job.cache.scratch("background")?;
    let scripts = PROGRAMS.into_iter().map(|name| (name, START)).chain([("run", RUN)]);
    for (name, text) in scripts {
        let path = folder.join(name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(BuildError::io("writing", path))?;
    }
    Ok(folder)
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
