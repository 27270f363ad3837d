//! Why a problem has no solution, in terms of packages.
//!
//! The same reasoning that a person would do: what the request forces, what that excludes, until
//! something forced is impossible. Where that alone contradicts nothing, each way of fulfilling an
//! open need is tried in the same manner. (A solver's own proof names clauses that it learned, and
//! is longer.)

use std::collections::VecDeque;

use super::problem::{Exclusion, Need, Problem};

/// How many open needs may be taken apart; more would not be read.
const MAX_TRIALS: usize = 2_000;

/// The reason, as indented lines.
pub(crate) fn explain(problem: &Problem<'_>) -> String {
    let mut state = State::new(problem);
    let lines = match state.force_roots() {
        Some(contradiction) => state.describe(&contradiction),
        None => explain_choices(problem, &state),
    };
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Finds an open need all of whose options lead to a contradiction.
fn explain_choices(problem: &Problem<'_>, forced: &State<'_>) -> Vec<String> {
    let mut trials = 0;
    for (node, _) in forced.installed.iter().enumerate().filter(|(_, why)| why.is_some()) {
        for (number, need) in problem.nodes[node].needs.iter().enumerate() {
            if need.options.len() < 2 || need.options.iter().any(|o| forced.is_installed(*o)) {
                continue;
            }
            let mut reasons = Vec::new();
            for option in need.options.iter().copied().filter(|o| forced.excluded[*o].is_none()) {
                trials += 1;
                if trials > MAX_TRIALS {
                    return vec!["the needs of its packages contradict each other".into()];
                }
                let mut state = forced.clone();
                let why = Why::Need { node, number };
                match state.force(option, why) {
                    Some(contradiction) => reasons.push((option, state.describe(&contradiction))),
                    None => break,
                }
            }
            let open = need.options.iter().filter(|o| forced.excluded[**o].is_none()).count();
            if reasons.len() == open {
                let mut lines = forced.chain(node);
                lines.push(format!("{} needs {}", problem.label(node), need.text()));
                for (option, reason) in reasons {
                    lines.push(format!("with {}:", problem.label(option)));
                    lines.extend(reason.into_iter().map(|line| format!("  {line}")));
                }
                return lines;
            }
        }
    }
    vec!["the needs of its packages contradict each other".into()]
}

/// Why a node is installed.
#[derive(Clone, Copy)]
enum Why {
    Requested,
    /// It is all that is left for a need of another node.
    Need {
        node: usize,
        number: usize,
    },
}

/// What cannot be.
enum Contradiction {
    /// A node's need has no option left.
    Unmet { node: usize, number: usize },
    /// Two installed nodes exclude each other.
    Clash { first: usize, second: usize },
}

/// What is known to be installed or excluded.
#[derive(Clone)]
struct State<'p> {
    problem: &'p Problem<'p>,
    installed: Vec<Option<Why>>,
    /// The installed node that excludes this one.
    excluded: Vec<Option<usize>>,
}

