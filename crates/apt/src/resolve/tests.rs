//! Small universes, each made for one rule.

use super::*;
use crate::index::parse_packages;
use crate::mirror::Pin;
use crate::repository::Repository;

/// A stanza from `name version` and further fields.
fn stanza(head: &str, fields: &str) -> String {
    let (name, version) = head.split_once(' ').unwrap();
    let architecture = if fields.contains("Architecture:") { "" } else { "Architecture: arm64\n" };
    let sum = "0".repeat(64);
    format!(
        "Package: {name}\nVersion: {version}\n{architecture}Filename: pool/{name}.deb\nSize: 1\n\
         SHA256: {sum}\n{}\n",
        fields.split("; ").filter(|f| !f.is_empty()).map(|f| format!("{f}\n")).collect::<String>()
    )
}

fn repository(
    name: &str,
    priority: i32,
    pins: &[(&str, i32)],
    text: &[(&str, &str)],
) -> Repository {
    let text: String = text.iter().map(|(head, fields)| stanza(head, fields)).collect();
    Repository {
        name: name.into(),
        base: "http://example.org".into(),
        suite: name.into(),
        priority,
        pins: pins
            .iter()
            .map(|(pattern, priority)| Pin { pattern: (*pattern).into(), priority: *priority })
            .collect(),
        release_sha256: "0".repeat(64),
        date: 0,
        signed_by: String::new(),
        records: parse_packages(&text, name, |_| true).unwrap(),
    }
}

fn universe(packages: &[(&str, &str)]) -> Universe {
    Universe::new(vec![repository("main", 500, &[], packages)]).unwrap()
}

fn request(packages: &[&str]) -> Request {
    Request {
        architecture: "arm64".into(),
        packages: packages.iter().map(|p| (*p).to_owned()).collect(),
        ..Request::default()
    }
}

fn names(chosen: &[Chosen]) -> Vec<&str> {
    chosen.iter().map(|c| c.name.as_str()).collect()
}

/// The names that `packages` bring in, or the error's text.
fn solve_in(universe: &Universe, packages: &[&str]) -> Result<String, String> {
    let result = resolve(universe, &request(packages));
    result.map(|chosen| names(&chosen).join(" ")).map_err(|e| e.to_string())
}

#[test]
fn depends_and_pre_depends_are_followed_and_sorted() {
    let u = universe(&[
        ("z 1", "Depends: m (>= 1), a"),
        ("m 1", "Pre-Depends: b; Recommends: never"),
        ("a 1", ""),
        ("b 1", "Depends: z"),
        ("never 1", ""),
    ]);
    assert_eq!(solve_in(&u, &["z"]).unwrap(), "a b m z");
}

#[test]
fn the_first_alternative_that_is_possible_is_taken() {
    let u = universe(&[
        ("p 1", "Depends: a | b"),
        ("q 1", "Depends: gone | b"),
        ("r 1", "Depends: bad | b"),
        ("bad 1", "Depends: gone"),
        ("a 1", ""),
        ("b 1", ""),
    ]);
    assert_eq!(solve_in(&u, &["p"]).unwrap(), "a p");
    assert_eq!(solve_in(&u, &["q"]).unwrap(), "b q");
    assert_eq!(solve_in(&u, &["r"]).unwrap(), "b r");
}

#[test]
fn an_alternative_that_comes_anyway_is_enough() {
    let u = universe(&[
        ("p 1", "Depends: a | b"),
        ("q 1", "Depends: c"),
        ("c 1", "Depends: b"),
        ("a 1", ""),
        ("b 1", ""),
    ]);
    assert_eq!(solve_in(&u, &["p", "q"]).unwrap(), "b c p q");
}

#[test]
fn virtual_packages_prefer_the_real_one_then_priority_then_name() {
    let packages = [
        ("p 1", "Depends: mta"),
        ("x 1", "Provides: mta; Priority: optional"),
        ("a 1", "Provides: mta; Priority: optional"),
        ("y 1", "Provides: mta; Priority: standard"),
    ];
    assert_eq!(solve_in(&universe(&packages), &["p"]).unwrap(), "p y");
    assert_eq!(solve_in(&universe(&packages[..3]), &["p"]).unwrap(), "a p");
    let with_real = [&packages[..], &[("mta 1", "Priority: extra")]].concat();
    assert_eq!(solve_in(&universe(&with_real), &["p"]).unwrap(), "mta p");
}

