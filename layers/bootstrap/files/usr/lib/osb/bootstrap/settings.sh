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

# One JSON object, set by load_settings.
SETTINGS=$DEFAULTS
# osb/node.toml as a JSON object.
NODE_TOML='{}'

# A file as JSON; TOML and YAML are told apart by the caller.
to_json() {
    "$ROOMS/to-json" "$1" "$2"
}

# Merges the defaults, the image's bootstrap.toml, and node.toml's settings that begin with
# `bootstrap.`, written as tables or as dotted keys. Prints what is wrong and fails.
load_settings() {
    local image='{}' merged wrong
    if [[ -e $IMAGE/bootstrap.toml ]]; then
        image=$(to_json toml "$IMAGE/bootstrap.toml") || return 1
    fi
    if [[ -e $PARTITION/node.toml ]]; then
        NODE_TOML=$(to_json toml "$PARTITION/node.toml") || return 1
    fi
    merged=$(jq --null-input --compact-output \
        --argjson defaults "$DEFAULTS" --argjson image "$image" --argjson node "$NODE_TOML" '
        def nested: reduce to_entries[] as {$key, $value} ({};
            setpath($key | split(".");
                if $value | type == "object" then $value | nested else $value end));
        # Numbers may come as text from a command line.
        def typed: if .limits | type == "object"
            then .limits |= (to_entries | map(.value = ((.value | tonumber?) // .value)) | from_entries)
            else . end;
        $defaults * $image * (($node.settings // {}) | nested | .bootstrap // {}) | typed') || {
        say "the settings of node.toml contradict each other"
        return 1
    }
    wrong=$(jq --raw-output --argjson defaults "$DEFAULTS" \
        --from-file "$ROOMS/settings.jq" <<<"$merged") || return 1
    [[ -z $wrong ]] || { say "bootstrap settings: $(printable "$wrong")" && return 1; }
    SETTINGS=$merged
    index_settings
}

# One value: setting source.url
declare -A VALUES=()
setting() {
    printf '%s\n' "${VALUES[$1]-}"
}

# Makes VALUES of SETTINGS, whose values have no line ends.
index_settings() {
    local key value
    while IFS=$'\t' read -r key value; do
        VALUES[$key]=$value
    done < <(jq --raw-output 'to_entries[] | .key as $table | .value | to_entries[]
        | "\($table).\(.key)\t\(.value)"' <<<"$SETTINGS")
}
index_settings

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
