//! The substitution table: which programs of the guest must really run as the guest's, and which
//! need something extra when the tools tree's program runs in their place.
//!
//! **To add a row**: put an [`Row::Emulate`] or [`Row::Program`] into [`ROWS`], with the reason as a
//! comment or `why`. The first row whose pattern matches decides. A pattern with a slash is for the
//! whole path with links resolved, one without for its last component; `*` stands for any
//! characters. Programs that no row names are substituted if the tools tree has the same path. In
//! arguments and variables `{tools}` is the tools tree as mounted in the guest, `{root}` another path
//! of the guest's root, `{triplet}` and `{guest}` the multiarch tuples of the host and of the guest.
//!
//! When does a program need a row? When it knows its own architecture, at compile time or from its
//! libraries' directory, and puts that into a file or a decision: compare the tree with one that
//! was made under emulation alone.

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub enum Row {
    /// Never substituted.
    Emulate {
        /// Which programs.
        pattern: &'static str,
        /// What would go wrong.
        why: &'static str,
    },
    /// Substituted, with additions.
    Program {
        /// Which programs.
        pattern: &'static str,
        /// Directories of the tools tree with modules: `-I` options, put before its own arguments.
        /// A `*` may end the last component; what the tools tree does not have is left out.
        include: &'static [&'static str],
        /// `NAME=VALUE`, set in its environment.
        variables: &'static [&'static str],
        /// Letters of leading one-letter options that make these additions ineffective: then it is
        /// emulated.
        unless: &'static str,
        /// Scripts (the first argument after the options) that do without the additions.
        despite: &'static [&'static str],
        /// Text that the tools tree's program contains if it can make use of the additions; if it
        /// does not, the guest's is emulated. For patterns without `*`, looked for in `/usr/bin`.
        knows: &'static str,
    },
}

/// A substituted program that needs nothing else.
const fn plain(pattern: &'static str) -> Row {
    Row::Program { pattern, include: &[], variables: &[], unless: "", despite: &[], knows: "" }
}

/// A program of dpkg that works on a database. Since 1.22 it takes the native architecture from the
/// database's file `arch-native` if it is told to work on another root (lib/dpkg/arch.c,
/// `dpkg_arch_load_native`); the sandbox shows the guest's root at that place once more.
const fn database(pattern: &'static str) -> Row {
    Row::Program {
        pattern,
        include: &[],
        variables: &["DPKG_ROOT={root}"],
        unless: "",
        despite: &[],
        knows: "arch-native",
    }
}

/// Directories of the tools tree with libraries, in search order: what packages link to by absolute
/// run path besides the standard one.
pub const LIBRARIES: &[&str] = &[
    "/usr/lib/{triplet}",
    "/usr/lib/{triplet}/systemd",
    // For visudo, which checks configuration files.
    "/usr/libexec/sudo",
];

/// The table.
pub const ROWS: &[Row] = &[
    // Archive and compression work only; they handle any architecture's packages the same way.
    plain("dpkg-deb"),
    plain("dpkg-split"),
    // Only resolves links below DPKG_ROOT.
    plain("dpkg-realpath"),
    database("dpkg"),
    database("dpkg-divert"),
    database("dpkg-query"),
    database("dpkg-trigger"),
    // Knows paths, users and modes only.
    plain("dpkg-statoverride"),
    Row::Emulate {
        pattern: "dpkg*",
        why: "compiled for one architecture, which decides what is native and what configures",
    },
    Row::Emulate { pattern: "apt*", why: "its default architecture is compiled in" },
    Row::Emulate { pattern: "ldconfig*", why: "lists libraries of its own architecture" },
    Row::Emulate { pattern: "ldd", why: "asks the loader of its own architecture" },
    Row::Emulate { pattern: "ld-linux*", why: "is the guest's loader" },
    Row::Emulate { pattern: "ld.so", why: "is the guest's loader" },
    Row::Emulate { pattern: "uname", why: "prints the machine" },
    Row::Emulate { pattern: "busybox", why: "contains a uname and an arch" },
    Row::Emulate { pattern: "arch", why: "prints the machine" },
    Row::Emulate { pattern: "getconf", why: "prints figures of its own C library" },
    Row::Emulate { pattern: "iconv*", why: "loads and lists converters from its own directory" },
    Row::Emulate { pattern: "bootctl", why: "installs the boot loader of its own architecture" },
    Row::Emulate { pattern: "gcc*", why: "its output is for its own architecture" },
    // Programs that load PAM modules, by a directory that is compiled into libpam.
    Row::Emulate { pattern: "chpasswd", why: "loads PAM modules of its own architecture" },
    Row::Emulate { pattern: "newusers", why: "loads PAM modules of its own architecture" },
    Row::Emulate { pattern: "passwd", why: "loads PAM modules of its own architecture" },
    Row::Emulate { pattern: "su", why: "loads PAM modules of its own architecture" },
    Row::Emulate { pattern: "sudo", why: "loads PAM modules of its own architecture" },
    Row::Emulate { pattern: "runuser", why: "loads PAM modules of its own architecture" },
    // perl looks for its modules in directories named after its own triplet, which the guest does
    // not have. -I works under -T (taint mode), PERL5LIB does not. Each is given only where the
    // guest has its counterpart: a guest with perl-base alone must not find half of the full perl,
    // whose other half, in /usr/share/perl, is missing.
    Row::Program {
        pattern: "/usr/bin/perl*",
        include: &[
            "/usr/lib/{triplet}/perl5/5.*",
            "/usr/lib/{triplet}/perl-base",
            "/usr/lib/{triplet}/perl/5.*",
        ],
        variables: &[],
        unless: "",
        despite: &[],
        knows: "",
    },
    // python finds its library by prefix and its extension modules by exec_prefix. -E and -I ignore
    // the environment. The compiler, which Debian runs with -E over the whole standard library,
    // needs no extension modules, and its output is the same everywhere.
    Row::Program {
        pattern: "/usr/bin/python3*",
        include: &[],
        variables: &["PYTHONHOME=/usr:{tools}/usr"],
        unless: "EI",
        despite: &["/usr/lib/python3*/py_compile.py"],
        knows: "",
    },
];
