#!/bin/bash
# Everything in shell that runs on a node: what shellcheck says of it. SHELLCHECK names the program.
set -euo pipefail
cd "$(dirname "$0")/../../.."

shellcheck=${SHELLCHECK:-shellcheck}
files=()
while IFS= read -r -d '' path; do
    case $(head -n 1 "$path") in
    '#!/bin/sh' | '#!/bin/bash' | '# shellcheck shell='*) files+=("$path") ;;
    esac
done < <(find layers crates/osb/templates xtask/src/e2e/guest xtask/tests/bootstrap -type f -print0 | sort -z)
"$shellcheck" --external-sources --source-path=SCRIPTDIR "${files[@]}"
echo "shellcheck $("$shellcheck" --version | sed -n 's/^version: //p'): ${#files[@]} files, nothing found"