#[test]
fn versioned_provides() {
    let u = universe(&[
        ("p 1", "Depends: api (>= 2)"),
        ("q 1", "Depends: api (>= 3)"),
        ("old 9", "Provides: api (= 1)"),
        ("none 9", "Provides: api"),
        ("good 1", "Provides: api (= 2)"),
    ]);
    assert_eq!(solve_in(&u, &["p"]).unwrap(), "good p");
    assert!(solve_in(&u, &["q"]).unwrap_err().contains("q 1 needs api (>= 3)"));
}

#[test]
fn conflicts_and_breaks_count_by_version_and_not_against_oneself() {
    let u = universe(&[
        ("p 1", "Depends: a | b; Breaks: a (<< 2)"),
        ("a 1", ""),
        ("b 1", ""),
        ("self 1", "Provides: mta; Conflicts: mta"),
        ("other 1", "Provides: mta"),
        ("fine 1", "Conflicts: b (<< 1)"),
    ]);
    assert_eq!(solve_in(&u, &["p"]).unwrap(), "b p");
    assert_eq!(solve_in(&u, &["self"]).unwrap(), "self");
    assert_eq!(solve_in(&u, &["fine", "b"]).unwrap(), "b fine");
    let error = solve_in(&u, &["self", "other"]).unwrap_err();
    assert!(error.contains("self 1 conflicts with mta, which is other 1"), "{error}");
}

#[test]
fn going_back_on_a_choice_leaves_nothing_behind() {
    // a is preferred and brings its friend, until c's need for its enemy shows.
    let u = universe(&[
        ("p 1", "Depends: a | b, c | d"),
        ("a 1", "Depends: friend"),
        ("friend 1", "Conflicts: enemy"),
        ("b 1", ""),
        ("c 1", "Depends: enemy | gone"),
        ("d 1", "Depends: enemy"),
        ("enemy 1", ""),
    ]);
    assert_eq!(solve_in(&u, &["p"]).unwrap(), "b c enemy p");
}

#[test]
fn multi_arch_qualifiers() {
    let u = universe(&[
        ("p 1", "Depends: perl:any"),
        ("q 1", "Depends: strict:any"),
        ("r 1", "Depends: strict:arm64, strict:native"),
        ("s 1", "Depends: strict:amd64"),
        ("perl 1", "Multi-Arch: allowed"),
        ("strict 1", ""),
    ]);
    assert_eq!(solve_in(&u, &["p"]).unwrap(), "p perl");
    assert!(solve_in(&u, &["q"]).is_err());
    assert_eq!(solve_in(&u, &["r"]).unwrap(), "r strict");
    assert!(solve_in(&u, &["s"]).is_err());
}

#[test]
fn other_architectures_do_not_count() {
    let u = universe(&[
        ("a 2", "Architecture: amd64"),
        ("a 1", ""),
        ("data 1", "Architecture: all; Depends: a"),
    ]);
    let chosen = resolve(&u, &request(&["data"])).unwrap();
    assert_eq!((chosen[0].version.as_str(), chosen[1].architecture.as_str()), ("1", "all"));
}

#[test]
fn candidates_follow_priorities_pins_and_versions() {
    let stable = [("a 1", ""), ("linux-x 6", ""), ("both 1", "")];
    let backports = [("a 2", ""), ("linux-x 7", ""), ("new 2", ""), ("both 1", "")];
    let u = Universe::new(vec![
        repository("stable", 500, &[], &stable),
        repository("updates", 500, &[], &[("a 1.1", "")]),
        repository("backports", 100, &[("linux-*", 990)], &backports),
        repository("never", -1, &[], &[("hidden 1", "")]),
    ])
    .unwrap();
    let pick = |name: &str| {
        let (repository, record) = u.candidate(name, "arm64")?;
        Some(format!("{} {}", repository.name, record.version))
    };
    assert_eq!(pick("a").as_deref(), Some("updates 1.1"));
    assert_eq!(pick("linux-x").as_deref(), Some("backports 7"));
    assert_eq!(pick("new").as_deref(), Some("backports 2"));
    assert_eq!(pick("both").as_deref(), Some("stable 1"));
    assert_eq!(pick("hidden"), None);
    assert_eq!(pick("a").as_deref(), Some("updates 1.1"));
}

