//! Short files as sets of lines, and the user database without the numbers that it hands out.
//!
//! Users and groups of services get the next free number when their package is configured. Two
//! roots whose packages were configured in another order have other numbers for the same names;
//! so owners are compared by name, too, and these files with the numbers taken out.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::facts::Root;

/// Longer files are not looked into.
pub(crate) const SHORT: u64 = 256 << 10;

/// The user database.
const PASSWD: &str = "etc/passwd";
const GROUP: &str = "etc/group";

/// Numbers that are handed out: Debian Policy, section 9.2.2.
const DYNAMIC: std::ops::RangeInclusive<u64> = 100..=999;

/// Digest of the lines in sorted order.
pub(crate) fn digest(text: &[u8]) -> [u8; 32] {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line);
        hash.update(b"\n");
    }
    hash.finalize().into()
}

/// Whether the text of the file is needed for [`name_owners`].
pub(crate) fn is_database(path: &str) -> bool {
    [PASSWD, GROUP].contains(&path)
}

/// Names the owners of all entries by the root's own user database, whose texts are given.
pub(crate) fn name_owners(root: &mut Root, texts: &BTreeMap<String, Vec<u8>>) {
    let table =
        |path| texts.get(path).map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
    let (passwd, group) = (table(PASSWD), table(GROUP));
    let (users, groups) = (numbers(&passwd), numbers(&group));
    for facts in root.values_mut() {
        let name = |names: &BTreeMap<u64, &str>, number: u64| {
            names.get(&number).map_or_else(|| number.to_string(), |name| (*name).to_owned())
        };
        facts.names_of_owner = (name(&users, facts.owner.0), name(&groups, facts.owner.1));
    }
    for (path, text) in [(PASSWD, &passwd), (GROUP, &group)] {
        if let Some(facts) = root.get_mut(path) {
            facts.lines = Some(digest(without_numbers(text, &groups).as_bytes()));
        }
    }
}

/// Number to name, of passwd(5) or group(5).
fn numbers(table: &str) -> BTreeMap<u64, &str> {
    let lines = table.lines().rev().map(|line| line.split(':').collect::<Vec<_>>());
    lines.filter_map(|fields| Some((fields.get(2)?.parse().ok()?, *fields.first()?))).collect()
}

/// The table with `*` for every number that was handed out, and the group's name for a user's.
fn without_numbers(table: &str, groups: &BTreeMap<u64, &str>) -> String {
    let handed_out = |field: &str| field.parse().ok().filter(|number| DYNAMIC.contains(number));
    let mut text = String::new();
    for line in table.lines() {
        let mut fields: Vec<&str> = line.split(':').collect();
        let is_user = fields.len() == 7;
        if let Some(field) = fields.get_mut(2)
            && handed_out(field).is_some()
        {
            *field = "*";
        }
        if is_user
            && let Some(field) = fields.get_mut(3)
            && let Some(name) = handed_out(field).and_then(|number| groups.get(&number))
        {
            *field = name;
        }
        text += &fields.join(":");
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equivalence::facts::{Facts, Kind};

    fn root(passwd: &str, group: &str, owner: (u64, u64)) -> Root {
        let texts = [(PASSWD, passwd), (GROUP, group)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let mut root: Root =
            [PASSWD, GROUP, "a"].map(|path| (path.to_owned(), Facts::new(Kind::File))).into();
        root.get_mut("a").unwrap().owner = owner;
        name_owners(&mut root, &texts.into());
        root
    }

    #[test]
    fn other_numbers_for_the_same_names() {
        let one =
            root("root:x:0:0::/:\nbus:x:991:992::/:\n", "root:x:0:\nbus:x:992:\n", (991, 992));
        let two =
            root("bus:x:996:995::/:\nroot:x:0:0::/:\n", "bus:x:995:\nroot:x:0:\n", (996, 995));
        for path in [PASSWD, GROUP] {
            assert_eq!(one[path].lines, two[path].lines);
        }
        assert_eq!(one["a"].names_of_owner, ("bus".to_owned(), "bus".to_owned()));
        assert_eq!(one["a"].names_of_owner, two["a"].names_of_owner);
    }

    #[test]
    fn fixed_numbers_and_other_groups_are_differences() {
        let group = "root:x:0:\nbus:x:992:\nadm:x:4:\n";
        let one = root("node:x:1000:992::/:\n", group, (0, 0));
        for other in ["node:x:1001:992::/:\n", "node:x:1000:4::/:\n", "nobody:x:1000:992::/:\n"] {
            assert_ne!(one[PASSWD].lines, root(other, group, (0, 0))[PASSWD].lines, "{other}");
        }
    }

    #[test]
    fn the_order_of_lines_does_not_count_and_their_number_does() {
        assert_eq!(digest(b"a\nb\n"), digest(b"b\na\n"));
        assert_ne!(digest(b"a\nb\n"), digest(b"a\na\nb\n"));
    }
}
