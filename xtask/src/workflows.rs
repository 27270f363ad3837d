//! What every workflow in `.github/workflows` has to be, beyond what actionlint and zizmor ask for.
//!
//! No rights but those that a job names, an end to every job, and no logic: a step is an action of a
//! pinned commit, or one line that runs a script of `ci` or a task of `xtask` which exist. The files
//! are read as lines, in the form that they are written in here; whether they are YAML, and mean
//! something to GitHub, is actionlint's to say.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Parser;

/// What is wrong with a workflow; `root` is the repository.
fn problems(root: &Path, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let (head, jobs) = text.split_once("\njobs:\n").unwrap_or((text, ""));
    if !head.lines().any(|line| line == "permissions: {}") {
        problems.push("the workflow's own permissions are not {}".to_owned());
    }
    if !head.lines().any(|line| line.starts_with("concurrency:")) {
        problems.push("no concurrency".to_owned());
    }
    let jobs = blocks(jobs, "  ");
    if jobs.is_empty() {
        problems.push("no jobs".to_owned());
    }
    for job in jobs {
        let name = job[0].trim().trim_end_matches(':');
        let mut problem = |text: String| problems.push(format!("{name}: {text}"));
        let has = |key: &str| job.iter().any(|line| line.starts_with(&format!("    {key}:")));
        if !has("permissions") {
            problem("no permissions".to_owned());
        }
        // A job that calls another workflow has that one's steps and ends.
        if !has("uses") && !has("timeout-minutes") {
            problem("no timeout-minutes".to_owned());
        }
        for line in &job {
            let (key, value) =
                line.trim_start_matches([' ', '-']).split_once(": ").unwrap_or_default();
            match key {
                "uses" => action_problems(root, value, &job, &mut problem),
                "run" => {
                    if let Err(text) = command_exists(root, value) {
                        problem(format!("{value:?}: {text}"));
                    }
                }
                _ => {}
            }
        }
    }
    problems
}

/// The parts of a text that begin with a line of exactly this indentation, without comments.
fn blocks<'a>(text: &'a str, indentation: &str) -> Vec<Vec<&'a str>> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let begins = line.strip_prefix(indentation).is_some_and(|rest| !rest.starts_with(' '));
        match blocks.last_mut() {
            Some(block) if !begins => block.push(line),
            _ if begins => blocks.push(vec![line]),
            _ => {}
        }
    }
    blocks
}

/// An action is pinned by commit, with its version behind it for people; a checkout keeps no token; a
/// workflow that is called is one of this repository.
fn action_problems(root: &Path, action: &str, job: &[&str], problem: &mut impl FnMut(String)) {
    let (action, comment) = action.split_once(" # ").unwrap_or((action, ""));
    if let Some(path) = action.strip_prefix("./") {
        if !root.join(path).is_file() {
            problem(format!("there is no {path}"));
        }
        return;
    }
    let commit = action.split_once('@').map_or("", |(_, commit)| commit);
    if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        problem(format!("{action} is not pinned by its commit"));
    }
    if !comment.starts_with('v') {
        problem(format!("{action} has no comment with its version"));
    }
    if action.starts_with("actions/checkout@") {
        let step = job.iter().skip_while(|line| !line.contains(action));
        let mut step =
            step.enumerate().take_while(|(n, line)| *n == 0 || !line.starts_with("      -"));
        if !step.any(|(_, line)| line.trim() == "persist-credentials: false") {
            problem("a checkout that keeps the token".to_owned());
        }
    }
}

/// Fails unless a command is one line that runs something of this repository, which exists.
fn command_exists(root: &Path, command: &str) -> Result<(), String> {
    if command.contains(['|', ';', '&', '`', '>']) {
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

#[test]
fn documentation_shows_the_actions_that_are_used_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let own: String =
        crate::host::names(&root.join(".github/workflows")).iter().map(|path| read(path)).collect();
    let page = read(&root.join("docs/cookbook/ci.md"));
    let shown: Vec<&str> = page
        .lines()
        .filter_map(|line| line.split_once("uses: "))
        .map(|(_, action)| action)
        .collect();
    assert!(!shown.is_empty());
    for action in shown {
        assert!(own.contains(action), "docs/cookbook/ci.md: no workflow uses {action}");
    }
}

const GOOD: &str = "\
permissions: {}
concurrency: one
jobs:
  test:
    permissions:
      contents: read
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
        ("    permissions:\n      contents: read\n", "", "test: no permissions"),
        ("    timeout-minutes: 5\n", "", "test: no timeout-minutes"),
        ("@0123456789012345678901234567890123456789 # v9", "@v9", "not pinned"),
        (" # v9", "", "no comment with its version"),
        ("credentials: false", "credentials: true", "keeps the token"),
        ("ci/prepare", "ci/prepares", "No such file"),
        ("ci/prepare", "ci/README.md", "cannot be run"),
        ("ci/prepare", "ci/prepare && reboot", "this is logic"),
        ("ci/prepare", "|\n          ci/prepare", "this is logic"),
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
