//! The partition table and the boot partition as a whole.

use osb_image::{Partition, TableKind};

use crate::facts::Facts;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

/// Type of an EFI system partition in a GPT, and the types of FAT partitions in an MBR.
const EFI_SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const FAT_IN_MBR: [&str; 6] = ["01", "04", "06", "0b", "0c", "0e"];
const EFI_IN_MBR: &str = "ef";

pub(super) const TABLE_SOUND: Rule = Rule {
    id: "partition-table-sound",
    severity: Severity::Error,
    claim: "Both copies of the partition table are whole and agree, and no partitions overlap.",
    reason: "Firmware and kernel may read different copies, and tools refuse to change the disk.",
    source: "UEFI specification 2.10, section 5.3",
    remedy: "Build the image anew; `sgdisk -v` tells more.",
    run: table_sound,
};

fn table_sound(facts: &Facts) -> Verdict {
    let table = facts.table()?;
    let mut found: Vec<Finding> = table.problems.iter().map(Finding::whole).collect();
    let mut inner: Vec<&Partition> = table.partitions.iter().collect();
    if table.kind == TableKind::Mbr {
        // An extended partition holds others.
        inner.retain(|partition| !matches!(partition.kind.as_str(), "05" | "0f" | "85"));
    }
    inner.sort_by_key(|partition| partition.first_lba);
    for pair in inner.windows(2) {
        if pair[1].first_lba <= pair[0].last_lba {
            let (a, b) = (pair[0].number, pair[1].number);
            found.push(Finding::whole(format!("partitions {a} and {b} overlap")));
        }
    }
    Ok(found)
}

pub(super) const BOOT_PARTITION: Rule = Rule {
    id: "boot-partition-present",
    severity: Severity::Error,
    claim: "The disk has a FAT partition of a type that firmware looks at.",
    reason: "Firmware reads nothing but FAT, and UEFI looks at EFI system partitions only.",
    source: "UEFI specification 2.10, section 13.3; Raspberry Pi documentation, \"Boot flow\"",
    remedy: "Build the image with a boot partition (`[disk] boot-size`).",
    run: boot_partition,
};

fn boot_partition(facts: &Facts) -> Verdict {
    let table = facts.table()?;
    let number = facts.subject.boot_place.partition;
    let Some(partition) = table.partitions.iter().find(|each| Some(each.number) == number) else {
        return Ok(vec![Finding::whole(
            "there is no FAT partition: no firmware can start from it",
        )]);
    };
    let fits = match table.kind {
        TableKind::Gpt => partition.kind == EFI_SYSTEM,
        TableKind::Mbr => {
            partition.kind == EFI_IN_MBR || FAT_IN_MBR.contains(&partition.kind.as_str())
        }
    };
    Ok(match fits {
        true => Vec::new(),
        false => vec![Finding::whole(format!(
            "partition {} has the type {}, which firmware passes over",
            partition.number, partition.kind
        ))],
    })
}

pub(super) const BOOT_FREE: Rule = Rule {
    id: "boot-partition-has-room",
    severity: Severity::Warning,
    claim: "The boot partition has room for a second copy of what it holds.",
    reason: "A new kernel is written beside the old one; without room an update ends half-way.",
    source: "osb's own contract",
    remedy: "Raise `[disk] boot-size`.",
    run: boot_free,
};

fn boot_free(facts: &Facts) -> Verdict {
    facts.boot()?;
    let Some(space) = facts.subject.boot_space else {
        return Skip::because("the boot files have no partition of their own");
    };
    let used = space.total - space.free;
    Ok(match space.free >= used {
        true => Vec::new(),
        false => vec![Finding::whole(format!(
            "{} MiB are free, and {} MiB used",
            space.free >> 20,
            used >> 20
        ))],
    })
}

pub(super) const PARTITIONS_READ: Rule = Rule {
    id: "partitions-read",
    severity: Severity::Note,
    claim: "Every partition that may have files has a file system that these rules can look into.",
    reason: "What is in another one, a secret too, is not seen by any rule.",
    source: "ext2 to ext4 and FAT are read; no encryption, no volume manager, no other file system",
    remedy: "Look into it by other means.",
    run: partitions_read,
};

fn partitions_read(facts: &Facts) -> Verdict {
    facts.table()?;
    let unread = facts.subject.unread.iter();
    let told = unread.map(|(number, why)| Finding::whole(format!("partition {number}: {why}")));
    Ok(told.collect())
}

pub(super) const FILES_READ: Rule = Rule {
    id: "files-read",
    severity: Severity::Warning,
    claim: "Every text that rules ask for can be read, and is no larger than such texts are.",
    reason: "To the rules that ask for it, such a file is empty.",
    source: "1 MiB of a text, 16 MiB of a folder of them: crates/check/src/read.rs",
    remedy: "Find out what wrote it: `osb inspect IMAGE cat PATH`.",
    run: files_read,
};

fn files_read(facts: &Facts) -> Verdict {
    if facts.root().is_err() && facts.boot().is_err() {
        return Skip::because("there are no files");
    }
    let unread = facts.files.unread().into_iter();
    Ok(unread.map(|(path, why)| Finding::at(path, why)).collect())
}
