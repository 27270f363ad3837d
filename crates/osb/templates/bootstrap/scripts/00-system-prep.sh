#!/bin/bash
# Pre-flight: whether this machine can be a node at all. Tells everything that is wrong, not only
# the first; what it can put right itself it does.
set -euo pipefail
# shellcheck source=../utils.sh
source "$(dirname "${BASH_SOURCE[0]}")/../utils.sh"

problems=0
problem() {
    say "not ready: $*"
    problems=$((problems + 1))
}

for module in overlay br_netfilter; do
    [[ -d $ROOT/sys/module/$module ]] || modprobe "$module" || problem "the kernel has no module $module"
done
for setting in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do
    [[ $(cat "$ROOT/proc/sys/$setting" 2>/dev/null) == 1 ]] ||
        sysctl --quiet --write "${setting//\//.}=1" || problem "${setting//\//.} is not 1"
done
[[ $(wc -l <"$ROOT/proc/swaps") -le 1 ]] || swapoff --all || problem "swap is on"
[[ " $(cat "$ROOT/sys/fs/cgroup/cgroup.controllers" 2>/dev/null) " == *" memory "* ]] ||
    problem "cgroup v2 without memory: add cgroup_enable=memory to the kernel's command line"
for program in kubeadm kubelet kubectl conntrack containerd crictl; do
    command -v "$program" >/dev/null || problem "there is no $program in this image"
done
for path in /var/lib/kubelet /var/lib/containerd; do
    mkdir -p "$ROOT$path"
    free=$(df --output=avail -BM "$ROOT$path" | tail -n 1 | tr -dc 0-9)
    ((free >= 1024)) || problem "only $free MiB are free below $path"
done
[[ -s $ROOT/etc/machine-id ]] || problem "there is no machine-id"
address=$(config .node_config.node.ip)
[[ -z $address || -n $(ip -oneline address show to "$address") ]] ||
    problem "$address, its ip by the inventory, is no address of this machine"
# What kubelet does not give itself (staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go), or the
# API server nobody (apimachinery/pkg/util/validation): it would not start with them.
while IFS= read -r label; do
    problem "the label $label is reserved, or not of the form NAME=VALUE that Kubernetes wants"
done < <(jq --raw-output '
    def part: test("^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)\\z");
    def domain: test("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\\z");
    def key: split("/") | (length == 1 and (.[0] | part)) or (length == 2 and (.[0] | domain) and (.[1] | part));
    def own: test("^(.*[.])?(kubelet|node)[.]kubernetes[.]io/")
        or IN("kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os",
            "topology.kubernetes.io/region", "topology.kubernetes.io/zone");
    def reserved: test("^(.*[.])?(kubernetes|k8s)[.]io/") and (own | not);
    .node_config.node.labels // {} | to_entries[]
    | select((.key | (key | not) or reserved) or (.value | . != "" and (part | not)))
    | "\(.key)=\(.value)"' "$CONFIG")
if is_first && ! compgen -G "$HERE/manifests/network/*.yaml" >/dev/null; then
    problem "manifests/network/ is empty: without a network no node becomes Ready"
fi
((problems == 0)) || die "$problems problems"

# A kubelet must not be newer than the API server; kubeadm and kubelet come from one place.
wanted=$(needed .cluster.kubernetes_version)
have=$(kubeadm version --output short)
[[ ${have%.*} == "${wanted%.*}" ]] ||
    die "the image has Kubernetes $have, the cluster is $wanted: build with kubernetes.upstream=$(echo "${wanted#v}" | cut -d . -f 1,2)"

endpoint=$(needed .cluster.endpoint)
if ! is_first && ! node_known; then
    # Only whether it answers: who it is, kubeadm checks by the hash of its authority.
    wait_until "$(needed .limits.api)" "https://$endpoint/livez" \
        curl --silent --insecure --max-time 10 --output /dev/null "https://$endpoint/livez"
fi
