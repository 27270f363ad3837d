#!/bin/bash
# containerd, on storage that it can use.
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

folder=$ROOT/var/lib/containerd
case $(config .node_config.boot.containers) in
loop-file)
    # An overlay's upper directory does not work on NFS: a file on it does.
    image=$ROOT/var/lib/containerd.ext4
    if ! mountpoint --quiet "$folder"; then
        systemctl stop containerd.service
        if ! blkid --probe "$image" >/dev/null 2>&1; then
            truncate --size "$(needed .runtime.loop_file_size)" "$image.new"
            mkfs.ext4 -q -F "$image.new"
            mv "$image.new" "$image"
        fi
        mount -o loop,noatime "$image" "$folder"
    fi
    ;;
memory) say "containers live in memory: what they write is lost, and counts as memory" ;;
esac

systemctl enable --quiet containerd.service
systemctl is-active --quiet containerd.service || systemctl start containerd.service
wait_until 60 "containerd answers" crictl --runtime-endpoint "$(needed .runtime.socket)" version