#[test]
fn a_version_by_number_replaces_the_candidate() {
    let u = Universe::new(vec![
        repository("stable", 500, &[], &[("a 1", ""), ("p 1", "Depends: a (>= 2)")]),
        repository("backports", 100, &[], &[("a 2", "")]),
    ])
    .unwrap();
    let error = solve_in(&u, &["p"]).unwrap_err();
    assert!(error.contains("the candidate is a 1 from source stable"), "{error}");
    assert!(error.contains("a=2"), "{error}");
    assert_eq!(solve_in(&u, &["p", "a=2"]).unwrap(), "a p");
    let error = solve_in(&u, &["a=3"]).unwrap_err();
    assert!(error.contains("there is: 2, 1"), "{error}");
    assert!(solve_in(&u, &["a=1", "a=2"]).unwrap_err().contains("version 1 and in version 2"));
}

#[test]
fn favoured_packages_stay() {
    let u = universe(&[("p 1", "Depends: a | b"), ("a 1", ""), ("b 1", "")]);
    let mut wanted = request(&["p"]);
    wanted.favoured = vec![("b".into(), "1".into())];
    assert_eq!(names(&resolve(&u, &wanted).unwrap()), ["b", "p"]);
    wanted.favoured = vec![("b".into(), "2".into())];
    assert!(matches!(resolve(&u, &wanted), Err(ResolveError::NoSuchVersion { .. })));
}

#[test]
fn essential_packages_come_when_asked_for() {
    let u = universe(&[("a 1", ""), ("sh 1", "Essential: yes; Depends: libc"), ("libc 1", "")]);
    let mut wanted = request(&["a"]);
    assert_eq!(names(&resolve(&u, &wanted).unwrap()), ["a"]);
    wanted.essential = true;
    assert_eq!(names(&resolve(&u, &wanted).unwrap()), ["a", "libc", "sh"]);
}

#[test]
fn missing_packages_suggest_names() {
    let u = universe(&[
        ("containerd 1", ""),
        ("conntrack 1", ""),
        ("zsh 1", ""),
        ("linux-image-arm64 1", ""),
    ]);
    let nearest = |name: &str| match resolve(&u, &request(&[name])) {
        Err(ResolveError::Missing { nearest, .. }) => nearest,
        other => panic!("{other:?}"),
    };
    assert_eq!(nearest("contianerd"), ["containerd"]);
    assert_eq!(nearest("linux-image"), ["linux-image-arm64"]);
    assert_eq!(nearest("qqqq"), [""; 0]);
    assert_eq!(nearest("xyz"), [""; 0]);
}

#[test]
fn a_requested_virtual_name_must_be_unambiguous() {
    let u = universe(&[("a 1", "Provides: one, two"), ("b 1", "Provides: two")]);
    assert_eq!(solve_in(&u, &["one"]).unwrap(), "a");
    let error = solve_in(&u, &["two"]).unwrap_err();
    assert!(error.contains("name one of its providers: a, b"), "{error}");
}

#[test]
fn contradictions_are_explained_from_the_request_on() {
    let u = universe(&[
        ("p 1", "Depends: lib (>= 2)"),
        ("lib 1.5", ""),
        ("q 1", "Depends: m"),
        ("m 1", "Depends: gone"),
        ("x 1", "Depends: y"),
        ("y 1", "Conflicts: w (<< 3)"),
        ("v 1", "Depends: w"),
        ("w 2", ""),
        ("choice 1", "Depends: c1 | c2"),
        ("c1 1", "Depends: gone"),
        ("c2 1", "Conflicts: choice"),
    ]);
    assert_eq!(
        solve_in(&u, &["p"]).unwrap_err(),
        "no set of packages fulfils the request:\n  p 1 is requested\n  p 1 needs lib (>= 2)\n  \
         the candidate is lib 1.5 from source main"
    );
    assert_eq!(
        solve_in(&u, &["q"]).unwrap_err(),
        "no set of packages fulfils the request:\n  q 1 is requested\n  q 1 needs m\n  \
         m 1 needs gone\n  no source has gone for arm64"
    );
    assert_eq!(
        solve_in(&u, &["x", "v"]).unwrap_err(),
        "no set of packages fulfils the request:\n  v 1 is requested\n  v 1 needs w\n  \
         x 1 is requested\n  x 1 needs y\n  y 1 conflicts with w (<< 3), which is w 2"
    );
    let error = solve_in(&u, &["choice"]).unwrap_err();
    assert!(error.contains("c1 1 needs gone") && error.contains("c2 1 conflicts"), "{error}");
}

