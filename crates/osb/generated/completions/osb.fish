# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_osb_global_optspecs
    string join \n json q/quiet v/verbose cache-dir= h/help V/version
end

function __fish_osb_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_osb_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_osb_using_subcommand
    set -l cmd (__fish_osb_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c osb -n "__fish_osb_needs_command" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_needs_command" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_needs_command" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_needs_command" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_needs_command" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_needs_command" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_needs_command" -f -a "build" -d 'Build the image in every form'
complete -c osb -n "__fish_osb_needs_command" -f -a "plan" -d 'Tell what a build would do: what is cached, what is built, bytes and seconds'
complete -c osb -n "__fish_osb_needs_command" -f -a "why" -d 'Tell why a layer is built anew, a package is installed, or where a path comes from'
complete -c osb -n "__fish_osb_needs_command" -f -a "lock" -d 'Choose exact packages and write them to the lock, or move them to newer versions'
complete -c osb -n "__fish_osb_needs_command" -f -a "vault" -d 'Keep everything that the lock names, for builds without the archive'
complete -c osb -n "__fish_osb_needs_command" -f -a "boot" -d 'Boot an image in QEMU with UEFI firmware; the image stays untouched unless asked'
complete -c osb -n "__fish_osb_needs_command" -f -a "devices" -d 'List the disks of this machine, and why one must not be written'
complete -c osb -n "__fish_osb_needs_command" -f -a "disks" -d 'List the disks of this machine, and why one must not be written'
complete -c osb -n "__fish_osb_needs_command" -f -a "flash" -d 'Write an image to disks, read it back, and give each disk its own identifiers'
complete -c osb -n "__fish_osb_needs_command" -f -a "sign" -d 'Sign the files of a build, so that others can tell whose they are'
complete -c osb -n "__fish_osb_needs_command" -f -a "verify" -d 'Follow the chain from a signature over SHA256SUMS to every file, here or on a server'
complete -c osb -n "__fish_osb_needs_command" -f -a "split" -d 'Cut files that are too large for a server into parts'
complete -c osb -n "__fish_osb_needs_command" -f -a "init" -d 'Write the scripts that a node runs at its first boot, to begin with'
complete -c osb -n "__fish_osb_needs_command" -f -a "nodes" -d 'Check, list, ask or extend the inventory of a cluster\'s nodes'
complete -c osb -n "__fish_osb_needs_command" -f -a "doctor" -d 'Tell whether this machine can build, and what is missing'
complete -c osb -n "__fish_osb_needs_command" -f -a "cache" -d 'List what the cache holds, or remove what is not needed'
complete -c osb -n "__fish_osb_needs_command" -f -a "check" -d 'Hold an image against what firmware, kernel and kubelet need, and what must not be in it'
complete -c osb -n "__fish_osb_needs_command" -f -a "inspect" -d 'Look into an image: tables, file systems, packages, files; nothing is mounted or unpacked'
complete -c osb -n "__fish_osb_needs_command" -f -a "diff" -d 'Explain what differs between two images, output folders or layers'
complete -c osb -n "__fish_osb_needs_command" -f -a "completions" -d 'Print what makes a shell complete commands, options and file names'
complete -c osb -n "__fish_osb_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand build" -l recipe -d 'The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node) [default: ./osb.toml, else rpi5-node]' -r -F
complete -c osb -n "__fish_osb_using_subcommand build" -l arch -d 'The image\'s architecture [default: the recipe\'s]' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand build" -l set -d 'Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand build" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand build" -s j -l jobs -d 'Threads and parallel downloads [default: the number of processors]' -r
complete -c osb -n "__fish_osb_using_subcommand build" -s o -l output -d 'Folder for the artifacts' -r -F
complete -c osb -n "__fish_osb_using_subcommand build" -l only -d 'Write one form of the image only' -r -f -a "tree\t'Build and check the tree, write nothing'
disk\t'disk.img'
rootfs\t'rootfs.tar.gz'
sd\t'sd.img.zst'"
complete -c osb -n "__fish_osb_using_subcommand build" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand build" -l offline -d 'Use no network; everything must be in the cache'
complete -c osb -n "__fish_osb_using_subcommand build" -l locked -d 'Fail if the lock would change'
complete -c osb -n "__fish_osb_using_subcommand build" -l no-check -d 'Give the image its name without the rules of `osb check`'
complete -c osb -n "__fish_osb_using_subcommand build" -l timings -d 'Report how long each stage took, and which programs of the image ran, how, and how long'
complete -c osb -n "__fish_osb_using_subcommand build" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand build" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand build" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c osb -n "__fish_osb_using_subcommand build" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand plan" -l recipe -d 'The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node) [default: ./osb.toml, else rpi5-node]' -r -F
complete -c osb -n "__fish_osb_using_subcommand plan" -l arch -d 'The image\'s architecture [default: the recipe\'s]' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand plan" -l set -d 'Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand plan" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand plan" -s j -l jobs -d 'Threads and parallel downloads [default: the number of processors]' -r
complete -c osb -n "__fish_osb_using_subcommand plan" -s o -l output -d 'Folder for the artifacts' -r -F
complete -c osb -n "__fish_osb_using_subcommand plan" -l only -d 'One form of the image only' -r -f -a "tree\t'Build and check the tree, write nothing'
disk\t'disk.img'
rootfs\t'rootfs.tar.gz'
sd\t'sd.img.zst'"
complete -c osb -n "__fish_osb_using_subcommand plan" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand plan" -l offline -d 'Use no network; everything must be in the cache'
complete -c osb -n "__fish_osb_using_subcommand plan" -l no-check -d 'For a build with --no-check'
complete -c osb -n "__fish_osb_using_subcommand plan" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand plan" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand plan" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c osb -n "__fish_osb_using_subcommand plan" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand why" -l recipe -d 'The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node) [default: ./osb.toml, else rpi5-node]' -r -F
complete -c osb -n "__fish_osb_using_subcommand why" -l arch -d 'The image\'s architecture [default: the recipe\'s]' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand why" -l set -d 'Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand why" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand why" -s j -l jobs -d 'Threads and parallel downloads [default: the number of processors]' -r
complete -c osb -n "__fish_osb_using_subcommand why" -s o -l output -d 'The output folder of the build to compare with' -r -F
complete -c osb -n "__fish_osb_using_subcommand why" -l only -d 'The form that build was for, if it was for one' -r -f -a "tree\t'Build and check the tree, write nothing'
disk\t'disk.img'
rootfs\t'rootfs.tar.gz'
sd\t'sd.img.zst'"
complete -c osb -n "__fish_osb_using_subcommand why" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand why" -l offline -d 'Use no network; everything must be in the cache'
complete -c osb -n "__fish_osb_using_subcommand why" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand why" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand why" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c osb -n "__fish_osb_using_subcommand why" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand lock" -l recipe -d 'The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node) [default: ./osb.toml, else rpi5-node]' -r -F
complete -c osb -n "__fish_osb_using_subcommand lock" -l arch -d 'The image\'s architecture [default: the recipe\'s]' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand lock" -l set -d 'Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand lock" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand lock" -s j -l jobs -d 'Threads and parallel downloads [default: the number of processors]' -r
complete -c osb -n "__fish_osb_using_subcommand lock" -s u -l update -d 'Move to the newest versions: all packages, or those named and what they force to move' -r
complete -c osb -n "__fish_osb_using_subcommand lock" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand lock" -l offline -d 'Use no network; everything must be in the cache'
complete -c osb -n "__fish_osb_using_subcommand lock" -l dry-run -d 'Tell what would change, and write nothing'
complete -c osb -n "__fish_osb_using_subcommand lock" -l locked -d 'Fail if the lock would change'
complete -c osb -n "__fish_osb_using_subcommand lock" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand lock" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand lock" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand lock" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand lock" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -f -a "export" -d 'Write all locked packages and artifacts, with an index, into a new folder or tar'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -f -a "import" -d 'Check a vault and bring its files into the cache'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -f -a "verify" -d 'Check every file of a vault against its index'
complete -c osb -n "__fish_osb_using_subcommand vault; and not __fish_seen_subcommand_from export import verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l recipe -d 'The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node) [default: ./osb.toml, else rpi5-node]' -r -F
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l arch -d 'The image\'s architecture [default: the recipe\'s]' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l set -d 'Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -s j -l jobs -d 'Threads and parallel downloads [default: the number of processors]' -r
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l all-hosts -d 'With tools for building machines of all architectures, not only of this one'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l dry-run -d 'Tell what would be written, and write nothing'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l offline -d 'Use no network; everything must be in the cache'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from import" -l lock -d 'Write the vault\'s lock to this file, which must not be there' -r -F
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from import" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from import" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from import" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from verify" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from verify" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write all locked packages and artifacts, with an index, into a new folder or tar'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from help" -f -a "import" -d 'Check a vault and bring its files into the cache'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check every file of a vault against its index'
complete -c osb -n "__fish_osb_using_subcommand vault; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand boot" -l until -d 'Stop, successfully, when a console line matches' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l timeout -d 'Give up after this many seconds' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l credential -d 'Hand a systemd credential to the guest (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l forward -d 'Connect a TCP port of 127.0.0.1 to one of the guest (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l memory -d 'The guest\'s memory in MiB' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l cpus -d 'The guest\'s processors [default: this machine\'s, at most 4]' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l tools -d 'Use QEMU and firmware from this folder of unpacked packages, not from the lock' -r -F
complete -c osb -n "__fish_osb_using_subcommand boot" -l recipe -d 'The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node) [default: ./osb.toml, else rpi5-node]' -r -F
complete -c osb -n "__fish_osb_using_subcommand boot" -l arch -d 'The image\'s architecture [default: the recipe\'s]' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand boot" -l set -d 'Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -s j -l jobs -d 'Threads and parallel downloads [default: the number of processors]' -r
complete -c osb -n "__fish_osb_using_subcommand boot" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand boot" -l write -d 'Keep what the guest writes: IMAGE is its disk, not a copy'
complete -c osb -n "__fish_osb_using_subcommand boot" -l offline -d 'Use no network; everything must be in the cache'
complete -c osb -n "__fish_osb_using_subcommand boot" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand boot" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand boot" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand boot" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand boot" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand devices" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand devices" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand devices" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand devices" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand devices" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand devices" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand disks" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand disks" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand disks" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand disks" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand disks" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand disks" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand flash" -l image -d 'The image: a file (raw, .zst, .gz, .xz), a folder that `osb build` wrote, or a URL of either' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l sha256 -d 'SHA-256 of the image\'s file, where nothing beside it says what it should be' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l key -d 'Who must have signed its SHA256SUMS: a public key of minisign or OpenSSH, its file, or an allowed_signers file' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l serial -d 'The disk must have this serial number (repeatable, one for each device)' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l receipt -d 'Write what was done, and how it ended, to this file as JSON' -r -F
complete -c osb -n "__fish_osb_using_subcommand flash" -l hostname -d 'The node\'s name' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l ssh-key -d 'A file of public keys that may log in (repeatable)' -r -F
complete -c osb -n "__fish_osb_using_subcommand flash" -l node -d 'Take the node of this name from the inventory' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l nodes -d 'The inventory' -r -F
complete -c osb -n "__fish_osb_using_subcommand flash" -l set -d 'A setting for what runs at the first boot (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l file -d 'A file that the node gets (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand flash" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand flash" -s y -l yes -d 'Do not ask; a device must be a /dev/disk/by-id name, a loop device, or have a --serial'
complete -c osb -n "__fish_osb_using_subcommand flash" -l dry-run -d 'Show the plan and write nothing'
complete -c osb -n "__fish_osb_using_subcommand flash" -l changed-only -d 'Write only what is not on the disk already'
complete -c osb -n "__fish_osb_using_subcommand flash" -l resume -d 'Go on where an interrupted run of the same image stopped'
complete -c osb -n "__fish_osb_using_subcommand flash" -l keep-ids -d 'Leave the identifiers of disk and partitions as they are in the image'
complete -c osb -n "__fish_osb_using_subcommand flash" -l new-ids -d 'Give new identifiers to the disk of an image that is not osb\'s, too'
complete -c osb -n "__fish_osb_using_subcommand flash" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand flash" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand flash" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand flash" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand flash" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand sign" -l key -d 'The secret key: a file of minisign or OpenSSH (Ed25519) that nobody else can read' -r -F
complete -c osb -n "__fish_osb_using_subcommand sign" -l password-file -d 'Take the key\'s password from the first line of this file' -r -F
complete -c osb -n "__fish_osb_using_subcommand sign" -l password-env -d 'Take the key\'s password from this environment variable' -r
complete -c osb -n "__fish_osb_using_subcommand sign" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand sign" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand sign" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand sign" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand sign" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand sign" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand verify" -l key -d 'Who must have signed: a public key of minisign or OpenSSH, its file, or an allowed_signers file' -r
complete -c osb -n "__fish_osb_using_subcommand verify" -l recipe -d 'The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node) [default: ./osb.toml, else rpi5-node]' -r -F
complete -c osb -n "__fish_osb_using_subcommand verify" -l arch -d 'The image\'s architecture [default: the recipe\'s]' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand verify" -l set -d 'Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand verify" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand verify" -s j -l jobs -d 'Threads and parallel downloads [default: the number of processors]' -r
complete -c osb -n "__fish_osb_using_subcommand verify" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand verify" -l require-provenance -d 'Fail if there is no provenance.json'
complete -c osb -n "__fish_osb_using_subcommand verify" -l rebuild -d 'Build once more from the lock into a temporary folder, and compare'
complete -c osb -n "__fish_osb_using_subcommand verify" -l offline -d 'Use no network; everything must be in the cache'
complete -c osb -n "__fish_osb_using_subcommand verify" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand verify" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand verify" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand verify" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand verify" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand split" -l limit -d 'Most bytes of a part' -r
complete -c osb -n "__fish_osb_using_subcommand split" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand split" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand split" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand split" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand split" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand split" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand init" -l bootstrap -d 'Write a bootstrap repository into this folder, which must be new or empty' -r -F
complete -c osb -n "__fish_osb_using_subcommand init" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand init" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand init" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand init" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand init" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand init" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -f -a "validate" -d 'Check inventories, and tell everything that is wrong, with its line'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -f -a "list" -d 'List the nodes of an inventory'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -f -a "show" -d 'Tell what a machine would be told that asks this inventory'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -f -a "add" -d 'Add a node to an inventory; all else stays as it is written'
complete -c osb -n "__fish_osb_using_subcommand nodes; and not __fish_seen_subcommand_from validate list show add help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from validate" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from validate" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from validate" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from validate" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from validate" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from list" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -l mac -d 'Address of a wired interface; the first one names a node that is not in the list (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -l serial -d 'Serial number of the board' -r
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l hostname -d 'The node\'s name' -r
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l mac -d 'Address of its wired interface: cat /sys/class/net/end0/address' -r
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l serial -d 'Serial number of its board: cat /proc/device-tree/serial-number' -r
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l role -d 'What it is in its cluster [default: what the inventory\'s `default` says]' -r -f -a "control-plane\t''
worker\t''"
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l ip -d 'Its IP address' -r
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l label -d 'A label of its Kubernetes node (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l dry-run -d 'Show what would change, and write nothing'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "validate" -d 'Check inventories, and tell everything that is wrong, with its line'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the nodes of an inventory'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "show" -d 'Tell what a machine would be told that asks this inventory'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a node to an inventory; all else stays as it is written'
complete -c osb -n "__fish_osb_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand doctor" -l arch -d 'The image\'s architecture' -r -f -a "arm64\t''
amd64\t''"
complete -c osb -n "__fish_osb_using_subcommand doctor" -s o -l output -d 'Folder for the artifacts' -r -F
complete -c osb -n "__fish_osb_using_subcommand doctor" -l mirror -d 'Debian mirror, ending in /debian [default: the one this machine\'s apt uses]' -r
complete -c osb -n "__fish_osb_using_subcommand doctor" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand doctor" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand doctor" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand doctor" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -f -a "list" -d 'List what the cache holds (the default)'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -f -a "prune" -d 'Remove what no run needs: folders of former versions, what killed runs left, and more'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -f -a "verify" -d 'Read everything that the cache holds, and tell what is damaged'
complete -c osb -n "__fish_osb_using_subcommand cache; and not __fish_seen_subcommand_from list prune verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from list" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l older-than -d 'Remove entries that no run has made or used for so many days, too' -r
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l keep-size -d 'Remove the entries that were not used for longest, until the rest takes no more than this (500M, 5G), too' -r
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l layers -d 'Remove built layers only: all, or those that the other two options tell'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l all -d 'Remove every entry'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l dry-run -d 'Tell what would be removed, and remove nothing'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l no-wait -d 'Fail, and do not wait, if other runs use the cache'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from prune" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from verify" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from verify" -l remove -d 'Take damaged entries away'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from verify" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "list" -d 'List what the cache holds (the default)'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Remove what no run needs: folders of former versions, what killed runs left, and more'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Read everything that the cache holds, and tell what is damaged'
complete -c osb -n "__fish_osb_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand check" -l rule -d 'Hold it against this rule only (repeatable)' -r -f -a "partition-table-sound\t''
boot-partition-present\t''
boot-partition-has-room\t''
root-partition-found\t''
pi-config-present\t''
pi-overlays-present\t''
pi-kernel-present\t''
pi-device-trees-present\t''
pi-device-trees-current\t''
pi-command-line-present\t''
pi-file-sizes\t''
uefi-loader-present\t''
uefi-entry-present\t''
uefi-entry-version\t''
uefi-loader-settings\t''
boot-kernel-whole\t''
boot-kernel-has-modules\t''
boot-kernel-current\t''
boot-initramfs-present\t''
boot-initramfs-current\t''
boot-initramfs-finds-disks\t''
boot-initramfs-finds-network-root\t''
boot-names-case\t''
root-named\t''
command-lines-agree\t''
command-line-consoles\t''
kernel-modules-indexed\t''
kernel-has-container-modules\t''
kernel-has-pi-modules\t''
kernel-page-size\t''
kernel-memory-cgroup\t''
kernel-held\t''
containerd-cgroup-driver\t''
containerd-cni-paths\t''
containerd-socket\t''
containerd-pause-image\t''
kubernetes-versions-fit\t''
kubernetes-held\t''
kubernetes-sysctls\t''
swap-off\t''
units-exist\t''
units-have-programs\t''
root-grows\t''
packages-configured\t''
package-files-present\t''
package-files-unchanged\t''
package-sums-known\t''
alternatives-lead-somewhere\t''
setuid-known\t''
nothing-world-writable\t''
no-machine-identity\t''
no-host-keys\t''
no-private-keys\t''
no-kubeconfigs\t''
no-tokens\t''
no-passwords\t''
no-traces\t''
no-build-paths\t''
no-private-mirrors\t''
partitions-read\t''
files-read\t''"
complete -c osb -n "__fish_osb_using_subcommand check" -l skip -d 'Leave this rule out (repeatable)' -r -f -a "partition-table-sound\t''
boot-partition-present\t''
boot-partition-has-room\t''
root-partition-found\t''
pi-config-present\t''
pi-overlays-present\t''
pi-kernel-present\t''
pi-device-trees-present\t''
pi-device-trees-current\t''
pi-command-line-present\t''
pi-file-sizes\t''
uefi-loader-present\t''
uefi-entry-present\t''
uefi-entry-version\t''
uefi-loader-settings\t''
boot-kernel-whole\t''
boot-kernel-has-modules\t''
boot-kernel-current\t''
boot-initramfs-present\t''
boot-initramfs-current\t''
boot-initramfs-finds-disks\t''
boot-initramfs-finds-network-root\t''
boot-names-case\t''
root-named\t''
command-lines-agree\t''
command-line-consoles\t''
kernel-modules-indexed\t''
kernel-has-container-modules\t''
kernel-has-pi-modules\t''
kernel-page-size\t''
kernel-memory-cgroup\t''
kernel-held\t''
containerd-cgroup-driver\t''
containerd-cni-paths\t''
containerd-socket\t''
containerd-pause-image\t''
kubernetes-versions-fit\t''
kubernetes-held\t''
kubernetes-sysctls\t''
swap-off\t''
units-exist\t''
units-have-programs\t''
root-grows\t''
packages-configured\t''
package-files-present\t''
package-files-unchanged\t''
package-sums-known\t''
alternatives-lead-somewhere\t''
setuid-known\t''
nothing-world-writable\t''
no-machine-identity\t''
no-host-keys\t''
no-private-keys\t''
no-kubeconfigs\t''
no-tokens\t''
no-passwords\t''
no-traces\t''
no-build-paths\t''
no-private-mirrors\t''
partitions-read\t''
files-read\t''"
complete -c osb -n "__fish_osb_using_subcommand check" -l allow -d 'Findings that are wanted: a path on the node (`*`, `**`), or a word of what is told (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand check" -l mirror -d 'A host that nodes reach, though only one network knows it, as apt writes it (repeatable)' -r
complete -c osb -n "__fish_osb_using_subcommand check" -l recipe -d 'Allow what this recipe and its layers allow' -r -F
complete -c osb -n "__fish_osb_using_subcommand check" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand check" -l list -d 'List the rules, and look at no image'
complete -c osb -n "__fish_osb_using_subcommand check" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand check" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand check" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand check" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand check" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -l partition -d 'Look into this partition only, as it is' -r
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -a "ls" -d 'List a folder, or tell about a file'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -a "cat" -d 'Write files to standard output, as they are'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -a "tree" -d 'List a folder and everything below it'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -a "partitions" -d 'List the partitions'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -a "packages" -d 'List the packages that are installed'
complete -c osb -n "__fish_osb_using_subcommand inspect; and not __fish_seen_subcommand_from ls cat tree partitions packages help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from ls" -l partition -d 'Look into this partition only, as it is' -r
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from ls" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from ls" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from ls" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from cat" -l partition -d 'Look into this partition only, as it is' -r
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from cat" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from cat" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from cat" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from cat" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from cat" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from cat" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -l depth -d 'So many levels only' -r
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -l partition -d 'Look into this partition only, as it is' -r
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from tree" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from partitions" -l partition -d 'Look into this partition only, as it is' -r
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from partitions" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from partitions" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from partitions" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from partitions" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from partitions" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from partitions" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from packages" -l partition -d 'Look into this partition only, as it is' -r
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from packages" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from packages" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from packages" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from packages" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from packages" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from packages" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List a folder, or tell about a file'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from help" -f -a "cat" -d 'Write files to standard output, as they are'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from help" -f -a "tree" -d 'List a folder and everything below it'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from help" -f -a "partitions" -d 'List the partitions'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from help" -f -a "packages" -d 'List the packages that are installed'
complete -c osb -n "__fish_osb_using_subcommand inspect; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand diff" -l limit -d 'Lines in each section; 0 for all [default: 100, with --json all]' -r
complete -c osb -n "__fish_osb_using_subcommand diff" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand diff" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand diff" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand diff" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand diff" -s h -l help -d 'Print help'
complete -c osb -n "__fish_osb_using_subcommand diff" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand completions" -l cache-dir -d 'Folder for everything that can be made again [default: the user\'s cache folder]' -r -F
complete -c osb -n "__fish_osb_using_subcommand completions" -l json -d 'Print one JSON object a line on standard output; text for people goes to standard error'
complete -c osb -n "__fish_osb_using_subcommand completions" -s q -l quiet -d 'Print warnings and errors only'
complete -c osb -n "__fish_osb_using_subcommand completions" -s v -l verbose -d 'Print what each stage is doing'
complete -c osb -n "__fish_osb_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c osb -n "__fish_osb_using_subcommand completions" -s V -l version -d 'Print version'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "build" -d 'Build the image in every form'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "plan" -d 'Tell what a build would do: what is cached, what is built, bytes and seconds'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "why" -d 'Tell why a layer is built anew, a package is installed, or where a path comes from'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "lock" -d 'Choose exact packages and write them to the lock, or move them to newer versions'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "vault" -d 'Keep everything that the lock names, for builds without the archive'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "boot" -d 'Boot an image in QEMU with UEFI firmware; the image stays untouched unless asked'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "devices" -d 'List the disks of this machine, and why one must not be written'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "flash" -d 'Write an image to disks, read it back, and give each disk its own identifiers'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "sign" -d 'Sign the files of a build, so that others can tell whose they are'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "verify" -d 'Follow the chain from a signature over SHA256SUMS to every file, here or on a server'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "split" -d 'Cut files that are too large for a server into parts'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "init" -d 'Write the scripts that a node runs at its first boot, to begin with'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "nodes" -d 'Check, list, ask or extend the inventory of a cluster\'s nodes'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "doctor" -d 'Tell whether this machine can build, and what is missing'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "cache" -d 'List what the cache holds, or remove what is not needed'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "check" -d 'Hold an image against what firmware, kernel and kubelet need, and what must not be in it'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "inspect" -d 'Look into an image: tables, file systems, packages, files; nothing is mounted or unpacked'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "diff" -d 'Explain what differs between two images, output folders or layers'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "completions" -d 'Print what makes a shell complete commands, options and file names'
complete -c osb -n "__fish_osb_using_subcommand help; and not __fish_seen_subcommand_from build plan why lock vault boot devices flash sign verify split init nodes doctor cache check inspect diff completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from vault" -f -a "export" -d 'Write all locked packages and artifacts, with an index, into a new folder or tar'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from vault" -f -a "import" -d 'Check a vault and bring its files into the cache'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from vault" -f -a "verify" -d 'Check every file of a vault against its index'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "validate" -d 'Check inventories, and tell everything that is wrong, with its line'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "list" -d 'List the nodes of an inventory'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "show" -d 'Tell what a machine would be told that asks this inventory'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "add" -d 'Add a node to an inventory; all else stays as it is written'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "list" -d 'List what the cache holds (the default)'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "prune" -d 'Remove what no run needs: folders of former versions, what killed runs left, and more'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "verify" -d 'Read everything that the cache holds, and tell what is damaged'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "ls" -d 'List a folder, or tell about a file'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "cat" -d 'Write files to standard output, as they are'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "tree" -d 'List a folder and everything below it'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "partitions" -d 'List the partitions'
complete -c osb -n "__fish_osb_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "packages" -d 'List the packages that are installed'
