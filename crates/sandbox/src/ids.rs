//! User and group ids across user namespaces (user_namespaces(7)): what a process has, what its
//! user may add (subuid(5)), and what it hands on to a namespace of its own.

/// Ids that a Debian system uses: 0 to 65535 (Debian policy, section 9.2.2).
pub(crate) const NEEDED: u32 = 65536;

/// A run of ids: `count` of them from `inside` on are those from `outside` on in the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
    pub(crate) count: u32,
}

/// Reads `/proc/PID/uid_map` or `gid_map`, sorted.
pub(crate) fn parse_map(text: &str) -> Vec<Extent> {
    let extent = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        Some(Extent {
            inside: numbers.next()?.ok()?,
            outside: numbers.next()?.ok()?,
            count: numbers.next()?.ok()?,
        })
    };
    let mut extents: Vec<Extent> = text.lines().filter_map(extent).collect();
    extents.sort_unstable();
    extents
}

/// How many ids, counted from 0, a process with this map has.
pub(crate) fn contiguous(map: &[Extent]) -> u32 {
    map.iter().fold(0, |end, extent| match extent.inside == end {
        true => end.saturating_add(extent.count),
        false => end,
    })
}

/// The map that hands all needed ids on, one to one. The kernel wants each line within one extent
/// of the parent's map.
pub(crate) fn hand_on(own: &[Extent]) -> String {
    let line = |extent: &Extent| {
        let count = NEEDED.saturating_sub(extent.inside).min(extent.count);
        (count > 0).then(|| format!("{0} {0} {count}\n", extent.inside))
    };
    own.iter().filter_map(line).collect()
}

/// The ranges that a subordinate id file (`/etc/subuid`, `/etc/subgid`) gives to a user, as (first,
/// count). Lines are `NAME-OR-UID:FIRST:COUNT`.
pub(crate) fn subordinate(file: &str, name: &str, uid: u32) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if owner != name && owner.parse() != Ok(uid) {
            return None;
        }
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    file.lines().filter_map(range).collect()
}

/// The map that makes `own` the 0 of a new namespace and fills up with subordinate ids; `None` if
/// these are too few.
pub(crate) fn with_subordinate(own: u32, ranges: &[(u32, u32)]) -> Option<Vec<Extent>> {
    let mut map = vec![Extent { inside: 0, outside: own, count: 1 }];
    let mut next = 1;
    for &(outside, available) in ranges {
        let count = available.min(NEEDED - next);
        if count > 0 {
            map.push(Extent { inside: next, outside, count });
            next += count;
        }
    }
    (next == NEEDED).then_some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_maps_of_hosts_and_containers() {
        let ids = |text| contiguous(&parse_map(text));
        assert_eq!(ids("         0          0 4294967295\n"), 4_294_967_295);
        assert_eq!(ids("0 1000 1\n1 100000 65536\n"), 65537);
        assert_eq!(ids("1 100000 65536\n0 1000 1\n"), 65537);
        assert_eq!(ids("0 1000 1\n"), 1);
        assert_eq!(ids("1 1000 5\n"), 0);
        assert_eq!(ids(""), 0);
    }

    #[test]
    fn each_line_that_is_handed_on_lies_in_one_extent() {
        let hand_on = |text| hand_on(&parse_map(text));
        assert_eq!(hand_on("0 0 4294967295\n"), "0 0 65536\n");
        assert_eq!(hand_on("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65535\n");
        assert_eq!(hand_on("0 7 10\n10 90 10\n70000 5 5\n"), "0 0 10\n10 10 10\n");
    }

    #[test]
    fn subordinate_ids_go_by_name_or_number() {
        let file = "# comment\nann:100000:65536\n1001:200000:10\nbob:x:1\n1001:300000:70000\n";
        assert_eq!(subordinate(file, "ann", 1000), [(100_000, 65536)]);
        assert_eq!(subordinate(file, "bob", 1001), [(200_000, 10), (300_000, 70000)]);
        assert_eq!(subordinate(file, "eve", 1002), []);
    }

    #[test]
    fn ones_own_id_becomes_root_and_the_rest_is_subordinate() {
        let extent = |inside, outside, count| Extent { inside, outside, count };
        assert_eq!(
            with_subordinate(1000, &[(100_000, 65536)]).unwrap(),
            [extent(0, 1000, 1), extent(1, 100_000, 65535)]
        );
        assert_eq!(
            with_subordinate(1000, &[(5000, 10), (100_000, 70000)]).unwrap(),
            [extent(0, 1000, 1), extent(1, 5000, 10), extent(11, 100_000, 65525)]
        );
        assert_eq!(with_subordinate(1000, &[(100_000, 65534)]), None);
        assert_eq!(with_subordinate(1000, &[]), None);
    }
}
