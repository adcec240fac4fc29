#!/usr/bin/env bash
# Messages between bash processes: text, bytes, lines, lanes.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_a_message_goes_from_one_process_to_another() {
    swarmbus declare "$bus/bob"
    swarmbus recv "$bus/bob" -n 1 --timeout 60s >"$scratch/got" &
    local receiver=$!
    wait_until owned bob
    swarmbus send "$bus/bob" "hello, bob" --lane high --from alice
    wait "$receiver"
    expect "hello, bob" "$(<"$scratch/got")" "what bob got"
}

test_two_agents_answer_each_other() {
    swarmbus declare "$bus/pong"
    swarmbus declare "$bus/ping"
    (
        for ((turn = 0; turn < 20; turn++)); do
            number=$(swarmbus recv "$bus/pong" --timeout 60s)
            swarmbus send "$bus/ping" "$((number + 1))" --from pong
        done
    ) &
    local partner=$! number=0 turn
    for ((turn = 0; turn < 20; turn++)); do
        swarmbus send "$bus/pong" "$number" --from ping
        number=$(swarmbus recv "$bus/ping" --timeout 60s)
    done
    wait "$partner"
    expect 20 "$number" "the number after 20 turns"
}

test_bytes_survive_files() {
    swarmbus declare "$bus/bob"
    head -c 3000000 /dev/urandom >"$scratch/sent"
    swarmbus send "$bus/bob" --file "$scratch/sent"
    swarmbus recv "$bus/bob" --raw --timeout 60s >"$scratch/got"
    cmp "$scratch/sent" "$scratch/got"
    swarmbus send "$bus/bob" <"$scratch/sent"
    swarmbus recv "$bus/bob" --raw --timeout 60s >"$scratch/got"
    cmp "$scratch/sent" "$scratch/got"
}

test_a_hundred_lines_pass_through_a_pipe() {
    swarmbus declare "$bus/jobs"
    seq 100 | swarmbus send "$bus/jobs" --lines
    swarmbus recv "$bus/jobs" -n 100 --timeout 60s >"$scratch/got"
    seq 100 | cmp - "$scratch/got"
}

test_a_pipeline_of_agents() {
    swarmbus declare "$bus/in"
    swarmbus declare "$bus/out"
    swarmbus recv "$bus/in" -n 50 | while read -r number; do
        echo $((number * number))
    done | swarmbus send "$bus/out" --lines &
    seq 50 | swarmbus send "$bus/in" --lines
    swarmbus recv "$bus/out" -n 50 --timeout 60s >"$scratch/got"
    wait
    expect 42925 "$(awk '{ sum += $1 } END { print sum }' "$scratch/got")" "the sum of squares"
}

test_two_consumers_share_a_queue() {
    swarmbus declare "$bus/jobs"
    seq 200 | swarmbus send "$bus/jobs" --lines
    swarmbus recv "$bus/jobs" --shared -n 100 --timeout 60s >"$scratch/first" &
    local first=$!
    swarmbus recv "$bus/jobs" --shared -n 100 --timeout 60s >"$scratch/second"
    wait "$first"
    sort -n "$scratch/first" "$scratch/second" | cmp - <(seq 200)
}

test_urgent_comes_before_low() {
    swarmbus declare "$bus/bob"
    swarmbus send "$bus/bob" last --lane low
    swarmbus send "$bus/bob" third
    swarmbus send "$bus/bob" second --lane high
    swarmbus send "$bus/bob" first --lane urgent
    swarmbus recv "$bus/bob" -n 4 >"$scratch/got"
    expect "first second third last" "$(paste -sd' ' "$scratch/got")" "the order"
}

test_a_mailbox_keeps_messages_while_nobody_owns_it() {
    swarmbus declare "$bus/bob"
    swarmbus send "$bus/bob" one
    expect one "$(swarmbus recv "$bus/bob")" "the first"
    swarmbus send "$bus/bob" two
    expect 1 "$(swarmbus peek "$bus/bob" -o jsonl | wc -l)" "messages seen by peek"
    expect two "$(swarmbus recv "$bus/bob")" "the second"
}

test_a_script_that_is_an_agent_needs_no_addresses() {
    export SWARMBUS=$bus SWARMBUS_AGENT=worker
    swarmbus declare boss
    swarmbus declare worker
    swarmbus send worker "a job"
    job=$(swarmbus recv)
    swarmbus send boss "done: $job"
    swarmbus recv boss -o json >"$scratch/got"
    grep -q '"sender":"worker"' "$scratch/got" || fail "the sender is missing in $(<"$scratch/got")"
    grep -q '"data":"done: a job"' "$scratch/got" || fail "the answer is missing in $(<"$scratch/got")"
}

main "$@"
