#!/bin/sh
# Create .venv and install requirements/dev.txt into it; if it is up to date, do nothing.
# usage: sh deploy/install.sh [python]
set -eu
cd "$(dirname "$0")/.."

pins=requirements/dev.txt
python=python3
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

if ! .venv/bin/python -c "" > /dev/null 2>&1; then
    python=$(find_python "${1:-}")
    echo "Making .venv with $("$python" --version) …"
    "$python" -m venv --without-pip --clear .venv
fi

# uv comes with the pip of the Python that made .venv; another pip just for it would take 5 s.
# What is installed is compiled when it is first imported: that is a quarter of it.
install_with_uv() {
    [ -x .venv/bin/uv ] || install_uv || return 1
    .venv/bin/uv pip install --quiet --python .venv/bin/python -r $pins
}

install_uv() {
    uv=$(grep '^uv==' $pins)
    "$python" -m pip --python .venv/bin/python install --quiet "$uv" 2> /dev/null ||
        install_with_pip "$uv"
}

install_with_pip() {
    .venv/bin/python -m pip --version > /dev/null 2>&1 || .venv/bin/python -m ensurepip > /dev/null
    .venv/bin/python -m pip install --quiet "$@"
}

echo "Installing what $pins lists …"
# uv installs in seconds, pip in a minute. If uv does not work, use pip.
if ! install_with_uv; then
    echo "uv does not work here; installing with pip …"
    install_with_pip -r $pins
fi
echo "$wanted" > $stamp
