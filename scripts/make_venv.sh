#!/usr/bin/env bash
# Makes the virtual environment DIR from requirements/NAME.lock and installs this checkout into it (editable).
# Usage: make_venv.sh DIR NAME
#   PYTHON=...  the Python to use (default: the first of python3.13, 3.12, 3.11 and python3 that runs and fits)
# Nothing is done when DIR already holds what the lock says.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$1
name=$2
lock=requirements/$name.lock

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3; do
        if fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "no Python 3.11, 3.12 or 3.13 found: install one, or name it, for example 'make demo PYTHON=/opt/python3.12/bin/python'" >&2
    exit 2
}

stamp() { cat "requirements/$1.lock" requirements/installer.lock pyproject.toml | sha256sum | cut -d' ' -f1; }

is_made() { [ -x "$dir/bin/python" ] && [ "$(cat "$dir/.made-from-$1" 2>/dev/null)" = "$(stamp "$1")" ]; }

# dev.lock and train.lock hold everything of runtime.lock, at the same versions.
if is_made "$name" || { [ "$name" = runtime ] && is_made dev; }; then
    exit 0
fi

if ! [ -x "$dir/bin/python" ] || ! "$dir/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        scripts/system_packages.sh "python$version-venv"
    fi
    echo "making $dir with $("$python" --version)"
    "$python" -m venv "$dir"
fi

# pip's own configuration says where packages come from; uv is told the same.
pip_setting() {
    for scope in :env:. global. install.; do
        "$dir/bin/python" -m pip config get "$scope$1" 2>/dev/null && return
    done
    return 0
}
export PIP_DISABLE_PIP_VERSION_CHECK=1
index=$(pip_setting index-url)
extra=$(pip_setting extra-index-url)
links=$(pip_setting find-links)
certificates=$(pip_setting cert)
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
[ -z "$extra" ] || export UV_INDEX="${UV_INDEX:-$extra}"
[ -z "$links" ] || [ ! -e "$links" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"
[ -z "$certificates" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificates}"
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"

echo "installing $lock into $dir"
"$dir/bin/python" -m pip install --quiet --require-hashes -r requirements/installer.lock
if ! "$dir/bin/uv" pip install --quiet --python "$dir/bin/python" --require-hashes -r "$lock"; then
    echo "uv could not install them; pip does it, more slowly"
    "$dir/bin/python" -m pip install --quiet --require-hashes -r "$lock"
fi
"$dir/bin/python" -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
stamp "$name" > "$dir/.made-from-$name"
