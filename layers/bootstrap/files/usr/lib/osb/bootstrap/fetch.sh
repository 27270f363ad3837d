# shellcheck shell=bash
# shellcheck disable=SC2153 # names of other rooms
# Getting things over the network: TLS with the pinned authorities and, if the node has one, its
# own certificate; a time limit on everything.

# Where a client certificate and its key may be: in the image, or beside node.toml.
client_certificate() {
    local folder
    for folder in "$IMAGE/bootstrap" "$PARTITION"; do
        if [[ -s $folder/client.crt && -s $folder/client.key ]]; then
            printf '%s\n' "$folder/client"
            return 0
        fi
    done
}

# An empty folder in place of the system's certificates: libraries read it beside a pinned file.
no_certificates() {
    mkdir -p "$RUN/no-certificates"
    printf '%s\n' "$RUN/no-certificates"
}

# By which time certificates are judged, if that is in doubt.
clock_note() {
    [[ -e $ROOT/run/systemd/timesync/synchronized ]] ||
        printf ' (the clock is not synchronised: %s)' "$(date --utc +%FT%TZ)"
}

# download URL FILE [curl arguments]: prints the HTTP status; fails if there is none. No redirects:
# where things are is said by who owns the image.
download() {
    local url=$1 path=$2 limit authorities client said code=0
    shift 2
    local -a arguments=(--silent --show-error --proto '=https' --tlsv1.2 --max-redirs 0
        --max-filesize 268435456 --connect-timeout 20 --output "$path" --write-out '%{http_code}')
    limit=$(setting limits.fetch)
    authorities=$(trust_file ca.pem)
    client=$(client_certificate)
    [[ -z $authorities ]] ||
        arguments+=(--cacert "$authorities" --capath "$(no_certificates)")
    [[ -z $client ]] || arguments+=(--cert "$client.crt" --key "$client.key")
    rm -f "$path"
    said=$(curl --disable "${arguments[@]}" --max-time "$limit" "$@" "$url" 2>"$RUN/curl") || code=$?
    case $code in
    0) printf '%s\n' "$said" ;;
    # CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE: libcurl-errors(3)
    60 | 77) refuse "$url is not who it must be: $(printable "$(<"$RUN/curl")")$(clock_note)" ;;
    63) refuse "$url is larger than 256 MiB" ;;
    *) fail "$url cannot be had: $(printable "$(<"$RUN/curl")")" ;;
    esac
}

# Git with nothing but what is said here: no configuration of anybody, no hooks, no questions, no
# protocol but https.
osb_git() {
    local authorities client
    local -a settings=(-c http.sslVerify=true -c http.followRedirects=false
        -c protocol.allow=never -c protocol.https.allow=always -c fetch.fsckObjects=true
        -c core.hooksPath=/dev/null -c core.fsync=all -c gc.auto=0 -c maintenance.auto=false
        -c http.lowSpeedLimit=100 -c http.lowSpeedTime=30 -c credential.helper=)
    authorities=$(trust_file ca.pem)
    client=$(client_certificate)
    [[ -z $authorities ]] ||
        settings+=(-c "http.sslCAInfo=$authorities" -c "http.sslCAPath=$(no_certificates)")
    [[ -z $client ]] ||
        settings+=(-c "http.sslCert=$client.crt" -c "http.sslKey=$client.key")
    GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false \
        LC_ALL=C timeout --kill-after=5 "$(setting limits.fetch)" \
        git "${settings[@]}" --git-dir="$STATE/bootstrap/repository.git" "$@"
}

# Set by fetch_git and fetch_tarball: the id of what was fetched.
COMMIT=''

# The copy on this disk cannot be used; the next try makes it anew. What is wrong here says nothing of
# who serves it, so it is no refusal.
copy_damaged() {
    rm -rf "$STATE/bootstrap/repository.git"
    fail "the copy of the repository is damaged, and was removed: $*"
}

