//! Settings of containerd (containerd-config.toml(5)), as far as Kubernetes depends on them.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// Most files that import each other.
const MOST_FILES: usize = 64;
/// Where the settings for Kubernetes are, by version of the format: 2 is that of containerd 1.x, which
/// 2.x reads, too; 3 came with 2.0.
const TABLES: [(i64, &str); 2] =
    [(2, "io.containerd.grpc.v1.cri"), (3, "io.containerd.cri.v1.runtime")];
/// Where format 3 names images; format 2 does in the table above.
const IMAGES: &str = "io.containerd.cri.v1.images";
const DEFAULT_BIN: &str = "/opt/cni/bin";
const DEFAULT_CONF: &str = "/etc/cni/net.d";
const DEFAULT_SOCKET: &str = "/run/containerd/containerd.sock";

/// The settings of all files together.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Version of the format of the first file.
    pub(crate) version: Option<i64>,
    /// The table of the plugin for Kubernetes.
    cri: Table,
    /// The image that holds a pod's namespaces.
    pause_image: Option<String>,
    /// The table `grpc`.
    grpc: Table,
}

/// Files by the pattern that imports them, with their paths.
pub(crate) type Find<'a> = &'a dyn Fn(&str) -> Vec<(String, String)>;

impl Settings {
    /// Reads a file, and what it imports. containerd 1.x takes a plugin's table as a whole from the
    /// last file that has one (`whole`), 2.x setting by setting.
    ///
    /// # Errors
    /// The path of the file that is no TOML, and why.
    pub(crate) fn read(
        path: &str,
        text: &str,
        find: Find,
        whole: bool,
    ) -> Result<Settings, (String, String)> {
        let mut settings = Settings::default();
        let mut open = vec![(path.to_owned(), text.to_owned())];
        let mut seen = BTreeSet::from([path.to_owned()]);
        while let Some((path, text)) = (!open.is_empty()).then(|| open.remove(0)) {
            let file = text.parse::<Table>().map_err(|error| {
                let line = error.message().lines().next().unwrap_or_default().to_owned();
                (path.clone(), format!("it is no TOML: {line}"))
            })?;
            settings.add(&file, whole);
            let imports = file.get("imports").and_then(Value::as_array);
            for pattern in imports.into_iter().flatten().filter_map(Value::as_str) {
                // What is not absolute is beside the file.
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let pattern = match pattern.strip_prefix('/') {
                    Some(pattern) => pattern.to_owned(),
                    None => format!("{folder}/{pattern}"),
                };
                for (path, text) in find(&pattern) {
                    if seen.len() < MOST_FILES && seen.insert(path.clone()) {
                        open.push((path, text));
                    }
                }
            }
        }
        Ok(settings)
    }

    fn add(&mut self, file: &Table, whole: bool) {
        let version = file.get("version").and_then(Value::as_integer);
        self.version = self.version.or(version);
        let version = version.or(self.version);
        let table = TABLES.iter().find(|(known, _)| Some(*known) == version);
        let plugins = file.get("plugins").and_then(Value::as_table);
        let cri = table.and_then(|(_, name)| plugins?.get(*name)?.as_table());
        if let Some(cri) = cri {
            if whole {
                self.cri.clear();
                self.pause_image = None;
            }
            merge(&mut self.cri, cri);
        }
        // A name where the format of the file has none is not read.
        let image = match version {
            Some(2) => cri.and_then(|cri| cri.get("sandbox_image")),
            Some(3) => plugins
                .and_then(|plugins| plugins.get(IMAGES)?.get("pinned_images")?.get("sandbox")),
            _ => None,
        };
        if let Some(image) = image.and_then(Value::as_str) {
            self.pause_image = Some(image.to_owned());
        }
        if let Some(grpc) = file.get("grpc").and_then(Value::as_table) {
            merge(&mut self.grpc, grpc);
        }
    }

    /// A value of the plugin for Kubernetes.
    fn cri(&self, path: &[&str]) -> Option<&Value> {
        let (last, above) = path.split_last()?;
        let mut table = &self.cri;
        for key in above {
            table = table.get(*key)?.as_table()?;
        }
        table.get(*last)
    }

