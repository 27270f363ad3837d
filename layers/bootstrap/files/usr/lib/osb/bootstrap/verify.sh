# shellcheck shell=bash
# shellcheck disable=SC2034 # other rooms use RELEASE
# Whether what was fetched may run: signed by somebody we trust, and not older than it must be.

# verify_signature FILE SIGNATURE NAMESPACE WHAT: SIGNATURE is an ssh or an OpenPGP one, in armor.
verify_signature() {
    local file=$1 signature=$2 namespace=$3 what=$4 signers keyring principals principal
    case $(head -n 1 "$signature") in
    '-----BEGIN SSH SIGNATURE-----')
        signers=$(trust_file allowed_signers)
        [[ -n $signers ]] || refuse "$what is signed with an ssh key, and this node has no allowed_signers"
        principals=$(ssh-keygen -Y find-principals -s "$signature" -f "$signers" 2>/dev/null) || true
        [[ -n $principals ]] ||
            refuse "$what is signed by a key that is not in allowed_signers: $(signing_key "$signature" "$file" "$namespace")"
        # A key may be there for several people, with other limits for each.
        while read -r principal; do
            # Against the clock of now: a key that has expired runs nothing, not even its old work.
            if ssh-keygen -Y verify -f "$signers" -I "$principal" -n "$namespace" -s "$signature" \
                <"$file" >"$RUN/signature" 2>&1; then
                say "signed by $(printable "$principal") (ssh)"
                return 0
            fi
        done <<<"$principals"
        refuse "the signature of $what does not verify: $(printable "$(<"$RUN/signature")")"
        ;;
    '-----BEGIN PGP SIGNATURE-----')
        keyring=$(trust_file keyring.pgp)
        [[ -n $keyring ]] || refuse "$what is signed with OpenPGP, and this node has no keyring.pgp"
        principal=$(sqv --keyring "$keyring" --signature-file "$signature" "$file" 2>"$RUN/signature") ||
            refuse "the signature of $what does not verify: $(printable "$(<"$RUN/signature")")"
        say "signed by $(printable "$principal") (OpenPGP)"
        ;;
    *) refuse "$what is not signed: neither an ssh nor an OpenPGP signature" ;;
    esac
}

# The fingerprint of the key that signed, for whoever has to decide.
signing_key() {
    ssh-keygen -Y check-novalidate -n "$3" -s "$1" <"$2" 2>/dev/null |
        sed -n 's/.* key \(SHA256:.*\)/\1/p' | grep . || echo 'its signature is of no key at all'
}

# The signature of COMMIT itself, not of a tag or of another commit.
verify_commit() {
    local parts=$RUN/commit said code=0
    rm -rf "$parts"
    mkdir -p "$parts"
    osb_git cat-file commit "$COMMIT" >"$parts/commit" 2>/dev/null ||
        copy_damaged "commit $COMMIT cannot be read"
    said=$("$ROOMS/commit-parts" "$COMMIT" "$parts" <"$parts/commit" 2>&1) || code=$?
    case $code in
    0) ;;
    2) copy_damaged "commit $COMMIT: $(printable "$said")" ;;
    *) refuse "commit $COMMIT: $(printable "$said")" ;;
    esac
    verify_signature "$parts/payload" "$parts/signature" git "commit $COMMIT"
}

# That the image's floor, and what ran last, are part of COMMIT's history.
verify_not_older() {
    local floor last
    floor=$(setting source.floor)
    last=$(state_value commit)
    [[ -n $floor ]] || no_floor
    [[ -z $floor ]] || in_history "$floor" ||
        refuse "commit $COMMIT is older than this image allows: $floor is not in its history"
    [[ -z $last ]] || in_history "$last" ||
        refuse "commit $COMMIT is older than what ran last: $last is not in its history"
}

# Whether a commit is part of COMMIT's history. All of that was fetched: what is not here is not.
in_history() {
    local code=0
    osb_git cat-file -e "$1" 2>/dev/null || return 1
    osb_git merge-base --is-ancestor "$1" "$COMMIT" 2>/dev/null || code=$?
    ((code <= 1)) || copy_damaged "the history of $COMMIT cannot be read, or $1 is no commit"
    return "$code"
}

# A signature says who made it, not for which nodes, nor that nothing newer was made.
no_floor() {
    say "source.floor is not set: anything runs that its keys ever signed"
}

# Its own namespace: a file that somebody signed for another purpose is none of ours.
verify_tarball() {
    verify_signature "$STATE/bootstrap/archive" "$STATE/bootstrap/archive.sig" osb-bootstrap "$(setting source.url)"
}

# Set by verify_version; empty for Git.
RELEASE=''

# The archive's VERSION against the floor and what ran last. It is part of what was signed.
verify_version() {
    local tree=$1 version='' least
    [[ ! -f $tree/VERSION || -L $tree/VERSION ]] || read -r version _ <"$tree/VERSION" || true
    [[ $version =~ ^[0-9]+(\.[0-9]+)*$ ]] || refuse "the archive has no VERSION such as 1.4: old and new cannot be told apart"
    [[ -n $(setting source.floor) ]] || no_floor
    for least in "$(setting source.floor)" "$(state_value release)"; do
        [[ -n $least ]] || continue
        printf '%s\n' "$least" "$version" | sort --version-sort --check=quiet ||
            refuse "version $version of the scripts is older than $least"
    done
    RELEASE=$version
}
