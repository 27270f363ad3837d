//! The rules, by what they are about. A new one is a value in its family's file and a line here.

mod command_line;
mod kernel;
mod kubernetes;
mod mirrors;
mod node;
mod packages;
mod pi;
mod secrets;
mod start;
mod table;
mod uefi;

use crate::rule::Rule;

/// All rules, in the order in which they are told.
pub static RULES: &[Rule] = &[
    // the disk
    table::TABLE_SOUND,
    table::BOOT_PARTITION,
    table::BOOT_FREE,
    command_line::ROOT_PARTITION,
    // what a Raspberry Pi's firmware reads
    pi::CONFIG,
    pi::OVERLAYS,
    pi::KERNEL,
    pi::DEVICE_TREE,
    pi::DEVICE_TREES_CURRENT,
    pi::COMMAND_LINE,
    pi::SIZES,
    // what UEFI firmware and systemd-boot read
    uefi::LOADER,
    uefi::ENTRY,
    uefi::VERSION,
    uefi::SETTINGS,
    // kernel and initramfs, whoever starts them
    start::KERNEL_WHOLE,
    start::KERNEL_MODULES,
    start::KERNEL_CURRENT,
    start::INITRAMFS,
    start::INITRAMFS_CURRENT,
    start::INITRAMFS_DISKS,
    start::INITRAMFS_NETWORK,
    start::CASE,
    command_line::ROOT_NAMED,
    command_line::AGREE,
    command_line::CONSOLES,
    // the kernel in the root
    kernel::INDEX,
    kernel::CONTAINER_MODULES,
    kernel::PI_MODULES,
    kernel::PAGES,
    kernel::CGROUPS,
    kernel::HELD,
    // a Kubernetes node
    kubernetes::CGROUP_DRIVER,
    kubernetes::CNI,
    kubernetes::SOCKET,
    kubernetes::PAUSE_IMAGE,
    kubernetes::VERSIONS,
    kubernetes::VERSIONS_HELD,
    kubernetes::SYSCTLS,
    node::SWAP,
    // starting
    node::UNITS_THERE,
    node::UNITS_WORK,
    node::GROWTH,
    // packages
    packages::STATES,
    packages::PRESENT,
    packages::UNCHANGED,
    packages::SUMS,
    packages::ALTERNATIVES,
    // rights
    node::SETUID_KNOWN,
    node::WRITABLE,
    // what must not be there
    secrets::MACHINE_ID,
    secrets::HOST_KEYS,
    secrets::PRIVATE_KEYS,
    secrets::KUBECONFIGS,
    secrets::TOKENS,
    secrets::PASSWORDS,
    secrets::TRACES_RULE,
    secrets::BUILD_PATHS,
    mirrors::MIRRORS,
    // what was not seen; the last one tells what the others met
    table::PARTITIONS_READ,
    table::FILES_READ,
];
