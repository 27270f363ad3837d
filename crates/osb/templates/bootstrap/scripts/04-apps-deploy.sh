#!/bin/bash
# What runs in every cluster; by the node that made it. Applying again changes nothing.
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

is_first || exit 0
shopt -s nullglob
for manifest in "$HERE"/manifests/apps/*.yaml; do
    as_admin apply --server-side --filename "$manifest"
done
