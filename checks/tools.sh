#!/usr/bin/env bash
# Installs what the tests and checks need besides Rust, outside the checkout, and prints the shell lines that make it
# known to them. What is already there is not installed again.
#
#   eval "$(checks/tools.sh)"
#
# The directory is $SECTORSCOPE_TOOLS, by default ~/.cache/sectorscope-ci/tools. Everything comes from the package
# registries: PyPI (requirements.txt), npm (node/), crates.io (cargo-deny) and Debian (prometheus and, for root, programs
# that are missing). The script fails if something cannot be installed, and names it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=${SECTORSCOPE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sectorscope-ci/tools}
cargo_deny=0.20.2

exec 3>&1 1>&2 # Only the lines at the end go to stdout.
mkdir -p "$tools/bin"
PATH=$tools/bin:$PATH
if command -v flock >/dev/null; then
    exec 9>"$tools/lock"
    flock 9
fi

fail() {
    echo "checks/tools.sh: $1" >&2
    exit 1
}

# Once, because without the lists Debian's packages cannot be found.
update() {
    [ -n "${updated:-}" ] || [ "$(id -u)" != 0 ] || apt-get update -qq || fail "apt-get update failed"
    updated=yes
}

# Installs a Debian package: install PACKAGE
install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "install what Debian's package $1 contains"
    update
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$1" || fail "$1 cannot be installed"
}

command -v curl >/dev/null || install curl
command -v node >/dev/null || install nodejs
command -v npm >/dev/null || install npm
command -v java >/dev/null || install default-jre-headless # for Spark
python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv

# Unpacked rather than installed: the package would start a service.
if ! command -v prometheus >/dev/null; then
    command -v apt-get >/dev/null || fail "prometheus is missing; install it"
    update
    scratch=$(mktemp -d)
    (cd "$scratch" && apt-get download -qq -o APT::Sandbox::User=root prometheus && dpkg-deb -x prometheus_*.deb .) || fail "prometheus cannot be had"
    mv "$scratch/usr/bin/prometheus" "$tools/bin/"
    rm -rf "$scratch"
fi

if ! cmp -s "$here/requirements.txt" "$tools/python/requirements.txt"; then
    rm -rf "$tools/python"
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" install --quiet --no-compile --disable-pip-version-check --no-deps -r "$here/requirements.txt" ||
        fail "the Python packages cannot be installed"
    cp "$here/requirements.txt" "$tools/python/"
    ln -sf ../python/bin/st "$tools/bin/st"
fi

if ! cmp -s "$here/node/package-lock.json" "$tools/node/installed.json"; then
    mkdir -p "$tools/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$tools/node/"
    npm ci --prefix "$tools/node" --silent --ignore-scripts --no-audit --no-fund || fail "the Node package cannot be installed"
    cp "$here/node/package-lock.json" "$tools/node/installed.json"
fi

# Without optimisation: it builds in a third of the time, and runs for a few seconds.
if [ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $cargo_deny" ]; then
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --debug --config profile.dev.debug=false \
        --root "$tools" "cargo-deny@$cargo_deny" || fail "cargo-deny cannot be built"
    rm -rf "$tools/build"
fi

cat >&3 <<EOF
export PATH=$(printf %q "$tools/bin"):\$PATH
export NODE_PATH=$(printf %q "$tools/node/node_modules")
export SECTORSCOPE_PYTHON=$(printf %q "$tools/python/bin/python")
EOF
