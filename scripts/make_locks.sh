#!/usr/bin/env bash
# Writes requirements/*.lock: every version pinned, with hashes, for Python 3.11 to 3.13, and no addresses.
# Usage: make_locks.sh UV [options of `uv pip compile`, such as --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
shift

compile() {
    local name=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make lock" --output-file "requirements/$name.lock" "$@"
}

compile installer "$@" requirements/installer.in
compile runtime "$@" pyproject.toml requirements/build.in
compile dev "$@" pyproject.toml requirements/build.in --extra dev --extra docs --constraints requirements/runtime.lock
compile train "$@" pyproject.toml requirements/build.in --extra dev --extra train --constraints requirements/dev.lock

if grep -nE '://|--(index|extra-index|find-links)' requirements/*.lock; then
    echo "a lock file names an address" >&2
    exit 1
fi
