# shellcheck shell=bash
# shellcheck disable=SC2034 # other rooms use these
# Where things are, and what this node was told: by its image, and by osb/node.toml on its boot
# partition.

# The root of the file system; tests have one of their own.
readonly ROOT=${OSB_ROOT:-}
readonly IMAGE=$ROOT/etc/osb
readonly PARTITION=$ROOT/boot/firmware/osb
# Memory only: what a server sent may be secret. The folder is root's alone.
readonly RUN=$ROOT/run/osb/bootstrap
readonly MARKER=$ROOT/var/lib/node-provisioned

readonly DEFAULTS='{
  "source": {"kind": "git", "url": "", "ref": "refs/heads/main", "floor": "", "sha256": ""},
  "configuration": {"from": "inventory", "endpoint": ""},
  "hostname": {"unknown": "mac", "prefix": "worker-"},
  "limits": {"tries": 3, "pause": 15, "fetch": 120, "setup": 900, "clock": 60}
}'

# One JSON object, and its values by their dotted keys; set by load_settings.
SETTINGS=$DEFAULTS
declare -A VALUES=()
# osb/node.toml as a JSON object, without the files. It may be larger than an argument of a program
# can be (execve(2)), and so may what a server sent: programs read them from pipes.
NODE_TOML='{}'

# A file as JSON; TOML and YAML are told apart by the caller.
to_json() {
    "$ROOMS/to-json" "$1" "$2"
}

# Reads the image's bootstrap.toml and the boot partition's node.toml. Says what is wrong, fails, and
# leaves the defaults.
load_settings() {
    local image='{}'
    if ! read_toml_files || ! merge_settings "$image" "$NODE_TOML"; then
        merge_settings '{}' '{}'
        return 1
    fi
}

read_toml_files() {
    local told
    if [[ -e $IMAGE/bootstrap.toml ]]; then
        image=$(to_json toml "$IMAGE/bootstrap.toml") || return 1
    fi
    [[ -e $PARTITION/node.toml ]] || return 0
    # Written by apply-node: what it did not take is not taken here either.
    if [[ -e $ROOT/run/osb/node/refused ]]; then
        say "osb/node.toml is refused: $(printable "$(<"$ROOT/run/osb/node/refused")")"
        return 1
    fi
    # Its files are laid already, and may be large.
    told=$(to_json toml "$PARTITION/node.toml") || return 1
    NODE_TOML=$(jq --compact-output 'del(.files)' <<<"$told")
}

# Sets SETTINGS and VALUES.
merge_settings() {
    local lines wrong key value
    lines=$(jq --null-input --raw-output --argjson defaults "$DEFAULTS" --argjson image "$1" \
        --slurpfile node <(printf '%s' "$2") --from-file "$ROOMS/settings.jq") ||
        { say "bootstrap settings contradict each other" && return 1; }
    {
        read -r wrong
        [[ -z $wrong ]] || { say "bootstrap settings: $(printable "$wrong")" && return 1; }
        read -r SETTINGS
        while IFS=$'\t' read -r key value; do
            VALUES[$key]=$value
        done
    } <<<"$lines"
}

# One value: setting source.url
setting() {
    printf '%s\n' "${VALUES[$1]-}"
}

# Whether there is anything to run.
bootstrap_wanted() {
    [[ -n $(setting source.url) ]]
}

# A file of trust: the image's own, and only if it has none, the boot partition's; so what an image
# pins, nobody widens. Prints nothing if neither is there.
trust_file() {
    local folder
    for folder in "$IMAGE/bootstrap" "$PARTITION"; do
        if [[ -s $folder/$1 ]]; then
            printf '%s\n' "$folder/$1"
            return 0
        fi
    done
}
