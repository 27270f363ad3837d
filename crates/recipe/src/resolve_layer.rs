//! From a layer as written to a layer: values checked, files and scripts read, rules applied.

use std::collections::BTreeMap;
use std::path::Path;

use serde_spanned::Spanned;

use crate::check;
use crate::document::Document;
use crate::error::{Place, Problem};
use crate::folder::Folder;
use crate::layer::{Expect, FileContent, Layer, LayerFile, Script, Units, User};
use crate::raw_layer::{RawFileRule, RawLayer, RawUser};
use crate::recipe::Arch;
use crate::resolve::Resolver;

/// A layer with what the loader still has to decide.
pub(crate) struct Draft {
    /// The layer; its digest is not yet computed.
    pub(crate) layer: Layer,
    /// The recipe's `[access]` is applied here.
    pub(crate) access: bool,
    /// `kubernetes.upstream` adds its packages here.
    pub(crate) kubernetes: bool,
    /// Places of `requires`' entries, in the same order.
    pub(crate) requires_at: Vec<Place>,
    /// Places of the users' names, in the order of `layer.users`.
    pub(crate) users_at: Vec<Place>,
}

/// Reads the layer `name` out of its folder.
pub(crate) fn layer(
    name: &str,
    mut folder: Folder,
    arch: Arch,
    rules: &[&'static str],
) -> Result<Draft, Problem> {
    let title = format!("{}/layer.toml", folder.title);
    let text = folder.files.remove("layer.toml").unwrap_or_default();
    let text = String::from_utf8(text).map_err(|_| {
        Problem::new(Place { file: title.clone(), line: 0, column: 0 }, "the file is not UTF-8")
    })?;
    let mut document = Document::new(title, &text);
    let raw: RawLayer = document.read(&[])?;
    let resolver = Resolver { document: &document, base: Path::new(""), rules };
    resolver.layer(name, raw, folder, arch)
}

impl Resolver<'_> {
    fn layer(
        &self,
        name: &str,
        raw: RawLayer,
        mut folder: Folder,
        arch: Arch,
    ) -> Result<Draft, Problem> {
        let more = match arch {
            Arch::Arm64 => &raw.packages.arm64,
            Arch::Amd64 => &raw.packages.amd64,
        };
        let mut packages = self.all(&raw.packages.install, check::package)?;
        packages.extend(self.all(&more.install, check::package)?);
        let mut remove_packages = self.all(&raw.packages.remove, check::package)?;
        remove_packages.extend(self.all(&more.remove, check::package)?);

        let mut sysctls = BTreeMap::new();
        for (key, value) in &raw.kernel.sysctls {
            self.valid(key, check::one_line)?;
            self.valid(value, check::one_line)?;
            sysctls.insert(key.get_ref().clone(), value.get_ref().clone());
        }
        let scripts = self.scripts(&raw.scripts, &mut folder)?;
        let files = self.files(&raw, &mut folder)?;
        // Text about a layer is welcome; anything else that is not used is a mistake.
        folder.files.retain(|name, _| !name.ends_with(".md") || name.contains('/'));
        if let Some(stray) = folder.files.keys().next() {
            let place = Place { file: format!("{}/{stray}", folder.title), line: 0, column: 0 };
            return Err(match stray.starts_with("scripts/") {
                true => Problem::new(place, "the script is not used")
                    .hint("list it in layer.toml: scripts = [\"...\"]"),
                false => Problem::new(place, "a layer's folder has no place for this file")
                    .hint("files for the image go to files/, scripts to scripts/"),
            });
        }
        let layer = Layer {
            name: name.to_owned(),
            requires: self.all(&raw.requires, check::name)?,
            packages,
            remove_packages,
            hold: self.all(&raw.packages.hold, check::package_pattern)?,
            files,
            units: Units {
                enable: self.all(&raw.units.enable, check::unit)?,
                disable: self.all(&raw.units.disable, check::unit)?,
                mask: self.all(&raw.units.mask, check::unit)?,
            },
            modules: self.all(&raw.kernel.modules, check::module)?,
            sysctls,
            command_line: self.all(&raw.kernel.command_line, check::kernel_argument)?,
            users: raw.users.iter().map(|user| self.user(user)).collect::<Result<_, _>>()?,
            groups: self.all(&raw.groups, check::account)?,
            artifacts: self.artifacts(&raw.artifacts, arch)?,
            scripts,
            expect: Expect {
                files: self.all(&raw.expect.files, check::path)?,
                absent: self.all(&raw.expect.absent, check::path)?,
                users: raw.expect.users,
                groups: raw.expect.groups,
                units_enabled: raw.expect.units_enabled,
            },
            allow: self.allow(&raw.check)?,
            description: raw.description,
            digest: [0; 32],
        };
        Ok(Draft {
            layer,
            access: raw.access,
            kubernetes: raw.kubernetes,
            requires_at: raw.requires.iter().map(|at| self.document.place(&at.span())).collect(),
            users_at: raw.users.iter().map(|at| self.document.place(&at.name.span())).collect(),
        })
    }

    /// What is laid over the root: `files/`, then links and directories; sorted by path.
    fn files(&self, raw: &RawLayer, folder: &mut Folder) -> Result<Vec<LayerFile>, Problem> {
        let modes =
            raw.files.iter().map(|rule| self.mode(&rule.mode)).collect::<Result<Vec<_>, _>>()?;
        let mut used = vec![false; raw.files.len()];
        let mut files: BTreeMap<String, LayerFile> = BTreeMap::new();

        let names: Vec<String> =
            folder.files.keys().filter(|name| name.starts_with("files/")).cloned().collect();
        for name in names {
            let content = folder.files.remove(&name).unwrap_or_default();
            let path = name["files/".len()..].to_owned();
            let content = FileContent::Bytes(content);
            let mut file = LayerFile { path: path.clone(), mode: 0o644, uid: 0, gid: 0, content };
            for (index, rule) in raw.files.iter().enumerate() {
                if matches(rule, &path) {
                    used[index] = true;
                    file.mode = modes[index].unwrap_or(file.mode);
                    file.uid = rule.uid.unwrap_or(file.uid);
                    file.gid = rule.gid.unwrap_or(file.gid);
                }
            }
            files.insert(path, file);
        }
        if let Some(index) = used.iter().position(|used| !used) {
            let rule = &raw.files[index].path;
            return Err(self
                .at(rule, format!("no file matches {:?}", rule.get_ref()))
                .hint("the path is relative to the layer's files/ folder"));
        }
        for link in &raw.links {
            self.valid(&link.target, check::one_line)?;
            let content = FileContent::Symlink(link.target.get_ref().clone());
            let path = link.path.get_ref().clone();
            self.place_file(
                &mut files,
                &link.path,
                LayerFile { path, mode: 0o777, uid: 0, gid: 0, content },
            )?;
        }
        for directory in &raw.directories {
            let mode = self.mode(&directory.mode)?.unwrap_or(0o755);
            let path = directory.path.get_ref().clone();
            let (uid, gid) = (directory.uid, directory.gid);
            let content = FileContent::Directory;
            self.place_file(
                &mut files,
                &directory.path,
                LayerFile { path, mode, uid, gid, content },
            )?;
        }
        Ok(files.into_values().collect())
    }

    fn place_file(
        &self,
        files: &mut BTreeMap<String, LayerFile>,
        at: &Spanned<String>,
        file: LayerFile,
    ) -> Result<(), Problem> {
        self.valid(at, check::path)?;
        match files.insert(file.path.clone(), file) {
            None => Ok(()),
            Some(_) => Err(self.at(at, format!("{} is there already", at.get_ref()))),
        }
    }

    fn mode(&self, raw: &Option<Spanned<String>>) -> Result<Option<u32>, Problem> {
        let Some(raw) = raw else { return Ok(None) };
        check::mode(raw.get_ref()).map(Some).map_err(|message| self.at(raw, message))
    }

    fn scripts(
        &self,
        names: &[Spanned<String>],
        folder: &mut Folder,
    ) -> Result<Vec<Script>, Problem> {
        let mut scripts = Vec::new();
        for name in names {
            let file = format!("scripts/{}", name.get_ref());
            let Some(body) = folder.files.remove(&file) else {
                return Err(
                    self.at(name, format!("no {}/{file}, or it is listed twice", folder.title))
                );
            };
            if !body.starts_with(b"#!/") {
                return Err(self
                    .at(name, format!("{file} does not say what runs it"))
                    .hint("begin it with #!/bin/sh"));
            }
            scripts.push(Script { name: name.get_ref().clone(), body });
        }
        Ok(scripts)
    }

    fn user(&self, raw: &RawUser) -> Result<User, Problem> {
        self.valid(&raw.name, check::account)?;
        let name = raw.name.get_ref().clone();
        let texts = [Some(&raw.comment), raw.shell.as_ref(), raw.home.as_ref()];
        if texts.into_iter().flatten().any(|text| text.contains([':', '\n'])) {
            return Err(self.at(&raw.name, "a field of /etc/passwd has no `:` and no line end"));
        }
        let shell = match raw.system {
            true => "/usr/sbin/nologin",
            false => "/bin/bash",
        };
        let home = match raw.system {
            true => "/nonexistent".to_owned(),
            false => format!("/home/{name}"),
        };
        Ok(User {
            groups: self.all(&raw.groups, check::account)?,
            shell: raw.shell.clone().unwrap_or_else(|| shell.to_owned()),
            home: raw.home.clone().unwrap_or(home),
            comment: raw.comment.clone(),
            sudo: raw.sudo,
            system: raw.system,
            name,
        })
    }
}

fn matches(rule: &RawFileRule, path: &str) -> bool {
    glob_match::glob_match(rule.path.get_ref(), path)
}
