#!/bin/bash
# The cluster's network, once, by the node that made the cluster; then everyone waits to be Ready.
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

if is_first; then
    shopt -s nullglob
    for manifest in "$HERE"/manifests/network/*.yaml; do
        as_admin apply --server-side --force-conflicts --filename "$manifest"
    done
fi
wait_until "$(needed .limits.ready)" "this node is Ready" node_ready
