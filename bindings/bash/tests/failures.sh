#!/usr/bin/env bash
# What a script sees when something is wrong: exit codes, and messages that are not lost.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# in_flight NAME: whether a message of the mailbox is taken and not released.
in_flight() {
    swarmbus inspect "$bus" "$1" | grep '^in flight *1' >/dev/null
}

test_an_empty_mailbox_times_out_with_75() {
    swarmbus declare "$bus/bob"
    expect_code 75 swarmbus recv "$bus/bob" --timeout 50ms
    expect_code 75 swarmbus recv "$bus/bob" --timeout 0
}

test_an_owned_mailbox_is_busy_with_75() {
    swarmbus declare "$bus/bob"
    swarmbus recv "$bus/bob" >"$scratch/got" &
    local owner=$!
    wait_until owned bob
    expect_code 75 swarmbus recv "$bus/bob" --timeout 60s
    swarmbus send "$bus/bob" "for the owner"
    wait "$owner"
    expect "for the owner" "$(<"$scratch/got")" "what the owner got"
}

test_a_full_queue_is_75() {
    swarmbus declare "$bus/small" --limit 1
    swarmbus send "$bus/small" one
    expect_code 75 swarmbus send "$bus/small" two --timeout 0
    expect_code 75 swarmbus send "$bus/small" two --timeout 20ms
    swarmbus recv "$bus/small" >/dev/null
    swarmbus send "$bus/small" two --timeout 0
}

test_a_sender_waits_for_room() {
    swarmbus declare "$bus/small" --limit 1
    swarmbus send "$bus/small" one
    swarmbus send "$bus/small" two &
    local sender=$!
    expect one "$(swarmbus recv "$bus/small" --timeout 60s)" "the first"
    wait "$sender"
    expect two "$(swarmbus recv "$bus/small" --timeout 60s)" "the second"
}

test_an_unknown_agent_or_bus_is_68() {
    expect_code 68 swarmbus send "$bus/nobody" hello
    expect_code 68 swarmbus peek "$bus/nobody"
    expect_code 68 swarmbus send "$bus-none/bob" hello
}

test_wrong_usage_is_64() {
    expect_code 64 swarmbus send "$bus/no such name" hello
    expect_code 64 swarmbus recv "$bus/bob" --timeout soon
    expect_code 64 swarmbus recv bob
}

test_a_script_can_try_again_on_75() {
    swarmbus declare "$bus/bob"
    (
        sleep 0.2
        swarmbus send "$bus/bob" "at last"
    ) &
    local code=0 got=""
    while true; do
        got=$(swarmbus recv "$bus/bob" --timeout 20ms 2>/dev/null) && break || code=$?
        expect 75 "$code" "the code of a recv that found nothing"
    done
    expect "at last" "$got" "what came"
    wait
}

test_a_message_held_by_a_killed_process_is_delivered_again() {
    swarmbus declare "$bus/bob"
    head -c 1000000 /dev/zero | swarmbus send "$bus/bob"
    # Nobody reads the other end, so recv stands in the middle of its output, the message in flight.
    mkfifo "$scratch/pipe"
    swarmbus recv "$bus/bob" --raw >"$scratch/pipe" &
    local victim=$!
    exec 3<"$scratch/pipe"
    wait_until in_flight bob
    kill -KILL "$victim"
    wait "$victim" 2>/dev/null || true
    exec 3<&-
    swarmbus reap "$bus" >/dev/null
    swarmbus recv "$bus/bob" --timeout 60s -o json >"$scratch/got"
    grep -q '"deliveries":2' "$scratch/got" || fail "it was not delivered a second time"
}

test_a_message_whose_reader_left_stays() {
    swarmbus declare "$bus/bob"
    head -c 1000000 /dev/zero | swarmbus send "$bus/bob"
    swarmbus recv "$bus/bob" --raw 2>"$scratch/said" | head -c 10 >/dev/null || true
    expect "" "$(<"$scratch/said")" "what recv said"
    expect 1 "$(swarmbus peek "$bus/bob" -o jsonl | wc -l)" "messages that stayed"
}

test_a_destroyed_bus_ends_its_receivers_with_69() {
    swarmbus declare "$bus/bob"
    local code=0
    swarmbus recv "$bus/bob" 2>/dev/null &
    local receiver=$!
    wait_until owned bob
    swarmbus destroy "$bus"
    wait "$receiver" || code=$?
    expect 69 "$code" "the code of the receiver"
}

main "$@"
