//! A request as a small, closed problem: which packages could matter, what each needs, what it
//! excludes. Everything about names, versions, virtual packages and architectures is settled here;
//! solver and explanations only see numbered nodes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};

use super::Request;
use super::error::ResolveError;
use crate::relation::{Alternatives, Relation, display_alternatives, parse_relations};
use crate::universe::{RecordId, Universe};

/// Packages of which one has to be installed.
pub(crate) struct Need {
    /// As written, for messages.
    pub(crate) relation: Alternatives,
    /// The nodes that fulfil it, the preferred first.
    pub(crate) options: Vec<usize>,
}

/// A package that must not be installed together with this one.
pub(crate) struct Exclusion {
    /// The other package.
    pub(crate) node: usize,
    /// The node whose field says so.
    pub(crate) declared_by: usize,
    /// "conflicts with" or "breaks".
    pub(crate) verb: &'static str,
    /// What the field names.
    pub(crate) relation: String,
}

/// A package that could be installed.
pub(crate) struct Node {
    pub(crate) id: RecordId,
    pub(crate) needs: Vec<Need>,
    pub(crate) excludes: Vec<Exclusion>,
}

/// A request with all packages that could matter for it.
pub(crate) struct Problem<'u> {
    pub(crate) universe: &'u Universe,
    pub(crate) architecture: &'u str,
    /// Needs of the request itself: one option each.
    pub(crate) roots: Vec<Need>,
    pub(crate) nodes: Vec<Node>,
    by_id: HashMap<RecordId, usize>,
    /// Versions that are fixed by number.
    fixed: HashMap<&'u str, RecordId>,
    /// Those that stay as they are.
    kept: HashMap<&'u str, RecordId>,
}

