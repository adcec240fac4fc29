# A process of a trial, written in bash: child.sh RIVAL TRIAL SEAT. It speaks with the harness as its own processes do; what it has to know
# besides comes in the environment. A rival is a file in rivals/ with these functions:
#   prepare ROLE         makes an end; ROLE is receiver or sender
#   send MESSAGE         one message, by what a script would do for one
#   receive              the next one, in $got; some may be in more[] beside it
#   send_stream          sends the lines of standard input
#   receive_stream N     prints N messages, a line each
# A message is a line of 63 letters: its first and its last are the same, and E ends it all.
# shellcheck shell=bash disable=SC2034
set -u

rival=$1 seat=$3
role=sender
[[ $seat == lead ]] && role=receiver
# Lines of a stream: enough for starting the commands to count for little.
STREAM_LINES=${STREAM_LINES:-200000}

say() { printf '%s\n' "$1"; }
fail() {
    say "{\"Failed\":\"$role: $1\"}"
    exit 1
}
# The harness' word to go on, on standard input, which commands are not to read.
exec 9<&0 </dev/null
listen() { read -r _ <&9 || exit 1; }

# Microseconds, in now.
look() { now=${EPOCHREALTIME/[.,]/}; }

letters=$(printf '%61s' '' | tr ' ' 'm')
message="A${letters}A"
last="E${letters}E"

# shellcheck disable=SC1090
source "${BASH_SOURCE[0]%/*}/rivals/$rival.sh"

receive_messages() {
    local count=0 base=0 first=0 began=0 line
    while :; do
        receive || fail "nothing came"
        look
        for line in "${more[@]:-$got}"; do
            [[ ${#line} == 63 && ${line:0:1} == "${line: -1}" ]] || fail "a message did not end as it began: $line"
            ((count += 1))
            [[ $line == E* ]] && break 2
        done
        if ((began == 0)); then
            ((first == 0)) && first=$now
            ((now - first >= WARM_UP_US)) && began=$now base=$count
        fi
    done
    ((began > 0)) || fail "no message came after the warm-up; measure for longer (--seconds)"
    report $((count - 1 - base)) $((now - began))
}

send_messages() {
    look
    local until=$((now + WARM_UP_US + MEASURED_US))
    while ((now < until)); do
        send "$message" || fail "sending"
        look
    done
    send "$last" || fail "sending"
    say '{"Done":{"count":0}}'
}

# report COUNT MICROSECONDS
report() { say "{\"Done\":{\"count\":$1,\"rate\":$(awk -v n="$1" -v us="$2" 'BEGIN { printf "%.3f", n * 1e6 / us }')}}"; }

receive_all() {
    look
    local began=$now count
    # Looks at the beginning and the end of each line, as a script that does something with it would.
    count=$(receive_stream "$STREAM_LINES" |
        awk 'length($0) == 63 && substr($0, 1, 1) == substr($0, 63) { n++ } END { print n + 0 }')
    look
    [[ $count == "$STREAM_LINES" ]] || fail "$count of $STREAM_LINES lines arrived whole"
    report "$count" $((now - began))
}

send_all() {
    yes "$message" | head -n "$STREAM_LINES" | send_stream || fail "sending"
    say '{"Done":{"count":0}}'
}

say '"Up"'
listen
prepare "$role" || fail "cannot make an end"
say '"Ready"'
listen
case $WORK/$role in
    bash-message/receiver) receive_messages ;;
    bash-message/sender) send_messages ;;
    bash-stream/receiver) receive_all ;;
    bash-stream/sender) send_all ;;
esac
# Others may still need what this process holds: the harness says when all is over.
listen
