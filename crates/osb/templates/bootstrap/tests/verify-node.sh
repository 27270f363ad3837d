#!/bin/bash
# Whether this node is well. Each check is a line; the exit code is 1 if one failed.
#   NODE_CONFIG=/run/osb/bootstrap/node-config.json tests/verify-node.sh
# shellcheck disable=SC2317,SC2329 # `check` calls them (0.9 and 0.10 number this differently)
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

no_swap() {
    [[ $(wc -l <"$ROOT/proc/swaps") -le 1 ]]
}

memory_controller() {
    grep --quiet --word-regexp memory "$ROOT/sys/fs/cgroup/cgroup.controllers"
}

named() {
    [[ $(<"$ROOT/proc/sys/kernel/hostname") == "$(config .node_config.node.hostname)" ]]
}

check "the node has its name" named
check "swap is off" no_swap
check "cgroup v2 with memory" memory_controller
check "containerd runs" systemctl is-active containerd.service
check "kubelet runs" systemctl is-active kubelet.service
check "the cluster knows the node" node_known
check "the node is Ready" node_ready
exit "$failed"
