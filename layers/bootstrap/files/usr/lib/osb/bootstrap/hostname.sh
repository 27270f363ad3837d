# shellcheck shell=bash
# The node's name: which it is, and giving it.

# RFC 1123, one label as Kubernetes wants it: at most 63 lower-case letters, digits and inner dashes.
# `localhost` is everybody's.
valid_hostname() {
    [[ $1 != localhost && $1 =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]]
}

node_name() {
    local name=''
    [[ -r $ROOT/proc/sys/kernel/hostname ]] && name=$(<"$ROOT/proc/sys/kernel/hostname")
    case $name in
    localhost | '(none)') ;;
    *) printf '%s\n' "$name" ;;
    esac
}

# Gives the name to the kernel, and keeps it for the next boot where that is possible. Where it is not,
# networkd would take the name that DHCP answers with instead (systemd.network(5), UseHostname=).
set_hostname() {
    local name=$1 network=$ROOT/run/systemd/network/80-osb-wired.network.d
    valid_hostname "$name" || { say "not a name for a node: $(printable "$name")" && return 1; }
    if [[ $(node_name) != "$name" ]]; then
        printf '%s' "$name" >"$ROOT/proc/sys/kernel/hostname" || return 1
    fi
    [[ $(cat "$ROOT/etc/hostname" 2>/dev/null) != "$name" ]] || return 0
    if [[ -w $ROOT/etc ]]; then
        write_atomically "$ROOT/etc/hostname" <<<"$name"
    else
        mkdir -p "$network" &&
            printf '[%s]\nUseHostname=no\n' DHCPv4 DHCPv6 >"$network/50-osb-name.conf"
    fi
}

# PREFIX and the digits of the MAC address.
hostname_by_mac() {
    local suffix
    suffix=$(mac_suffix) || return 1
    printf '%s%s\n' "$1" "$suffix"
}
