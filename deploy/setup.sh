#!/bin/sh
# Makes a virtual environment, installs mlpi with the pinned versions of deploy/constraints.txt,
# and starts what was asked for. Nothing is installed twice: a stamp in the environment remembers
# what it was made from.
set -eu

usage() {
    cat <<'TEXT'
usage: sh deploy/setup.sh demo [option of `mlpi serve` ...]   install, then serve with demo data
       sh deploy/setup.sh test [option of pytest ...]         install for development, then test
       sh deploy/setup.sh lint                                the same environment: ruff and mypy

PYTHON=/path/to/python3.12   the Python to use (3.11, 3.12 or 3.13)
VENV=/path/to/folder    the environment to use instead of .venv beside pyproject.toml
TEXT
}

die() {
    printf 'mlpi: %s\n' "$1" >&2
    exit 1
}

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

has_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# Sets $python: the first supported one that can make environments, or else the first supported one.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_supported "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13"
        python=$PYTHON
        return
    fi
    python=
    for candidate in python3 python3.13 python3.12 python3.11; do
        is_supported "$candidate" || continue
        if has_venv "$candidate"; then
            python=$candidate
            return
        fi
        python=${python:-$candidate}
    done
    [ -n "$python" ] || die 'found no Python 3.11, 3.12 or 3.13: install one, or name it with PYTHON=/path/to/python'
}

# Debian ships ensurepip in a package of its own.
install_venv_package() {
    command -v apt-get >/dev/null || die "$python has no ensurepip: install it, or name another with PYTHON="
    [ "$(id -u)" -eq 0 ] || die 'first run this, then the same again: sudo apt-get install -y python3-venv'
    (
        DEBIAN_FRONTEND=noninteractive
        PATH=$PATH:/usr/sbin:/sbin # dpkg insists on them
        export DEBIAN_FRONTEND PATH
        apt-get install -y python3-venv </dev/null ||
            { apt-get update </dev/null && apt-get install -y python3-venv </dev/null; }
    ) >&2
    has_venv "$python" || die "$python still has no ensurepip: name another Python with PYTHON="
}

make_venv() {
    if is_supported "$venv/bin/python" && "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        return
    fi
    find_python
    has_venv "$python" || install_venv_package
    if [ -f "$venv/pyvenv.cfg" ]; then
        "$python" -m venv --clear "$venv" # half made, or its Python is gone
    else
        "$python" -m venv "$venv"
    fi
}

# What an environment of the given mode is made from. An editable one follows the code by itself.
state() {
    printf '%s %s ' "$1" "$root"
    (
        cd "$root"
        cat pyproject.toml deploy/constraints.txt deploy/hatch_build.py static/package-lock.json
        if [ "$1" = demo ]; then
            find mlpi migrations static systemd templates -type f ! -path '*/__pycache__/*' \
                ! -path 'static/vendor/*' ! -path 'static/.vendor-*' -exec cksum {} + |
                LC_ALL=C sort
        fi
    ) | cksum
}

is_fresh() {
    [ -f "$stamp" ] && is_supported "$venv/bin/python" || return 1
    have=$(cat "$stamp")
    case $have in
        "test "*) [ "$have" = "$(state test)" ] && [ -f "$root/static/vendor/stamp.json" ] ;;
        *) [ "$1" = demo ] && [ "$have" = "$(state demo)" ] ;;
    esac
}

prepare() {
    is_fresh "$1" && return
    make_venv
    rm -f "$stamp"
    (
        # Relative, from here: pip splits the variables at spaces, of which the path may have some.
        cd "$root"
        PIP_CONSTRAINT=deploy/constraints.txt       # older pips: also for what the build needs
        PIP_BUILD_CONSTRAINT=deploy/constraints.txt # newer pips
        PIP_DISABLE_PIP_VERSION_CHECK=1
        export PIP_CONSTRAINT PIP_BUILD_CONSTRAINT PIP_DISABLE_PIP_VERSION_CHECK
        if [ "$1" = demo ]; then
            "$venv/bin/python" -m pip install --compile .
        else
            "$venv/bin/python" -m pip install --compile --editable '.[dev]'
            "$venv/bin/python" -m compileall -q mlpi migrations
        fi
    ) </dev/null >&2
    # What the tests of labels compare with, in an environment of its own, by no pins of ours.
    [ "$1" = demo ] || (cd "$root" && "$venv/bin/python" -m tests.label_studio_sdk) </dev/null >&2
    state "$1" >"$stamp"
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=${VENV:-$root/.venv}
case $venv in
    /*) ;;
    *) venv=$PWD/$venv ;;
esac
stamp=$venv/mlpi-setup

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
    demo)
        prepare demo
        exec "$venv/bin/mlpi" serve --demo "$@"
        ;;
    test)
        prepare test
        cd "$root"
        exec "$venv/bin/python" -m pytest -n auto --dist worksteal "$@"
        ;;
    lint)
        prepare test
        cd "$root"
        "$venv/bin/python" -m ruff check
        "$venv/bin/python" -m ruff format --check
        exec "$venv/bin/python" -m mypy
        ;;
    help | -h | --help)
        usage
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
