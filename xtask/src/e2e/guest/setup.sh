#!/bin/bash
# The least that scripts can be: tells the server what this node was told.
set -euo pipefail

echo "setup: this is $(uname -n)" >&2
curl --silent --show-error --fail --cacert /etc/osb/bootstrap/ca.pem \
    --upload-file "$NODE_CONFIG" "$(jq --raw-output '.source.url | sub("/git/.*"; "")' "$NODE_CONFIG")/report/node-config"
