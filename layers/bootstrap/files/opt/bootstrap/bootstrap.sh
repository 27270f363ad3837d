#!/bin/bash
# The first boot: who am I, what shall I be, fetch the scripts that make me that, check them, run
# them, remember it. docs/first-boot.md explains it; first-boot.service runs it.
#
#   bootstrap.sh            does it
#   bootstrap.sh --wanted   tells by its exit code whether there is anything to do
#   bootstrap.sh --status   tells what is known: signs, identity, settings
#
# Exit codes: 0 done, 1 failed (the next run goes on), 2 wrong input, 3 refused.
# shellcheck disable=SC2016 # what has a dollar in single quotes is jq's
set -euo pipefail
shopt -s inherit_errexit

ROOMS=${OSB_ROOT:-}/usr/lib/osb/bootstrap
readonly ROOMS
for room in log settings identity boot-mode hostname state fetch verify configuration; do
    # shellcheck source=/dev/null
    source "$ROOMS/$room.sh"
done

# How many tries' logs are kept; the longest pause between tries, in seconds.
readonly LOGS=30 LONGEST_PAUSE=3600

# Fetches and checks the scripts; sets TREE and COMMIT.
TREE=''
get_scripts() {
    case $(setting source.kind) in
    git)
        fetch_git
        verify_commit
        verify_not_older
        TREE=$(unpack_git)
        ;;
    tarball)
        fetch_tarball
        verify_tarball
        TREE=$(unpack_tarball)
        verify_version "$TREE"
        ;;
    esac
    [[ -f $TREE/setup.sh && -x $TREE/setup.sh ]] ||
        refuse "there is no setup.sh that can be run in $(setting source.url)"
}

# Runs the scripts with a limit. What they leave running in the background would hold the log open
# for ever: it ends with them, unless systemd runs it.
run_setup() {
    local config=$1 code=0 limit group end
    limit=$(setting limits.setup)
    end=$(($(uptime_seconds) + limit))
    say "running setup.sh of $COMMIT"
    (
        cd "$TREE"
        # It makes itself the leader of a process group.
        NODE_CONFIG=$config exec timeout --kill-after=20 "$limit" ./setup.sh </dev/null
    ) &
    group=$!
    wait "$group" || code=$?
    kill -KILL -- "-$group" 2>/dev/null || true
    # 124 of timeout(1); or 137, if it had to be killed, which alone may be a want of memory.
    ((code != 124 && (code != 137 || $(uptime_seconds) < end))) ||
        fail "setup.sh took longer than $limit seconds"
    ((code == 0)) || fail "setup.sh ended with code $code"
}

# One try, from the beginning: everything in it may be done twice. Whatever fails ends it.
try_once() {
    local who name config
    who=$(identity)
    say "this machine: $(jq --raw-output '"serial \(.serial // "-"), MAC \(.macs | join(" ")), \(.model // .dmi.product // "no model")"' <<<"$who")"
    say "started from: $(boot_description | jq --raw-output '"\(.mode), state on \(.state)"')"
    get_scripts
    decide_configuration "$TREE" "$who"
    name=$(jq --raw-output .hostname <<<"$CONFIGURATION")
    set_hostname "$name" || fail "the name $name cannot be set"
    write_atomically "$STATE/hostname" <<<"$name"
    config=$(write_node_config "$who")
    # From here on this is what ran last, however it ends.
    change_state '.commit = (if $kind == "git" then $commit else null end) | .release = $release
        | .source = $source | .hostname = $name | .found_in = $found
        | .configuration = ($configuration[0] | del(.secrets))' \
        --arg kind "$(setting source.kind)" --arg commit "$COMMIT" --arg release "$RELEASE" \
        --argjson source "$(source_description)" --arg name "$name" --arg found "$FOUND_IN" \
        --slurpfile configuration <(printf '%s' "$CONFIGURATION")
    run_setup "$config"
    # All that setup.sh wrote is on the disk before anything says that it is done.
    sync
    change_state '.status = "provisioned" | .finished = $now'
}

# Tries until it is done, refused, or the tries are used up.
try_often() {
    local tries pause try=0 total log code
    tries=$(setting limits.tries)
    pause=$(setting limits.pause)
    while ((++try <= tries)); do
        change_state '.status = "started" | .started //= $now | .tries = (.tries // 0) + 1'
        total=$(state_value tries)
        log=$STATE/log/$(printf '%06d' "$total")-$(date --utc +%Y%m%dT%H%M%SZ).log
        say "try $try of $tries"
        set +e
        # A function in a condition would go on after what fails; so it is none.
        (
            set -e
            try_once
        ) 2>&1 | tee "$log"
        code=${PIPESTATUS[0]}
        set -e
        keep_logs
        if ((code == 0)); then
            write_marker
            return 0
        fi
        change_state '.status = "failed" | .reason = $reason' \
            --arg reason "$(sed -n 's/^osb: //p' "$log" | tail -n 1)"
        if ((code != FAILED || try == tries)); then
            break
        fi
        say "next try in $pause seconds"
        sleep "$pause"
        pause=$((pause < LONGEST_PAUSE / 4 ? pause * 4 : LONGEST_PAUSE))
    done
    say "NOT provisioned: $(state_value reason) (log: ${log#"$ROOT"})"
    return "$code"
}

# Told to end, as all programs of this unit are, by a shutdown or by hand: the record says `started`.
stopped() {
    say "NOT provisioned: stopped in the middle of it; the next start goes on"
    exit "$FAILED"
}

# Removes the oldest logs.
keep_logs() {
    local -a logs=("$STATE"/log/*.log)
    local excess=$((${#logs[@]} - LOGS))
    ((excess <= 0)) || rm -f "${logs[@]:0:excess}"
}

first_boot() {
    local verdict
    if ! bootstrap_wanted; then
        say "nothing to do: no source.url in /etc/osb/bootstrap.toml or osb/node.toml"
        return 0
    fi
    exec 9>"$RUN/lock"
    flock --nonblock 9 || fail "another first boot is running"
    trap stopped TERM
    verdict=$(provisioned_or_not)
    case $verdict in
    provisioned) write_marker ;;
    adopted)
        change_state '.status = "provisioned" | .finished = $now | .adopted = true | .hostname = $name' \
            --arg name "$(node_name)"
        write_marker
        ;;
    continue) say "going on where try $(state_value tries) stopped" && try_often ;;
    *) try_often ;;
    esac
}

status() {
    provisioned_or_not >/dev/null
    state | jq --argjson identity "$(identity)" --argjson boot "$(boot_description)" \
        --slurpfile settings <(printf '%s' "$SETTINGS") \
        '{state: ., $identity, $boot, settings: $settings[0]}'
}

main() {
    mkdir -p "$RUN"
    chmod 0700 "$RUN"
    case ${1:-} in
    # With wrong settings it is wanted: the run itself says what is wrong.
    --wanted) ! load_settings 2>/dev/null || bootstrap_wanted ;;
    --status)
        load_settings || exit "$BAD_INPUT"
        open_state
        status
        ;;
    '')
        load_settings || bad_input "the settings above; edit osb/node.toml on the boot partition, or the image"
        open_state
        first_boot
        ;;
    *) bad_input "usage: bootstrap.sh [--wanted|--status]" ;;
    esac
}

main "$@"
