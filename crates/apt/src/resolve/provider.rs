//! A [`Problem`] in the terms of `resolvo`.
//!
//! Every name has one version, so names, solvables and nodes share their numbers. Version set
//! `2n` means "node n"; `2n + 1` means "not node n", which, as a constraint, is a conflict. A need
//! that nothing fulfils asks for one more name, which has no versions.

use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies,
    DependencyProvider, HintDependenciesAvailable, Interner, KnownDependencies, NameId,
    Requirement, SolvableId, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use super::problem::{Need, Problem};

/// What the solver asks.
pub(crate) struct Provider<'p> {
    problem: &'p Problem<'p>,
    /// The needs of each node, as union numbers where there is a choice.
    requirements: Vec<Vec<ConditionalRequirement>>,
    unions: Vec<Vec<VersionSetId>>,
}

impl<'p> Provider<'p> {
    /// The requirements of the request, and the provider for the rest.
    pub(crate) fn new(problem: &'p Problem<'p>) -> (Vec<ConditionalRequirement>, Provider<'p>) {
        let nothing = problem.nodes.len();
        let mut unions: Vec<Vec<VersionSetId>> = Vec::new();
        let mut convert = |need: &Need| -> ConditionalRequirement {
            let requirement: Requirement = match need.options.as_slice() {
                [] => installed(nothing).into(),
                [only] => installed(*only).into(),
                several => {
                    unions.push(several.iter().map(|node| installed(*node)).collect());
                    VersionSetUnionId::from_index(unions.len() - 1).into()
                }
            };
            ConditionalRequirement { condition: None, requirement }
        };
        let roots = problem.roots.iter().map(&mut convert).collect();
        let requirements = problem
            .nodes
            .iter()
            .map(|node| node.needs.iter().map(&mut convert).collect())
            .collect();
        (roots, Provider { problem, requirements, unions })
    }

    fn text(&self, node: usize) -> String {
        match self.problem.nodes.get(node) {
            Some(_) => self.problem.label(node),
            None => "nothing".into(),
        }
    }
}

fn installed(node: usize) -> VersionSetId {
    VersionSetId::from_index(2 * node)
}

fn absent(node: usize) -> VersionSetId {
    VersionSetId::from_index(2 * node + 1)
}

/// Whether the only version of the name is in the set.
fn contains(set: VersionSetId) -> bool {
    set.to_index().is_multiple_of(2)
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.text(solvable.to_index())
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.text(name.to_index())
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        if contains(set) { "installed" } else { "absent" }
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        // No strings are ever interned.
        ""
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        NameId::from_index(set.to_index() / 2)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_index(solvable.to_index())
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.unions[union.to_index()].iter().copied()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        // No requirement has a condition.
        Condition::Requirement(installed(self.problem.nodes.len()))
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        if contains(set) != inverse { candidates.to_vec() } else { Vec::new() }
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let node = name.to_index();
        (node < self.problem.nodes.len()).then(|| Candidates {
            candidates: vec![SolvableId::from_index(node)],
            // Without this the solver would choose among alternatives before it has seen what the
            // packages already chosen bring anyway.
            hint_dependencies_available: HintDependenciesAvailable::All,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, _: &mut [SolvableId]) {}

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let node = solvable.to_index();
        let mut constrains: Vec<VersionSetId> =
            self.problem.nodes[node].excludes.iter().map(|e| absent(e.node)).collect();
        constrains.sort_unstable();
        constrains.dedup();
        let requirements = self.requirements[node].clone();
        Dependencies::Known(KnownDependencies { requirements, constrains })
    }
}
