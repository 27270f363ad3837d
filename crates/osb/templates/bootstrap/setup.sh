#!/bin/bash
# Makes this machine a node: all steps in order, each of which looks first what there is to do.
# Run by osb's first boot with NODE_CONFIG; by hand it takes what the first boot kept, which has no
# secrets that a server sent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=utils.sh
source ./utils.sh

prepare_config
for step in scripts/[0-9][0-9]-*.sh; do
    say "step ${step#scripts/}"
    "./$step"
done
tests/verify-node.sh
