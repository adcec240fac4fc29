#!/usr/bin/env bash
# Messages a second, one way, from one bash process to another: bench.sh [ROUNDS]
#
#   builtin         swarmbus send and swarmbus recv as builtins, a message each
#   builtin, arrays send --each with 64 words that mapfile has read from a file, recv -n 64
#   builtin, lines  send --lines with that file, recv -n 64
#   command, lines  the command: one process sends the file by lines, one prints what comes for the shell to read
#   process         the command: a process for each send and each recv
#   files           no Swarmbus: a file for each message in /dev/shm, renamed by mv; the reader looks every millisecond at most
#
# Rounds of all are interleaved and medians shown, with the slowest and the fastest round. A message is some 20 bytes. From the first send
# until the receiver has the last one in a variable; the bus and the shells are there before. Two processes work: on two cores nothing else may run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/release
command=${SWARMBUS_BIN:-$target/swarmbus}
library=${SWARMBUS_BUILTIN:-$target/libswarmbus_bash.so}
ways=(builtin builtin-arrays builtin-lines command-lines process files)
declare -A counts=([builtin]=200000 [builtin-arrays]=200000 [builtin-lines]=200000 [command-lines]=200000 [process]=300 [files]=300)

# receive_WAY COUNT: takes so many messages.
receive_builtin() {
    local n got
    for ((n = 0; n < $1; n++)); do swarmbus recv -v got; done
    [[ $got == "message number $(($1 - 1))" ]]
}
receive_builtin-arrays() {
    local n=0 last
    local -a got
    while ((n < $1)); do
        swarmbus recv -n 64 -v got
        for last in "${got[@]}"; do :; done
        ((n += ${#got[@]}))
    done
    [[ $last == "message number $(($1 - 1))" ]]
}
receive_builtin-lines() { receive_builtin-arrays "$1"; }
receive_command-lines() {
    local got last
    while read -r got; do last=$got; done < <("$command" recv "$bus/bob" -n "$1")
    [[ $last == "message number $(($1 - 1))" ]]
}
receive_process() {
    local n got
    for ((n = 0; n < $1; n++)); do got=$("$command" recv "$bus/bob"); done
    [[ $got == "message number $(($1 - 1))" ]]
}
receive_files() {
    local n=0 got file
    local -a files
    # Something to wait at without starting a process for it.
    exec 8<> <(:)
    while ((n < $1)); do
        files=("$spool"/ready/*)
        if [[ ! -e ${files[0]} ]]; then
            read -r -t 0.001 -u 8 || true
            continue
        fi
        for file in "${files[@]}"; do read -r got <"$file"; done
        rm "${files[@]}"
        ((n += ${#files[@]}))
    done
    [[ $got == "message number $(($1 - 1))" ]]
}

# send_WAY COUNT: sends so many messages.
send_builtin() {
    local n
    for ((n = 0; n < $1; n++)); do swarmbus send bob "message number $n"; done
}
send_builtin-arrays() {
    local -a messages
    while mapfile -t -n 64 messages && ((${#messages[@]})); do swarmbus send --each bob "${messages[@]}"; done <"$spool/messages"
}
send_builtin-lines() { swarmbus send --lines bob <"$spool/messages"; }
send_command-lines() { "$command" send "$bus/bob" --lines <"$spool/messages"; }
send_process() {
    local n
    for ((n = 0; n < $1; n++)); do "$command" send "$bus/bob" "message number $n"; done
}
send_files() {
    local n name
    for ((n = 0; n < $1; n++)); do
        printf -v name '%09d' "$n"
        echo "message number $n" >"$spool/new/$name"
        mv "$spool/new/$name" "$spool/ready/$name"
    done
}

# One side of a round: bench.sh ROLE WAY COUNT, in a process of its own; says when it is ready, and when it began or ended.
side() {
    local role=$1 way=$2 count=$3
    if [[ $way == builtin* ]]; then
        enable -f "$library" swarmbus
        if [[ $role == receive ]]; then swarmbus open "$bus/bob"; else swarmbus open "$bus/alice"; fi
    fi
    echo ready
    read -r _
    [[ $role == receive ]] || echo "$EPOCHREALTIME"
    "${role}_$way" "$count"
    [[ $role == send ]] || echo "$EPOCHREALTIME"
}

# round WAY: one round; its rate, messages a second, in $rate.
round() {
    local way=$1 count=${counts[$1]} began ended
    # Pipes with names: bash knows one coprocess at a time.
    bash "$0" receive "$way" "$count" <"$spool/to-receiver" >"$spool/from-receiver" &
    local receiving=$!
    bash "$0" send "$way" "$count" <"$spool/to-sender" >"$spool/from-sender" &
    local sending=$!
    exec 6>"$spool/to-receiver" 5<"$spool/from-receiver" 9>"$spool/to-sender" 7<"$spool/from-sender"
    read -r _ <&5
    read -r _ <&7
    echo go >&6
    echo go >&9
    read -r began <&7
    read -r ended <&5
    wait "$sending" "$receiving"
    exec 5<&- 6>&- 7<&- 9>&-
    rate=$((count * 1000000 / (${ended/[.,]/} - ${began/[.,]/})))
}

case ${1:-} in
    receive | send)
        side "$@"
        exit
        ;;
esac

rounds=${1:-5}
export bus=bash-bench-$$ spool=/dev/shm/bash-bench-$$.spool
trap '"$command" destroy "$bus" --if-exists; rm -rf "$spool"' EXIT
mkdir -p "$spool/new" "$spool/ready"
mkfifo "$spool"/{to,from}-{receiver,sender}
seq -f "message number %.0f" 0 "$((counts[builtin] - 1))" >"$spool/messages"
"$command" create "$bus" --agents 64 --heap 64MiB
"$command" declare "$bus/bob" --limit 1000
declare -A rates=()
for ((number = 0; number < rounds; number++)); do
    for way in "${ways[@]}"; do
        round "$way"
        rates[$way]+="$rate"$'\n'
    done
done

# of WAY WHICH: the round at this place, 0 the slowest.
of() { printf %s "${rates[$1]}" | sort -n | sed -n "$(($2 + 1))p"; }
builtin=$(of builtin $((rounds / 2)))
printf '%-16s %12s %26s %s\n' "" "messages/s" "slowest .. fastest" "builtin is faster by"
for way in "${ways[@]}"; do
    median=$(of "$way" $((rounds / 2)))
    spread="$(of "$way" 0) .. $(of "$way" $((rounds - 1)))"
    printf '%-16s %12d %26s %s\n' "${way/-/, }" "$median" "$spread" \
        "$(awk -v a="$builtin" -v b="$median" 'BEGIN { printf((a >= b * 10 ? "%.0f" : "%.2f"), a / b) }')"
done
