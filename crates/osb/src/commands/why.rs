//! `osb why`.

use std::fmt::Write;

use osb_builder::{Cause, Changed, HalfWhy, LayerWhy, PackageWhy, PathWhy};
use serde_json::{Value, json};

use super::build;
use crate::cli::{Global, Why};
use crate::exit::Failure;
use crate::format;
use crate::output::Output;

/// How many packages that need another are named to people; `--json` has all.
const FEW: usize = 8;

pub(crate) fn run(global: &Global, arguments: &Why, output: &Output) -> Result<(), Failure> {
    let mut options = super::options(global, &arguments.project, output)?;
    options.output.clone_from(&arguments.output);
    options.only = arguments.only.map(build::only);
    let why = osb_builder::why(&options, &arguments.what, &|event| output.event(&event))?;
    let (value, text) = match &why {
        osb_builder::Why::Layer(why) => (layer_value(why), layer_text(why)),
        osb_builder::Why::Package(why) => (package_value(why), package_text(why)),
        osb_builder::Why::Path(why) => (path_value(why), path_text(why)),
    };
    output.answer(&value, text.trim_end());
    Ok(())
}

// Writing to a String cannot fail; that is why no result of it is looked at here.

fn layer_text(why: &LayerWhy) -> String {
    let mut text = String::new();
    for HalfWhy { stage, cached, causes } in &why.halves {
        let state = if *cached { "cached" } else { "to be built" };
        let _ = write!(text, "{stage} {}: {state}", why.name);
        let _ = match (why.compared, causes.is_empty()) {
            (false, _) => writeln!(text, "; no build into this folder to compare with"),
            (true, true) if *cached => writeln!(text, "; nothing has changed since the last build"),
            (true, true) => writeln!(text, "; the cache no longer has it"),
            (true, false) => writeln!(text, "; since the last build:"),
        };
        for cause in causes {
            let _ = match cause {
                Cause::Own(changed) => writeln!(text, "  {}", change(changed)),
                Cause::Common(changed) => writeln!(text, "  for all layers: {}", change(changed)),
                Cause::Below { stage, layer } => {
                    writeln!(text, "  it is built on `{stage} {layer}`, which has changed")
                }
            };
        }
    }
    text
}

fn change(Changed { what, from, to }: &Changed) -> String {
    match (from, to) {
        (None, Some(to)) => format!("{what}: new, {to}"),
        (Some(from), None) => format!("{what}: gone, was {from}"),
        (from, to) => {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            format!("{what}: {} → {}", text(from), text(to))
        }
    }
}

fn layer_value(why: &LayerWhy) -> Value {
    let changed =
        |Changed { what, from, to }: &Changed| json!({"what": what, "from": from, "to": to});
    let cause = |cause: &Cause| match cause {
        Cause::Own(change) => json!({"cause": "own", "change": changed(change)}),
        Cause::Common(change) => json!({"cause": "common", "change": changed(change)}),
        Cause::Below { stage, layer } => json!({"cause": "below", "stage": stage, "layer": layer}),
    };
    let half = |half: &HalfWhy| {
        let causes: Vec<Value> = half.causes.iter().map(cause).collect();
        json!({"stage": half.stage, "cached": half.cached, "causes": causes})
    };
    let halves: Vec<Value> = why.halves.iter().map(half).collect();
    json!({
        "event": "why",
        "kind": "layer",
        "name": why.name,
        "compared": why.compared,
        "halves": halves,
    })
}

fn package_text(why: &PackageWhy) -> String {
    let mut text = format!(
        "{} {}, {}, from {}, in the layer {}\n",
        why.name,
        why.version,
        format::bytes(why.size),
        why.source,
        why.layer
    );
    if let Some(first) = why.chain.first() {
        let _ = match &why.asked_by {
            Some(layer) => writeln!(text, "  the layer {layer} asks for {}", first.package),
            None => writeln!(text, "  {} is Essential: every system has it", first.package),
        };
    }
    for links in why.chain.windows(2) {
        let [link, next] = links else { continue };
        let _ = writeln!(text, "  {} needs {} ({})", link.package, next.package, link.relation);
    }
    if !why.needed_by.is_empty() {
        let count = why.needed_by.len();
        let few = &why.needed_by[..count.min(FEW)];
        let more = if count > FEW { format!(" and {} more", count - FEW) } else { String::new() };
        let _ = writeln!(text, "  needed by {}{more}", few.join(", "));
    }
    text
}

fn package_value(why: &PackageWhy) -> Value {
    let chain: Vec<Value> = why
        .chain
        .iter()
        .map(|link| json!({"package": link.package, "relation": link.relation}))
        .collect();
    json!({
        "event": "why",
        "kind": "package",
        "name": why.name,
        "version": why.version,
        "layer": why.layer,
        "source": why.source,
        "size": why.size,
        "asked_by": why.asked_by,
        "chain": chain,
        "needed_by": why.needed_by,
    })
}

fn path_text(why: &PathWhy) -> String {
    let is = why.is.as_deref().unwrap_or("not in the image");
    let mut text = format!("/{}: {is}\n", why.path);
    for origin in &why.origins {
        let _ = writeln!(text, "  {:11} {:12} {}", origin.stage, origin.layer, origin.what);
    }
    if let Some((package, version)) = &why.package {
        let _ = writeln!(text, "  belongs to the package {package} {version}");
    }
    text
}

fn path_value(why: &PathWhy) -> Value {
    let origins: Vec<Value> = why
        .origins
        .iter()
        .map(|origin| json!({"stage": origin.stage, "layer": origin.layer, "what": origin.what}))
        .collect();
    let package = why.package.as_ref();
    json!({
        "event": "why",
        "kind": "path",
        "path": why.path,
        "is": why.is,
        "package": package.map(|(name, version)| json!({"name": name, "version": version})),
        "origins": origins,
    })
}
