//! The exec substitution interpreter: what the kernel starts in place of a guest program.
//!
//! Inside the sandbox the kernel's `binfmt_misc` hands every program of the guest's architecture to
//! this one (flag `P`: argv is this program, the guest program's path, its original argv[0], its
//! arguments). If the tools tree has the same program for this machine, that runs, through the
//! tools tree's own dynamic loader; else the guest program runs under qemu-user. Only *starting*
//! is redirected: whoever reads the file as data sees the guest's bytes.
//!
//! It runs inside the guest's root, where no library of the host exists, and before every single
//! program: so it is freestanding (no libc), static, allocates nothing it does not need, and makes
//! about a dozen system calls. Exit status 126 means that the program could not be started.
#![no_std]
#![no_main]

mod config;
mod elf;
mod sys;

use config::{Additions, Config, Rule};
use sys::Errno;

/// Written by the session before the first program starts; see `config.rs`.
const CONFIG: &[u8] = b"/run/osb/exec.conf\0";
/// The kernel's `PATH_MAX`.
const PATH_MAX: usize = 4096;
const CONFIG_MAX: usize = 32 * 1024;
/// Arguments that are put before the program's own: the loader's six and the table's.
const EXTRA_ARGUMENTS: usize = 32;
const EXTRA_VARIABLES: usize = 16;
/// Table texts with a NUL appended, which `execve` needs.
const STRINGS_MAX: usize = 16 * 1024;

/// Entered from `_start` with the initial stack: argc, argv…, null, envp…, null.
///
/// # Safety
/// Called once, by `_start`, with the pointer that the kernel gave.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the layout that the kernel guarantees to a new process.
    let (argv, envp) = unsafe {
        let argc = *stack;
        let argv = core::slice::from_raw_parts(stack.add(1).cast::<*const u8>(), argc);
        let first = stack.add(argc + 2).cast::<*const u8>();
        let mut count = 0;
        while !(*first.add(count)).is_null() {
            count += 1;
        }
        (argv, core::slice::from_raw_parts(first, count))
    };
    if argv.len() < 3 {
        fail(b"this program", b"is started by the kernel only, with flag P", None);
    }
    run(argv, envp)
}

fn run(argv: &[*const u8], envp: &[*const u8]) -> ! {
    let path = string(argv[1]);
    let mut text = [0; CONFIG_MAX];
    let text = match read_file(CONFIG, &mut text) {
        Ok(text) if text.len() < CONFIG_MAX => text,
        Ok(_) => fail(CONFIG, b"is too long", None),
        Err(errno) => fail(CONFIG, b"cannot be read", Some(errno)),
    };
    let config = Config::parse(text);
    let mut buffer = [0; PATH_MAX];
    let resolved = resolve(path, &mut buffer).unwrap_or(path);
    let mut tool = Text::<{ PATH_MAX + 1 }>::new();
    let rule = match config.rule(resolved) {
        Rule::Substitute(additions)
            if !additions.forbidden_by(argv[3..].iter().map(|a| string(*a))) =>
        {
            find_tool(&config, resolved, &mut tool).map(|dynamic| (additions, dynamic))
        }
        _ => None,
    };
    match rule {
        Some((additions, dynamic)) => substitute(&config, additions, &tool, dynamic, argv, envp),
        None => emulate(&config, argv, envp),
    }
}

