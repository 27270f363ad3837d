//! Finding the recipe, its layers and their order.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::document::{Document, Override};
use crate::error::{Place, Problem, RecipeError, did_you_mean};
use crate::folder::{Folder, known_layers};
use crate::layer::{Layer, LayerFile, User};
use crate::origin::{Found, Origin};
use crate::raw::RawRecipe;
use crate::recipe::{Access, Recipe};
use crate::resolve::Resolver;
use crate::resolve_layer::{self, Draft};

/// What to load.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The recipe's file, or a bare name: that of `NAME.toml` in `directory`, else of a built-in
    /// recipe. Without it `osb.toml` of `directory`, else the default of the built-in recipes.
    pub recipe: Option<PathBuf>,
    /// Where `osb.toml` and `layers/` are looked for. A named recipe's own folder comes first.
    pub directory: PathBuf,
    /// Changes to the recipe, `kubernetes.upstream=1.36`, applied in order.
    pub set: Vec<String>,
    /// The architecture, over the recipe's.
    pub arch: Option<String>,
    /// Names of the rules that `[check]` may allow; empty for any. They are `osb-check`'s.
    pub rules: Vec<&'static str>,
}

/// A recipe with its layers.
#[derive(Debug, Clone)]
pub struct Project {
    /// The recipe.
    pub recipe: Recipe,
    /// The layers in build order: what a layer requires comes before it.
    pub layers: Vec<Layer>,
    /// Where the recipe comes from.
    pub origin: Origin,
}

impl Project {
    /// Arguments that the layers add to the kernel command line, in build order.
    pub fn command_line(&self) -> Vec<String> {
        self.layers.iter().flat_map(|layer| layer.command_line.iter().cloned()).collect()
    }

    /// Findings of `osb check` that the recipe and the layers allow, in order, each once.
    pub fn allow(&self) -> Vec<String> {
        let layers = self.layers.iter().flat_map(|layer| &layer.allow);
        let all: BTreeSet<&String> = self.recipe.allow.iter().chain(layers).collect();
        all.into_iter().cloned().collect()
    }
}

/// Reads a recipe and its layers.
///
/// # Errors
/// The first mistake found, with its place; or a file that cannot be read.
pub fn load(options: &LoadOptions) -> Result<Project, RecipeError> {
    let Found { origin, title, text } = Found::find(options.recipe.as_deref(), &options.directory)?;
    let base = match &origin {
        Origin::File(path) => path.parent().unwrap_or(&options.directory).to_owned(),
        Origin::BuiltIn(_) => options.directory.clone(),
    };
    let mut document = Document::new(title.clone(), &text);
    let mut overrides: Vec<Override> =
        options.set.iter().map(|text| Override { option: "--set", text: text.clone() }).collect();
    if let Some(arch) = &options.arch {
        overrides.push(Override { option: "--arch", text: format!("image.arch={arch}") });
    }
    let raw: RawRecipe = document.read(&overrides)?;
    let layers_at: Vec<Place> =
        raw.image.layers.get_ref().iter().map(|name| document.place(&name.span())).collect();
    let upstream_at = raw.kubernetes.upstream.as_ref().map(|at| document.place(&at.span()));
    let rules = &options.rules;
    let recipe = Resolver { document: &document, base: &base, rules }.recipe(raw)?;

    let mut projects = vec![base];
    if !projects.contains(&options.directory) {
        projects.push(options.directory.clone());
    }
    let (path, drafts) = (Vec::new(), Vec::new());
    let mut chain = Chain { recipe: &recipe, projects, rules, path, drafts };
    for (name, place) in recipe.image.layers.iter().zip(&layers_at) {
        chain.add(name, place)?;
    }
    let mut drafts = chain.drafts;
    apply_access(&mut drafts, &recipe.access);
    if recipe.kubernetes.upstream.is_some() {
        let place = upstream_at.unwrap_or(Place { file: title, line: 0, column: 0 });
        apply_kubernetes(&mut drafts, &place)?;
    }
    unique_users(&drafts)?;
    let layers = drafts
        .into_iter()
        .map(|draft| Layer { digest: draft.layer.compute_digest(), ..draft.layer })
        .collect();
    Ok(Project { recipe, layers, origin })
}

