#!/bin/sh
# Create .venv and install requirements/dev.txt into it; if it is up to date, do nothing.
# usage: sh deploy/install.sh [python]
set -eu
cd "$(dirname "$0")/.."

pins=requirements/dev.txt
stamp=.venv/installed-requirements
wanted=$(cksum < "$pins")
export PIP_DISABLE_PIP_VERSION_CHECK=1

fits() {
    "$1" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
        > /dev/null 2>&1
}

# The system's Python comes first: distributions compile it with profile-guided optimization, which
# version managers leave out (pyenv's default build needs a tenth more CPU for the tests).
find_python() {
    for candidate in ${1:-/usr/bin/python3 python3 python3.13 python3.12 python3.11 python3.14 python}; do
        if fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found=$(${1:-python3} --version 2>&1 || echo nothing)
    echo "Tollgate needs Python 3.11 to 3.14 with its venv module; found: $found." >&2
    echo "Install it (Debian: apt-get install python3 python3-venv), or name one:" >&2
    echo "  make PYTHON=/path/to/python3.11 …" >&2
    return 1
}

if [ -x .venv/bin/python ] && [ "$(cat $stamp 2> /dev/null)" = "$wanted" ]; then
    exit 0
fi

if ! .venv/bin/python -m pip --version > /dev/null 2>&1; then
    python=$(find_python "${1:-}")
    echo "Making .venv with $("$python" --version) …"
    "$python" -m venv --clear .venv
fi

echo "Installing what $pins lists …"
# uv installs in seconds, pip in a minute. If uv does not work, use pip.
if ! { .venv/bin/python -m pip install --quiet "$(grep '^uv==' $pins)" &&
    .venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python -r $pins; }; then
    echo "uv does not work here; installing with pip …"
    .venv/bin/python -m pip install --quiet -r $pins
fi
echo "$wanted" > $stamp
