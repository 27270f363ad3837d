//! dpkg's diversions (dpkg-divert(1)) and statoverrides (dpkg-statoverride(1)).

use std::collections::HashMap;

use crate::error::UnpackError;
use crate::view::View;

const DIVERSIONS: &str = "var/lib/dpkg/diversions";
const OVERRIDES: &str = "var/lib/dpkg/statoverride";

/// Paths that packages are not to have: where their file goes, and whose package is excepted.
#[derive(Debug, Default)]
pub(crate) struct Diversions {
    /// Path to the one to use instead, and the package.
    to: HashMap<String, (String, String)>,
    /// The other way round.
    from: HashMap<String, String>,
}

impl Diversions {
    /// From the database in `view`.
    pub(crate) fn read(view: &mut View) -> Result<Self, UnpackError> {
        Diversions::parse(&view.read(DIVERSIONS)?.unwrap_or_default())
    }

    /// Triples of lines: path, path to use instead, package (`:` if it is the administrator's).
    pub(crate) fn parse(text: &str) -> Result<Self, UnpackError> {
        let lines: Vec<&str> = text.lines().collect();
        let mut found = Diversions::default();
        for triple in lines.chunks(3) {
            let [from, to, package] = triple else {
                let reason = "not three lines for each diversion";
                return Err(UnpackError::database(DIVERSIONS, reason));
            };
            let relative = |path: &str| path.trim_start_matches('/').to_owned();
            found.from.insert(relative(to), relative(from));
            found.to.insert(relative(from), (relative(to), (*package).to_owned()));
        }
        Ok(found)
    }

    /// The path that `package` is to use for `path`.
    ///
    /// # Errors
    /// The path itself is where another one was diverted to (archives.c).
    pub(crate) fn apply<'a>(
        &'a self,
        path: &'a str,
        package: &str,
    ) -> Result<&'a str, UnpackError> {
        if let Some(from) = self.from.get(path) {
            let reason =
                format!("trying to overwrite /{path}, which is the diverted version of /{from}");
            return Err(UnpackError::package(package, reason));
        }
        Ok(match self.to.get(path) {
            Some((to, by)) if by != package => to,
            _ => path,
        })
    }

    /// The package that diverted this path, if one did.
    pub(crate) fn by(&self, path: &str) -> Option<&str> {
        self.to.get(path).map(|(_, by)| by.as_str())
    }
}

/// Owner and mode that a path gets whatever its package says.
#[derive(Debug, Default)]
pub(crate) struct StatOverrides(HashMap<String, Override>);

/// An owner and a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Override {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
}

impl StatOverrides {
    /// From the database in `view`.
    pub(crate) fn read(view: &mut View) -> Result<Self, UnpackError> {
        let text = view.read(OVERRIDES)?.unwrap_or_default();
        if text.is_empty() {
            return Ok(StatOverrides::default());
        }
        let users = view.read("etc/passwd")?.unwrap_or_default();
        let groups = view.read("etc/group")?.unwrap_or_default();
        StatOverrides::parse(&text, &users, &groups)
    }

    /// Lines of `user group mode path`; names are looked up in the guest's own files.
    pub(crate) fn parse(text: &str, users: &str, groups: &str) -> Result<Self, UnpackError> {
        let (users, groups) = (numbers(users), numbers(groups));
        let mut found = HashMap::new();
        for line in text.lines() {
            let parsed = (|| {
                let mut words = line.splitn(4, ' ');
                let uid = number(words.next()?, &users)?;
                let gid = number(words.next()?, &groups)?;
                let mode = u32::from_str_radix(words.next()?, 8).ok()?;
                let path = words.next()?.trim_start_matches('/').to_owned();
                Some((path, Override { uid, gid, mode: mode & 0o7777 }))
            })();
            let (path, stat) = parsed.ok_or_else(|| {
                UnpackError::database(OVERRIDES, format!("not understood: {line}"))
            })?;
            found.insert(path, stat);
        }
        Ok(StatOverrides(found))
    }

    pub(crate) fn of(&self, path: &str) -> Option<Override> {
        self.0.get(path).copied()
    }
}

/// Names and numbers of a file like passwd(5), whose third field is the number; the first line of
/// a name counts.
fn numbers(file: &str) -> HashMap<&str, u32> {
    let mut found = HashMap::new();
    for line in file.lines() {
        let mut fields = line.split(':');
        let (name, number) = (fields.next(), fields.nth(1).and_then(|text| text.parse().ok()));
        if let (Some(name), Some(number)) = (name, number) {
            found.entry(name).or_insert(number);
        }
    }
    found
}

/// `#NUMBER`, or a name.
fn number(name: &str, numbers: &HashMap<&str, u32>) -> Option<u32> {
    match name.strip_prefix('#') {
        Some(number) => number.parse().ok(),
        None => numbers.get(name).copied(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn view(files: &[(&str, &str)]) -> (tempfile::TempDir, View) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let view = View::new(dir.path(), dir.path(), &[]);
        (dir, view)
    }

    #[test]
    fn diversions_spare_the_package_that_made_them() {
        let text = "/bin/sh\n/bin/sh.distrib\ndash\n/etc/a\n/etc/a.local\n:\n";
        let (_dir, mut view) = view(&[(DIVERSIONS, text)]);
        let diversions = Diversions::read(&mut view).unwrap();
        let apply = |path, package| diversions.apply(path, package).unwrap();
        assert_eq!(apply("bin/sh", "bash"), "bin/sh.distrib");
        assert_eq!(apply("bin/sh", "dash"), "bin/sh");
        assert_eq!(apply("etc/a", "dash"), "etc/a.local");
        assert_eq!(apply("etc/b", "dash"), "etc/b");
        assert_eq!(diversions.by("bin/sh"), Some("dash"));
        assert_eq!(diversions.by("bin/sh.distrib"), None);
        let error = diversions.apply("bin/sh.distrib", "bash").unwrap_err().to_string();
        assert!(error.contains("which is the diverted version of /bin/sh"), "{error}");
    }

    #[test]
    fn overrides_name_users_of_the_guest() {
        let (_dir, mut view) = view(&[
            (OVERRIDES, "root bus 4754 /usr/lib/helper with space\n#7 #8 600 /x\n"),
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
            ("etc/group", "root:x:0:\nbus:x:101:\n"),
        ]);
        let overrides = StatOverrides::read(&mut view).unwrap();
        let expected = Override { uid: 0, gid: 101, mode: 0o4754 };
        assert_eq!(overrides.of("usr/lib/helper with space"), Some(expected));
        assert_eq!(overrides.of("x"), Some(Override { uid: 7, gid: 8, mode: 0o600 }));
        assert_eq!(overrides.of("y"), None);
    }

    #[test]
    fn damaged_files_are_named() {
        let (_dir, mut view) = view(&[(OVERRIDES, "nobody root 600 /x\n"), (DIVERSIONS, "/a\n")]);
        let errors =
            [StatOverrides::read(&mut view).unwrap_err(), Diversions::read(&mut view).unwrap_err()];
        assert!(errors[0].to_string().contains("nobody root 600"), "{}", errors[0]);
        assert!(errors[1].to_string().contains("diversions"), "{}", errors[1]);
    }
}