/// The layers found so far, in build order.
struct Chain<'a> {
    recipe: &'a Recipe,
    projects: Vec<PathBuf>,
    rules: &'a [&'static str],
    /// The layers whose requirements are being followed, outermost first.
    path: Vec<String>,
    drafts: Vec<Draft>,
}

impl Chain<'_> {
    /// Adds the layer `name`, which is asked for at `place`, after what it requires.
    fn add(&mut self, name: &str, place: &Place) -> Result<(), RecipeError> {
        if self.drafts.iter().any(|draft| draft.layer.name == name) {
            return Ok(());
        }
        if let Some(start) = self.path.iter().position(|other| other == name) {
            let cycle = [&self.path[start..], &[name.to_owned()]].concat().join(" -> ");
            return Err(Problem::new(place.clone(), format!("layers require each other: {cycle}"))
                .hint("take one of them out of a `requires`")
                .into());
        }
        let Some(folder) = Folder::find(&self.projects, name)? else {
            let known = known_layers(&self.projects);
            let hint = did_you_mean(name, known.iter().map(String::as_str)).unwrap_or_else(|| {
                format!("make layers/{name}/layer.toml, or use one of: {}", known.join(", "))
            });
            return Err(Problem::new(place.clone(), format!("no layer `{name}`"))
                .hint(hint)
                .into());
        };
        let draft = resolve_layer::layer(name, folder, self.recipe.image.arch, self.rules)?;
        self.path.push(name.to_owned());
        for (required, place) in draft.layer.requires.iter().zip(&draft.requires_at) {
            self.add(required, place)?;
        }
        self.path.pop();
        self.drafts.push(draft);
        Ok(())
    }
}

/// Gives the layers with `access = true` the recipe's user, and its keys.
fn apply_access(drafts: &mut [Draft], access: &Access) {
    // One user is made once, by the first layer that asks.
    let Some(draft) = drafts.iter_mut().find(|draft| draft.access) else { return };
    draft.layer.users.push(User {
        name: access.user.clone(),
        groups: vec!["adm".to_owned(), "systemd-journal".to_owned()],
        shell: "/bin/bash".to_owned(),
        home: format!("/home/{}", access.user),
        comment: String::new(),
        sudo: true,
        system: false,
    });
    draft.users_at.push(Place { file: "[access] of the recipe".to_owned(), line: 0, column: 0 });
    draft.layer.expect.users.push(access.user.clone());
    // Whose keys the ones found at boot are.
    let user = LayerFile::text("etc/osb/user".to_owned(), 0o644, format!("{}\n", access.user));
    draft.layer.files.push(user);
    if !access.ssh_keys.is_empty() {
        let text = access.ssh_keys.iter().map(|key| format!("{key}\n")).collect();
        let path = format!("etc/ssh/authorized_keys.d/{}", access.user);
        draft.layer.files.push(LayerFile::text(path, 0o644, text));
    }
    draft.layer.files.sort_by(|a, b| a.path.cmp(&b.path));
}

/// Gives the layer with `kubernetes = true` the upstream packages, held.
fn apply_kubernetes(drafts: &mut [Draft], place: &Place) -> Result<(), Problem> {
    let Some(draft) = drafts.iter_mut().find(|draft| draft.kubernetes) else {
        return Err(Problem::new(place.clone(), "no layer takes the Kubernetes packages")
            .hint("add `k8s-prereq` to image.layers, or `kubernetes = true` to a layer of yours"));
    };
    for name in ["kubeadm", "kubelet", "kubectl", "cri-tools"] {
        if !draft.layer.packages.iter().any(|other| other == name) {
            draft.layer.packages.push(name.to_owned());
        }
    }
    // A cluster is upgraded node by node, by hand or by a controller; never by a timer.
    for name in ["kubeadm", "kubelet", "kubectl", "cri-tools", "kubernetes-cni"] {
        draft.layer.hold.push(name.to_owned());
    }
    Ok(())
}

/// Two layers that make one user would disagree about it some day.
fn unique_users(drafts: &[Draft]) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for draft in drafts {
        for (user, place) in draft.layer.users.iter().zip(&draft.users_at) {
            if !seen.insert(&user.name) {
                let message = format!("user `{}` is made twice", user.name);
                return Err(Problem::new(place.clone(), message)
                    .hint("a user belongs to one layer; [access] makes one too"));
            }
        }
    }
    Ok(())
}
