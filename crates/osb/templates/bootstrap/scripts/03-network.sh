#!/bin/bash
# The cluster's network, once, by the node that made the cluster; then everyone waits to be Ready.
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

if is_first; then
    shopt -s nullglob
    manifests=("$HERE"/manifests/network/*.yaml)
    ((${#manifests[@]} > 0)) ||
        die "manifests/network/ is empty: without a network no node becomes Ready"
    for manifest in "${manifests[@]}"; do
        as_admin apply --server-side --force-conflicts --filename "$manifest"
    done
fi
wait_until "$(needed .limits.ready)" "this node is Ready" node_ready