impl<'p> State<'p> {
    fn new(problem: &'p Problem<'p>) -> State<'p> {
        let count = problem.nodes.len();
        State { problem, installed: vec![None; count], excluded: vec![None; count] }
    }

    fn is_installed(&self, node: usize) -> bool {
        self.installed[node].is_some()
    }

    fn force_roots(&mut self) -> Option<Contradiction> {
        let roots: Vec<usize> =
            self.problem.roots.iter().flat_map(|need| need.options.first().copied()).collect();
        roots.into_iter().find_map(|root| self.force(root, Why::Requested))
    }

    /// Installs a node and everything that follows.
    fn force(&mut self, node: usize, why: Why) -> Option<Contradiction> {
        let mut queue = VecDeque::from([(node, why)]);
        loop {
            while let Some((node, why)) = queue.pop_front() {
                if self.is_installed(node) {
                    continue;
                }
                self.installed[node] = Some(why);
                for Exclusion { node: other, .. } in &self.problem.nodes[node].excludes {
                    if self.is_installed(*other) {
                        return Some(Contradiction::Clash { first: *other, second: node });
                    }
                    self.excluded[*other].get_or_insert(node);
                }
                if let Some(other) = self.excluded[node] {
                    return Some(Contradiction::Clash { first: other, second: node });
                }
            }
            for node in 0..self.installed.len() {
                if !self.is_installed(node) {
                    continue;
                }
                for (number, need) in self.problem.nodes[node].needs.iter().enumerate() {
                    if need.options.iter().any(|option| self.is_installed(*option)) {
                        continue;
                    }
                    let mut open = need.options.iter().filter(|o| self.excluded[**o].is_none());
                    match (open.next(), open.next()) {
                        (None, _) => return Some(Contradiction::Unmet { node, number }),
                        (Some(only), None) => queue.push_back((*only, Why::Need { node, number })),
                        _ => {}
                    }
                }
            }
            if queue.is_empty() {
                return None;
            }
        }
    }

    fn describe(&self, contradiction: &Contradiction) -> Vec<String> {
        match *contradiction {
            Contradiction::Clash { first, second } => {
                let declared = self.problem.nodes[first].excludes.iter();
                let declared_by =
                    declared.filter(|e| e.node == second).map(|e| e.declared_by).next();
                let (from, to) =
                    if declared_by == Some(second) { (second, first) } else { (first, second) };
                let mut lines = self.chain(from);
                for line in self.chain(to) {
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
                lines.push(self.exclusion(first, second));
                lines
            }
            Contradiction::Unmet { node, number } => {
                let need = &self.problem.nodes[node].needs[number];
                let mut lines = self.chain(node);
                lines.push(format!("{} needs {}", self.problem.label(node), need.text()));
                for option in &need.options {
                    if let Some(other) = self.excluded[*option] {
                        for line in self.chain(other) {
                            if !lines.contains(&line) {
                                lines.push(line);
                            }
                        }
                        lines.push(self.exclusion(other, *option));
                    }
                }
                if need.options.is_empty() {
                    lines.extend(self.unavailable(need));
                }
                lines
            }
        }
    }

    /// Why nothing fulfils a need.
    fn unavailable(&self, need: &Need) -> Vec<String> {
        let problem = self.problem;
        let describe = |relation: &crate::relation::Relation| match problem
            .candidate(&relation.name)
        {
            Some(id) => {
                let record = problem.universe.record(id);
                let source = &problem.universe.repository(id).name;
                let mut line = format!(
                    "the candidate is {} {} from source {source}",
                    record.name, record.version
                );
                let other = problem
                    .universe
                    .versions(&relation.name, problem.architecture)
                    .into_iter()
                    .find(|version| relation.accepts(version) && **version != record.version);
                if let Some(version) = other {
                    line.push_str(&format!(
                        " ({version} would do: raise its source's priority, or ask for {}={version})",
                        record.name
                    ));
                }
                line
            }
            None => format!("no source has {} for {}", relation.name, problem.architecture),
        };
        need.relation.iter().map(describe).collect()
    }

    /// From the request to a node, one line each step.
    fn chain(&self, node: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut node = node;
        // Reasons were recorded before their consequences, so this ends; the bound says so.
        for _ in 0..self.installed.len() {
            match self.installed[node] {
                Some(Why::Need { node: parent, number }) => {
                    let need = &self.problem.nodes[parent].needs[number];
                    // Why the other alternatives were out of the question; lines are reversed below.
                    for option in need.options.iter().filter(|option| **option != node).rev() {
                        if let Some(other) = self.excluded[*option] {
                            lines.push(self.exclusion(other, *option));
                        }
                    }
                    lines.push(format!("{} needs {}", self.problem.label(parent), need.text()));
                    node = parent;
                }
                Some(Why::Requested) => {
                    lines.push(format!("{} is requested", self.problem.label(node)));
                    break;
                }
                None => break,
            }
        }
        lines.reverse();
        lines
    }

    /// "a 1 conflicts with b (<< 2), which is b 1".
    fn exclusion(&self, one: usize, other: usize) -> String {
        let exclusion = self.problem.nodes[one].excludes.iter().find(|e| e.node == other);
        let Some(Exclusion { declared_by, verb, relation, .. }) = exclusion else {
            return format!("{} excludes {}", self.problem.label(one), self.problem.label(other));
        };
        let against = if *declared_by == one { other } else { one };
        format!(
            "{} {verb} {relation}, which is {}",
            self.problem.label(*declared_by),
            self.problem.label(against)
        )
    }
}
