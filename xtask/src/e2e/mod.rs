//! First boots in QEMU: from power-on to a node of a cluster, with what goes wrong on the way.
//!
//! The image is the default recipe with one more layer, which says where the scripts are and whom to
//! trust, and with stand-ins of kubeadm and its kin from a signed repository. Everything else is real:
//! a Git repository on an HTTPS server of this machine, scripts that are the template of
//! `osb init --bootstrap`, systemd, containerd, runc. Each node is a copy of the image's disk, told who
//! it is by `osb/node.toml`.

mod authority;
mod clock;
mod container;
mod git;
mod good;
mod node;
mod packages;
mod power;
mod refused;
mod report;
mod scripts;
mod server;
mod site;

use std::mem::replace;
use std::time::Instant;

use anyhow::Result;
use osb_boot::Tools;

use crate::project::{Image, Project};
use crate::steps::Steps;
use crate::test::{release, test_tools};
use node::Node;
use report::Report;
use site::Site;

/// How much of it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The first boot when nothing is wrong.
    Good,
    /// Everything.
    All,
}

/// Builds the image and runs the cases.
pub(crate) fn run(extent: Extent) -> Result<Steps> {
    let project = Project::find()?;
    let default = project.default_image()?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    if let Some(tools) = test_tools(&mut steps, &project, &default.recipe) {
        check(&mut steps, &project, &tools, &default, extent);
    }
    Ok(steps)
}

/// The cases, with a copy of the recipe `default` that may be built from.
pub(crate) fn check(
    steps: &mut Steps,
    project: &Project,
    tools: &Tools,
    default: &Image,
    extent: Extent,
) {
    let Some(mut site) =
        steps.run("first boot: image and site", || Site::new(project, tools, default))
    else {
        return;
    };
    let mut cases = Cases { steps, report: Report::new(site.folder.join("report.md")) };
    cases.good(&mut site, extent);
    if extent == Extent::All {
        cases.refused(&mut site);
        cases.power(&mut site);
        cases.clock(&mut site);
    }
}

/// Runs cases: each is a step, and a part of the report.
struct Cases<'a> {
    steps: &'a mut Steps,
    report: Report,
}

impl Cases<'_> {
    /// A case that gives what decided it, and a text for the list of steps; whether it passed.
    fn run(&mut self, name: &str, case: impl FnOnce() -> Result<(Vec<String>, String)>) -> bool {
        let (started, report) = (Instant::now(), &mut self.report);
        let done = self.steps.run(name, || {
            let (lines, text) = case()?;
            report.add(name, started.elapsed(), &lines)?;
            Ok(((), text))
        });
        done.is_some()
    }

    /// A node for the cases that follow.
    fn node(&mut self, name: &str, make: impl FnOnce() -> Result<Node>) -> Option<Node> {
        self.steps.run(name, || Ok((make()?, String::new())))
    }

    fn good(&mut self, site: &mut Site<'_>, extent: Extent) {
        let made = self.node("first boot: a node of the inventory", || good::node(site, "good"));
        let Some(node) = made else { return };
        let mut passed = self.run("first boot: from power-on to a node", || {
            let (lines, after) = good::first(site, &node)?;
            Ok((lines, format!("provisioned {:.0} s after power-on", after.as_secs_f64())))
        });
        if passed && extent == Extent::All {
            passed = self.run("first boot: the second one does nothing", || {
                Ok((good::second(site, &node)?, String::new()))
            });
        }
        // A disk that failed is kept, to look at.
        if passed {
            node.discard();
        }
    }

    fn refused(&mut self, site: &mut Site<'_>) {
        let made = self.node("first boot: a node with a name", || refused::node(site));
        let Some(node) = made else { return };
        let (report, mut last, mut count) = (&mut self.report, Instant::now(), 0);
        let passed = self.steps.run("first boot: what must not run", || {
            refused::check(site, &node, |name, lines| {
                eprintln!("    {name}");
                count += 1;
                let took = replace(&mut last, Instant::now()).elapsed();
                report.add(&format!("first boot: {name}"), took, &lines)
            })?;
            Ok(((), format!("{count} cases")))
        });
        if passed.is_some() {
            node.discard();
        }
    }

    fn power(&mut self, site: &mut Site<'_>) {
        let made = self.node("first boot: a node for power failures", || good::node(site, "power"));
        let Some(node) = made else { return };
        let passed = self.run("first boot: the power fails while kubeadm joins", || {
            Ok((power::cut(site, &node)?, String::new()))
        }) && self.run("first boot: the boot after it goes on", || {
            Ok((power::go_on(site, &node)?, String::new()))
        });
        if passed {
            node.discard();
        }
    }

    fn clock(&mut self, site: &mut Site<'_>) {
        let made = self.node("first boot: a node without a name", || clock::node(site));
        let Some(node) = made else { return };
        let passed = self.run("first boot: the clock starts in 2020", || {
            Ok((clock::check(site, &node)?, String::new()))
        });
        if passed {
            node.discard();
        }
    }
}
