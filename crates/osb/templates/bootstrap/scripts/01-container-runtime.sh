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
    unit=var-lib-containerd.mount
    if ! mountpoint --quiet "$folder"; then
        systemctl stop containerd.service
        if ! blkid --probe "$image" >/dev/null 2>&1; then
            truncate --size "$(needed .runtime.loop_file_size)" "$image.new"
            mkfs.ext4 -q -F "$image.new"
            sync "$image.new"
            mv "$image.new" "$image"
        fi
        # A unit, for all later boots: containerd does not start without it.
        cat >"$ROOT/etc/systemd/system/$unit" <<'EOF'
[Unit]
Description=containerd's folder, a file system in a file
Before=containerd.service

[Mount]
What=/var/lib/containerd.ext4
Where=/var/lib/containerd
Type=ext4
Options=loop,noatime

[Install]
RequiredBy=containerd.service
EOF
        systemctl daemon-reload
        systemctl enable --quiet --now "$unit"
    fi
    ;;
memory) say "containers live in memory: what they write is lost, and counts as memory" ;;
esac

systemctl enable --quiet containerd.service
systemctl is-active --quiet containerd.service || systemctl start containerd.service
wait_until 60 "containerd answers" crictl --runtime-endpoint "$(needed .runtime.socket)" version
