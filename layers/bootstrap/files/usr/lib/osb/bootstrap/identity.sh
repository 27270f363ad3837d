# shellcheck shell=bash
# Who this machine is: serial number, MAC addresses, DMI, machine-id.

# Names of the wired interfaces, sorted: hardware (not bridges or tunnels), Ethernet, not wireless.
wired_interfaces() {
    local LC_ALL=C interface
    for interface in "$ROOT"/sys/class/net/*; do
        [[ -e $interface/device && -e $interface/address ]] || continue
        [[ $(<"$interface/type") == 1 ]] || continue # ARPHRD_ETHER
        [[ ! -e $interface/wireless && ! -e $interface/phy80211 ]] || continue
        # 1: made up by the kernel, another one at the next boot (include/uapi/linux/netdevice.h).
        [[ ! -e $interface/addr_assign_type || $(<"$interface/addr_assign_type") != 1 ]] || continue
        printf '%s\n' "${interface##*/}"
    done
}

# The first wired interface; fails if there is none. Interface names are predictable ones (end0,
# enp1s0), so the order of the names is the same at every boot.
first_wired_interface() {
    local names
    names=$(wired_interfaces)
    [[ -n $names ]] || return 1
    printf '%s\n' "${names%%$'\n'*}"
}

# MAC addresses of all wired interfaces, as a JSON list.
macs() {
    local name address
    wired_interfaces | while read -r name; do
        address=$(<"$ROOT/sys/class/net/$name/address")
        printf '%s\n' "${address,,}"
    done | jq --raw-input --null-input --compact-output '[inputs]'
}

# The first six hex digits of the SHA-1 of the first wired interface's address file.
mac_suffix() {
    local name digest
    name=$(first_wired_interface) || return 1
    digest=$(sha1sum <"$ROOT/sys/class/net/$name/address")
    printf '%s\n' "${digest:0:6}"
}

# The text of a file of the firmware, which may end with a NUL; nothing if it says nothing.
firmware_text() {
    local text=''
    [[ -r $1 ]] || return 0
    IFS= read -r -d '' text <"$1" || true
    text=${text//[[:cntrl:]]/}
    text=${text#"${text%%[! ]*}"}
    text=${text%"${text##*[! ]}"}
    case ${text,,} in
    # What makers of boards leave in.
    '' | 0 | 'none' | 'n/a' | 'not specified' | 'not applicable' | 'default string' | \
        'to be filled by o.e.m.' | 'system serial number' | 'unknown' | '0123456789') ;;
    *) printf '%s\n' "$text" ;;
    esac
}

# The board's serial number: of the device tree, else of DMI; nothing if there is none.
serial() {
    local path text
    for path in proc/device-tree/serial-number sys/class/dmi/id/product_serial \
        sys/class/dmi/id/board_serial; do
        text=$(firmware_text "$ROOT/$path")
        if [[ -n $text ]]; then
            printf '%s\n' "$text"
            return 0
        fi
    done
}

# Whether what somebody wrote of a node, in JSON with `mac` and `serial`, may be this machine.
may_be() {
    jq --exit-status -L "$ROOMS" --argjson identity "$2" \
        'include "machine"; fits($identity) | all' <<<"$1" >/dev/null
}

# All of it as a JSON object.
identity() {
    local dmi=$ROOT/sys/class/dmi/id
    jq --null-input --compact-output \
        --arg serial "$(serial)" \
        --argjson macs "$(macs)" \
        --arg model "$(firmware_text "$ROOT/proc/device-tree/model")" \
        --arg vendor "$(firmware_text "$dmi/sys_vendor")" \
        --arg product "$(firmware_text "$dmi/product_name")" \
        --arg uuid "$(firmware_text "$dmi/product_uuid")" \
        --arg machine "$(firmware_text "$ROOT/etc/machine-id")" \
        '{serial: $serial, macs: $macs, model: $model,
          dmi: {vendor: $vendor, product: $product, uuid: $uuid}, machine_id: $machine}
         | walk(if type == "object" then with_entries(select(.value | . != "" and . != {})) else . end)'
}
