//! Findings that whoever makes an image has looked at, and wants.

use std::fmt;

use glob_match::glob_match;

use crate::rule::Finding;
use crate::rules::RULES;

/// `RULE` or `RULE:SUBJECT`: one rule's findings that are no faults of this image.
///
/// The subject is a path on the node that begins with `/`, with `*` and `**` as in layers' file
/// rules; or a word of what is told, such as a host or a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allow {
    rule: String,
    subject: Option<String>,
}

/// Why a text is no [`Allow`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowError {
    /// There is no rule of this name.
    #[error("there is no rule {0:?}; `osb check --list` has them all")]
    Rule(String),
    /// Nothing is behind the colon.
    #[error("nothing is behind the colon of {0:?}: write RULE for all findings of a rule")]
    Subject(String),
}

impl Allow {
    /// Reads `RULE[:SUBJECT]`.
    ///
    /// # Errors
    /// If there is no such rule, or the subject is empty.
    pub fn parse(text: &str) -> Result<Allow, AllowError> {
        let (rule, subject) = match text.split_once(':') {
            Some((rule, subject)) => (rule, Some(subject.to_owned())),
            None => (text, None),
        };
        if !RULES.iter().any(|known| known.id == rule) {
            return Err(AllowError::Rule(rule.to_owned()));
        }
        match subject.as_deref() {
            Some("" | "/") => Err(AllowError::Subject(text.to_owned())),
            _ => Ok(Allow { rule: rule.to_owned(), subject }),
        }
    }

    /// The rule's name.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Whether a finding of a rule is meant.
    pub(crate) fn covers(&self, rule: &str, finding: &Finding) -> bool {
        let subject = match &self.subject {
            _ if self.rule != rule => return false,
            None => return true,
            Some(subject) => subject,
        };
        match subject.strip_prefix('/') {
            Some(pattern) => finding.path.as_ref().is_some_and(|path| {
                std::str::from_utf8(path).is_ok_and(|path| glob_match(pattern, path))
            }),
            None => words(&finding.text).any(|word| glob_match(subject, word)),
        }
    }
}

/// Words, without what stands around them in sentences.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|char: char| char.is_whitespace() || matches!(char, ',' | ';' | '"'));
    words.map(|word| word.trim_end_matches([':', '.']))
}

impl fmt::Display for Allow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.rule)?;
        self.subject.iter().try_for_each(|subject| write!(out, ":{subject}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_names_a_rule_and_perhaps_what_is_told() {
        let told = Finding::at("usr/lib/a/x", "mirror.lan is known, in one network only");
        for (text, wanted) in [
            ("setuid-known", true),
            ("setuid-known:/usr/lib/a/x", true),
            ("setuid-known:/usr/lib/*/x", true),
            ("setuid-known:/usr/**", true),
            ("setuid-known:/usr/lib/a", false),
            ("setuid-known:mirror.lan", true),
            ("setuid-known:known", true),
            ("setuid-known:mirror", false),
            ("no-tokens", false),
        ] {
            let allow = Allow::parse(text).unwrap();
            assert_eq!(allow.covers("setuid-known", &told), wanted, "{text}");
            assert_eq!(allow.to_string(), text);
        }
        assert!(!Allow::parse("no-tokens:/x").unwrap().covers("no-tokens", &Finding::whole("x")));
    }

    #[test]
    fn what_names_no_rule_is_refused() {
        assert!(matches!(Allow::parse("setuid"), Err(AllowError::Rule(_))));
        assert!(matches!(Allow::parse("setuid-known:"), Err(AllowError::Subject(_))));
    }
}
