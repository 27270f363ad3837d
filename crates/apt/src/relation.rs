//! Relations between packages: the syntax of `Depends`, `Conflicts`, `Provides` and their like.
//!
//! Debian Policy, section 7.1: groups separated by commas, alternatives in a group separated by
//! `|`, each `name[:qualifier] [(operator version)] [[architectures]] [<profiles>]...`.

use std::fmt;

use crate::version::Version;

/// How a version has to relate to the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=` (and the obsolete `<`)
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=` (and the obsolete `>`)
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// Whether `version` relates to `named` in this way.
    pub fn holds(self, version: &Version, named: &Version) -> bool {
        match self {
            Operator::Earlier => version < named,
            Operator::EarlierOrEqual => version <= named,
            Operator::Equal => version == named,
            Operator::LaterOrEqual => version >= named,
            Operator::Later => version > named,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        }
    }
}

/// One package named in a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The name of a real or a virtual package.
    pub name: String,
    /// What follows a colon: `any`, `native` or an architecture.
    pub qualifier: Option<String>,
    /// The versions that count; all if absent.
    pub version: Option<(Operator, Version)>,
    /// The architectures in brackets, as written (`!arm64` excludes); empty if there are none.
    pub architectures: Vec<String>,
    /// Build profiles, one list for each pair of angle brackets.
    pub profiles: Vec<Vec<String>>,
}

/// Packages of which one is enough, in order of preference.
pub type Alternatives = Vec<Relation>;

/// What is wrong with a relation field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {reason}")]
pub struct RelationError {
    /// The relation that cannot be read.
    pub text: String,
    /// Why.
    pub reason: String,
}

impl Relation {
    /// Whether `version` counts.
    pub fn accepts(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|(operator, named)| operator.holds(version, named))
    }

    /// Whether the relation has a meaning for packages of `architecture` when no build profile is
    /// active. Binary packages carry relations without restrictions; others may.
    pub fn applies_to(&self, architecture: &str) -> bool {
        let listed = |entry: &String| match entry.as_str() {
            "any" | "linux-any" => true,
            name => name == architecture || name.strip_prefix("any-") == Some(architecture),
        };
        let excluded = |entry: &String| entry.strip_prefix('!').is_some_and(|e| listed(&e.into()));
        let negative = self.architectures.first().is_some_and(|e| e.starts_with('!'));
        let architecture_fits = match negative {
            true => !self.architectures.iter().any(excluded),
            false => self.architectures.is_empty() || self.architectures.iter().any(listed),
        };
        // <!x> holds without profiles, <x> does not; one list in which all hold is enough.
        let profile_fits = self.profiles.is_empty()
            || self.profiles.iter().any(|list| list.iter().all(|term| term.starts_with('!')));
        architecture_fits && profile_fits
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((operator, version)) = &self.version {
            write!(f, " ({} {version})", operator.as_str())?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", self.architectures.join(" "))?;
        }
        for list in &self.profiles {
            write!(f, " <{}>", list.join(" "))?;
        }
        Ok(())
    }
}

/// `a | b (>= 1)`.
pub fn display_alternatives(alternatives: &[Relation]) -> String {
    alternatives.iter().map(Relation::to_string).collect::<Vec<_>>().join(" | ")
}

/// Reads a whole field: groups of alternatives, all of which have to be fulfilled.
///
/// Empty groups, as trailing commas make them, are passed over, as dpkg does.
///
/// # Errors
/// The first relation that does not follow the syntax.
pub fn parse_relations(field: &str) -> Result<Vec<Alternatives>, RelationError> {
    field
        .split(',')
        .filter(|group| !group.trim().is_empty())
        .map(|group| group.split('|').map(parse_relation).collect())
        .collect()
}

/// Reads one relation.
fn parse_relation(text: &str) -> Result<Relation, RelationError> {
    let text = text.trim();
    let refuse = |reason: &str| RelationError { text: text.to_owned(), reason: reason.to_owned() };
    let blank = |c: char| c.is_ascii_whitespace();
    let end = text.find(|c| blank(c) || "([<".contains(c)).unwrap_or(text.len());
    let (head, mut rest) = (&text[..end], text[end..].trim_start());
    let (name, qualifier) = match head.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (head, None),
    };
    if !is_name(name) {
        return Err(refuse("there is no proper package name"));
    }
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !qualifier.is_none_or(word) {
        return Err(refuse("there is no proper architecture after the colon"));
    }
    let mut relation = Relation {
        name: name.to_owned(),
        qualifier: qualifier.map(str::to_owned),
        version: None,
        architectures: Vec::new(),
        profiles: Vec::new(),
    };
    // Each part appears in this order, and only profiles more than once.
    if let Some((inner, after)) = bracketed(rest, '(', ')').map_err(refuse)? {
        let (operator, version) = parse_operator(inner.trim()).map_err(refuse)?;
        let version = Version::parse(version.trim()).map_err(|e| refuse(&e.to_string()))?;
        relation.version = Some((operator, version));
        rest = after;
    }
    let words = |inner: &str| inner.split_ascii_whitespace().map(str::to_owned).collect();
    if let Some((inner, after)) = bracketed(rest, '[', ']').map_err(refuse)? {
        relation.architectures = words(inner);
        rest = after;
    }
    while let Some((inner, after)) = bracketed(rest, '<', '>').map_err(refuse)? {
        relation.profiles.push(words(inner));
        rest = after;
    }
    if !rest.is_empty() {
        return Err(refuse("something follows that is not understood"));
    }
    if relation.architectures.iter().chain(relation.profiles.iter().flatten()).any(|w| {
        !w.strip_prefix('!')
            .unwrap_or(w)
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    }) {
        return Err(refuse("an architecture or a profile is not a word"));
    }
    Ok(relation)
}

/// Policy 5.6.1 asks for lower case and two characters; older and foreign repositories have more.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// What is between brackets at the start of `text`, and what follows.
fn bracketed(text: &str, open: char, close: char) -> Result<Option<(&str, &str)>, &'static str> {
    let Some(inner) = text.strip_prefix(open) else { return Ok(None) };
    match inner.split_once(close) {
        Some((inner, _)) if inner.trim().is_empty() => Err("a pair of brackets is empty"),
        Some((inner, after)) => Ok(Some((inner, after.trim_start()))),
        None => Err("a bracket is not closed"),
    }
}

fn parse_operator(text: &str) -> Result<(Operator, &str), &'static str> {
    for (written, operator) in [
        ("<<", Operator::Earlier),
        ("<=", Operator::EarlierOrEqual),
        (">>", Operator::Later),
        (">=", Operator::LaterOrEqual),
        // Policy 7.1: the single forms are obsolete and mean "or equal".
        ("<", Operator::EarlierOrEqual),
        (">", Operator::LaterOrEqual),
        ("=", Operator::Equal),
    ] {
        if let Some(version) = text.strip_prefix(written) {
            return Ok((operator, version));
        }
    }
    Err("the version has no operator")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Relation {
        let mut groups = parse_relations(text).unwrap();
        assert_eq!((groups.len(), groups[0].len()), (1, 1));
        groups.remove(0).remove(0)
    }

    #[test]
    fn everything_at_once() {
        let text = "a (>= 1) | b:any [arm64 !x] <!nocheck> <x y>, c(<<2:1.0-1~),\n d,";
        let groups = parse_relations(text).unwrap();
        assert_eq!(groups.len(), 3);
        assert_eq!(
            groups.iter().map(|g| display_alternatives(g)).collect::<Vec<_>>(),
            ["a (>= 1) | b:any [arm64 !x] <!nocheck> <x y>", "c (<< 2:1.0-1~)", "d"]
        );
        assert_eq!(parse_relations(" , ").unwrap(), Vec::<Alternatives>::new());
    }

    #[test]
    fn operators() {
        let v = |t: &str| Version::parse(t).unwrap();
        for (text, below, equal, above) in [
            ("x (<< 2)", true, false, false),
            ("x (<= 2)", true, true, false),
            ("x (< 2)", true, true, false),
            ("x (= 2)", false, true, false),
            ("x (>= 2)", false, true, true),
            ("x (> 2)", false, true, true),
            ("x (>> 2)", false, false, true),
            ("x", true, true, true),
        ] {
            let relation = one(text);
            let got = [v("1"), v("2"), v("3")].map(|version| relation.accepts(&version));
            assert_eq!(got, [below, equal, above], "{text}");
        }
    }

    #[test]
    fn restrictions() {
        for (text, expected) in [
            ("x", true),
            ("x [arm64]", true),
            ("x [amd64 arm64]", true),
            ("x [amd64]", false),
            ("x [!arm64]", false),
            ("x [!amd64]", true),
            ("x [linux-any]", true),
            ("x <stage1>", false),
            ("x <!stage1>", true),
            ("x <stage1> <!nocheck !cross>", true),
        ] {
            assert_eq!(one(text).applies_to("arm64"), expected, "{text}");
        }
    }

    #[test]
    fn bad_relations_name_themselves() {
        for (text, expected) in [
            ("a, | b", "no proper package name"),
            ("-a", "no proper package name"),
            ("a:", "after the colon"),
            ("a (1)", "no operator"),
            ("a (>= )", "not a Debian version"),
            ("a (>= 1", "not closed"),
            ("a ()", "empty"),
            ("a b", "not understood"),
            ("a (= 1) (= 2)", "not understood"),
            ("a [é]", "not a word"),
        ] {
            let error = parse_relations(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    fn relation() -> impl Strategy<Value = String> {
        (
            "[a-z0-9][a-z0-9+.-]{1,8}(:any|:native|:arm64)?",
            proptest::option::of("(<<|<=|=|>=|>>) ([0-9]:)?[0-9][0-9a-z.+~]{0,5}(-[0-9]{1,2})?"),
            proptest::option::of("!?(arm64|amd64)"),
            proptest::collection::vec("!?(nocheck|stage1)", 0..3),
        )
            .prop_map(|(name, version, architecture, profiles)| {
                let mut text = name;
                text.extend(version.map(|v| format!(" ({v})")));
                text.extend(architecture.map(|a| format!(" [{a}]")));
                text.extend(profiles.iter().map(|p| format!(" <{p}>")));
                text
            })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_was_read(
            groups in proptest::collection::vec(proptest::collection::vec(relation(), 1..4), 1..5)
        ) {
            let text: Vec<String> = groups.iter().map(|g| g.join(" | ")).collect();
            let parsed = parse_relations(&text.join(", ")).unwrap();
            let printed: Vec<String> = parsed.iter().map(|g| display_alternatives(g)).collect();
            prop_assert_eq!(printed, text);
        }

        #[test]
        fn arbitrary_text_does_not_panic(text in ".{0,40}") {
            let _ = parse_relations(&text);
        }

        #[test]
        fn arbitrary_syntax_does_not_panic(text in "[a(<>=)!|,:\\[\\] 1é]{0,20}") {
            let _ = parse_relations(&text);
        }
    }
}
