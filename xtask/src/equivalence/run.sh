#!/bin/sh
# Runs in a container of the `peer` tools, which were unpacked and never configured, and starts
# mmdebstrap as its package has it. The arguments are the lines of kit/arguments.
set -eu

kit=/run/osb/kit
out=/run/osb/out

# What the packages' scripts would have made, as far as mmdebstrap and apt need it.
cp /usr/share/base-passwd/passwd.master /etc/passwd
cp /usr/share/base-passwd/group.master /etc/group
ln -sf mawk /usr/bin/awk
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/apt/lists/partial
: >>/var/lib/dpkg/status

# What systemd-binfmt would do at boot; F opens the emulator now, for use in any root.
if [ -e "$kit/emulate" ]; then
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    line=$(grep '^:' "/usr/lib/binfmt.d/qemu-$(cat "$kit/emulate").conf")
    case ${line##*:} in *F*) ;; *) line=${line}F ;; esac
    printf '%s\n' "$line" >/proc/sys/fs/binfmt_misc/register
fi

export TMPDIR="$out"
. "$kit/environment"
set --
while IFS= read -r argument; do
    set -- "$@" "$argument"
done <"$kit/arguments"
exec mmdebstrap "$@" >"$out/log" 2>&1
