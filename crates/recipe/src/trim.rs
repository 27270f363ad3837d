//! Files of packages that an image does without.

/// What is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trim {
    /// Documentation; copyright files always stay.
    pub docs: bool,
    /// Manual pages.
    pub man: bool,
    /// Languages whose translations are kept; `*` keeps all.
    pub locales: Vec<String>,
}

impl Trim {
    /// The lines of a file in `/etc/dpkg/dpkg.cfg.d` that leave these files out; with `--` before
    /// them they are dpkg's options. The last line that matches a path counts (dpkg(1), Debian
    /// manual pages, "path-exclude").
    ///
    /// `copyright` files stay: the licences of what is distributed ask for it.
    pub fn dpkg_excludes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut exclude = |pattern: &str| lines.push(format!("path-exclude={pattern}"));
        if self.docs {
            for place in ["doc", "doc-base", "info", "lintian", "bug", "help", "gtk-doc"] {
                exclude(&format!("/usr/share/{place}/*"));
            }
        }
        if self.man {
            exclude("/usr/share/man/*");
        }
        if !self.locales.iter().any(|locale| locale == "*") {
            exclude("/usr/share/locale/*");
            // Translations of manual pages are more than half of all translations.
            exclude("/usr/share/man/*/man[1-9]/*");
            lines.push("path-include=/usr/share/locale/locale.alias".to_owned());
            for locale in &self.locales {
                // `de`, `de_AT`, `de@hebrew`: dpkg's patterns are those of glob(7).
                for tail in ["", "[_@]*"] {
                    lines.push(format!("path-include=/usr/share/locale/{locale}{tail}/*"));
                    if !self.man {
                        lines.push(format!("path-include=/usr/share/man/{locale}{tail}/*"));
                    }
                }
            }
        }
        if self.docs {
            lines.push("path-include=/usr/share/doc/*/copyright".to_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copyright_files_stay_whatever_is_left_out() {
        let trim = Trim { docs: true, man: true, locales: vec!["en".to_owned()] };
        let lines = trim.dpkg_excludes();
        assert_eq!(lines.last().unwrap(), "path-include=/usr/share/doc/*/copyright");
        assert!(lines.contains(&"path-exclude=/usr/share/man/*".to_owned()));
        assert!(lines.contains(&"path-include=/usr/share/locale/en[_@]*/*".to_owned()));
        assert!(!lines.iter().any(|line| line.starts_with("path-include=/usr/share/man")));
    }

    #[test]
    fn nothing_to_leave_out_is_no_line() {
        let trim = Trim { docs: false, man: false, locales: vec!["*".to_owned()] };
        assert!(trim.dpkg_excludes().is_empty());
    }
}
