# Sourced by every file of tests. A file defines functions test_… and ends with `main "$@"`: without arguments it runs
# them all, each in a process and on a bus of its own; with one it runs that test.
# shellcheck shell=bash
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$tests/../../.." && pwd)

# The command under test: SWARMBUS_BIN, else what the build left.
target=${CARGO_TARGET_DIR:-$root/target}
for command in "${SWARMBUS_BIN:-}" "$target/release/swarmbus" "$target/debug/swarmbus"; do
    if [[ -x $command ]]; then
        PATH=$(cd "$(dirname "$command")" && pwd):$PATH
        break
    fi
done
if ! command -v swarmbus >/dev/null; then
    echo "the command swarmbus is not built: run make build, or name it in SWARMBUS_BIN" >&2
    exit 69
fi

# The builtin under test: SWARMBUS_BUILTIN, else what the build left.
for library in "${SWARMBUS_BUILTIN:-}" "$target/release/libswarmbus_bash.so" "$target/debug/libswarmbus_bash.so"; do
    if [[ -f $library ]]; then
        break
    fi
done

# load: from here on swarmbus is the builtin, in this shell.
load() {
    enable -f "$library" swarmbus
}

# start SCRIPT: becomes a bash with the builtin that runs this; $1 is the bus. For commands in the background.
start() {
    exec env --default-signal=INT,QUIT bash -c "enable -f '$library' swarmbus || exit; set -eu; $1" agent "$bus" "${@:2}"
}

fail() {
    echo "${FUNCNAME[1]}: $*" >&2
    exit 1
}

# expect WANTED GOT WHAT
expect() {
    [[ $1 == "$2" ]] || fail "$3: expected '$1', got '$2'"
}

# expect_code CODE COMMAND…: the command must exit with this code and say one line on stderr.
expect_code() {
    local wanted=$1 code=0
    shift
    "$@" >/dev/null 2>"$scratch/said" || code=$?
    expect "$wanted" "$code" "$*"
    expect 1 "$(wc -l <"$scratch/said")" "lines on stderr of $*"
}

# expect_code_quietly CODE COMMAND…: the same for a code that is no failure, of which nothing is said.
expect_code_quietly() {
    local wanted=$1 code=0
    shift
    "$@" >/dev/null 2>"$scratch/said" || code=$?
    expect "$wanted" "$code" "$*"
    expect "" "$(<"$scratch/said")" "what $* said"
}

# wait_until COMMAND…: looks again until the command succeeds; a guard against hangs ends it.
wait_until() {
    local tries=0
    until "$@"; do
        tries=$((tries + 1))
        [[ $tries -lt 600 ]] || fail "waited in vain for: $*"
        sleep 0.1
    done
}

# owned NAME: whether a process owns the mailbox.
owned() {
    swarmbus inspect "$bus" "$1" 2>/dev/null | grep "^owner *process" >/dev/null
}

setup() {
    bus=bash-$$-$RANDOM
    scratch=$(mktemp -d)
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    unset SWARMBUS SWARMBUS_AGENT
    swarmbus create "$bus" --agents 64 --heap 64MiB
}

cleanup() {
    local pid
    for pid in $(jobs -p); do
        kill "$pid" 2>/dev/null || true
    done
    swarmbus destroy "$bus" --if-exists || true
    rm -rf "$scratch"
}

main() {
    local name
    if [[ $# -eq 1 ]]; then
        setup
        "$1"
        return
    fi
    for name in $(compgen -A function test_); do
        # A process of its own: `set -e` counts there, and its bus goes with it.
        if timeout 120 bash "$0" "$name"; then
            echo "ok $(basename "$0" .sh) ${name#test_}"
        else
            echo "FAILED $(basename "$0" .sh) ${name#test_}"
        fi
    done
}
