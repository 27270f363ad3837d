# shellcheck shell=bash
# shellcheck disable=SC2153 # names of other rooms
# What this node remembers of its first boot: one JSON file, replaced as a whole, and the marker.

# Set by open_state: /var/lib/osb, or a folder in memory if that cannot be written.
STATE=$ROOT/var/lib/osb

open_state() {
    if ! mkdir -p "$STATE" 2>/dev/null || ! [[ -w $STATE ]]; then
        STATE=$RUN/state
        mkdir -p "$STATE"
    fi
    chmod 0700 "$STATE"
    mkdir -p "$STATE/log" "$STATE/bootstrap"
}

# Writes standard input to a file so that it is there as a whole or not at all.
write_atomically() {
    local path=$1 new=$1.new
    # Chained: within a condition errexit does not hold.
    cat >"$new" && sync "$new" && mv -f "$new" "$path" && sync "${path%/*}"
}

# The state as JSON; `{}` if there is none, or none that can be read.
state() {
    if [[ -s $STATE/state.json ]] && jq --exit-status 'type == "object"' "$STATE/state.json" >/dev/null 2>&1; then
        jq --compact-output . "$STATE/state.json"
    else
        printf '{}\n'
    fi
}

# One value of the state, or nothing: state_value commit
state_value() {
    state | jq --raw-output --arg key "$1" '.[$key] // empty'
}

# Changes the state by a jq program: change_state PROGRAM [jq arguments]
change_state() {
    local program=$1 new
    shift
    new=$(state | jq --arg now "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" "$@" ".version = 1 | $program")
    write_atomically "$STATE/state.json" <<<"$new"
}

# The last thing of a first boot. The record is what counts; with the marker the unit does not even
# start. A root that cannot be written has none.
write_marker() {
    local line
    line=$(state | jq --raw-output '"provisioned \(.finished) commit \(.commit // "-") as \(.hostname // "-")"')
    say "$line"
    write_atomically "$MARKER" 2>/dev/null <<<"$line" || say "${MARKER#"$ROOT"} cannot be written: the record has to do"
}

kubelet_active() {
    systemctl --quiet is-active kubelet.service 2>/dev/null
}

# Whether the cluster knows a node of this name, asked with the node's own credentials.
node_known() {
    local name
    name=$(node_name)
    [[ -s $ROOT/etc/kubernetes/kubelet.conf && -n $name ]] || return 1
    timeout 15 kubectl --kubeconfig "$ROOT/etc/kubernetes/kubelet.conf" --request-timeout 10s \
        get node "$name" --output name >/dev/null 2>&1
}

# fresh, continue, provisioned or adopted, by all signs, each of which is told.
provisioned_or_not() {
    local status kubelet=no node=no marker=no verdict
    status=$(state_value status)
    kubelet_active && kubelet=yes
    node_known && node=yes
    [[ -e $MARKER ]] && marker=yes
    case $marker,$status,$kubelet,$node in
    # The record was written and the power went before the marker was: nothing is left to do.
    *,provisioned,*,* | yes,*,*,*) verdict=provisioned ;;
    *,started,*,* | *,failed,*,*) verdict='continue' ;;
    # Somebody let it join by hand; to run scripts over that would be an attack on a good node.
    *,*,yes,yes) verdict=adopted ;;
    *) verdict=fresh ;;
    esac
    say "signs: marker $marker, record ${status:-none}, kubelet active $kubelet, known to the cluster $node: $verdict"
    printf '%s\n' "$verdict"
}
