//! What the sandbox's interpreter reads at every program start: ELF headers, its configuration.

#[path = "../../../sandbox/interpreter/config.rs"]
#[allow(dead_code, unreachable_pub)]
mod config;
#[path = "../../../sandbox/interpreter/elf.rs"]
#[allow(dead_code, unreachable_pub)]
mod elf;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "interpreter",
    about: "ELF headers and the configuration of the sandbox's interpreter",
    run,
    seeds,
    words: &[
        "\u{7f}ELF\u{2}\u{1}",
        "emulate ",
        "program ",
        "include /",
        "unless E",
        "despite *",
        "*",
    ],
};

fn run(bytes: &[u8]) {
    if let Some(program) = elf::Program::parse(&bytes[..bytes.len().min(elf::HEAD)]) {
        assert_eq!(u16::from_le_bytes([bytes[18], bytes[19]]), program.machine);
    }
    let config = config::Config::parse(bytes);
    for path in [&b"/usr/bin/perl"[..], b"", b"x"] {
        if let config::Rule::Substitute(additions) = config.rule(path) {
            let _ = additions.includes().count() + additions.variables().count();
            let _ = additions.forbidden_by([&b"-E"[..], b"script"].into_iter());
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut elf = vec![0; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (elf[18], elf[32], elf[54], elf[56], elf[64]) = (62, 64, 56, 1, 3);
    let mut many = vec![0xff; 4096];
    many[..6].copy_from_slice(b"\x7fELF\x02\x01");
    many[32..40].fill(0);
    let mut seeds =
        texts(["machine 62\ntools /t\nloader /l\nlibraries a:b\nemulator /q\nemulate dpkg*\n\
         program perl*\ninclude /d -I/t/d\nvariable A=b\nunless EI\ndespite *.py\n"]);
    seeds.extend([elf, many, long("", "emulate a#*\n", ""), long("emulate ", "*p", "x\n")]);
    seeds
}
