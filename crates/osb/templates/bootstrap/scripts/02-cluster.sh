#!/bin/bash
# Makes the cluster, or joins it, with kubeadm. What is secret is fetched now, for this node, lives
# in memory and is removed.
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

# Written when kubeadm has ended well: what it began and did not end must be taken back first.
readonly DONE=$ROOT/var/lib/osb/kubeadm-done
# There while the cluster is made: one that is not made yet has nothing to lose.
readonly MAKING=$ROOT/var/lib/osb/kubeadm-init-began
readonly KUBEADM=$WORK/kubeadm.yaml
readonly SECRETS=$WORK/join.json

# The token, from NODE_CONFIG if a server sent it there, else from the endpoint. Removed at the end.
fetch_secrets() {
    local folder mac serial client=''
    local -a tls=(--proto '=https' --tlsv1.2)
    for folder in "$ROOT/etc/osb/bootstrap" "$ROOT/boot/firmware/osb"; do
        # The empty folder: else curl trusts the system's authorities beside the pinned one.
        [[ ! -s $folder/ca.pem || ${tls[*]} == *--cacert* ]] ||
            tls+=(--cacert "$folder/ca.pem" --capath "$WORK/no-certificates")
        [[ -n $client || ! -s $folder/client.crt || ! -s $folder/client.key ]] || client=$folder/client
    done
    if jq --exit-status '.node_config.node.secrets.token' "$CONFIG" >/dev/null; then
        jq '.node_config.node.secrets' "$CONFIG" >"$SECRETS"
    else
        [[ -z $client ]] || tls+=(--cert "$client.crt" --key "$client.key")
        mkdir -p "$WORK/no-certificates"
        mac=$(config '.node_config.identity.macs[0]')
        serial=$(config .node_config.identity.serial)
        curl --disable --silent --show-error --fail --max-time 30 "${tls[@]}" --output "$SECRETS" \
            --get --data-urlencode "mac=$mac" --data-urlencode "serial=$serial" \
            "$(needed .join.token_endpoint)" || die "no token could be had: add this node where tokens are made"
    fi
    jq --exit-status '(.token | test("^[a-z0-9]{6}[.][a-z0-9]{16}\\z"))
        and (.ca_cert_hashes | length > 0 and all(test("^sha256:[0-9a-f]{64}\\z")))
        and (.certificate_key // "0" | test("^[0-9a-f]+\\z"))' "$SECRETS" >/dev/null 2>&1 ||
        die "the answer to the question for a token has no token or no hash of the cluster's authority"
    [[ -z $client ]] || return 0
    # MAC addresses and serial numbers are no secrets: whoever claims them gets what this node got.
    ! jq --exit-status .certificate_key "$SECRETS" >/dev/null ||
        die "REFUSED: a certificate_key, which opens the whole cluster, was given to a node that showed no client certificate"
    say "the token was given to a node that showed no client certificate: whoever knows this node's MAC address gets one, too"
}

# kubeadm's configuration: kubeadm_configuration init|join
kubeadm_configuration() {
    jq --raw-output --arg what "$1" --slurpfile secret "$SECRETS" \
        --from-file "$HERE/scripts/kubeadm.jq" "$CONFIG"
}

# Whether kubeadm did its work, though nobody wrote that down. A control plane is known to the cluster
# before its own API server runs.
joined() {
    [[ ! -e $MAKING ]] || return 1
    node_known || return 1
    is_control_plane || return 0
    [[ -e $ROOT/etc/kubernetes/manifests/kube-apiserver.yaml ]] &&
        curl --silent --insecure --fail --max-time 10 --output /dev/null https://127.0.0.1:6443/livez
}

# Whether a kubeadm that did not end left something behind: its preflight refuses all of it, the first
# things (bootstrap-kubelet.conf, ca.crt) as well as the last.
half_done() {
    [[ -e $ROOT/etc/kubernetes/pki/ca.crt || -e $ROOT/var/lib/kubelet/config.yaml || -d $ROOT/var/lib/etcd/member ]] ||
        compgen -G "$ROOT/etc/kubernetes/*.conf" || compgen -G "$ROOT/etc/kubernetes/manifests/*.yaml"
} >/dev/null

# Takes that back.
clean_up_half() {
    half_done || return 0
    if [[ -d $ROOT/var/lib/etcd/member && ! -e $MAKING ]]; then
        die "kubeadm did not end, and there is a database: remove this node's etcd member on another control plane, then run: kubeadm reset --force"
    fi
    say "an earlier kubeadm did not end: taken back"
    kubeadm reset --force
}

mkdir -p "${DONE%/*}"
if [[ -s $DONE && -s $KUBELET_CONF ]]; then
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
        kubeadm token generate | jq --raw-input '{token: .}' >"$SECRETS"
        kubeadm_configuration init >"$KUBEADM"
        date --utc +%FT%TZ >"$MAKING"
        sync "$MAKING" "${MAKING%/*}"
        # Neither token nor key may get into a log.
        kubeadm init --config "$KUBEADM" --upload-certs --skip-token-print --skip-certificate-key-print
    else
        fetch_secrets
        kubeadm_configuration join >"$KUBEADM"
        # It starts kubelet and waits for it; nothing of osb is ordered before kubelet.
        kubeadm join --config "$KUBEADM"
    fi
fi
# What kubeadm wrote is on the disk before anything says so.
sync
# A rename: were both there ever, to do it all again would throw a cluster away.
if [[ -e $MAKING ]]; then
    mv "$MAKING" "$DONE"
else
    date --utc +%FT%TZ >"$DONE"
fi
sync "$DONE" "${DONE%/*}"
