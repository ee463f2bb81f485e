# shellcheck shell=bash
# Sourced by the scripts beside it, in the project's folder: the virtual environment and what is in it.

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "script/$(basename "$0"): $*"
    exit 1
}

# Without a standard input, the first file that a child opens would take its place.
{ : <&0; } 2>/dev/null || exec </dev/null

# Puts `python` on the PATH: that of the active virtual environment, else of `.venv`, made when missing.
use_python() {
    if [[ -z ${VIRTUAL_ENV:-} ]]; then
        export VIRTUAL_ENV=$PWD/.venv
        # What a broken-off run leaves behind has no pip; making the environment again completes it.
        "$VIRTUAL_ENV/bin/python" -c 'import pip' 2>/dev/null || make_environment
    fi
    [[ -x $VIRTUAL_ENV/bin/python ]] || fail "no Python in the active virtual environment $VIRTUAL_ENV"
    export PATH=$VIRTUAL_ENV/bin:$PATH
    require_version python
}

make_environment() {
    command -v python3 >/dev/null || fail "expected Python 3.11 or newer, found no python3"
    require_version python3
    say "Making a virtual environment in .venv"
    python3 -m venv --clear "$VIRTUAL_ENV" || fail "python3 -m venv failed; on Debian it needs the package python3-venv"
}

require_version() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "expected Python 3.11 or newer, found $("$1" -c 'import platform; print(platform.python_version())')"
}

# Installs requirements files, unless the virtual environment has got just these before.
install_requirements() {
    local stamp=$VIRTUAL_ENV/.installed-${!#} options=() file
    if ! cat "$@" | cmp --silent - "$stamp"; then
        say "Installing $*"
        for file in "$@"; do
            options+=(--requirement "$file")
        done
        python -m pip install -qq --disable-pip-version-check --no-input "${options[@]}" ||
            fail "pip could not install the packages; what it says above is why"
        cat "$@" >"$stamp"
    fi
}
