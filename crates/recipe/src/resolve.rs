//! From a recipe as written to a recipe: every value checked, at its place.

use std::path::Path;

use serde_spanned::Spanned;

use crate::check;
use crate::document::Document;
use crate::error::{Problem, RecipeError, did_you_mean};
use crate::folder::show;
use crate::keys;
use crate::raw::{RawCheck, RawImage, RawKey, RawKubernetes, RawRecipe, RawSource};
use crate::recipe::{
    Access, Arch, BOARDS, Image, Key, KeyMaterial, Kubernetes, Location, MirrorKind, Recipe, Source,
};
use crate::size;
use crate::trim::Trim;

/// The first minor release of Kubernetes 1 whose kubelet takes `--config-dir` (a beta option, on by
/// default), with which the layer k8s-prereq starts it.
const OLDEST_KUBELET: u16 = 30;

/// Checks values against `document`, which knows their places.
pub(crate) struct Resolver<'a> {
    pub(crate) document: &'a Document,
    /// Folder that files named in the recipe are relative to.
    pub(crate) base: &'a Path,
    /// Names of the rules that may be allowed; empty for any.
    pub(crate) rules: &'a [&'static str],
}

impl Resolver<'_> {
    /// The recipe that `raw` describes.
    pub(crate) fn recipe(&self, raw: RawRecipe) -> Result<Recipe, RecipeError> {
        let image = self.image(&raw.image)?;
        self.valid(&raw.suite.name, check::name)?;

        let mut sources: Vec<Source> = Vec::new();
        for source in raw.source.iter().filter(|source| source.enabled) {
            if sources.iter().any(|other| other.name == *source.name.get_ref()) {
                return Err(self.at(&source.name, "a source of this name exists already").into());
            }
            sources.push(self.source(source)?);
        }
        if sources.is_empty() {
            return Err(self
                .document
                .whole("no [[source]]: there is nothing to take packages from")
                .hint("copy the [[source]] tables of the built-in recipe (osb init writes it)")
                .into());
        }
        let (kubernetes, upstream) = self.kubernetes(&raw.kubernetes)?;
        if let Some(upstream) = upstream {
            if sources.iter().any(|other| other.name == upstream.name) {
                return Err(self
                    .document
                    .whole("the name `kubernetes` is taken by kubernetes.upstream's source")
                    .hint("give your [[source]] another name, or unset kubernetes.upstream")
                    .into());
            }
            sources.push(upstream);
        }

        let disk = self.disk(&raw.disk)?;

        for locale in &raw.trim.locales {
            let ok = locale.get_ref() == "*"
                || !locale.get_ref().is_empty()
                    && locale
                        .get_ref()
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"_@-".contains(&b));
            if !ok {
                return Err(self.at(locale, "not a language (`de`, `pt_BR`) or `*`").into());
            }
        }
        self.valid(&raw.access.user, check::account)?;
        if raw.access.user.get_ref() == "root" {
            return Err(self.at(&raw.access.user, "root stays locked; name another user").into());
        }
        let ssh_keys = self.all(&raw.access.ssh_keys, check::ssh_key)?;

        Ok(Recipe {
            image,
            suite: raw.suite.name.into_inner(),
            sources,
            kubernetes,
            disk,
            trim: Trim {
                docs: raw.trim.docs,
                man: raw.trim.man,
                locales: raw.trim.locales.into_iter().map(Spanned::into_inner).collect(),
            },
            access: Access { ssh_keys, user: raw.access.user.into_inner() },
            allow: self.allow(&raw.check)?,
        })
    }

    /// Findings that are allowed: each names a rule, and says whose findings or none.
    pub(crate) fn allow(&self, raw: &RawCheck) -> Result<Vec<String>, Problem> {
        for value in &raw.allow {
            let (rule, subject) = match value.get_ref().split_once(':') {
                Some((rule, subject)) => (rule, Some(subject)),
                None => (value.get_ref().as_str(), None),
            };
            if !self.rules.is_empty() && !self.rules.contains(&rule) {
                let hint = did_you_mean(rule, self.rules.iter().copied());
                let hint = hint.unwrap_or_else(|| "`osb check --list` has all rules".to_owned());
                return Err(self.at(value, format!("unknown rule `{rule}`")).hint(hint));
            }
            if matches!(subject, Some("" | "/")) {
                return Err(self
                    .at(value, "nothing is behind the colon")
                    .hint("write RULE alone for all findings of a rule"));
            }
        }
        Ok(raw.allow.iter().map(|value| value.get_ref().clone()).collect())
    }

    fn image(&self, raw: &RawImage) -> Result<Image, Problem> {
        self.valid(&raw.name, check::name)?;
        self.valid(&raw.version, check::version)?;
        let arch = self.arch(&raw.arch)?;
        let boards = BOARDS.iter().map(|(name, _)| *name);
        let Some((board, archs)) = BOARDS.iter().find(|(name, _)| name == raw.board.get_ref())
        else {
            return Err(self.unknown("board", &raw.board, boards));
        };
        if !archs.contains(&arch) {
            let names: Vec<&str> = archs.iter().map(|arch| arch.as_str()).collect();
            let message = format!("board `{board}` does not exist for {}", arch.as_str());
            let hint =
                format!("`{board}` is {} only; board `uefi` exists for both", names.join(", "));
            return Err(self.at(&raw.arch, message).hint(hint));
        }
        if raw.layers.get_ref().is_empty() {
            return Err(self.at(&raw.layers, "an image needs at least one layer"));
        }
        let layers = self.all(raw.layers.get_ref(), check::name)?;
        for (index, layer) in raw.layers.get_ref().iter().enumerate() {
            if layers[..index].contains(layer.get_ref()) {
                return Err(self.at(layer, format!("layer `{}` twice", layer.get_ref())));
            }
        }
        Ok(Image {
            name: raw.name.get_ref().clone(),
            version: raw.version.get_ref().clone(),
            arch,
            board: (*board).to_owned(),
            layers,
        })
    }

    fn arch(&self, raw: &Spanned<String>) -> Result<Arch, Problem> {
        Arch::ALL.into_iter().find(|arch| arch.as_str() == raw.get_ref()).ok_or_else(|| {
            // The kernel's and Debian's names differ; people know both.
            let problem = self.unknown("architecture", raw, Arch::ALL.map(Arch::as_str));
            match raw.get_ref().as_str() {
                "aarch64" => problem.hint("Debian calls it `arm64`"),
                "x86_64" | "x86-64" => problem.hint("Debian calls it `amd64`"),
                _ => problem,
            }
        })
    }

    fn source(&self, raw: &RawSource) -> Result<Source, RecipeError> {
        self.valid(&raw.name, check::name)?;
        if raw.name.get_ref() == "artifact" {
            let message = "in the lock, `artifact` stands for packages that a layer pins by URL";
            return Err(self.at(&raw.name, message).hint("give the source another name").into());
        }
        let location = match (&raw.mirror, &raw.url) {
            (Some(mirror), None) => {
                let known = [MirrorKind::Debian, MirrorKind::DebianSecurity];
                match known.into_iter().find(|kind| kind.as_str() == mirror.get_ref()) {
                    Some(kind) => Location::Mirror(kind),
                    None => {
                        let names = known.map(MirrorKind::as_str);
                        return Err(self.unknown("mirror", mirror, names).into());
                    }
                }
            }
            (None, Some(url)) => {
                self.valid(url, check::url)?;
                Location::Url(url.get_ref().clone())
            }
            (Some(_), Some(url)) => {
                return Err(self.at(url, "a source has either `mirror` or `url`, not both").into());
            }
            (None, None) => {
                return Err(self
                    .at(&raw.name, "the source does not say where it is")
                    .hint("add mirror = \"debian\", or url = \"https://...\"")
                    .into());
            }
        };
        self.valid(&raw.suite, check::one_line)?;
        let flat = raw.suite.get_ref().ends_with('/');
        let components = match (&raw.components, flat) {
            (Some(components), true) if !components.get_ref().is_empty() => {
                let message = "a flat repository (suite ending in `/`) has no components";
                return Err(self.at(components, message).into());
            }
            (_, true) => Vec::new(),
            (Some(components), false) if components.get_ref().is_empty() => {
                let message = "only a flat repository (suite ending in `/`) has no components";
                return Err(self.at(components, message).into());
            }
            (Some(components), false) => components.get_ref().clone(),
            (None, false) => vec!["main".to_owned()],
        };
        if raw.keys.get_ref().is_empty() {
            let message = "a source without a key cannot be checked";
            return Err(self
                .at(&raw.keys, message)
                .hint("name at least one: keys = [{ fingerprint = \"...\" }]")
                .into());
        }
        let keys = raw.keys.get_ref().iter().map(|key| self.key(key)).collect::<Result<_, _>>()?;
        Ok(Source {
            name: raw.name.get_ref().clone(),
            location,
            suite: raw.suite.get_ref().clone(),
            components,
            keys,
            priority: raw.priority,
            pin: self.all(&raw.pin, check::package_pattern)?,
            pin_priority: raw.pin_priority,
            in_image: raw.in_image,
        })
    }

    fn key(&self, raw: &RawKey) -> Result<Key, RecipeError> {
        let fingerprint = self.fingerprint(&raw.fingerprint)?;
        let material = match (&raw.file, &raw.url) {
            (None, None) => {
                if !keys::DEBIAN_FINGERPRINTS.iter().any(|(known, _)| *known == fingerprint) {
                    return Err(self
                        .at(&raw.fingerprint, "not one of the keys that osb brings along")
                        .hint("say where the certificate is: file = \"...\" or url = \"...\"")
                        .into());
                }
                KeyMaterial::Builtin(keys::DEBIAN)
            }
            (Some(file), None) => self.key_file(file, file.get_ref())?,
            (None, Some(url)) => {
                self.valid(url, check::url)?;
                KeyMaterial::Url(url.get_ref().clone())
            }
            (Some(_), Some(url)) => {
                return Err(self.at(url, "a key has either `file` or `url`, not both").into());
            }
        };
        Ok(Key { fingerprint, material })
    }

    /// Kubernetes' settings, and its repository if it is wanted.
    fn kubernetes(&self, raw: &RawKubernetes) -> Result<(Kubernetes, Option<Source>), RecipeError> {
        let fingerprint = self.fingerprint(&raw.fingerprint)?;
        let mut kubernetes = Kubernetes {
            upstream: None,
            repository: raw.repository.get_ref().clone(),
            key: raw.key.get_ref().clone(),
            fingerprint: fingerprint.clone(),
        };
        let Some(upstream) = &raw.upstream else { return Ok((kubernetes, None)) };
        let minor = upstream.get_ref();
        let digits = minor.strip_prefix("1.").filter(|digits| {
            (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let Some(number) = digits.and_then(|digits| digits.parse::<u16>().ok()) else {
            return Err(self
                .at(upstream, format!("not a minor release of Kubernetes: {minor:?}"))
                .hint("write it as \"1.36\"; the lock pins the patch release")
                .into());
        };
        if number < OLDEST_KUBELET {
            return Err(self
                .at(
                    upstream,
                    format!("Kubernetes {minor} is too old: its kubelet has no --config-dir"),
                )
                .hint(format!("1.{OLDEST_KUBELET} is the first release that works here"))
                .into());
        }
        let mut repository = raw.repository.get_ref().replace("{minor}", minor);
        if let Some(message) = check::url(&repository) {
            return Err(self.at(&raw.repository, message).into());
        }
        if !repository.ends_with('/') {
            repository.push('/');
        }
        let key = raw.key.get_ref().replace("{repository}", &repository).replace("{minor}", minor);
        let material = match key.contains("://") {
            true => match check::url(&key) {
                Some(message) => return Err(self.at(&raw.key, message).into()),
                None => KeyMaterial::Url(key.clone()),
            },
            false => self.key_file(&raw.key, &key)?,
        };
        kubernetes.upstream = Some(minor.clone());
        kubernetes.repository.clone_from(&repository);
        kubernetes.key = key;
        let source = Source {
            name: "kubernetes".to_owned(),
            location: Location::Url(repository),
            suite: "/".to_owned(),
            components: Vec::new(),
            keys: vec![Key { fingerprint, material }],
            priority: 900,
            pin: Vec::new(),
            pin_priority: 990,
            in_image: true,
        };
        Ok((kubernetes, Some(source)))
    }

    fn key_file(&self, place: &Spanned<String>, file: &str) -> Result<KeyMaterial, RecipeError> {
        let path = self.base.join(file);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(KeyMaterial::File(bytes)),
            Err(error) => {
                Err(self.at(place, format!("cannot read {}: {error}", show(&path))).into())
            }
        }
    }

    fn fingerprint(&self, raw: &Spanned<String>) -> Result<String, Problem> {
        keys::normalise(raw.get_ref()).ok_or_else(|| {
            self.at(raw, format!("not a fingerprint: {:?}", raw.get_ref()))
                .hint("40 hexadecimal digits, as `gpg --show-keys FILE` prints; no short key ids")
        })
    }

    pub(crate) fn size(&self, raw: &Spanned<String>) -> Result<u64, Problem> {
        size::parse(raw.get_ref()).map_err(|message| {
            self.at(raw, message).hint("write 512MiB or 2GiB (KiB, MiB, GiB, TiB)")
        })
    }

    /// A problem with the value `at`.
    pub(crate) fn at<T>(&self, at: &Spanned<T>, message: impl Into<String>) -> Problem {
        self.document.problem(at.span(), message)
    }

    /// The value's problem, if `check` finds one.
    pub(crate) fn valid(
        &self,
        value: &Spanned<String>,
        check: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Problem> {
        check(value.get_ref()).map_or(Ok(()), |message| Err(self.at(value, message)))
    }

    /// All values, if `check` finds no problem.
    pub(crate) fn all(
        &self,
        values: &[Spanned<String>],
        check: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<String>, Problem> {
        values
            .iter()
            .map(|value| self.valid(value, &check).map(|()| value.get_ref().clone()))
            .collect()
    }

    pub(crate) fn unknown<'a>(
        &self,
        what: &str,
        value: &Spanned<String>,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Problem {
        let hint = did_you_mean(value.get_ref(), known.clone()).unwrap_or_else(|| {
            format!("possible here: {}", known.into_iter().collect::<Vec<_>>().join(", "))
        });
        self.at(value, format!("unknown {what} `{}`", value.get_ref())).hint(hint)
    }
}
