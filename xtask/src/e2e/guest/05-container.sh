#!/bin/bash
# A step of the test's own: a container, run by containerd and runc, and one that wants more memory
# than it may have.
# shellcheck disable=SC2016 # what has a dollar in single quotes is for the container
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

readonly IMAGE=localhost/osb/e2e:1 LIMIT=$((64 << 20))
server=https://$(needed .cluster.endpoint)

ctr() {
    command ctr --namespace e2e "$@"
}

curl --silent --show-error --fail --cacert /etc/osb/bootstrap/ca.pem \
    --output "$WORK/image.tar" "$server/image.tar"
ctr images import --snapshotter overlayfs "$WORK/image.tar"
rm "$WORK/image.tar"

machine=$(ctr run --rm --snapshotter overlayfs "$IMAGE" e2e-hello /bin/sh -c \
    'while read -r _ at kind _; do [ "$at" != / ] || break; done </proc/mounts
     echo "$(uname -m) $kind $(cat /etc/e2e)"')
say "container: $machine"

# Half of its limit, then without end; in a cgroup that systemd makes, as kubelet does it. The first
# process stays until that was looked at, and the cgroup with it.
ctr run --rm --snapshotter overlayfs --memory-limit "$LIMIT" --runc-systemd-cgroup \
    --cgroup e2e.slice:ctr:hungry "$IMAGE" e2e-hungry /bin/sh -c \
    'head -c 32M /dev/zero | tail -c 32M >/dev/null || exit 3
     tail /dev/zero; code=$?; while [ ! -e /go ]; do sleep 0.2; done; exit $code' </dev/null &
events=/sys/fs/cgroup/e2e.slice/ctr-hungry.scope/memory.events
wait_until 120 "the container's memory ends" grep --quiet '^oom_kill [1-9]' "$events"
kills=$(sed -n 's/^oom_kill //p' "$events")
limit=$(cat "${events%.events}.max")
ctr task exec --exec-id go e2e-hungry /bin/sh -c 'echo >/go'
code=0
wait $! || code=$?
say "container: with at most $limit bytes, tail /dev/zero was killed $kills time(s) and ended with $code"

jq --null-input --arg machine "$machine" --arg limit "$limit" --arg kills "$kills" --arg code "$code" \
    '{$machine, $limit, $kills, $code}' >"$WORK/container.json"
curl --silent --show-error --fail --cacert /etc/osb/bootstrap/ca.pem \
    --upload-file "$WORK/container.json" "$server/report/container"