/// Starts the tools tree's program.
fn substitute(
    config: &Config<'_>,
    additions: Additions<'_>,
    tool: &Text<{ PATH_MAX + 1 }>,
    dynamic: bool,
    argv: &[*const u8],
    envp: &[*const u8],
) -> ! {
    let mut strings = Text::<STRINGS_MAX>::new();
    let mut list = List::new(argv.len() + EXTRA_ARGUMENTS);
    let program = if dynamic {
        // --inhibit-cache: the guest's /etc/ld.so.cache lists libraries of another architecture.
        list.push(strings.terminated(config.loader));
        list.push(c"--inhibit-cache".as_ptr().cast());
        list.push(c"--library-path".as_ptr().cast());
        list.push(strings.terminated(config.libraries));
        list.push(c"--argv0".as_ptr().cast());
        list.push(argv[2]);
        list.push(tool.bytes().as_ptr());
        config.loader
    } else {
        list.push(argv[2]);
        tool.without_nul()
    };
    for (directory, argument) in additions.includes() {
        if exists(directory) {
            list.push(strings.terminated(argument));
        }
    }
    argv[3..].iter().for_each(|a| list.push(*a));
    let mut environment = List::new(envp.len() + EXTRA_VARIABLES);
    for variable in envp {
        let overridden = additions.variables().any(|new| name(new) == name(string(*variable)));
        if !overridden {
            environment.push(*variable);
        }
    }
    additions.variables().for_each(|v| environment.push(strings.terminated(v)));
    execute(program, list, environment)
}

/// Starts the guest's program under the emulator.
fn emulate(config: &Config<'_>, argv: &[*const u8], envp: &[*const u8]) -> ! {
    let mut strings = Text::<STRINGS_MAX>::new();
    let mut list = List::new(argv.len() + EXTRA_ARGUMENTS);
    list.push(strings.terminated(config.emulator));
    list.push(c"-0".as_ptr().cast());
    list.push(argv[2]);
    list.push(argv[1]);
    argv[3..].iter().for_each(|a| list.push(*a));
    let mut environment = List::new(envp.len() + 1);
    envp.iter().for_each(|v| environment.push(*v));
    execute(config.emulator, list, environment)
}

fn execute(program: &[u8], argv: List, envp: List) -> ! {
    let mut path = Text::<{ PATH_MAX + 1 }>::new();
    path.push(program);
    path.push(b"\0");
    // SAFETY: the path ends in NUL; both lists have a null pointer after their last element and
    // hold pointers to strings that end in NUL: the kernel's own or `Text::terminated`'s.
    let errno = unsafe { sys::execve(path.bytes(), argv.finish(), envp.finish()) };
    fail(program, b"cannot be executed", Some(errno))
}

/// The program of the tools tree with the same path, if it is one for this machine: its path with
/// links resolved and a NUL goes to `tool`; the result says whether it needs the loader.
fn find_tool(
    config: &Config<'_>,
    resolved: &[u8],
    tool: &mut Text<{ PATH_MAX + 1 }>,
) -> Option<bool> {
    if resolved.first() != Some(&b'/') || resolved.len() >= PATH_MAX || config.tools.is_empty() {
        return None;
    }
    let mut path = Text::<{ PATH_MAX + 1 }>::new();
    path.push(config.tools);
    path.push(b"\0");
    let root = sys::open(path.bytes(), sys::O_PATH).ok()?;
    path.clear();
    path.push(resolved);
    path.push(b"\0");
    // O_NONBLOCK: opening a fifo or a device by mistake must not hang.
    let file = sys::open_in_root(root, path.bytes(), sys::O_NONBLOCK);
    sys::close(root);
    let file = file.ok()?;
    let mut head = [0; elf::HEAD];
    let program = sys::read_at(file, &mut head, 0)
        .ok()
        .and_then(|length| elf::Program::parse(&head[..length]))
        .filter(|p| p.machine == config.machine && (!p.dynamic || !config.loader.is_empty()));
    if program.is_some() {
        let mut buffer = [0; PATH_MAX];
        // Without /proc the tools tree's own links have to serve; its mount is visible all the same.
        match descriptor_path(file, &mut buffer) {
            Some(real) => tool.push(real),
            None => {
                tool.push(config.tools);
                tool.push(resolved);
            }
        }
        tool.push(b"\0");
    }
    sys::close(file);
    program.map(|p| p.dynamic)
}

/// The path of a file with every link resolved, as the kernel knows it.
fn resolve<'b>(path: &[u8], buffer: &'b mut [u8; PATH_MAX]) -> Option<&'b [u8]> {
    if path.len() >= PATH_MAX {
        return None;
    }
    let mut terminated = Text::<{ PATH_MAX + 1 }>::new();
    terminated.push(path);
    terminated.push(b"\0");
    let file = sys::open(terminated.bytes(), sys::O_PATH).ok()?;
    let real = descriptor_path(file, buffer);
    sys::close(file);
    real
}

