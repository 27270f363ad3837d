//! Locks written, read, damaged and compared.

use super::*;

fn package(name: &str, version: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: version.into(),
        architecture: "arm64".into(),
        sha256: "ab".repeat(32),
        size: 12,
        path: format!("pool/main/{name}.deb"),
        source: "debian".into(),
        layer: "base".into(),
    }
}

fn tool(set: &str, host: &str, name: &str) -> LockedTool {
    let package = LockedPackage { layer: String::new(), ..package(name, "1") };
    LockedTool { set: set.into(), host: host.into(), package }
}

fn lock() -> Lock {
    let source = |name: &str, date| LockedSource {
        name: name.into(),
        suite: "trixie".into(),
        inputs: Some("12".repeat(32)),
        release_sha256: "cd".repeat(32),
        date,
    };
    Lock {
        version: LOCK_VERSION,
        architecture: "arm64".into(),
        inputs: "ef".repeat(32),
        tool_inputs: Some("34".repeat(32)),
        layers: vec![LockedLayer {
            name: "base".into(),
            wants: vec!["a".into(), "b=2".into()],
            debs: Vec::new(),
        }],
        artifacts: vec![LockedArtifact {
            layer: "base".into(),
            url: "https://example.org/x.tar.gz".into(),
            sha256: "56".repeat(32),
            size: 5,
        }],
        sources: vec![source("debian", 1_700_000_000), source("updates", 1_600_000_000)],
        packages: vec![package("a", "1:1.0-1"), package("b", "2")],
        tools: vec![tool("boot", "amd64", "qemu"), tool("build", "amd64", "dash")],
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let lock = lock();
    let text = lock.to_toml();
    assert_eq!(Lock::parse(&text).unwrap(), lock);
    assert_eq!(Lock::parse(&text).unwrap().to_toml(), text);
    assert!(text.contains("date = 1700000000 # 2023-11-14\n"), "{text}");
    assert_eq!(lock.newest_date(), 1_700_000_000);
}

#[test]
fn order_does_not_depend_on_how_it_was_made() {
    let mut shuffled = lock();
    shuffled.packages.reverse();
    shuffled.tools.reverse();
    assert_eq!(shuffled.to_toml(), lock().to_toml());
}

#[test]
fn sources_stay_in_the_order_of_the_recipe() {
    let mut other = lock();
    other.sources.reverse();
    assert_eq!(Lock::parse(&other.to_toml()).unwrap().sources, other.sources);
}

#[test]
fn bad_values_name_file_and_line() {
    let good = lock().to_toml();
    for (from, to, expected) in [
        ("pool/main/b.deb", "../../etc/passwd", "not a path"),
        ("pool/main/b.deb", "/etc/passwd", "not a path"),
        ("pool/main/b.deb", "pool//b", "not a path"),
        ("version = \"2\"", "version = \"2_\"", "not a Debian version"),
        ("name = \"b\"", "name = \"../b\"", "not a plain word"),
        ("name = \"b\"", "name = \"a\"", "twice"),
        ("name = \"b\"", "nmae = \"b\"", "unknown field"),
        ("layer = \"base\"\n\n[[artifact", "\n[[artifact", "missing field"),
        ("size = 12\nsha256", "size = 0\nsha256", "size is 0"),
        ("size = 12\nsha256", "size = -1\nsha256", "invalid value"),
        ("source = \"debian\"", "source = \"other\"", "no source"),
    ] {
        // The last occurrence before the artifacts, which is in package b.
        let tools = good.find("[[artifact]]").unwrap() + 12;
        let position = good[..tools].rfind(from).unwrap();
        let bad = format!("{}{to}{}", &good[..position], &good[position + from.len()..]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("osb.lock");
        std::fs::write(&path, &bad).unwrap();
        let error = Lock::read(&path).unwrap_err().to_string();
        let first = good[..good.find("name = \"b\"").unwrap()].lines().count();
        let prefix = format!("{}:", path.display());
        let line: usize =
            error.strip_prefix(&prefix).and_then(|e| e.split(':').next()).unwrap().parse().unwrap();
        assert!(error.contains(expected), "{error}");
        assert!((first..first + 10).contains(&line), "{error}, b begins at {first}");
    }
    let upper = good.replacen("ab", "AB", 1);
    let error = Lock::parse(&upper).unwrap_err().to_string();
    assert!(error.contains("line") && error.contains("SHA-256"), "{error}");
}

#[test]
fn another_format_is_told_apart() {
    let other = lock().to_toml().replace("version = 2\n", "version = 3\nnew_thing = 1\n");
    let error = Lock::parse(&other).unwrap_err().to_string();
    assert!(error.contains("format 3"), "{error}");
    assert!(Lock::parse("").is_err() && Lock::parse("version = \"x\"").is_err());
    assert!(Lock::read(Path::new("/nonexistent/osb.lock")).is_err());
}

#[test]
fn format_1_is_read_and_lacks_what_it_lacks() {
    let text = lock().to_toml().replace("version = 2\n", "version = 1\n");
    let keep = |line: &&str| !line.starts_with("tool_inputs") && *line != "[[layer]]";
    let text: String = text.lines().filter(keep).map(|line| format!("{line}\n")).collect();
    let inputs = format!("inputs = \"{}\"\n", "12".repeat(32));
    let wants = "name = \"base\"\nwants = [\n    \"a\",\n    \"b=2\",\n]\n";
    let artifact = text.find("[[artifact]]").unwrap()..text.find("[[tool]]").unwrap();
    let text = text.replace(&text[artifact], "").replace(&inputs, "").replace(wants, "");
    let old = Lock::parse(&text).unwrap();
    assert_eq!((old.version, old.tool_inputs.as_ref(), old.layers.len()), (1, None, 0));
    assert_eq!(old.packages, lock().packages);
    // The new format must have it.
    let error = Lock::parse(&text.replace("version = 1\n", "version = 2\n")).unwrap_err();
    assert!(error.to_string().contains("missing field `tool_inputs`"), "{error}");
}

#[test]
fn artifacts_are_urls_and_packages_may_be_some() {
    let mut with = lock();
    with.packages[0].source = ARTIFACT_SOURCE.into();
    with.packages[0].path = "https://example.org/a.deb".into();
    with.layers[0].debs.push("https://example.org/a.deb".into());
    assert_eq!(Lock::parse(&with.to_toml()).unwrap(), with);
    for bad in ["ftp://example.org/a.deb", "pool/a.deb", "https://example.org/a b.deb"] {
        with.packages[0].path = bad.into();
        assert!(Lock::parse(&with.to_toml()).is_err(), "{bad}");
    }
}

#[test]
fn changes_are_listed() {
    let old = lock();
    let mut new = lock();
    assert_eq!(old.diff(&new), []);
    new.packages[0].version = "1:1.1-1".into();
    new.packages[1].sha256 = "99".repeat(32);
    new.packages.push(package("c", "3"));
    new.tools[1].package.version = "0.9".into();
    new.sources[1].suite = "trixie-security".into();
    new.packages[2].source = "updates".into();
    new.artifacts[0].sha256 = "77".repeat(32);
    new.tools.remove(0);
    new.sources[0].date += 86_400;
    let shown: Vec<String> = old.diff(&new).iter().map(Change::to_string).collect();
    assert_eq!(
        shown,
        [
            "artifact https://example.org/x.tar.gz: 565656565656 → 777777777777",
            "package a: 1:1.0-1 → 1:1.1-1",
            "package b: 2 (abababababab) → 2 (999999999999)",
            "package c: new, 3",
            "source debian: 2023-11-14 → 2023-11-15",
            "tool (boot, amd64) qemu: gone, was 1",
            "tool (build, amd64) dash: 1 → 0.9 (older)",
        ]
    );
    let changes = old.diff(&new);
    assert_eq!((changes[1].security, changes[1].suite.as_str()), (false, "trixie"));
    assert_eq!((changes[3].security, changes[3].suite.as_str()), (true, "trixie-security"));
    assert_eq!((changes[3].size_from, changes[3].size_to), (0, 12));
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,80}") {
        let _ = Lock::parse(&text);
    }

    #[test]
    fn any_cut_of_a_lock_is_survived(cut in 0usize..1500) {
        let text = lock().to_toml();
        let _ = Lock::parse(text.get(..cut).unwrap_or(&text));
    }
}
