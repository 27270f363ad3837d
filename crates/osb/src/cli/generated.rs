//! `crates/osb/generated`: manual pages and completions, made from the definition of the command
//! line and committed, so that packages of osb are made without running it. `OSB_UPDATE_GOLDEN=1`
//! writes them anew, which is what `cargo xtask dist generate` does.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::aot::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::Cli;

/// Paths below `generated/`, and what is to be there.
type Files = BTreeMap<PathBuf, Vec<u8>>;

#[test]
fn the_committed_files_are_those_of_the_definition() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    let files = generate();
    if std::env::var_os("OSB_UPDATE_GOLDEN").is_some() {
        write(&folder, &files).unwrap();
    }
    for part in ["man", "completions"] {
        let committed: Vec<PathBuf> = fs::read_dir(folder.join(part))
            .into_iter()
            .flatten()
            .map(|entry| Path::new(part).join(entry.unwrap().file_name()))
            .collect();
        for path in committed.iter().chain(files.keys().filter(|path| path.starts_with(part))) {
            let is = fs::read(folder.join(path)).ok();
            let path = path.as_path();
            assert!(
                is.as_ref() == files.get(path),
                "crates/osb/generated/{} is stale: run `cargo xtask dist generate`",
                path.display()
            );
        }
    }
}

/// Writes all files, and removes what else is there.
fn write(folder: &Path, files: &Files) -> io::Result<()> {
    for part in ["man", "completions"] {
        match fs::remove_dir_all(folder.join(part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(folder.join(part))?,
        }
    }
    files.iter().try_for_each(|(path, bytes)| fs::write(folder.join(path), bytes))
}

fn generate() -> Files {
    let mut files = Files::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let name = match shell {
            Shell::Zsh => "_osb",
            Shell::Fish => "osb.fish",
            _ => "osb.bash",
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut visible(Cli::command()), "osb", &mut script);
        files.insert(Path::new("completions").join(name), script);
    }
    // `osb help build` is `osb build --help`, and neither needs a page.
    let mut root = visible(Cli::command()).disable_help_subcommand(true);
    root.build();
    pages(&root, None, &mut files).unwrap();
    files
}

/// The command without what is not for users: generators do not all leave hidden commands out.
fn visible(command: Command) -> Command {
    // For its option to be there; no page has the number, or a new one would change all of them.
    let mut bare = Command::new("osb").version("0").propagate_version(true);
    let subcommands: Vec<Command> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    for argument in command.get_arguments() {
        bare = bare.arg(argument.clone());
    }
    if let Some(about) = command.get_about() {
        bare = bare.about(about.clone());
    }
    if let Some(help) = command.get_after_help() {
        bare = bare.after_help(help.clone());
    }
    bare.subcommand_required(true).subcommands(subcommands)
}

/// The page of a command, and those of the commands below it.
fn pages(command: &Command, above: Option<&str>, files: &mut Files) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let headed =
        command.clone().subcommand_help_heading("COMMANDS").subcommand_value_name("COMMAND");
    let man = Man::new(headed).source("osb").manual("osb manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    after_help(&help).to_writer(&mut page)?;
    let mut others: Vec<String> = above.map(str::to_owned).into_iter().collect();
    others.extend(command.get_subcommands().map(|below| format!("{name}-{}", below.get_name())));
    see_also(&others).to_writer(&mut page)?;
    let page = tidy(&String::from_utf8_lossy(&page)).into_bytes();
    files.insert(Path::new("man").join(man.get_filename()), page);
    command.get_subcommands().try_for_each(|below| pages(below, Some(name), files))
}

/// A page of several parts as one.
fn tidy(parts: &str) -> String {
    // Every part begins with the same definition of an apostrophe; once is enough.
    let preamble = Roff::new().render();
    let mut page = preamble.clone();
    for line in parts.replace(&preamble, "").lines() {
        for c in line.trim_end().chars() {
            // groff without man's preprocessor reads ASCII (groff_char(7)).
            match c.is_ascii() {
                true => page.push(c),
                false => page.push_str(&format!("\\[u{:04X}]", u32::from(c))),
            }
        }
        page.push('\n');
    }
    page
}

/// What stands after the options in `--help`: examples as they are, other paragraphs as text.
fn after_help(help: &str) -> Roff {
    let mut page = Roff::new();
    let mut in_notes = false;
    for paragraph in help.split("\n\n") {
        if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
            page.control("SH", ["EXAMPLES"]).control("EX", []);
            for line in examples.lines() {
                page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
            page.control("EE", []);
            continue;
        }
        let text = match paragraph.strip_prefix("Exit codes: ") {
            Some(codes) => {
                page.control("SH", ["EXIT STATUS"]);
                codes
            }
            None if in_notes => {
                page.control("PP", []);
                paragraph
            }
            None => {
                in_notes = true;
                page.control("SH", ["NOTES"]);
                paragraph
            }
        };
        for line in text.lines() {
            page.text([roman(line)]);
        }
    }
    page
}

fn see_also(pages: &[String]) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["SEE ALSO"]);
    for (i, name) in pages.iter().enumerate() {
        let comma = if i + 1 == pages.len() { "" } else { "," };
        page.text([bold(name.as_str()), roman(format!("(1){comma}"))]);
    }
    page
}
