//! Mutants that nothing has to notice, with the reasons; reviewed by hand.

/// Lines of `NAME | REASON`; others are comments.
const LIST: &str = include_str!("harmless.txt");

fn entries() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" | ")).map(|(name, why)| (name.trim(), why.trim()))
}

/// Why the mutant of this name is harmless.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    entries().find(|(listed, _)| *listed == name).map(|(_, reason)| reason)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    entries().map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_name_and_a_reason() {
        for line in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, reason) = line.split_once(" | ").unwrap_or_default();
            assert!(!name.trim().is_empty() && reason.len() > 20, "{line}");
        }
        let mut names: Vec<&str> = names().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
