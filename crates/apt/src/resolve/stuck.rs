//! What stands in the way of a request in which packages are kept at older versions.
//!
//! A kept package is in the way if something that is needed wants a newer one of it, if it wants
//! something that is no longer there in the version it names, or if it and another package exclude
//! each other. The search follows what the request leads to, always by the first alternative, as
//! the solver prefers it; only if that shows nothing it looks at everything that could matter.

use std::collections::BTreeMap;

use super::Request;
use super::problem::{Need, Problem};
use crate::universe::Universe;

/// The kept packages of `request`, which cannot be resolved, that are in the way, each with what
/// needs it to move. Nothing if it is not what is kept that makes the request impossible.
pub(crate) fn stuck(universe: &Universe, request: &Request) -> BTreeMap<String, String> {
    let Ok(problem) = Problem::build(universe, request) else { return BTreeMap::new() };
    let mut search = Search { problem: &problem, found: BTreeMap::new() };
    let preferred = preferred(&problem);
    search.look_at(&preferred);
    if search.found.is_empty() {
        let all: Vec<usize> = (0..problem.nodes.len()).collect();
        search.look_at(&all);
    }
    search.found
}

/// The nodes that the request leads to, by first alternatives, in order.
fn preferred(problem: &Problem) -> Vec<usize> {
    let mut seen = vec![false; problem.nodes.len()];
    let mut order = Vec::new();
    let first = |need: &Need| need.options.first().copied();
    let mut queue: Vec<usize> = problem.roots.iter().filter_map(first).collect();
    queue.reverse();
    while let Some(node) = queue.pop() {
        if std::mem::replace(&mut seen[node], true) {
            continue;
        }
        order.push(node);
        queue.extend(problem.nodes[node].needs.iter().filter_map(first));
    }
    order
}

struct Search<'p, 'u> {
    problem: &'p Problem<'u>,
    found: BTreeMap<String, String>,
}

impl Search<'_, '_> {
    fn look_at(&mut self, nodes: &[usize]) {
        for &node in nodes {
            for need in self.problem.nodes[node].needs.iter().filter(|n| n.options.is_empty()) {
                self.blame_need(node, need);
            }
            for exclusion in &self.problem.nodes[node].excludes {
                if nodes.contains(&exclusion.node) {
                    let by = self.problem.label(exclusion.declared_by);
                    let why = format!("{by} {} {}", exclusion.verb, exclusion.relation);
                    self.release(node, &why);
                    self.release(exclusion.node, &why);
                }
            }
        }
    }

    /// A need that nothing fulfils: a newer one of a kept package would, or the one that has the
    /// need is kept itself.
    fn blame_need(&mut self, node: usize, need: &Need) {
        let universe = self.problem.universe;
        let why = format!("{} needs {}", self.problem.label(node), need.text());
        let mut helped = false;
        for relation in &need.relation {
            let real = self.problem.kept_back(&relation.name);
            let real = real.filter(|best| relation.accepts(&universe.record(*best).version));
            let providers = universe.providers(relation).filter(|provider| {
                self.problem.kept_back(&universe.record(*provider).name) == Some(*provider)
            });
            for best in real.into_iter().chain(providers) {
                self.found.entry(universe.record(best).name.clone()).or_insert(why.clone());
                helped = true;
            }
        }
        if !helped {
            self.release(node, &why);
        }
    }

    /// Lets a node's package move, if it is one that is kept.
    fn release(&mut self, node: usize, why: &str) {
        let name = &self.problem.universe.record(self.problem.nodes[node].id).name;
        if self.problem.kept_back(name).is_some() {
            self.found.entry(name.clone()).or_insert_with(|| why.to_owned());
        }
    }
}
