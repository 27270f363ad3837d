//! Why a layer is built anew: its inputs beside those of the last build.

use std::collections::BTreeSet;

use crate::inputs::{Inputs, Values};
use crate::job::Job;
use crate::plan::{Half, Plan};
use crate::record::{self, Record};

/// The two halves of a layer.
#[derive(Debug, Clone)]
pub struct LayerWhy {
    /// The layer.
    pub name: String,
    /// Whether there is a last build to compare with.
    pub compared: bool,
    /// Its halves.
    pub halves: Vec<HalfWhy>,
}

/// One half of a layer.
#[derive(Debug, Clone)]
pub struct HalfWhy {
    /// The stage that builds it: `install` or `dress`.
    pub stage: &'static str,
    /// Whether the cache has it.
    pub cached: bool,
    /// Why it is another than in the last build; nothing if it is the same.
    pub causes: Vec<Cause>,
}

/// Why a half is another than it was.
#[derive(Debug, Clone)]
pub enum Cause {
    /// An input of its own changed.
    Own(Changed),
    /// Something changed that all halves are made with.
    Common(Changed),
    /// The half that it is built on changed.
    Below {
        /// The stage that builds that.
        stage: &'static str,
        /// The layer that it is of.
        layer: String,
    },
}

/// An input that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub what: String,
    /// Its former value; `None` if there was none.
    pub from: Option<String>,
    /// Its value now; `None` if there is none.
    pub to: Option<String>,
}

pub(super) fn why(job: &Job, plan: &Plan, name: &str) -> LayerWhy {
    let last = record::last(job);
    let now = Inputs::of(job, plan);
    let halves = plan.halves();
    let of_layer = |half: &&Half| match **half {
        Half::Packages(index) | Half::Dressing(index) => plan.layers[index].layer.name == name,
        Half::Seal => false,
    };
    let halves = halves
        .iter()
        .filter(of_layer)
        .map(|half| HalfWhy {
            stage: plan.stage(*half).0,
            cached: plan.folder(job, *half).is_dir(),
            causes: last.as_ref().map_or_else(Vec::new, |last| causes(plan, last, &now, *half)),
        })
        .collect();
    LayerWhy { name: name.to_owned(), compared: last.is_some(), halves }
}

/// Why `half` is another than in the last build.
fn causes(plan: &Plan, last: &Record, now: &Inputs, half: Half) -> Vec<Cause> {
    let made = plan.made(plan.key(half));
    if last.halves.contains(&made) {
        return Vec::new();
    }
    let common = changed(&last.inputs.common, &now.common);
    let mut causes: Vec<Cause> = common.into_iter().map(Cause::Common).collect();
    let own = |half| changed(&last.inputs.half(plan, half), &now.half(plan, half));
    let lower = plan.halves().into_iter().take_while(|lower| *lower != half);
    if causes.is_empty()
        && let Some(first) = lower.into_iter().find(|lower| !own(*lower).is_empty())
    {
        let (stage, layer) = plan.stage(first);
        causes.push(Cause::Below { stage, layer: layer.to_owned() });
    }
    causes.extend(own(half).into_iter().map(Cause::Own));
    causes
}

fn changed(old: &Values, new: &Values) -> Vec<Changed> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = |name: &&String| old.get(*name) != new.get(*name);
    let tell = |name: &String| Changed {
        what: name.clone(),
        from: old.get(name).cloned(),
        to: new.get(name).cloned(),
    };
    names.into_iter().filter(differs).map(tell).collect()
}
