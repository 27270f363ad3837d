//! Who asked for a package: the shortest chain of dependencies from a layer to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use osb_apt::deb::Deb;
use osb_apt::relation::{display_alternatives, parse_relations};
use osb_apt::{Lock, LockedPackage};
use osb_unpack::Store;

use crate::error::BuildError;
use crate::job::Job;
use crate::packages;
use crate::plan::Plan;

/// Fields whose packages are installed along (Debian Policy 7.2; Recommends are not followed).
const FOLLOWED: [&str; 2] = ["Pre-Depends", "Depends"];

/// Why a package is in the image.
#[derive(Debug, Clone)]
pub struct PackageWhy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The layer that it is installed in.
    pub layer: String,
    /// The source that it is from, and its suite.
    pub source: String,
    /// Bytes of the .deb.
    pub size: u64,
    /// The layer that asks for the first package of the chain; `None` if that is there because it is
    /// Essential.
    pub asked_by: Option<String>,
    /// From what was asked for to the package: each link needs the next.
    pub chain: Vec<Link>,
    /// All packages of the image that need it directly, sorted.
    pub needed_by: Vec<String>,
}

/// One package of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The package.
    pub package: String,
    /// What it says of the next one, such as `Depends: libc6 (>= 2.38)`; empty for the last.
    pub relation: String,
}

/// What is needed of a package's control fields.
struct Facts {
    essential: bool,
    provides: Vec<String>,
    /// Field, the text of a group of alternatives, the names in it.
    needs: Vec<(&'static str, String, Vec<String>)>,
}

pub(super) fn why(
    job: &Job,
    lock: &Lock,
    plan: &Plan,
    name: &str,
) -> Result<PackageWhy, BuildError> {
    let Some(package) = plan.packages.iter().find(|package| package.name == name) else {
        return Err(unknown(plan, name));
    };
    let facts = all_facts(job, plan)?;
    let graph = Graph::of(&facts);
    let asked = asked(plan);
    let essential = facts.iter().filter(|(_, facts)| facts.essential).map(|(name, _)| *name);
    let starts: Vec<&str> = asked.keys().copied().chain(essential).collect();
    let chain = graph.chain(&starts, name);
    let first = chain.first().map_or(name, |link| link.package.as_str());
    let suite = lock.sources.iter().find(|source| source.name == package.source);
    Ok(PackageWhy {
        name: name.to_owned(),
        version: package.version.clone(),
        layer: package.layer.clone(),
        source: match suite {
            Some(source) if source.suite != source.name => {
                format!("{} ({})", source.name, source.suite)
            }
            _ => package.source.clone(),
        },
        size: package.size,
        asked_by: asked.get(first).map(|layer| (*layer).to_owned()),
        needed_by: graph.needed_by(name),
        chain,
    })
}

/// The packages that layers name, and the first layer that does.
fn asked<'a>(plan: &'a Plan) -> BTreeMap<&'a str, &'a str> {
    let mut asked = BTreeMap::new();
    for planned in &plan.layers {
        for wanted in &planned.layer.packages {
            let name = wanted.split('=').next().unwrap_or(wanted);
            asked.entry(name).or_insert(planned.layer.name.as_str());
        }
    }
    asked
}

fn unknown(plan: &Plan, name: &str) -> BuildError {
    let layers = plan.layers.iter().map(|planned| planned.layer.name.as_str());
    let near: Vec<&str> = plan
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .filter(|known| known.contains(name) || name.contains(known))
        .take(5)
        .collect();
    let near = match near.is_empty() {
        true => String::new(),
        false => format!("; did you mean {}?", near.join(", ")),
    };
    BuildError::Recipe(format!(
        "no layer and no package of the image is called {name:?} (the layers are {}; a path has a \
         slash){near}",
        layers.collect::<Vec<_>>().join(", ")
    ))
}

fn all_facts<'a>(job: &Job, plan: &Plan<'a>) -> Result<BTreeMap<&'a str, Facts>, BuildError> {
    let store = packages::store(job);
    plan.packages
        .iter()
        .map(|package| Ok((package.name.as_str(), facts(&control(job, &store, package)?)?)))
        .collect()
}