    /// Whether runc leaves cgroups to systemd.
    pub(crate) fn systemd_cgroup(&self) -> bool {
        let path = ["containerd", "runtimes", "runc", "options", "SystemdCgroup"];
        self.cri(&path).and_then(Value::as_bool) == Some(true)
    }

    /// Where CNI plugins are looked for, in order: `bin_dirs` is 2.1's.
    pub(crate) fn plugin_folders(&self) -> Vec<&str> {
        let list = self.cri(&["cni", "bin_dirs"]).and_then(Value::as_array);
        let list: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
        match list.is_empty() {
            true => {
                vec![self.cri(&["cni", "bin_dir"]).and_then(Value::as_str).unwrap_or(DEFAULT_BIN)]
            }
            false => list,
        }
    }

    /// Where networks are described.
    pub(crate) fn network_folder(&self) -> &str {
        self.cri(&["cni", "conf_dir"]).and_then(Value::as_str).unwrap_or(DEFAULT_CONF)
    }

    /// The image that holds a pod's namespaces, if it is named.
    pub(crate) fn pause_image(&self) -> Option<&str> {
        self.pause_image.as_deref()
    }

    /// Where containerd listens.
    pub(crate) fn socket(&self) -> &str {
        self.grpc.get("address").and_then(Value::as_str).unwrap_or(DEFAULT_SOCKET)
    }
}

/// Tables key by key; of other values the later counts.
fn merge(into: &mut Table, from: &Table) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, files: &[(&str, &str)], whole: bool) -> Settings {
        let find = |pattern: &str| {
            let found = files.iter().filter(|(path, _)| glob_match::glob_match(pattern, path));
            found.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        };
        Settings::read("etc/containerd/config.toml", text, &find, whole).unwrap()
    }

    const OPTIONS: &str = "containerd.runtimes.runc.options]\nSystemdCgroup = true\n";

    #[test]
    fn tables_are_those_of_the_version() {
        for (version, table, wanted) in [
            (2, TABLES[0].1, true),
            (3, TABLES[1].1, true),
            (3, TABLES[0].1, false),
            (2, TABLES[1].1, false),
        ] {
            let text = format!("version = {version}\n[plugins.\"{table}\".{OPTIONS}");
            assert_eq!(read(&text, &[], false).systemd_cgroup(), wanted, "{text}");
        }
    }

    #[test]
    fn both_formats_name_the_pause_image() {
        let two = format!("version = 2\n[plugins.\"{}\"]\nsandbox_image = \"p:1\"\n", TABLES[0].1);
        let three =
            format!("version = 3\n[plugins.\"{IMAGES}\".pinned_images]\nsandbox = \"p:1\"\n");
        for text in [&two, &three] {
            assert_eq!(read(text, &[], false).pause_image(), Some("p:1"), "{text}");
        }
        assert_eq!(read("version = 2\n", &[], true).pause_image(), None);
        for (text, to) in [(&two, 3), (&three, 2)] {
            let text = text.replace(&format!("version = {}", 5 - to), &format!("version = {to}"));
            assert_eq!(read(&text, &[], false).pause_image(), None, "{text}");
        }
    }

    #[test]
    fn imports_are_laid_over_as_the_program_does_it() {
        let table = TABLES[0].1;
        let text = format!(
            "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\", \"own.toml\"]\n\
             [plugins.\"{table}\".{OPTIONS}"
        );
        let cni = format!("version = 2\n[plugins.\"{table}\".cni]\nbin_dirs = [\"/a\", \"/b\"]\n");
        let grpc = "imports = [\"config.toml\"]\n[grpc]\naddress = \"/run/x\"\n";
        let files = [("etc/containerd/conf.d/a.toml", &cni[..]), ("etc/containerd/own.toml", grpc)];
        let settings = read(&text, &files, false);
        assert_eq!(settings.plugin_folders(), ["/a", "/b"]);
        assert_eq!((settings.socket(), settings.systemd_cgroup()), ("/run/x", true));
        assert!(!read(&text, &files, true).systemd_cgroup(), "1.x takes the last table as a whole");
        let none = read("version = 2\n", &[], true);
        assert_eq!((none.plugin_folders(), none.socket()), (vec![DEFAULT_BIN], DEFAULT_SOCKET));
        let error = Settings::read("x", "[[", &|_| Vec::new(), true).unwrap_err();
        assert_eq!(error.0, "x");
    }
}
