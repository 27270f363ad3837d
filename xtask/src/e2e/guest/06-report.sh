#!/bin/bash
# A step of the test's own: tells the server what this node was told.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

curl --silent --show-error --fail --cacert /etc/osb/bootstrap/ca.pem \
    --upload-file "$NODE_CONFIG" "https://$(needed .cluster.endpoint)/report/node-config"
