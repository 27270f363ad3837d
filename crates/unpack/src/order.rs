//! In which order packages are unpacked.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::UnpackError;
use crate::store::Package;

/// Packages that every maintainer script may count on for the links, users and shell they bring.
const FIRST: [&str; 3] = ["base-files", "base-passwd", "dash"];

/// What the order needs to know of a package.
struct Needs {
    pre_depends: Vec<String>,
    depends: Vec<String>,
}

fn needs(packages: &[Package]) -> Result<BTreeMap<&str, Needs>, UnpackError> {
    packages
        .iter()
        .map(|package| {
            let pre_depends = package.names_in("Pre-Depends")?;
            Ok((package.name(), Needs { pre_depends, depends: package.names_in("Depends")? }))
        })
        .collect()
}

/// Names of the Essential packages and, as far as `packages` has them, of all they need.
///
/// # Errors
/// A relation field is malformed.
pub fn essential(packages: &[Package]) -> Result<BTreeSet<String>, UnpackError> {
    let needs = needs(packages)?;
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> =
        packages.iter().filter(|p| p.is_essential()).map(Package::name).collect();
    while let Some(name) = open.pop() {
        if let Some(needs) = needs.get(name)
            && found.insert(name.to_owned())
        {
            open.extend(needs.pre_depends.iter().chain(&needs.depends).map(String::as_str));
        }
    }
    Ok(found)
}

/// The packages after what they need, cycles cut at the name that sorts first.
///
/// # Errors
/// A relation field is malformed.
pub fn unpack_order(packages: Vec<Package>) -> Result<Vec<Package>, UnpackError> {
    fn visit<'a>(
        name: &str,
        all: &BTreeMap<&'a str, Needs>,
        seen: &mut BTreeSet<&'a str>,
        order: &mut Vec<String>,
    ) {
        let Some((name, needs)) = all.get_key_value(name) else { return };
        if !seen.insert(*name) {
            return;
        }
        for need in needs.pre_depends.iter().chain(&needs.depends) {
            visit(need, all, seen, order);
        }
        order.push((*name).to_owned());
    }
    let all = needs(&packages)?;
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in FIRST.into_iter().chain(all.keys().copied()) {
        visit(name, &all, &mut seen, &mut order);
    }
    let mut by_name: BTreeMap<String, Package> =
        packages.into_iter().map(|package| (package.name().to_owned(), package)).collect();
    Ok(order.iter().filter_map(|name| by_name.remove(name)).collect())
}

/// Splits ordered packages into waves. Within a wave all preinst scripts run first, then all files
/// are laid: a package whose preinst may count on another's files, by Pre-Depends (Policy 7.2),
/// comes in a later wave than that one. Those in `present` are there already.
///
/// # Errors
/// A relation field is malformed.
pub fn waves(
    ordered: Vec<Package>,
    present: &BTreeSet<String>,
) -> Result<Vec<Vec<Package>>, UnpackError> {
    let mut wave_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<Package>> = Vec::new();
    for package in ordered {
        let mut wave = 0;
        if package.member("preinst").is_some() {
            for name in package.names_in("Pre-Depends")? {
                match wave_of.get(&name) {
                    Some(other) if !present.contains(&name) => wave = wave.max(other + 1),
                    _ => {}
                }
            }
        }
        wave_of.insert(package.name().to_owned(), wave);
        waves.resize_with(waves.len().max(wave + 1), Vec::new);
        waves[wave].push(package);
    }
    Ok(waves)
}
