//! Settings and entries of systemd-boot (loader.conf(5); UAPI group, Boot Loader Specification).

/// `key value` lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Vec<(String, String)>);

impl Lines {
    /// What is empty or a comment is left out.
    pub(crate) fn parse(text: &str) -> Lines {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines = lines.filter(|line| !line.starts_with('#'));
        let split = |line: &str| {
            let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            (key.to_owned(), value.trim().to_owned())
        };
        Lines(lines.map(split).collect())
    }

    /// The last value of a key that has one.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of a key.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All keys, as often as they are there.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_come_several_times() {
        let lines = Lines::parse("# x\ninitrd /a\n\n  initrd\t/b \nefi\n");
        assert_eq!(lines.all("initrd").collect::<Vec<_>>(), ["/a", "/b"]);
        assert_eq!(lines.get("initrd"), Some("/b"));
        assert_eq!(lines.get("efi"), None);
        assert_eq!(lines.keys().count(), 3);
    }
}
