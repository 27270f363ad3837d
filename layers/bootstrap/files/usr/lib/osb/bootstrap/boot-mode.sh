# shellcheck shell=bash
# shellcheck disable=SC2153 # names of other rooms
# How this machine started, and where what it must remember can live. docs/first-boot.md has the
# table.

# The mount that holds a path: "FSTYPE MAJOR:MINOR OPTIONS" (proc_pid_mountinfo(5)); the options are
# those of the mount and then those of the file system, either of which may say `ro`.
mount_of() {
    local path=$1 best='' found='' device point options rest type
    while read -r _ _ device _ point options rest; do
        [[ ${path%/}/ == "${point%/}/"* ]] || continue
        # A later mount on the same point hides the earlier one.
        [[ ${#point} -ge ${#best} ]] || continue
        # Optional fields end with a lonely dash.
        rest=" $rest"
        type=${rest#* - }
        best=$point
        found="${type%% *} $device $options,${type##* }"
    done <"$ROOT/proc/self/mountinfo"
    printf '%s\n' "$found"
}

# What a disk is by its device number: nvme, sd, or disk (SATA, USB, virtual).
disk_kind() {
    local device kind slave
    device=$(readlink -f "$ROOT/sys/dev/block/$1") || { echo disk && return; }
    for slave in "$device"/slaves/*; do
        # Device mapper and RAID lie on other disks; the first one speaks for all.
        [[ -e $slave ]] && device=$(readlink -f "$slave") && break
    done
    case $device in
    */nvme*) kind=nvme ;;
    */mmc*) kind=sd ;;
    *) kind=disk ;;
    esac
    printf '%s\n' "$kind"
}

# The value of `root=` on the kernel command line.
kernel_root() {
    local word
    for word in $(<"$ROOT/proc/cmdline"); do
        [[ $word == root=* ]] && printf '%s\n' "${word#root=}"
    done
    return 0
}

# nfs, ram, nvme, sd or disk.
boot_mode() {
    local type device root
    read -r type device _ <<<"$(mount_of /)"
    case $type in
    nfs | nfs4) echo nfs ;;
    tmpfs | ramfs | rootfs) echo ram ;;
    overlay)
        # Its layers were mounted by the initramfs, out of sight: only the command line tells.
        root=$(kernel_root)
        case $root in
        /dev/nfs | nfs:*) echo nfs ;;
        PARTUUID=* | UUID=* | LABEL=* | PARTLABEL=* | /dev/*) overlay_disk "$root" ;;
        *) echo ram ;;
        esac
        ;;
    *) disk_kind "$device" ;;
    esac
}

# The kind of the disk that `root=` names.
overlay_disk() {
    local key=${1%%=*} device
    case $1 in
    /dev/*) device=$ROOT$1 ;;
    *) device=$ROOT/dev/disk/by-${key,,}/${1#*=} ;;
    esac
    device=$(readlink -f "$device") || { echo disk && return; }
    case ${device##*/} in
    nvme*) echo nvme ;;
    mmcblk*) echo sd ;;
    ram*) echo ram ;;
    *) echo disk ;;
    esac
}

# Where a path's content goes: disk, network or memory.
kept_on() {
    local type options
    read -r type _ options <<<"$(mount_of "$1")"
    case $type,$options in
    # What cannot be written is not where anything is kept.
    *,ro | *,ro,*) echo memory ;;
    nfs*) echo network ;;
    # An overlay over a read-only root keeps its changes in memory.
    tmpfs* | ramfs* | rootfs* | overlay*) echo memory ;;
    *) echo disk ;;
    esac
}

# Boot mode and place of the state as a JSON object. `containers` tells how containerd's folder can
# be had: an overlay's upper directory does not work on NFS, so there it needs a file with a file
# system in it.
boot_description() {
    local mode place containers
    mode=$(boot_mode)
    place=$(kept_on /var/lib/osb)
    case $(kept_on /var/lib/containerd) in
    disk) containers=direct ;;
    network) containers=loop-file ;;
    *) containers=memory ;;
    esac
    jq --null-input --compact-output --arg mode "$mode" --arg place "$place" \
        --arg containers "$containers" \
        '{mode: $mode, state: $place, persistent: ($place != "memory"), containers: $containers}'
}
