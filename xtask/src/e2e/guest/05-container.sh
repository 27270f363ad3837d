#!/bin/bash
# A step of the test's own: a container, run by containerd and runc, and one that wants more memory
# than it may have.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

readonly IMAGE=localhost/osb/e2e:1 LIMIT=$((64 << 20))
server=https://$(needed .cluster.endpoint)

ctr() {
    command ctr --namespace e2e "$@"
}

# run NAME COMMAND: in the background, with a limit and a cgroup that systemd makes, as kubelet does.
run() {
    ctr run --detach --null-io --snapshotter overlayfs --memory-limit "$LIMIT" --runc-systemd-cgroup \
        --cgroup "e2e.slice:ctr:$1" "$IMAGE" "$1" /bin/sh -c "$2"
}

running() {
    ctr task list | grep --quiet "^$1 .* RUNNING"
}

# The exit code of a container that has ended, which is removed.
ended() {
    local code=0
    while running "$1"; do sleep 0.5; done
    ctr task delete "$1" >&2 || code=$?
    ctr container delete "$1"
    printf '%s\n' "$code"
}

curl --silent --show-error --fail --cacert /etc/osb/bootstrap/ca.pem \
    --output "$WORK/image.tar" "$server/image.tar"
ctr images import --snapshotter overlayfs "$WORK/image.tar"
rm "$WORK/image.tar"

machine=$(ctr run --rm --snapshotter overlayfs "$IMAGE" e2e-hello /bin/sh -c \
    'while read -r _ at kind _; do [ "$at" != / ] || break; done </proc/mounts
     echo "$(uname -m) $kind $(cat /etc/e2e)"')
say "container: $machine"

# Half of its limit, then without end. Its first process stays, so that its cgroup does.
run e2e-hungry 'head -c 32M /dev/zero | tail -c 32M || exit 3
tail /dev/zero; code=$?; while [ ! -e /go ]; do sleep 0.2; done; exit $code'
events=/sys/fs/cgroup/e2e.slice/ctr-e2e-hungry.scope/memory.events
wait_until 120 "the container's memory ends" grep --quiet '^oom_kill [1-9]' "$events"
kills=$(sed -n 's/^oom_kill //p' "$events")
limit=$(cat "${events%.events}.max")
ctr task exec --exec-id go e2e-hungry /bin/sh -c 'echo >/go'
code=$(ended e2e-hungry)
say "container: with at most $limit bytes, tail /dev/zero was killed $kills time(s) and ended with $code"

jq --null-input --arg machine "$machine" --arg limit "$limit" --arg kills "$kills" --arg code "$code" \
    '{$machine, $limit, $kills, $code}' >"$WORK/container.json"
curl --silent --show-error --fail --cacert /etc/osb/bootstrap/ca.pem \
    --upload-file "$WORK/container.json" "$server/report/container"
