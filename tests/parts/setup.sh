#!/usr/bin/env bash
# Makes a Python environment with the emulators that the tests talk to, and sees that there are a browser and
# LibreOffice.
#
#     parts.sh [FOLDER]        (default: target/parts)
#
# Installs exactly the versions of requirements.txt beside this script. When the folder already holds
# them it does nothing and takes a few milliseconds, so every test may call it; calls at the same
# time wait for one another. A folder made from another list, or left half made, is made anew.
# Prints the path of the environment's python.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
folder=${1:-target/parts}
mkdir -p "$(dirname "$folder")"
folder=$(cd "$(dirname "$folder")" && pwd)/$(basename "$folder")
stamp=$folder/parts.stamp
# The rules of accessibility; a part of the tests alone.
axe=axe-core-4.14.1
axe_sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c

say() { echo "parts.sh: $*" >&2; }

# What the environment was made from: the list and its own place (an environment cannot be moved).
wanted() { { cat "$requirements"; echo "$folder" "$axe"; } | sha256sum | cut -d' ' -f1; }

made() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted)" ] && [ -x "$folder/bin/python" ] &&
        "$folder/bin/python" -c '' 2>/dev/null && has_browser && has_office
}

has_browser() { command -v chromium >/dev/null && command -v chromedriver >/dev/null; }

has_office() { command -v soffice >/dev/null; }

has_venv() { python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

need_python() {
    has_venv && return
    command -v apt-get >/dev/null || { say 'python3 (3.10 or newer) with venv is needed'; exit 1; }
    say 'installing python3 and python3-venv'
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >&2
    has_venv || { say 'python3 (3.10 or newer) with venv is needed'; exit 1; }
}

# Debian's packages, since browsers that other tools bring along are loaded from elsewhere.
need_package() {
    command -v apt-get >/dev/null || { say "$* are needed"; exit 1; }
    say "installing $*"
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

need_browser() {
    has_browser || need_package chromium chromium-driver
    has_browser || { say 'chromium and chromedriver are needed'; exit 1; }
}

need_office() {
    has_office || need_package libreoffice-calc
    has_office || { say 'soffice is needed (libreoffice-calc)'; exit 1; }
}

need_axe() {
    command -v npm >/dev/null || need_package npm
    local packed
    packed=$(mktemp -d)
    (cd "$packed" && npm pack --silent "${axe/core-/core@}" >&2)
    tar -xzf "$packed/$axe.tgz" -C "$packed" package/axe.min.js
    echo "$axe_sum  $packed/package/axe.min.js" | sha256sum --check --quiet >&2
    mv "$packed/package/axe.min.js" "$folder/axe.min.js"
    rm -rf "$packed"
}

make_it() {
    need_python
    need_browser
    need_office
    if [ -e "$folder" ] && [ ! -f "$folder/pyvenv.cfg" ] && [ -n "$(ls -A "$folder")" ]; then
        say "$folder is there and is no Python environment: not touching it"
        exit 1
    fi
    rm -rf "$folder"
    say "installing $(grep -c '==' "$requirements") Python packages into $folder"
    python3 -m venv "$folder"
    # The list names every package, so pip must not choose any by itself; pip check tells if one is missing.
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 --no-deps \
        --only-binary :all: -r "$requirements" >&2
    "$folder/bin/python" -m pip check --disable-pip-version-check >&2
    "$folder/bin/python" -c 'import ministack.app, cbor2, boto3, moto.server, aiosmtpd.smtp, selenium, pypdf, openpyxl'
    need_axe
    wanted >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

if ! made; then
    exec 9>"$folder.lock"
    flock 9
    made || make_it
fi
echo "$folder/bin/python"