# Fetches the ref with all its history, which is what tells old from new, and sets COMMIT.
fetch_git() {
    local url ref code=0 repository=$STATE/bootstrap/repository.git
    local -a refspecs
    url=$(setting source.url)
    ref=$(setting source.ref)
    # Power may have gone while it was written: nobody else is here, so locks are nobody's. What is
    # there and whole is not fetched again.
    if [[ -d $repository ]]; then
        find "$repository" \( -name '*.lock' -o -name 'tmp_*' \) -delete
        if ! osb_git fsck --connectivity-only --no-dangling >/dev/null 2>&1; then
            say "the copy of the repository is damaged: made anew"
            rm -rf "$repository"
        fi
    fi
    [[ -d $repository ]] || osb_git init --quiet --bare >&2 || fail "no repository can be made here"
    case $ref in
    refs/*) refspecs=("+$ref:refs/osb/fetched") ;;
    # Not every server gives a commit by its id: all branches and tags have it, if anything has.
    *) refspecs=('+refs/heads/*:refs/osb/heads/*' '+refs/tags/*:refs/osb/tags/*') ;;
    esac
    # What is gone there goes here: a branch `a` would be in the way of a new `a/b`.
    osb_git fetch --quiet --no-tags --no-write-fetch-head --prune \
        --no-recurse-submodules "$url" "${refspecs[@]}" 2>"$RUN/git" || code=$?
    if ((code != 0)); then
        case $(<"$RUN/git") in
        # What libcurl says with OpenSSL; with GnuTLS, by its age (lib/vtls/gtls.c); with both.
        *'certificate problem'* | *'server verification failed'* | *'server certificate '* | *'certificate subject name'*)
            refuse "$url is not who it must be: $(printable "$(<"$RUN/git")")$(clock_note)"
            ;;
        *"find remote ref"*) fail "$url has no $ref" ;;
        esac
        ((code != 124)) || fail "$url took longer than $(setting limits.fetch) seconds"
        fail "$url cannot be fetched: $(printable "$(<"$RUN/git")")"
    fi
    case $ref in
    refs/*) ref=refs/osb/fetched ;;
    esac
    COMMIT=$(osb_git rev-parse --quiet --verify "$ref^{commit}") || fail "$url has no commit $ref"
    say "fetched $url $(setting source.ref): commit $COMMIT"
}

# Lays the files of COMMIT into a new folder and prints it.
unpack_git() {
    local tree=$STATE/bootstrap/tree
    rm -rf "$tree" "$tree.index"*
    mkdir -p "$tree"
    if ! GIT_INDEX_FILE=$tree.index osb_git read-tree "$COMMIT" ||
        ! GIT_INDEX_FILE=$tree.index osb_git --work-tree="$tree" checkout-index --all --quiet; then
        copy_damaged "commit $COMMIT cannot be laid out"
    fi
    rm -f "$tree.index"
    printf '%s\n' "$tree"
}

# Fetches archive, checksum and signature; sets COMMIT to the archive's digest.
fetch_tarball() {
    local url digest wanted part status folder=$STATE/bootstrap
    url=$(setting source.url)
    wanted=$(setting source.sha256)
    for part in '' .sha256 .sig; do
        [[ $part != .sha256 || -z $wanted ]] || continue
        status=$(download "$url$part" "$folder/archive$part")
        [[ $status == 200 ]] || fail "$url$part: HTTP $status"
    done
    [[ -n $wanted ]] || read -r wanted _ <"$folder/archive.sha256" || true
    [[ $wanted =~ ^[0-9a-f]{64}$ ]] || refuse "$url.sha256 does not begin with 64 hex digits"
    read -r digest _ < <(sha256sum "$folder/archive")
    [[ $digest == "$wanted" ]] || refuse "$url has the checksum $digest, not $wanted"
    COMMIT=$digest
    say "fetched $url: SHA-256 $COMMIT"
}

# Unpacks the archive into a new folder and prints it. tar itself refuses `..` and goes below no
# link that leads out; owners and set-user-ID bits stay behind.
unpack_tarball() {
    local tree=$STATE/bootstrap/tree
    rm -rf "$tree"
    mkdir -p "$tree"
    tar --extract --file "$STATE/bootstrap/archive" --directory "$tree" --auto-compress \
        --no-same-owner --no-same-permissions --no-overwrite-dir --delay-directory-restore \
        2>"$RUN/tar" || refuse "the archive cannot be unpacked: $(printable "$(<"$RUN/tar")")"
    printf '%s\n' "$tree"
}

# What was fetched, as JSON.
source_description() {
    jq --compact-output --arg commit "$COMMIT" '.source | {kind, url, ref, commit: $commit}
        | if .kind == "git" then . else del(.ref) end' <<<"$SETTINGS"
}
