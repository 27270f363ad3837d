# shellcheck shell=bash
# What the node says, and how it stops. Everything goes to standard error, which the units send to
# the journal and the console; standard output is for values.

# Exit codes, those of osb itself.
readonly FAILED=1 BAD_INPUT=2 REFUSED=3

say() {
    printf 'osb: %s\n' "$*" >&2
}

# Something outside did not work; the next try may do better.
fail() {
    say "failed: $*"
    exit "$FAILED"
}

# What somebody wrote cannot be used; trying again does not help, editing does.
bad_input() {
    say "wrong input: $*"
    exit "$BAD_INPUT"
}

# Something could be used and must not be.
refuse() {
    say "REFUSED: $*"
    exit "$REFUSED"
}

# Seconds since the machine started. The clock (and bash's SECONDS with it) may be set meanwhile.
uptime_seconds() {
    local seconds
    read -r seconds _ </proc/uptime
    printf '%s\n' "${seconds%.*}"
}

# Text from outside on one line, without control characters, at most 200 bytes.
printable() {
    printf '%s' "$*" | tr -s '[:space:]' ' ' | tr -d '\000-\037\177' | head -c 200
}
