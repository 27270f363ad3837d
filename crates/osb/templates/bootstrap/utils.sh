# shellcheck shell=bash
# What the steps share. The configuration is one JSON file in memory: cluster-config.yaml, changed by
# the environment's file, and below `node_config` what osb says of this machine. Its values are text.

# The root of the file system; tests have one of their own.
readonly ROOT=${OSB_ROOT:-}
# In memory, and root's alone: tokens are written here.
readonly WORK=$ROOT/run/osb/setup
readonly CONFIG=$WORK/config.json
readonly KUBELET_CONF=$ROOT/etc/kubernetes/kubelet.conf
readonly ADMIN_CONF=$ROOT/etc/kubernetes/admin.conf
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

say() {
    printf 'setup: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Seconds since the machine started. The clock (and bash's SECONDS with it) may be set meanwhile.
uptime_seconds() {
    local seconds
    read -r seconds _ </proc/uptime
    printf '%s\n' "${seconds%.*}"
}

# wait_until SECONDS WHAT COMMAND...: until the command succeeds, or not longer.
wait_until() {
    local limit=$1 what=$2 end
    shift 2
    end=$(($(uptime_seconds) + limit))
    until "$@" >/dev/null 2>&1; do
        (($(uptime_seconds) < end)) || die "$what: not within $limit seconds"
        sleep 2
    done
}

prepare_config() {
    local tool=$ROOT/usr/lib/osb/bootstrap/to-json environment cluster changes='{}'
    # What the first boot keeps for later is there at every boot, and has no secrets.
    NODE_CONFIG=${NODE_CONFIG:-$ROOT/var/lib/osb/node-config.json}
    [[ -s $NODE_CONFIG ]] || die "there is no $NODE_CONFIG: NODE_CONFIG has to name what osb says of this machine"
    mkdir -p "$WORK"
    chmod 0700 "$WORK"
    cluster=$("$tool" yaml "$HERE/config/cluster-config.yaml") || die "config/cluster-config.yaml cannot be used"
    environment=$(jq --raw-output --argjson cluster "$cluster" \
        '.settings.environment // $cluster.environment // "prod"' "$NODE_CONFIG")
    [[ $environment =~ ^[a-z0-9-]+$ && -f $HERE/config/environments/$environment.yaml ]] ||
        die "there is no config/environments/$environment.yaml"
    changes=$("$tool" yaml "$HERE/config/environments/$environment.yaml") ||
        die "config/environments/$environment.yaml cannot be used"
    jq --argjson cluster "$cluster" --argjson changes "$changes" --arg environment "$environment" \
        '$cluster * (if $changes | type == "object" then $changes else {} end)
         * {$environment, node_config: .}' "$NODE_CONFIG" >"$CONFIG.new"
    mv -f "$CONFIG.new" "$CONFIG"
    say "environment $environment, node $(config .node_config.node.hostname), $(config .node_config.node.role)"
}

# One value by a jq path, or nothing: config .cluster.name
config() {
    jq --raw-output "$1 // empty" "$CONFIG"
}

# One value that must be there.
needed() {
    local value
    value=$(config "$1")
    [[ -n $value && $value != *example.org* ]] || die "config/cluster-config.yaml: $1 is to be filled in"
    printf '%s\n' "$value"
}

is_control_plane() {
    [[ $(config .node_config.node.role) == control-plane ]]
}

# Whether this is the node that makes the cluster.
is_first() {
    is_control_plane && [[ $(config .join.first) == "$(config .node_config.node.hostname)" ]]
}

# kubectl with the node's own credentials.
as_node() {
    kubectl --kubeconfig "$KUBELET_CONF" --request-timeout 10s "$@"
}

as_admin() {
    kubectl --kubeconfig "$ADMIN_CONF" --request-timeout 30s "$@"
}

node_known() {
    [[ -s $KUBELET_CONF ]] && as_node get node "$(config .node_config.node.hostname)" >/dev/null 2>&1
}

node_ready() {
    as_node get node "$(config .node_config.node.hostname)" --output json |
        jq --exit-status '[.status.conditions[] | select(.type == "Ready" and .status == "True")] | length == 1'
}
