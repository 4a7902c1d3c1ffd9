#!/usr/bin/env bash
# Makes sure of system libraries, and of the Debian packages named as arguments; of program=package where the program
# is missing.
# Installs with apt when that is allowed (root); otherwise names the one command and goes on.
set -euo pipefail

wanted=()
for argument in "$@"; do
    if [[ $argument != *=* ]] || ! command -v "${argument%%=*}" >/dev/null; then
        wanted+=("${argument#*=}")
    fi
done
# LightGBM's wheel links to the system's OpenMP runtime.
libraries=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null || true)
if [ "$(uname -s)" = Linux ] && [[ $libraries != *libgomp.so.1* ]]; then
    wanted+=(libgomp1)
fi
[ ${#wanted[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing system packages: ${wanted[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if { apt-get install -y -qq --no-install-recommends "${wanted[@]}" ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${wanted[@]}"; }; } </dev/null >/dev/null 2>&1; then
        exit 0
    fi
    echo "apt-get could not install them" >&2
fi
echo "missing system packages; install them with: sudo apt-get install ${wanted[*]}" >&2
