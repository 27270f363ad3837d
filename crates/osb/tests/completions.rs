//! `osb completions`: the shells themselves read what it prints.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // in helpers, too: a failed one is a failed test

use std::process::Command;

fn script(shell: &str) -> String {
    let osb = assert_cmd::cargo::cargo_bin("osb");
    let output = Command::new(osb).args(["completions", shell]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `shell -c` prints, with `FILE` for the script's path; `None`, said aloud, where there is no
/// such shell.
fn ask(shell: &str, arguments: &[&str], commands: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("osb.completions");
    std::fs::write(&file, script(shell)).unwrap();
    let mut command = Command::new(shell);
    command.args(arguments).arg(commands.replace("FILE", &file.display().to_string()));
    let Ok(output) = command.output() else {
        eprintln!("SKIPPED: there is no {shell} on this machine");
        return None;
    };
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn bash_completes_commands_options_and_values() {
    let complete = |words: &str| {
        let commands = format!(
            ". FILE; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             last=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n\
             _osb osb \"$last\" \"$before\"; echo \"${{COMPREPLY[@]}}\""
        );
        ask("bash", &["--norc", "-c"], &commands).map(|text| text.trim().to_owned())
    };
    for (words, expected) in [
        ("osb bui", "build"),
        ("osb build --lock", "--locked"),
        ("osb build --only ro", "rootfs"),
        ("osb vault exp", "export"),
        // What is not for users is not offered.
        ("osb tool", ""),
    ] {
        let Some(found) = complete(words) else { return };
        assert_eq!(found, expected, "{words}");
    }
}

#[test]
fn zsh_and_fish_read_theirs() {
    // zsh's defines a function and, outside of a completion, hands it to compdef.
    if let Some(found) = ask("zsh", &["-f", "-c"], "compdef() { echo $1 }; . FILE") {
        assert_eq!(found, "_osb\n");
    }
    let commands = "source FILE; complete --do-complete 'osb bui'";
    if let Some(found) = ask("fish", &["--no-config", "-c"], commands) {
        assert!(found.starts_with("build"), "{found}");
    }
}

#[test]
fn programs_get_an_object() {
    let osb = assert_cmd::cargo::cargo_bin("osb");
    let output = Command::new(osb).args(["--json", "completions", "fish"]).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["event"], "completions");
    assert_eq!(value["shell"], "fish");
    assert!(value["script"].as_str().unwrap().contains("complete -c osb"), "{value}");
}
