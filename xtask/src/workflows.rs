//! What every workflow in `.github/workflows` has to be, beyond what actionlint and zizmor ask for.
//!
//! No rights but those that a job names, an end to every job, and no logic: a step is an action of a
//! pinned commit, or one line that runs a script of `ci` or a task of `xtask` which exist.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Parser;
use serde_json::Value;

/// What is wrong with a workflow; `root` is the repository.
fn problems(root: &Path, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let workflow: Value = match serde_saphyr::from_str(text) {
        Ok(workflow) => workflow,
        Err(error) => return vec![error.to_string()],
    };
    if workflow["permissions"] != Value::Object(serde_json::Map::new()) {
        problems.push("the workflow's own permissions are not {}".to_owned());
    }
    if workflow["concurrency"].is_null() {
        problems.push("no concurrency".to_owned());
    }
    let jobs: BTreeMap<String, Value> =
        serde_json::from_value(workflow["jobs"].clone()).unwrap_or_default();
    if jobs.is_empty() {
        problems.push("no jobs".to_owned());
    }
    for (name, job) in &jobs {
        let mut problem = |text: String| problems.push(format!("{name}: {text}"));
        if !job["permissions"].is_object() {
            problem("no permissions".to_owned());
        }
        if let Some(called) = job["uses"].as_str() {
            if !called.strip_prefix("./").is_some_and(|path| root.join(path).is_file()) {
                problem(format!("{called} is no workflow of this repository"));
            }
            continue;
        }
        if !job["timeout-minutes"].is_u64() {
            problem("no timeout-minutes".to_owned());
        }
        for step in job["steps"].as_array().into_iter().flatten() {
            if let Some(action) = step["uses"].as_str() {
                action_problems(action, step, text, &mut problem);
            }
            if let Some(command) = step["run"].as_str()
                && let Err(text) = command_exists(root, command)
            {
                problem(format!("{command:?}: {text}"));
            }
        }
    }
    problems
}

/// An action is pinned by commit, with its version behind it for people; a checkout keeps no token.
fn action_problems(action: &str, step: &Value, text: &str, problem: &mut impl FnMut(String)) {
    let commit = action.split_once('@').map_or("", |(_, commit)| commit);
    if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        problem(format!("{action} is not pinned by its commit"));
    }
    if !text.contains(&format!("uses: {action} # v")) {
        problem(format!("{action} has no comment with its version"));
    }
    if action.starts_with("actions/checkout@") && step["with"]["persist-credentials"] != false {
        problem("a checkout that keeps the token".to_owned());
    }
}

/// Fails unless a command is one line that runs something of this repository, which exists.
fn command_exists(root: &Path, command: &str) -> Result<(), String> {
    if command.trim_end().contains('\n') || command.contains(['|', ';', '&', '`', '>']) {
        return Err("this is logic: it belongs into a script in ci".to_owned());
    }
    if command.contains("${{") {
        return Err("values come as variables, or a name could be a command".to_owned());
    }
    let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let mut rest = words.as_slice();
    // Some scripts run what follows.
    while let [script, more @ ..] = rest
        && script.starts_with("ci/")
    {
        let mode = fs::metadata(root.join(script)).map_err(|error| error.to_string())?;
        if mode.permissions().mode() & 0o111 == 0 {
            return Err(format!("{script} cannot be run"));
        }
        if !["ci/as-root", "ci/measured"].contains(script) {
            return Ok(());
        }
        rest = more;
    }
    let ["cargo", "xtask", arguments @ ..] = rest else {
        return Err("this is neither a script in ci nor a task of xtask".to_owned());
    };
    let arguments = ["xtask"].iter().chain(arguments);
    crate::Arguments::try_parse_from(arguments).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn workflows_hold_no_logic_and_few_rights() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = crate::host::names(&root.join(".github/workflows"));
    assert!(files.len() >= 3, "{files:?}");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let problems = problems(root, &text);
        assert!(problems.is_empty(), "{}:\n{}", path.display(), problems.join("\n"));
    }
}

#[cfg(test)]
const GOOD: &str = "\
permissions: {}
concurrency: one
jobs:
  test:
    permissions: {contents: read}
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@0123456789012345678901234567890123456789 # v9
        with:
          persist-credentials: false
      - run: ci/prepare
      - run: ci/measured ci/as-root cargo xtask test --image \"$RECIPE\"
";

#[test]
fn what_is_wrong_with_a_workflow_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert_eq!(problems(root, GOOD), [""; 0]);
    for (from, to, told) in [
        ("permissions: {}", "permissions: read-all", "the workflow's own permissions"),
        ("concurrency: one", "", "no concurrency"),
        ("    permissions: {contents: read}\n", "", "test: no permissions"),
        ("    timeout-minutes: 5\n", "", "test: no timeout-minutes"),
        ("@0123456789012345678901234567890123456789 # v9", "@v9", "not pinned"),
        (" # v9", "", "no comment with its version"),
        ("credentials: false", "credentials: true", "keeps the token"),
        ("ci/prepare", "ci/prepares", "No such file"),
        ("ci/prepare", "ci/README.md", "cannot be run"),
        ("ci/prepare", "ci/prepare && reboot", "this is logic"),
        ("ci/prepare", "make", "neither a script"),
        ("\"$RECIPE\"", "${{ inputs.recipe }}", "values come as variables"),
        ("xtask test", "xtask tests", "unrecognized subcommand"),
        ("jobs:", "others:", "no jobs"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let problems = problems(root, &GOOD.replace(from, to)).join("\n");
        assert!(problems.contains(told), "{to:?}: {problems:?}, not {told:?}");
    }
}
