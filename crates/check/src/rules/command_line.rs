//! Kernel command lines.

use osb_image::TableKind;

use crate::facts::{Facts, Start};
use crate::parse::command_line::value;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

/// The command lines that are there.
fn lines<'a>(facts: &'a Facts) -> Result<Vec<(&'a Start, &'a [String])>, Skip> {
    let starts = facts.starts()?.iter();
    Ok(starts.filter_map(|start| Some((start, start.line.as_deref()?))).collect())
}

pub(super) const ROOT_NAMED: Rule = Rule {
    id: "root-named",
    severity: Severity::Error,
    claim: "Every command line names the partition that the root is in, by an identifier.",
    reason: "The kernel or the initramfs waits for a partition that never comes.",
    source: "Linux, Documentation/admin-guide/kernel-parameters.txt, `root=`",
    remedy: "Write root=PARTUUID= with the identifier that `osb inspect IMAGE partitions` shows.",
    run: root_named,
};

fn root_named(facts: &Facts) -> Verdict {
    let lines = lines(facts)?;
    let place = &facts.subject.root_place;
    let table = facts.subject.table.as_ref();
    let partition = table.and_then(|table| {
        table.partitions.iter().find(|each| Some(each.number) == place.partition)
    });
    let mut found = Vec::new();
    for (start, line) in lines {
        let Some(root) = value(line, "root") else {
            found.push(Finding::at(&start.line_by, "it names no root (root=)"));
            continue;
        };
        let (kind, named) = root.split_once('=').unwrap_or(("", root));
        // An archive has no partition: any identifier may be that of the disk it goes to.
        let there = match (kind, partition) {
            ("PARTUUID", Some(partition)) => named.eq_ignore_ascii_case(&partition.id),
            ("PARTLABEL", Some(partition)) => named == partition.name,
            ("UUID", Some(_)) => named.eq_ignore_ascii_case(&place.uuid),
            ("LABEL", Some(_)) => named == place.label,
            ("PARTUUID", None) => is_partition_id(named),
            ("PARTLABEL" | "UUID" | "LABEL", None) => !named.is_empty(),
            _ if named == "/dev/nfs" => true,
            _ if named.starts_with("/dev/") => {
                let text = format!("root={root}: names of devices change with the machine");
                found.push(Finding::at(&start.line_by, text));
                continue;
            }
            _ => false,
        };
        if !there {
            let place = match partition {
                Some(partition) => format!("the root's partition is {}", partition.id),
                None => "that is no identifier".to_owned(),
            };
            found.push(Finding::at(&start.line_by, format!("root={root}: {place}")));
        }
    }
    Ok(found)
}

/// A GUID, or eight digits and a number for an MBR.
fn is_partition_id(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    digits && (lengths == [8, 4, 4, 4, 12] || lengths == [8, 2])
}

pub(super) const ROOT_PARTITION: Rule = Rule {
    id: "root-partition-found",
    severity: Severity::Error,
    claim: "The disk has a partition with a root file system, and no two partitions have one \
            identifier.",
    reason: "There is nothing to start, or it is not clear what.",
    source: "UEFI specification 2.10, section 5.3.3",
    remedy: "Build the image anew.",
    run: root_partition,
};

fn root_partition(facts: &Facts) -> Verdict {
    let table = facts.table()?;
    let mut found = Vec::new();
    if facts.subject.root.as_ref().is_none_or(|root| root.get("usr").is_none()) {
        found.push(Finding::whole("no partition has a root file system"));
    }
    let mut ids: Vec<&str> = table.partitions.iter().map(|each| each.id.as_str()).collect();
    ids.sort_unstable();
    for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
        found.push(Finding::whole(format!("two partitions have the identifier {}", pair[0])));
    }
    let none = "00000000-0000-0000-0000-000000000000";
    if table.kind == TableKind::Gpt && ids.contains(&none) {
        found.push(Finding::whole("a partition has no identifier"));
    }
    Ok(found)
}

pub(super) const AGREE: Rule = Rule {
    id: "command-lines-agree",
    severity: Severity::Warning,
    claim: "The Pi's command line and those of loader entries differ in consoles only.",
    reason: "What was tried in a virtual machine is not what the Pi does.",
    source: "osb's own contract: one disk for both",
    remedy: "Build the image anew, or make the same change in all of them.",
    run: agree,
};

fn agree(facts: &Facts) -> Verdict {
    let lines = lines(facts)?;
    let pi = lines.iter().find(|(start, _)| start.pi);
    let Some(((_, pi), (other, entry))) = pi.zip(lines.iter().find(|(start, _)| !start.pi)) else {
        return Skip::because("there are not both a Pi's command line and a loader entry");
    };
    let shared = |line: &[String]| -> Vec<String> {
        line.iter().filter(|argument| !argument.starts_with("console=")).cloned().collect()
    };
    let (pi, entry) = (shared(pi), shared(entry));
    let mut found = Vec::new();
    for argument in pi.iter().filter(|argument| !entry.contains(argument)) {
        found.push(Finding::at(
            &other.line_by,
            format!("it lacks {argument}, which cmdline.txt has"),
        ));
    }
    for argument in entry.iter().filter(|argument| !pi.contains(argument)) {
        found.push(Finding::at(
            &other.line_by,
            format!("it has {argument}, which cmdline.txt lacks"),
        ));
    }
    if found.is_empty() && pi != entry {
        found.push(Finding::at(&other.line_by, "the same arguments are in another order"));
    }
    Ok(found)
}

pub(super) const CONSOLES: Rule = Rule {
    id: "command-line-consoles",
    severity: Severity::Warning,
    claim: "Every command line has a screen and a serial port as consoles.",
    reason: "A machine that does not start tells nobody why.",
    source: "Linux, Documentation/admin-guide/serial-console.rst",
    remedy: "Write console=tty1 (tty0 for UEFI) and console= with the serial port.",
    run: consoles,
};

fn consoles(facts: &Facts) -> Verdict {
    let mut found = Vec::new();
    for (start, line) in lines(facts)? {
        let consoles: Vec<&str> =
            line.iter().filter_map(|argument| argument.strip_prefix("console=")).collect();
        let is_screen = |name: &&&str| {
            name.strip_prefix("tty")
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if !consoles.iter().any(|name| is_screen(&name)) {
            found.push(Finding::at(&start.line_by, "no screen is a console (console=tty1)"));
        }
        if consoles.iter().all(|name| is_screen(&name)) {
            found.push(Finding::at(&start.line_by, "no serial port is a console"));
        }
    }
    Ok(found)
}
