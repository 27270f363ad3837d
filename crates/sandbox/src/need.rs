//! What osb needs of a host, and how that stands: for `osb doctor`, and for the error of a build
//! that cannot start.

use std::fmt;

/// How a need stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Met,
    /// It works, but not well.
    Warning,
    /// It is not there.
    Missing,
}

/// One thing that is needed of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// A word for it, such as `kernel`.
    pub name: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What to do, unless it is met.
    pub remedy: Option<String>,
}

impl Need {
    /// One that is met.
    pub fn met(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Met, text: text.into(), remedy: None }
    }

    /// One that is met badly.
    pub fn warning(name: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { name, verdict: Verdict::Warning, text: text.into(), remedy }
    }

    /// One that is not met.
    pub fn missing(name: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { name, verdict: Verdict::Missing, text: text.into(), remedy }
    }
}

/// What the host lacks to run a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Each missing thing.
    pub needs: Vec<Need>,
}

impl Missing {
    /// The missing ones of `needs`, if there are any.
    pub fn among(needs: &[Need]) -> Option<Self> {
        let missing = |need: &&Need| need.verdict == Verdict::Missing;
        let needs: Vec<Need> = needs.iter().filter(missing).cloned().collect();
        (!needs.is_empty()).then_some(Self { needs })
    }
}

impl From<Need> for Missing {
    fn from(need: Need) -> Self {
        Self { needs: vec![need] }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this host cannot run the sandbox")?;
        for need in &self.needs {
            write!(f, "\n  {}: {}", need.name, need.text)?;
            if let Some(remedy) = &need.remedy {
                write!(f, "\n    {remedy}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Missing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_told_with_its_remedy() {
        let needs = [
            Need::met("a", "fine"),
            Need::warning("b", "slow", "update"),
            Need::missing("c", "absent", "install it"),
        ];
        let missing = Missing::among(&needs).unwrap();
        let text = missing.to_string();
        assert_eq!(text, "this host cannot run the sandbox\n  c: absent\n    install it");
        assert_eq!(Missing::among(&needs[..2]), None);
    }
}