/// Where an open descriptor's file lies: `readlink("/proc/self/fd/N")`.
fn descriptor_path(fd: usize, buffer: &mut [u8; PATH_MAX]) -> Option<&[u8]> {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = fd;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let mut link = Text::<40>::new();
    link.push(b"/proc/self/fd/");
    link.push(&digits[at..]);
    link.push(b"\0");
    sys::readlink(link.bytes(), buffer).ok().filter(|real| real.len() < PATH_MAX)
}

/// Whether the guest has `path`.
fn exists(path: &[u8]) -> bool {
    let mut terminated = Text::<{ PATH_MAX + 1 }>::new();
    terminated.push(path);
    terminated.push(b"\0");
    let Ok(file) = sys::open(terminated.bytes(), sys::O_PATH) else { return false };
    sys::close(file);
    true
}

fn read_file<'b>(path: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    let file = sys::open(path, 0)?;
    let length = sys::read_all(file, buffer);
    sys::close(file);
    Ok(&buffer[..length?])
}

/// The name of a `NAME=VALUE` text.
fn name(variable: &[u8]) -> &[u8] {
    variable.split(|&b| b == b'=').next().unwrap_or(variable)
}

/// A string of the initial stack.
fn string(pointer: *const u8) -> &'static [u8] {
    // SAFETY: every pointer given to this function is from argv or envp, whose strings end in NUL
    // and stay in place as long as the process lives.
    unsafe { core::slice::from_raw_parts(pointer, sys::strlen(pointer)) }
}

/// Says what went wrong on standard error and ends the process.
fn fail(what: &[u8], problem: &[u8], errno: Option<Errno>) -> ! {
    let mut line = Text::<{ PATH_MAX + 200 }>::new();
    line.push(b"osb interpreter: ");
    line.push(what.strip_suffix(b"\0").unwrap_or(what));
    line.push(b" ");
    line.push(problem);
    if let Some(Errno(number)) = errno {
        line.push(match number {
            2 => b": no such file",
            7 => b": argument list too long",
            8 => b": wrong executable format",
            12 => b": out of memory",
            13 => b": permission denied",
            _ => b": the kernel refused it",
        });
    }
    line.push(b"\n");
    let _ = sys::write(2, line.bytes());
    sys::exit(126)
}

/// Bytes gathered in a fixed buffer.
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    fn clear(&mut self) {
        self.length = 0;
    }

    fn push(&mut self, more: &[u8]) {
        match self.bytes.get_mut(self.length..self.length + more.len()) {
            Some(room) => room.copy_from_slice(more),
            None => fail(b"a path or table text", b"is too long", None),
        }
        self.length += more.len();
    }

    /// Adds a text with a NUL and returns a pointer to it. The buffer never moves: it lives in the
    /// frame of a function that does not return.
    fn terminated(&mut self, text: &[u8]) -> *const u8 {
        let at = self.length;
        self.push(text);
        self.push(b"\0");
        self.bytes[at..].as_ptr()
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn without_nul(&self) -> &[u8] {
        let bytes = self.bytes();
        bytes.strip_suffix(b"\0").unwrap_or(bytes)
    }
}

/// A growing null-terminated list of strings for `execve`.
struct List {
    words: &'static mut [*const u8],
    length: usize,
}

impl List {
    fn new(capacity: usize) -> Self {
        match sys::allocate_words(capacity + 1) {
            Ok(words) => Self { words, length: 0 },
            Err(errno) => fail(b"the argument list", b"has no room", Some(errno)),
        }
    }

    fn push(&mut self, word: *const u8) {
        // One word stays null: the end of the list.
        if self.length + 1 >= self.words.len() {
            fail(b"the substitution table", b"adds too many arguments", None);
        }
        self.words[self.length] = word;
        self.length += 1;
    }

    fn finish(self) -> &'static [*const u8] {
        self.words
    }
}
