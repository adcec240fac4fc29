#!/usr/bin/env bash
# Runs the model: the right one, which must hold in every schedule, and one with each of its mistakes, which must not.
# docs/model/check.sh [--short] [FOLDER [FILE]]: the folder is for what spin and the compiler make; a temporary one if not given, or empty. What each run found
# goes to the file, for 'swarmbus-stress report'. --short: the smallest lane, and the mistakes that show in a second.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
short=''
if [[ ${1:-} == --short ]]; then
    short=1
    shift
fi

for tool in spin cc; do
    if ! command -v "$tool" >/dev/null; then
        echo "check.sh: $tool is missing: apt install spin gcc libc6-dev (the model is docs/model/message.pml)" >&2
        exit 69
    fi
done

file=${2:+$(realpath -m "$2")}
if [[ -n ${1:-} ]]; then
    work=$1
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
cd "$work"

# prepare COMPILER-FLAGS MODEL-FLAGS…: spin writes a checker for this model, the compiler makes it.
prepare() {
    local flags=$1
    shift
    spin -a "$@" "$here/message.pml" >spin.log || { cat spin.log >&2; exit 1; }
    # Not optimised: that would take longer than the checks gain by it.
    # shellcheck disable=SC2086
    cc -O0 -w -DCOLLAPSE -DMEMLIM=4096 $flags -o pan pan.c
}

# examine PAN-FLAGS…: every schedule. Whether there was none that is wrong; and that none was cut short.
examine() {
    ./pan -m400000 "$@" >pan.log 2>&1
    ! grep -Eq 'max search depth too small|out of memory|reached -DMEMLIM' pan.log || { cat pan.log >&2; exit 1; }
    grep -q 'errors: 0' pan.log
}

figures() {
    sed -nE 's/^ *([0-9]+) states, stored.*/\1 states/p; s/^pan: elapsed time ([0-9.]+) seconds/\1 s/p' pan.log | paste -sd ' '
}

rows=()

# note WHAT VERDICT: the last run, for the file.
note() {
    local states seconds
    read -r states _ seconds _ <<<"$(figures)"
    rows+=("{\"what\": \"$1\", \"verdict\": \"$2\", \"states\": $states, \"seconds\": ${seconds:-0}}")
}

# holds WHAT COMPILER-FLAGS PAN-FLAGS MODEL-FLAGS…
holds() {
    local what=$1 compiler=$2 pan=$3
    shift 3
    prepare "$compiler" "$@"
    # shellcheck disable=SC2086
    if examine $pan; then
        printf 'holds     %-66s %s\n' "$what" "$(figures)"
        note "$what" holds
    else
        printf 'FAILS     %s\n' "$what" >&2
        spin -t -p -g "$@" "$here/message.pml" 2>/dev/null | tail -60 >&2
        exit 1
    fi
}

if [[ -z $short ]]; then
    holds 'safety: a lane of one slot, two messages, two deaths' -DSAFETY -noclaim -DSLOTS=1 -DMESSAGES=2 -DDEATHS=2
    holds 'safety: a lane of two slots, three messages, one death' -DSAFETY -noclaim -DSLOTS=2 -DMESSAGES=3 -DDEATHS=1
fi
# Without fairness: nobody goes on for ever, so whoever can come to its end will have to.
holds 'liveness: a lane of one slot, two messages, one death' '' '-a' -DSLOTS=1 -DMESSAGES=2 -DDEATHS=1

unnoticed=0
mutants=$(sed -nE 's|^/\* ([0-9]+) \*/ #define ([A-Z_]+) .*|\1 \2|p' "$here/message.pml")
if [[ -n $short ]]; then
    mutants=$(grep -Ev ' (DEATH_IS_A_TIME_OUT|TAIL_NOT_HELPED)$' <<<"$mutants")
fi
while read -r number name; do
    found=''
    prepare -DSAFETY -DSLOTS=1 -DMESSAGES=2 -DDEATHS=2 "-DMUTANT=$number"
    if ! examine -noclaim; then
        found='safety'
    else
        prepare '' -DSLOTS=1 -DMESSAGES=2 -DDEATHS=2 "-DMUTANT=$number"
        examine -a || found='liveness'
    fi
    if [[ -n $found ]]; then
        printf 'noticed   %-66s %s\n' "mutant $number, $name: $found" "$(figures)"
        note "mutant $number, \`$name\`" "$found"
    else
        printf 'UNNOTICED mutant %s, %s\n' "$number" "$name" >&2
        unnoticed=1
    fi
done <<<"$mutants"
if [[ -n $file ]]; then
    mkdir -p "$(dirname "$file")"
    (
        IFS=,
        printf '[%s]\n' "${rows[*]}"
    ) >"$file"
fi
exit "$unnoticed"
