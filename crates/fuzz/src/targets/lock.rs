//! `osb.lock`: what is written is read back.

use osb_apt::Lock;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "lock",
    about: "osb.lock; what is written is read back",
    run,
    seeds,
    words: &[
        "version = 1\n",
        "version = 2\n",
        "tool_inputs = ",
        "[[layer]]\n",
        "wants = [\"a\"]\n",
        "[[artifact]]\n",
        "url = \"https://a/b\"\n",
        "[[source]]\n",
        "[[package]]\n",
        "[[tool]]\n",
        "architecture = \"arm64\"\n",
        "inputs = ",
        "name = ",
        "suite = ",
        "release_sha256 = ",
        "date = ",
        "path = ",
        "size = ",
        "sha256 = ",
        "layer = ",
        "set = ",
        "host = ",
        "\\U0000000A",
        "'''",
        "\"\"\"",
    ],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(lock) = Lock::parse(text) else { return };
    let written = lock.to_toml();
    let again = Lock::parse(&written).unwrap();
    assert_eq!(again, lock);
    assert_eq!(again.to_toml(), written, "equal locks have equal texts");
    assert!(lock.diff(&again).is_empty());
}

fn seeds() -> Vec<Vec<u8>> {
    let digest = "0".repeat(64);
    let head = format!("version = 1\narchitecture = \"arm64\"\ninputs = \"{digest}\"\n");
    let source = format!(
        "[[source]]\nname = \"d\"\nsuite = \"s\"\nrelease_sha256 = \"{digest}\"\ndate = 0\n"
    );
    let package = format!(
        "[[package]]\nname = \"p#\"\nversion = \"1\"\narchitecture = \"all\"\nsource = \"d\"\n\
         path = \"p\"\nsize = 1\nsha256 = \"{digest}\"\nlayer = \"base\"\n"
    );
    let tool = package.replace("[[package]]", "[[tool]]\nset = \"boot\"\nhost = \"amd64\"");
    let tool = tool.replace("layer = \"base\"\n", "").replace('#', "");
    let real = include_str!("../../../../osb.lock");
    let start = real.match_indices("\n[[package]]").nth(8).map_or(real.len(), |(at, _)| at);
    let mut seeds = texts(["version = 3", &real[..start], &format!("{head}{source}{tool}")]);
    let with_source = format!("{head}{source}");
    let new = head.replace("version = 1", &format!("version = 2\ntool_inputs = \"{digest}\""));
    let new_source = source.replace("date", &format!("inputs = \"{digest}\"\ndate"));
    let layer = "[[layer]]\nname = \"base\"\nwants = [\"a\", \"b=1\"]\n";
    let artifact = format!(
        "[[artifact]]\nlayer = \"base\"\nurl = \"https://a/b\"\nsize = 1\nsha256 = \"{digest}\"\n"
    );
    let deb =
        package.replace("\"d\"", "\"artifact\"").replace("path = \"p\"", "path = \"https://a/p\"");
    let whole = format!("{new}{layer}{new_source}{}{artifact}", deb.replace('#', ""));
    seeds.extend(texts([whole.as_str()]));
    seeds.extend([
        long(&with_source, &package, ""),
        long("a = ", "[", ""),
        long("a", ".a", " = 1"),
        long("", "[a#]\n", ""),
        long("version = 1 #", "\"\\u0041", ""),
    ]);
    seeds
}
