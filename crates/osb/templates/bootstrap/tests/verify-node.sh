#!/bin/bash
# Whether this node is well. Each check is a line; the exit code is 1 if one failed.
# shellcheck disable=SC2317,SC2329 # `check` calls them
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"
[[ -s $CONFIG ]] || prepare_config

failed=0
check() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then
        say "ok: $what"
    else
        say "NOT ok: $what"
        failed=1
    fi
}

named() {
    [[ $(<"$ROOT/proc/sys/kernel/hostname") == "$(config .node_config.node.hostname)" ]]
}

# Modules, kernel settings, swap, cgroups, containerd: the image knows what it promised.
"$ROOT/usr/lib/osb/check-node" || failed=1
check "the node has its name" named
check "kubelet runs" systemctl is-active kubelet.service
check "the cluster knows the node" node_known
check "the node is Ready" node_ready
exit "$failed"
