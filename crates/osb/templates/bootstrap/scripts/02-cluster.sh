#!/bin/bash
# Makes the cluster, or joins it, with kubeadm. What is secret is fetched now, for this node, lives
# in memory and is removed.
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

# Written when kubeadm has ended well: what it began and did not end must be taken back first.
readonly DONE=$ROOT/var/lib/osb/kubeadm-done
readonly KUBEADM=$WORK/kubeadm.yaml
readonly SECRETS=$WORK/join.json

# The token, from NODE_CONFIG if a server sent it there, else from the endpoint. Removed at the end.
fetch_secrets() {
    local folder mac serial
    local -a tls=(--proto '=https' --tlsv1.2)
    if jq --exit-status '.node_config.node.secrets.token' "$CONFIG" >/dev/null; then
        jq '.node_config.node.secrets' "$CONFIG" >"$SECRETS"
    else
        for folder in "$ROOT/etc/osb/bootstrap" "$ROOT/boot/firmware/osb"; do
            # The empty folder: else curl trusts the system's authorities beside the pinned one.
            [[ ! -s $folder/ca.pem || ${tls[*]} == *--cacert* ]] ||
                tls+=(--cacert "$folder/ca.pem" --capath "$WORK/no-certificates")
            [[ ! -s $folder/client.key || ${tls[*]} == *--cert* ]] ||
                tls+=(--cert "$folder/client.crt" --key "$folder/client.key")
        done
        mkdir -p "$WORK/no-certificates"
        mac=$(config '.node_config.identity.macs[0]')
        serial=$(config .node_config.identity.serial)
        curl --disable --silent --show-error --fail --max-time 30 "${tls[@]}" --output "$SECRETS" \
            --get --data-urlencode "mac=$mac" --data-urlencode "serial=$serial" \
            "$(needed .join.token_endpoint)" || die "no token could be had: add this node where tokens are made"
    fi
    jq --exit-status '(.token | test("^[a-z0-9]{6}[.][a-z0-9]{16}$"))
        and (.ca_cert_hashes | length > 0 and all(test("^sha256:[0-9a-f]{64}$")))
        and (.certificate_key // "0" | test("^[0-9a-f]+$"))' "$SECRETS" >/dev/null 2>&1 ||
        die "the answer to the question for a token has no token or no hash of the cluster's authority"
}

# kubeadm's configuration: kubeadm_configuration init|join
kubeadm_configuration() {
    jq --raw-output --arg what "$1" --argjson secret "$(<"$SECRETS")" \
        --from-file "$HERE/scripts/kubeadm.jq" "$CONFIG"
}

# Whether kubeadm did its work, though nobody wrote that down. A control plane is known to the cluster
# before its own API server runs.
joined() {
    node_known || return 1
    is_control_plane || return 0
    [[ -e $ROOT/etc/kubernetes/manifests/kube-apiserver.yaml ]] &&
        curl --silent --insecure --fail --max-time 10 --output /dev/null https://127.0.0.1:6443/livez
}

# Takes back what a kubeadm that did not end left behind.
clean_up_half() {
    [[ -e $KUBELET_CONF || -e $ROOT/etc/kubernetes/manifests/kube-apiserver.yaml ]] || return 0
    if [[ -d $ROOT/var/lib/etcd/member ]]; then
        die "kubeadm did not end, and there is a database: remove this node's etcd member on another control plane, then run: kubeadm reset --force"
    fi
    say "an earlier kubeadm did not end: taken back"
    kubeadm reset --force
}

if [[ -e $DONE ]]; then
    say "already a node of the cluster"
    exit 0
fi
if joined; then
    say "kubeadm has done its work"
else
    trap 'rm -f "$SECRETS" "$KUBEADM"' EXIT
    umask 077
    clean_up_half
    if is_first; then
        jq --null-input --arg token "$(kubeadm token generate)" '{$token}' >"$SECRETS"
        kubeadm_configuration init >"$KUBEADM"
        # Neither token nor key may get into a log.
        kubeadm init --config "$KUBEADM" --upload-certs --skip-token-print --skip-certificate-key-print
    else
        fetch_secrets
        kubeadm_configuration join >"$KUBEADM"
        # It starts kubelet and waits for it; nothing of osb is ordered before kubelet.
        kubeadm join --config "$KUBEADM"
    fi
fi
mkdir -p "${DONE%/*}"
date --utc +%FT%TZ >"$DONE"
sync "$DONE"
