//! The emulated machine for each architecture: program, board, processor, firmware.

use crate::BootError;

/// One emulated machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Debian's name of the architecture.
    pub(crate) architecture: &'static str,
    /// Rust's name of the same, to see whether the host can run the guest natively.
    pub(crate) native: &'static str,
    /// The QEMU program.
    pub(crate) emulator: &'static str,
    /// `-machine` for software emulation.
    pub(crate) board: &'static str,
    /// `-machine` under KVM.
    pub(crate) board_kvm: &'static str,
    /// `-cpu` for software emulation.
    pub(crate) cpu: &'static str,
    /// Firmware code, first choice first. Never the Secure Boot build: what osb installs is not
    /// signed by anyone the firmware knows.
    pub(crate) firmware: &'static [&'static str],
    /// The variable store that goes with it.
    pub(crate) variables: &'static [&'static str],
}

const MACHINES: [Machine; 2] = [
    Machine {
        architecture: "arm64",
        native: "aarch64",
        emulator: "qemu-system-aarch64",
        board: "virt",
        board_kvm: "virt,gic-version=host",
        // Real pointer authentication costs software emulation a cipher per function call.
        cpu: "max,pauth-impdef=on",
        firmware: &["usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "usr/share/AAVMF/AAVMF_CODE.fd"],
        variables: &["usr/share/AAVMF/AAVMF_VARS.fd"],
    },
    Machine {
        architecture: "amd64",
        native: "x86_64",
        emulator: "qemu-system-x86_64",
        board: "q35",
        board_kvm: "q35",
        cpu: "max",
        firmware: &["usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_CODE.fd"],
        variables: &["usr/share/OVMF/OVMF_VARS_4M.fd", "usr/share/OVMF/OVMF_VARS.fd"],
    },
];

impl Machine {
    /// The machine for Debian's architecture name.
    pub(crate) fn of(architecture: &str) -> Result<Self, BootError> {
        MACHINES
            .into_iter()
            .find(|machine| machine.architecture == architecture)
            .ok_or_else(|| BootError::Architecture(architecture.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_architectures_have_a_machine_and_others_an_error() {
        assert_eq!(Machine::of("arm64").unwrap().board, "virt");
        assert_eq!(Machine::of("amd64").unwrap().board, "q35");
        assert!(Machine::of("mips").unwrap_err().to_string().contains("mips"));
    }

    #[test]
    fn no_secure_boot_firmware_is_chosen() {
        for name in MACHINES.iter().flat_map(|machine| machine.firmware) {
            assert!(!name.contains(".secboot") && !name.contains(".ms"), "{name}");
        }
    }
}