impl<'u> Problem<'u> {
    /// Follows everything that the request could lead to.
    pub(crate) fn build(
        universe: &'u Universe,
        request: &'u Request,
    ) -> Result<Problem<'u>, ResolveError> {
        let mut problem = Problem {
            universe,
            architecture: &request.architecture,
            roots: Vec::new(),
            nodes: Vec::new(),
            by_id: HashMap::new(),
            fixed: HashMap::new(),
            kept: HashMap::new(),
        };
        for (name, sha256) in &request.kept {
            if let Some(id) = universe.by_digest(name, sha256, &request.architecture) {
                problem.kept.insert(name, id);
            }
        }
        for (name, version) in &request.favoured {
            problem.fix(name, version)?;
        }
        for package in &request.packages {
            if let Some((name, version)) = package.split_once('=') {
                problem.fix(name, version)?;
            }
        }
        let mut names: BTreeSet<&str> = request.favoured.iter().map(|(n, _)| n.as_str()).collect();
        if request.essential {
            names.extend(universe.names().filter(|name| {
                problem.candidate(name).is_some_and(|id| universe.record(id).essential)
            }));
        }
        let mut wanted: Vec<RecordId> =
            names.into_iter().filter_map(|name| problem.candidate(name)).collect();
        for package in &request.packages {
            let name = package.split_once('=').map_or(package.as_str(), |(name, _)| name);
            wanted.push(problem.requested(name)?);
        }
        let mut queue = VecDeque::new();
        for id in wanted {
            let node = problem.node(id, &mut queue);
            if !problem.roots.iter().any(|need| need.options == [node]) {
                let name = universe.record(id).name.clone();
                let relation = parse_relations(&name).map(|groups| groups.concat());
                problem
                    .roots
                    .push(Need { relation: relation.unwrap_or_default(), options: vec![node] });
            }
        }
        while let Some(node) = queue.pop_front() {
            problem.nodes[node].needs = problem.needs(node, &mut queue)?;
        }
        for node in 0..problem.nodes.len() {
            problem.exclude(node)?;
        }
        Ok(problem)
    }

    /// The nodes of `solution` that the request really leads to. A solver that went back on a
    /// choice may have kept what only that choice needed.
    pub(crate) fn reachable(&self, solution: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut queue: Vec<&Need> = self.roots.iter().collect();
        while let Some(need) = queue.pop() {
            let Some(node) = need.options.iter().find(|node| solution.contains(node)) else {
                continue;
            };
            if found.insert(*node) {
                queue.extend(&self.nodes[*node].needs);
            }
        }
        found
    }

    /// Name and version, for messages.
    pub(crate) fn label(&self, node: usize) -> String {
        let record = self.universe.record(self.nodes[node].id);
        format!("{} {}", record.name, record.version)
    }

    /// The package that is installed if anything of this name is.
    pub(crate) fn candidate(&self, name: &str) -> Option<RecordId> {
        let fixed = self.fixed.get(name).or_else(|| self.kept.get(name)).copied();
        fixed.or_else(|| self.universe.candidate_id(name, self.architecture))
    }

    /// The package of this name that stays as it is, if there is a better one.
    pub(crate) fn kept_back(&self, name: &str) -> Option<RecordId> {
        let kept = self.kept.get(name).copied()?;
        let best = self.universe.candidate_id(name, self.architecture)?;
        (best != kept && self.candidate(name) == Some(kept)).then_some(best)
    }

    /// Fixes the version of a package.
    fn fix(&mut self, name: &'u str, version: &str) -> Result<(), ResolveError> {
        let (universe, architecture) = (self.universe, self.architecture);
        let kept = self.kept.get(name).copied();
        let kept = kept.filter(|id| universe.record(*id).version.as_str() == version);
        let Some(id) = kept.or_else(|| universe.exact(name, version, architecture)) else {
            let versions = universe.versions(name, architecture);
            if versions.is_empty() {
                return Err(self.missing(name));
            }
            return Err(ResolveError::NoSuchVersion {
                name: name.to_owned(),
                version: version.to_owned(),
                architecture: architecture.to_owned(),
                available: versions.iter().map(ToString::to_string).collect(),
            });
        };
        match self.fixed.insert(name, id) {
            Some(other) if universe.record(other).version != universe.record(id).version => {
                Err(ResolveError::TwoVersions {
                    name: name.to_owned(),
                    first: universe.record(other).version.to_string(),
                    second: version.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    fn missing(&self, name: &str) -> ResolveError {
        let nearest = self.universe.nearest_names(name, self.architecture);
        ResolveError::Missing {
            name: name.to_owned(),
            architecture: self.architecture.to_owned(),
            nearest: nearest.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The package that a requested name means; apt, too, takes the only provider of a name.
    fn requested(&self, name: &str) -> Result<RecordId, ResolveError> {
        if let Some(id) = self.candidate(name) {
            return Ok(id);
        }
        let relation = Relation {
            name: name.to_owned(),
            qualifier: None,
            version: None,
            architectures: Vec::new(),
            profiles: Vec::new(),
        };
        match self.satisfiers(&relation).as_slice() {
            [] => Err(self.missing(name)),
            [only] => Ok(*only),
            several => Err(ResolveError::Virtual {
                name: name.to_owned(),
                providers: several.iter().map(|i| self.universe.record(*i).name.clone()).collect(),
            }),
        }
    }

    /// The packages that satisfy a relation: the one of that name, then providers as apt orders
    /// them, the essential and the more important ones first.
    fn satisfiers(&self, relation: &Relation) -> Vec<RecordId> {
        let universe = self.universe;
        let qualifies = |id: &RecordId| universe.qualifies(*id, relation, self.architecture);
        let mut providers: Vec<RecordId> = universe
            .providers(relation)
            .filter(|id| self.candidate(&universe.record(*id).name) == Some(*id))
            .filter(qualifies)
            .collect();
        providers.sort_by_key(|id| {
            let record = universe.record(*id);
            (Reverse(record.essential), record.priority, record.name.as_str())
        });
        let real = self.candidate(&relation.name).filter(qualifies);
        let real = real.filter(|id| relation.accepts(&universe.record(*id).version));
        let mut all: Vec<RecordId> = real.into_iter().collect();
        for id in providers {
            // A package may provide its own name, and one name several times.
            if !all.contains(&id) {
                all.push(id);
            }
        }
        all
    }

    fn node(&mut self, id: RecordId, queue: &mut VecDeque<usize>) -> usize {
        *self.by_id.entry(id).or_insert_with(|| {
            let node = self.nodes.len();
            self.nodes.push(Node { id, needs: Vec::new(), excludes: Vec::new() });
            queue.push_back(node);
            node
        })
    }

    /// Reads a relation field of a node.
    fn field(
        &self,
        node: usize,
        name: &'static str,
        text: &str,
    ) -> Result<Vec<Alternatives>, ResolveError> {
        let id = self.nodes[node].id;
        let mut groups = parse_relations(text).map_err(|error| {
            let (repository, record) = (self.universe.repository(id), self.universe.record(id));
            ResolveError::relation(repository, record, name, error)
        })?;
        for group in &mut groups {
            group.retain(|relation| relation.applies_to(self.architecture));
        }
        groups.retain(|group| !group.is_empty());
        Ok(groups)
    }

    /// What a node needs; packages seen for the first time get a node.
    fn needs(
        &mut self,
        node: usize,
        queue: &mut VecDeque<usize>,
    ) -> Result<Vec<Need>, ResolveError> {
        let universe = self.universe;
        let record = universe.record(self.nodes[node].id);
        let mut groups = self.field(node, "Pre-Depends", &record.pre_depends)?;
        groups.extend(self.field(node, "Depends", &record.depends)?);
        let mut needs = Vec::with_capacity(groups.len());
        for relation in groups {
            let mut options = Vec::new();
            let ids: Vec<RecordId> =
                relation.iter().flat_map(|relation| self.satisfiers(relation)).collect();
            for id in ids {
                let option = self.node(id, queue);
                if !options.contains(&option) {
                    options.push(option);
                }
            }
            needs.push(Need { relation, options });
        }
        Ok(needs)
    }

    /// Enters a node's Conflicts and Breaks on both sides.
    fn exclude(&mut self, node: usize) -> Result<(), ResolveError> {
        let universe = self.universe;
        let record = universe.record(self.nodes[node].id);
        for (verb, field, text) in [
            ("conflicts with", "Conflicts", &record.conflicts),
            ("breaks", "Breaks", &record.breaks),
        ] {
            for relation in self.field(node, field, text)?.concat() {
                for id in self.satisfiers(&relation) {
                    // Packages that nothing leads to cannot be installed anyway, and a package may
                    // conflict with a name that it provides itself (Policy 7.6.2).
                    let Some(other) = self.by_id.get(&id).copied().filter(|o| *o != node) else {
                        continue;
                    };
                    for (from, to) in [(node, other), (other, node)] {
                        let relation = relation.to_string();
                        let declared_by = node;
                        let exclusion = Exclusion { node: to, declared_by, verb, relation };
                        self.nodes[from].excludes.push(exclusion);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Need {
    /// `a | b (>= 1)`.
    pub(crate) fn text(&self) -> String {
        display_alternatives(&self.relation)
    }
}