#[test]
fn a_contradiction_in_every_choice_is_explained() {
    let u = universe(&[
        ("p 1", "Depends: a | b"),
        ("a 1", "Depends: x, y"),
        ("b 1", "Depends: y, x"),
        ("x 1", "Conflicts: y"),
        ("y 1", ""),
    ]);
    let error = solve_in(&u, &["p"]).unwrap_err();
    for part in ["p 1 needs a | b", "with a 1:", "with b 1:", "x 1 conflicts with y"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn an_unreadable_field_names_its_package() {
    let u = universe(&[("p 1", "Depends: a (1)"), ("a 1", "")]);
    let error = solve_in(&u, &["p"]).unwrap_err();
    assert!(
        error.contains("package p 1, field Depends") && error.contains("no operator"),
        "{error}"
    );
    let bad = repository("main", 500, &[], &[("p 1", "Provides: -")]);
    assert!(Universe::new(vec![bad]).is_err());
}

/// Random universes: the result fulfils every need, breaks no exclusion, holds nothing that
/// nothing asks for, and is the same every time; "impossible" is checked by trying all subsets.
mod random {
    use super::*;
    use crate::relation::parse_relations;
    use proptest::prelude::*;

    const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

    fn field() -> impl Strategy<Value = String> {
        let name = prop::sample::select(&NAMES[..]);
        let group = prop::collection::vec(name, 1..3).prop_map(|g| g.join(" | "));
        prop::collection::vec(group, 0..3).prop_map(|groups| groups.join(", "))
    }

    fn conflicts() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(&NAMES[..]), 0..2).prop_map(|n| n.join(", "))
    }

    fn valid(set: &BTreeSet<&str>, packages: &[(String, String)]) -> bool {
        NAMES.iter().zip(packages).filter(|(name, _)| set.contains(**name)).all(
            |(name, (depends, conflicts))| {
                let holds = |text: &str| parse_relations(text).unwrap();
                holds(depends).iter().all(|g| g.iter().any(|r| set.contains(r.name.as_str())))
                    && !holds(conflicts)
                        .concat()
                        .iter()
                        .any(|r| r.name != **name && set.contains(r.name.as_str()))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn the_solver_is_sound_and_complete(
            packages in prop::collection::vec((field(), conflicts()), NAMES.len())
        ) {
            let stanzas: Vec<(String, String)> = NAMES
                .iter()
                .zip(&packages)
                .map(|(name, (depends, conflicts))| {
                    let mut fields = Vec::new();
                    if !depends.is_empty() { fields.push(format!("Depends: {depends}")); }
                    if !conflicts.is_empty() { fields.push(format!("Conflicts: {conflicts}")); }
                    (format!("{name} 1"), fields.join("; "))
                })
                .collect();
            let borrowed: Vec<(&str, &str)> =
                stanzas.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let u = universe(&borrowed);
            let possible = (0u32..1 << NAMES.len()).any(|bits| {
                let set: BTreeSet<&str> =
                    (0..NAMES.len()).filter(|i| bits & 1 << i != 0).map(|i| NAMES[i]).collect();
                set.contains("a") && valid(&set, &packages)
            });
            match resolve(&u, &request(&["a"])) {
                Ok(chosen) => {
                    let set: BTreeSet<&str> = names(&chosen).into_iter().collect();
                    prop_assert!(set.contains("a") && valid(&set, &packages));
                    prop_assert_eq!(resolve(&u, &request(&["a"])).unwrap(), chosen);
                }
                Err(ResolveError::Unsatisfiable { reason }) => {
                    prop_assert!(!possible && !reason.is_empty());
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}

/// The stanzas of these tests all have one digest: only the architecture tells them apart.
#[test]
fn what_is_kept_is_for_the_architecture_of_the_request() {
    let foreign = [("a 1", "Architecture: amd64"), ("a 2", "Architecture: arm64")];
    let universe = universe(&foreign);
    let kept = [("a".to_owned(), "0".repeat(64))].into();
    let chosen = resolve(&universe, &Request { kept, ..request(&["a"]) }).unwrap();
    assert_eq!((&chosen[0].version[..], &chosen[0].architecture[..]), ("2", "arm64"));
}
