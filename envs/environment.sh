#!/bin/sh
# The Python environment of a checkout, from a hashed lock.
#   environment.sh python           prints a Python 3.11 to 3.13 that can make an environment, or nothing
#   environment.sh LINK LOCK [PYTHON]  makes LINK an environment that holds exactly what LOCK says
# An environment stands in .environments/LINK/ under the digest of its lock, LINK points to it: one whose lock's content did not
# change is kept, and the old one goes only when the new one stands.
set -eu
fits='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

# Every folder of PATH is tried, since the first of a name may be a shim of another version; what is printed is no shim.
find_python() {
    for version in 3.13 3.12 3.11 3; do
        old=$IFS; IFS=:
        for folder in $PATH; do
            candidate=$folder/python$version
            if [ -x "$candidate" ] && "$candidate" -c "$fits" 2>/dev/null; then
                "$candidate" -c 'import sys; print(sys.executable)'
                IFS=$old; return 0
            fi
        done
        IFS=$old
    done
}

if [ "$1" = python ]; then find_python; exit 0; fi

link=$1 lock=$2 python=${3:-$(find_python)}
digest=$(sha256sum "$lock" | cut -c1-16)
rooms=.environments/$(basename "$link")
home=$rooms/$digest
if [ -f "$home/.ok" ] && [ "$(readlink "$link" || true)" = "$home" ] && "$link/bin/python" -c '' 2>/dev/null; then exit 0; fi
wanted="Python 3.11 to 3.13 with the venv module (Debian: apt install python3-venv)"
if [ -z "$python" ]; then echo "periomics needs $wanted, or PYTHON=/path/to/python3" >&2; exit 1; fi
if ! "$python" -c "$fits" 2>/dev/null; then echo "periomics cannot use $python: it needs $wanted" >&2; exit 1; fi
mkdir -p "$rooms"
rm -rf "$home"
# Compiled beforehand: without that each job compiles what it imports again where bytecode may not be written.
if command -v uv >/dev/null; then
    uv venv -q --no-python-downloads --python "$python" "$home"
    uv pip install -q --compile-bytecode --python "$home/bin/python" --require-hashes -r "$lock"
else
    echo "Installing the environment (a few minutes, once)"
    "$python" -m venv "$home"
    "$home/bin/python" -m pip install -q --no-compile --disable-pip-version-check --require-hashes -r "$lock"
    # On all cores, as pip does not, and without the packages' own tests; a file of a package that is no Python of this
    # version is none of ours.
    "$home/bin/python" -m compileall -qq -j 0 -x '/tests?/' "$home/lib" >/dev/null || :
fi
touch "$home/.ok"
if [ -e "$link" ] && [ ! -L "$link" ]; then mv "$link" "$rooms/before"; fi
ln -sfn "$home" "$link"
for old in "$rooms"/*; do
    if [ "$old" != "$home" ]; then rm -rf "$old"; fi
done
