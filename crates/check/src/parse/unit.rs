//! Units of systemd (systemd.syntax(7)).

/// Settings in order: section, name, value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unit(Vec<(String, String, String)>);

impl Unit {
    /// Lines that end with a backslash go on in the next.
    pub(crate) fn parse(text: &str) -> Unit {
        let mut unit = Unit::default();
        unit.extend(text);
        unit
    }

    /// Adds what a drop-in says: an empty value forgets those before.
    pub(crate) fn extend(&mut self, text: &str) {
        let mut section = String::new();
        let mut pending = String::new();
        for line in text.lines() {
            let line = line.trim();
            if pending.is_empty() && (line.is_empty() || line.starts_with(['#', ';'])) {
                continue;
            }
            if let Some(begin) = line.strip_suffix('\\') {
                pending.push_str(begin);
                pending.push(' ');
                continue;
            }
            let whole = std::mem::take(&mut pending) + line;
            if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((name, value)) = whole.split_once('=') {
                let (name, value) = (name.trim(), value.trim());
                if value.is_empty() {
                    self.0.retain(|(s, n, _)| (s.as_str(), n.as_str()) != (&section, name));
                } else {
                    self.0.push((section.clone(), name.to_owned(), value.to_owned()));
                }
            }
        }
    }

    /// All values of a setting.
    pub(crate) fn all<'a>(
        &'a self,
        section: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(s, n, _)| s == section && n == name);
        found.map(|(_, _, value)| value.as_str())
    }

    /// All settings of a section whose names begin with `prefix`.
    pub(crate) fn beginning<'a>(
        &'a self,
        section: &'a str,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let found = self.0.iter().filter(move |(s, n, _)| s == section && n.starts_with(prefix));
        found.map(|(_, name, value)| (name.as_str(), value.as_str()))
    }
}

/// The programs of a value of `ExecStart` and the like (systemd.service(5), "Command lines"): what
/// stands in front of each, and its path or name. A semicolon alone divides commands.
pub(crate) fn programs(value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut first = true;
    for word in words(value) {
        match (word.as_str(), first) {
            (";", _) => first = true,
            (_, true) => {
                let path = word.trim_start_matches(['@', ':', '+', '!', '|', '-']);
                found.push((word[..word.len() - path.len()].to_owned(), path.to_owned()));
                first = false;
            }
            _ => {}
        }
    }
    found
}

/// Words, without the quotes around them or a part of them; `\\x20` and the like stay what they are.
fn words(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            // An escaped quote is no end of one.
            ('\\', _) => {
                word.push(char);
                word.extend(chars.next());
                begun = true;
            }
            ('"' | '\'', None) => (quote, begun) = (Some(char), true),
            (char, Some(open)) if char == open => quote = None,
            (char, None) if char.is_ascii_whitespace() => {
                if std::mem::take(&mut begun) {
                    found.push(std::mem::take(&mut word));
                }
            }
            (char, _) => {
                word.push(char);
                begun = true;
            }
        }
    }
    if begun {
        found.push(word);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_and_drop_ins_forget() {
        let mut unit = Unit::parse("[Service]\n# x\nExecStart=/bin/a \\\n  b\nType=simple\n");
        assert_eq!(unit.all("Service", "ExecStart").collect::<Vec<_>>(), ["/bin/a  b"]);
        unit.extend("[Service]\nExecStart=\nExecStart=-/bin/c\n");
        assert_eq!(unit.all("Service", "ExecStart").collect::<Vec<_>>(), ["-/bin/c"]);
        assert_eq!(unit.beginning("Service", "Ty").collect::<Vec<_>>(), [("Type", "simple")]);
    }

    #[test]
    fn programs_may_be_quoted_and_several() {
        let all = |value: &str| -> Vec<String> {
            programs(value).into_iter().map(|(prefix, path)| format!("{prefix} {path}")).collect()
        };
        assert_eq!(all(r#"/bin/sh -c "echo \"a ; b c\"""#), [" /bin/sh"]);
        assert_eq!(all("/bin/a b"), [" /bin/a"]);
        assert_eq!(all("-@\"/opt/a b/c\" x \"y z\""), ["-@ /opt/a b/c"]);
        assert_eq!(all("\"-/opt/a\""), ["- /opt/a"]);
        assert_eq!(all("/bin/a x ; -/bin/b ; 'c d'"), [" /bin/a", "- /bin/b", " c d"]);
        assert!(all("").is_empty());
    }
}
