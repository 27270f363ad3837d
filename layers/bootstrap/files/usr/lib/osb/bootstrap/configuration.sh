# shellcheck shell=bash
# What this node is to be: name, role, address, labels. From node.toml, an inventory, or a server.
#
# An answer is a JSON object: hostname, role, ip, labels, and whatever else a server says.

# Where the answer came from, for the record.
FOUND_IN=''

# The node table of node.toml; nothing if there is none. A card may have been put into another machine
# than the one that it was written for.
configuration_from_node_toml() {
    local node
    node=$(jq --compact-output '.node | objects | {hostname: .name} + del(.name)' <<<"$NODE_TOML")
    [[ -z $node ]] || may_be "$node" "$1" ||
        refuse "[node] of osb/node.toml is another machine: $(jq --compact-output '{mac, serial}' <<<"$node")"
    printf '%s' "$node"
}

# What an inventory says of this machine: {entry, default}.
ask_inventory() {
    local path=$1 title=$2 identity=$3 inventory answer problem near
    inventory=$(to_json yaml "$path") || bad_input "$title cannot be read"
    answer=$(jq --compact-output -L "$ROOMS" --argjson identity "$identity" \
        --from-file "$ROOMS/inventory.jq" <<<"$inventory") || bad_input "$title is not an inventory"
    problem=$(jq --raw-output '.problem // empty' <<<"$answer")
    [[ -z $problem ]] || bad_input "$title: $(printable "$problem")"
    near=$(jq --raw-output '.near | join(", ")' <<<"$answer")
    [[ -z $near ]] ||
        say "$title: of $near only mac or serial fits, not both: not taken"
    printf '%s\n' "$answer"
}

# Asks the server: the answer, or nothing if it does not know this machine.
ask_server() {
    local endpoint=$1 identity=$2 mac serial status answer=$RUN/answer.json
    mac=$(jq --raw-output '.macs[0] // ""' <<<"$identity")
    serial=$(jq --raw-output '.serial // ""' <<<"$identity")
    status=$(download "$endpoint" "$answer" --get --data-urlencode "mac=$mac" \
        --data-urlencode "serial=$serial" --header 'Accept: application/json') || exit
    case $status in
    200) ;;
    404) return 0 ;;
    401 | 403) refuse "$endpoint does not serve this node (HTTP $status)" ;;
    *) fail "$endpoint answers HTTP $status" ;;
    esac
    jq --compact-output 'if type == "object" then . else error("not an object") end' "$answer" 2>/dev/null ||
        fail "the answer of $endpoint is not a JSON object"
}

# What everyone must be able to rely on, whoever said it.
check_configuration() {
    local wrong ip
    wrong=$(jq --raw-output '
        def must(rule; $text): if rule then empty else $text end;
        must(.hostname | type == "string" and . != "localhost" and test("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\z");
            "hostname is missing or not a name"),
        must(.role | IN("control-plane", "worker"); "role must be control-plane or worker"),
        must(.ip // "" | type == "string"; "ip is not an address"),
        must(.labels // {} | type == "object" and ([.[] | type == "string"] | all);
            "labels must be names with text")' <<<"$1" | head -n 1)
    [[ -z $wrong ]] || bad_input "$FOUND_IN: $(printable "$wrong")"
    ip=$(jq --raw-output '.ip // empty' <<<"$1")
    [[ -z $ip ]] || is_address "$ip" || bad_input "$FOUND_IN: ip is not an address: $(printable "$ip")"
}

# Whether a text is an IPv4 or IPv6 address, without a length of prefix or a zone.
is_address() {
    python3 -ISc 'import ipaddress, sys; sys.exit("%" in str(ipaddress.ip_address(sys.argv[1])))' "$1" 2>/dev/null
}

# Decides, inventory first; sets CONFIGURATION and FOUND_IN. Inventories are those of the boot
# partition and of the scripts in $1; the first one that is there counts.
CONFIGURATION=''
decide_configuration() {
    local tree=$1 identity=$2 from path title='' inventory='{}' answer default name
    CONFIGURATION=$(configuration_from_node_toml "$identity")
    FOUND_IN='node.toml'
    from=$(setting configuration.from)
    if [[ -z $CONFIGURATION && $from != server ]]; then
        for path in "$PARTITION/nodes.yaml" "$tree/config/nodes.yaml"; do
            [[ -e $path ]] || continue
            title=nodes.yaml
            [[ $path != "$PARTITION"/* ]] || title='osb/nodes.yaml on the boot partition'
            inventory=$(ask_inventory "$path" "$title" "$identity")
            break
        done
        CONFIGURATION=$(jq --compact-output '.entry // empty' <<<"$inventory")
        FOUND_IN=$title
    fi
    if [[ -z $CONFIGURATION && $from != inventory ]]; then
        FOUND_IN=$(setting configuration.endpoint)
        CONFIGURATION=$(ask_server "$FOUND_IN" "$identity")
    fi
    default=$(jq --compact-output -L "$ROOMS" 'include "machine"; .default // empty | select(registers)' <<<"$inventory")
    if [[ -z $CONFIGURATION && -n $default ]]; then
        FOUND_IN="the default of $title"
        answer=$(hostname_by_mac "$(jq --raw-output '.hostname_prefix // "node-"' <<<"$default")") ||
            fail "there is no wired interface to make a name of"
        CONFIGURATION=$(jq --compact-output --arg name "$answer" \
            '{hostname: $name, role: (.role // "worker")} + with_entries(select(.key == "labels"))' <<<"$default")
    fi
    if [[ -z $CONFIGURATION ]]; then
        refuse "nobody knows this machine: add it to the inventory: $(jq --compact-output \
            '{macs, serial}' <<<"$identity")"
    fi
    # What was said of this one node counts most. Without a role it is a worker; without a name it
    # has the one it started with, of which DHCP may have made one with a domain.
    name=$(node_name)
    name=${name%%.*}
    CONFIGURATION=$(jq --compact-output --arg name "${name,,}" --slurpfile told <(printf '%s' "$NODE_TOML") \
        '{role: "worker"} + . | .hostname = ($told[0].hostname // .hostname // $name)' <<<"$CONFIGURATION")
    check_configuration "$CONFIGURATION"
    say "configuration from $FOUND_IN: $(jq --raw-output \
        '"\(.hostname), \(.role)" + (if .ip then ", \(.ip)" else "" end)' <<<"$CONFIGURATION")"
}

# NODE_CONFIG: everything setup.sh may want to know, in memory only, since a server may have sent
# secrets. What is kept on the disk, for tests of the node at a later boot, has none.
write_node_config() {
    local identity=$1 path=$RUN/node-config.json
    (umask 077 && jq --null-input \
        --slurpfile node <(printf '%s' "$CONFIGURATION") --argjson identity "$identity" \
        --argjson boot "$(boot_description)" --slurpfile told <(printf '%s' "$NODE_TOML") \
        --arg found "$FOUND_IN" --argjson source "$(source_description)" \
        '{version: 1, node: $node[0], found_in: $found, identity: $identity, boot: $boot,
          source: $source, settings: ($told[0].settings // {})}' >"$path.new")
    mv -f "$path.new" "$path"
    jq 'del(.node.secrets)' "$path" | write_atomically "$STATE/node-config.json"
    printf '%s\n' "$path"
}