/// The control fields, from the package taken apart, or from the .deb.
fn control(
    job: &Job,
    store: &Store,
    package: &LockedPackage,
) -> Result<Vec<(String, String)>, BuildError> {
    if let Ok(package) = store.open(&package.sha256) {
        return Ok(package.fields().to_vec());
    }
    let path = job.cache.deb(&package.sha256);
    if !path.exists() {
        return Err(BuildError::NotBuilt(format!(
            "the cache does not have the package {} {}, which says what it depends on",
            package.name, package.version
        )));
    }
    let control = Deb::open(&path).and_then(|deb| deb.control()).map_err(|source| {
        BuildError::Package { package: format!("{} {}", package.name, package.version), source }
    })?;
    Ok(control.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn facts(fields: &[(String, String)]) -> Result<Facts, BuildError> {
    let field = |name: &str| {
        fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    };
    let groups = |name: &str| {
        let package = field("Package").unwrap_or_default();
        parse_relations(field(name).unwrap_or_default())
            .map_err(|error| BuildError::Recipe(format!("package {package}: {name}: {error}")))
    };
    let mut needs = Vec::new();
    for field in FOLLOWED {
        for group in groups(field)? {
            let names = group.iter().map(|relation| relation.name.clone()).collect();
            needs.push((field, display_alternatives(&group), names));
        }
    }
    Ok(Facts {
        essential: field("Essential") == Some("yes"),
        provides: groups("Provides")?.into_iter().flatten().map(|relation| relation.name).collect(),
        needs,
    })
}

/// Which package of the image needs which, and what it says of it.
struct Graph<'a> {
    needs: BTreeMap<&'a str, Vec<(&'a str, String)>>,
}

impl<'a> Graph<'a> {
    fn of(facts: &'a BTreeMap<&'a str, Facts>) -> Self {
        let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, facts) in facts {
            providers.entry(name).or_default().push(name);
            for provided in &facts.provides {
                providers.entry(provided).or_default().push(name);
            }
        }
        let mut needs: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
        for (name, facts) in facts {
            let found = needs.entry(name).or_default();
            for (field, text, names) in &facts.needs {
                for provider in names.iter().filter_map(|name| providers.get(name.as_str())) {
                    found.extend(provider.iter().map(|p| (*p, format!("{field}: {text}"))));
                }
            }
        }
        Graph { needs }
    }

    /// The shortest chain from one of `starts` to `end`; of several, that from the earliest.
    fn chain(&self, starts: &[&'a str], end: &str) -> Vec<Link> {
        let mut from: BTreeMap<&str, Option<(&str, &str)>> = BTreeMap::new();
        let mut open: VecDeque<&str> = VecDeque::new();
        for start in starts {
            if from.insert(start, None).is_none() {
                open.push_back(start);
            }
        }
        while let Some(package) = open.pop_front() {
            if package == end {
                break;
            }
            for (next, relation) in self.needs.get(package).into_iter().flatten() {
                if !from.contains_key(next) {
                    from.insert(next, Some((package, relation)));
                    open.push_back(next);
                }
            }
        }
        let mut chain = Vec::new();
        let (mut at, mut relation) = (end, "");
        while let Some(before) = from.get(at) {
            chain.push(Link { package: at.to_owned(), relation: relation.to_owned() });
            match before {
                Some((package, said)) => (at, relation) = (package, said),
                None => break,
            }
        }
        chain.reverse();
        chain
    }

    fn needed_by(&self, name: &str) -> Vec<String> {
        let needs_it =
            |needs: &Vec<(&str, String)>| needs.iter().any(|(needed, _)| *needed == name);
        let found: BTreeSet<&str> = self
            .needs
            .iter()
            .filter(|(package, needs)| **package != name && needs_it(needs))
            .map(|(package, _)| *package)
            .collect();
        found.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(depends: &str, provides: &str) -> Facts {
        let fields = [("Package", "x"), ("Depends", depends), ("Provides", provides)];
        facts(&fields.map(|(n, v)| (n.to_owned(), v.to_owned()))).unwrap()
    }

    #[test]
    fn the_shortest_chain_goes_through_virtual_packages() {
        let all = BTreeMap::from([
            ("a", package("b, c (>= 1) | nothing", "")),
            ("b", package("d", "")),
            ("c", package("mail", "")),
            ("d", package("e", "")),
            ("e", package("postfix", "")),
            ("postfix", package("", "mail")),
        ]);
        let graph = Graph::of(&all);
        let chain = graph.chain(&["a"], "postfix");
        let text: Vec<String> =
            chain.iter().map(|link| format!("{} [{}]", link.package, link.relation)).collect();
        assert_eq!(text, ["a [Depends: c (>= 1) | nothing]", "c [Depends: mail]", "postfix []"]);
        assert_eq!(graph.needed_by("postfix"), ["c", "e"]);
        assert_eq!(graph.chain(&["b"], "b").len(), 1);
        assert_eq!(graph.chain(&["postfix"], "a"), []);
    }
}
