#!/usr/bin/env bash
# Installs what the rivals need and is missing: Debian's packages, a cmake that is new enough for Aeron, Python's rivals in an environment of
# their own; and builds ourselves for Python and bash. Without root it only says what to install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

packages=()
# need PACKAGE COMMAND…: the package unless the command succeeds
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || packages+=("$package")
}

need nats-server command -v nats-server
need redis-server command -v redis-server
need redis-tools command -v redis-cli
need clang command -v clang
need default-jre-headless command -v java
need pkg-config command -v pkg-config
need g++ command -v c++
need libclang-dev bash -c 'compgen -G "/usr/lib/llvm-*/lib/libclang*.so*" || ldconfig -p | grep -q libclang'
need libzmq3-dev bash -c 'pkg-config --exists libzmq'
need libbsd-dev bash -c 'pkg-config --exists libbsd'
need uuid-dev bash -c 'pkg-config --exists uuid'
need zlib1g-dev bash -c 'pkg-config --exists zlib'

if ((${#packages[@]})); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "the rivals need these packages (Debian's names): apt-get install ${packages[*]}" >&2
        exit 1
    fi
    echo "installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${packages[@]}" >/dev/null
    # Debian starts servers when it installs them; the comparison starts its own.
    for service in nats-server redis-server; do
        if [[ " ${packages[*]} " == *" $service "* ]] && command -v systemctl >/dev/null; then
            systemctl disable --now "$service" >/dev/null 2>&1 || true
        fi
    done
fi

tools=target/peers-tools
if ! [[ -x $tools/bin/cmake ]]; then
    echo "installing cmake into $tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet 'cmake>=3.30,<4'
fi

# An environment of its own: the rivals are nobody else's packages.
python=target/peers-python
requirements=benches/peers/python/requirements.txt
if ! cmp --quiet "$requirements" "$python/requirements.txt"; then
    echo "installing Python's rivals into $python"
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet -r "$requirements"
    cp "$requirements" "$python/requirements.txt"
fi
# Anew each time: what is measured is this tree. A target folder of its own, because another interpreter means building anew.
VIRTUAL_ENV=$PWD/$python PIP_QUIET=1 "$python/bin/maturin" develop --quiet --release \
    -m bindings/python/Cargo.toml --target-dir "$python/build"
cargo build --quiet --release -p swarmbus-cli --target-dir target
