#!/usr/bin/env bash
# The builtin as a citizen of its shell: deaths, signals, subshells, wrong use.
# Scripts of other shells are in single quotes.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2016
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# in_flight NAME: whether a message of the mailbox is taken and not released.
in_flight() {
    command env swarmbus inspect "$bus" "$1" | grep '^in flight *1' >/dev/null
}

# deliveries: how often the message that waits at bob was taken before.
deliveries() {
    command env swarmbus peek "$bus/bob" -o jsonl | grep -o '"deliveries":[0-9]*' || true
}

test_a_killed_receiver_costs_no_message() {
    load
    swarmbus open "$bus/lead"
    swarmbus declare jobs
    swarmbus send jobs "the job"
    start 'swarmbus recv -v job -q "$1/jobs"; echo "$job"; exec 8<> <(:); read -r -u 8 _' >"$scratch/victim" &
    local victim=$! job
    local -A about
    wait_until grep -q "the job" "$scratch/victim"
    kill -KILL "$victim"
    wait "$victim" 2>/dev/null || true
    swarmbus recv -t 60 -q jobs -v job -a about
    expect "the job 2" "$job ${about[deliveries]}" "what the next one got"
}

test_a_shell_that_ends_well_is_done_with_its_message() {
    load
    swarmbus declare "$bus/bob"
    swarmbus send "$bus/bob" work
    (start 'swarmbus open "$1/bob"; swarmbus recv -t 60 -v job') || fail "the shell failed"
    expect "" "$(deliveries)" "what waits"
}

test_a_shell_that_fails_gives_its_message_back() {
    load
    swarmbus declare "$bus/bob"
    swarmbus send "$bus/bob" work
    local code=0
    (start 'swarmbus open "$1/bob"; swarmbus recv -t 60 -v job; false') || code=$?
    expect 1 "$code" "the code of a shell under set -e"
    expect '"deliveries":1' "$(deliveries)" "what waits"
}

test_a_trap_interrupts_a_wait() {
    start 'trap "echo trapped" USR1
           swarmbus open "$1/bob"; code=0
           swarmbus recv -v x || code=$?
           echo "code $code"
           swarmbus recv -v x
           echo "got $x"' >"$scratch/out" 2>&1 &
    local receiver=$!
    wait_until owned bob
    wait_until asleep "$receiver"
    kill -USR1 "$receiver"
    wait_until grep -q code "$scratch/out"
    command env swarmbus send "$bus/bob" hello
    wait "$receiver"
    expect "trapped code 138 got hello" "$(paste -sd' ' "$scratch/out")" "what the receiver said"
}

# asleep PID: whether it waits in the kernel, in a futex.
asleep() {
    grep -q futex "/proc/$1/wchan" 2>/dev/null || grep -q '^State:[[:space:]]*S' "/proc/$1/status"
}

test_a_trap_interrupts_the_opening_of_a_fifo() {
    mkfifo "$scratch/fifo"
    swarmbus declare "$bus/bob"
    swarmbus send "$bus/bob" kept
    start 'trap "echo trapped" USR1
           swarmbus open "$1/bob"; code=0
           swarmbus recv -f "$2/fifo" || code=$?
           swarmbus recv -t 0 -v x -a about
           echo "code $code $x ${about[deliveries]}"' "$scratch" >"$scratch/out" 2>&1 &
    local receiver=$!
    wait_until in_flight bob
    wait_until asleep "$receiver"
    kill -USR1 "$receiver"
    wait "$receiver"
    expect "trapped code 138 kept 2" "$(paste -sd' ' "$scratch/out")" "what the receiver said"
}

test_a_signal_without_a_trap_ends_the_shell() {
    local signal code
    for signal in INT TERM HUP; do
        start 'swarmbus open "$1/bob"; swarmbus recv -v x' &
        local receiver=$!
        code=0
        wait_until owned bob
        wait_until asleep "$receiver"
        kill "-$signal" "$receiver"
        wait "$receiver" 2>/dev/null || code=$?
        expect "$((128 + $(kill -l "$signal")))" "$code" "the code after SIG$signal"
        swarmbus reap "$bus" >/dev/null
    done
}

test_an_exit_trap_runs_after_a_signal() {
    # Bash 5.1 loses the trap when the failed wait itself ends the script.
    local more=""
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] > 501)) || more=" || :"
    start 'trap "echo bye" EXIT; swarmbus open "$1/bob"; swarmbus recv -v x'"$more" >"$scratch/out" &
    local receiver=$! code=0
    wait_until owned bob
    wait_until asleep "$receiver"
    kill -TERM "$receiver"
    wait "$receiver" 2>/dev/null || code=$?
    expect "143 bye" "$code $(<"$scratch/out")" "code and output"
}

test_ctrl_c_interrupts_an_interactive_wait() {
    mkfifo "$scratch/keys"
    script -qfc "bash --norc --noprofile -i" /dev/null <"$scratch/keys" >"$scratch/screen" 2>&1 &
    exec 3>"$scratch/keys"
    echo "enable -f '$library' swarmbus; swarmbus open $bus/bob; swarmbus recv -v x" >&3
    wait_until owned bob
    # A moment to get from the mailbox into the wait; too early is an interrupt as well.
    sleep 0.3
    printf '\003' >&3
    echo 'echo "code=$?"; exit 0' >&3
    exec 3>&-
    wait_until grep -q 'code=130' "$scratch/screen"
    wait
}

test_a_subshell_does_not_use_its_parents_handles() {
    load
    swarmbus open "$bus/bob"
    swarmbus send bob one
    expect_code 64 eval '(swarmbus recv -v x)'
    expect_code 64 eval 'got=$(swarmbus recv -t 0)'
    expect_code 64 eval 'echo two | swarmbus send bob'
    (swarmbus close)
    # One of its own, and the parent's is as it was.
    (
        swarmbus open "$bus/child"
        swarmbus send bob "from the child"
        exit 0
    )
    local got
    local -A about
    swarmbus recv -t 0 -v got -a about
    expect "one 1" "$got ${about[deliveries]}" "the parent's message"
    swarmbus recv -t 0 -v got -a about
    expect "from the child by child" "$got by ${about[sender]}" "the child's message"
}

test_errexit_takes_it_as_any_command() {
    load
    swarmbus open "$bus/bob"
    local got="nothing"
    if swarmbus recv -t 0 -v got 2>/dev/null; then fail "there was a message"; fi
    swarmbus recv -t 0 -v got 2>/dev/null || got="caught"
    expect caught "$got" "after ||"
    # A verb of the command, run from within the builtin, is no different.
    swarmbus peek "$bus/nobody" 2>/dev/null || got="caught again"
    expect "caught again" "$got" "after || of a verb of the command"
    local code=0
    (start 'swarmbus open "$1/eve"; swarmbus recv -t 0 -v x 2>/dev/null; echo "still here"') >"$scratch/out" || code=$?
    expect "75 " "$code $(<"$scratch/out")" "code and output of a script with set -e"
}

test_verbs_of_the_command_are_run_with_their_words() {
    load
    swarmbus open "$bus/bob"
    swarmbus send bob 'it is $HOME'
    expect 1 "$(swarmbus peek "$bus/bob" -o jsonl | grep -c 'it is $HOME')" "what peek shows"
    expect_code 64 swarmbus "no'such \$verb"
}

test_wrong_use_says_what_to_do() {
    load
    expect_code 64 swarmbus
    expect_code 64 swarmbus open
    expect_code 64 swarmbus recv -v x
    expect_code 68 swarmbus open "$bus-none/bob"
    expect_code 68 swarmbus send "$bus/nobody" x
    expect_code 64 swarmbus open "$bus/no such name"
    swarmbus open "$bus/bob"
    expect_code 64 swarmbus send bob one two
    expect_code 64 swarmbus send -t soon bob x
    expect_code 64 swarmbus send -p loud bob x
    expect_code 64 swarmbus send --from nobody bob x
    expect_code 64 swarmbus send --part bob x
    expect_code 64 swarmbus recv -v
    expect_code 64 swarmbus recv -v 'x y' -t 0
    expect_code 64 swarmbus recv -v 'x[1]' -t 0
    expect_code 64 swarmbus recv -n 0 -v x -t 0
    expect_code 64 swarmbus recv -n many -v x -t 0
    expect_code 64 swarmbus recv -v x -f "$scratch/x" -t 0
    expect_code 64 swarmbus release
    expect_code 64 swarmbus reply x
    expect_code 64 swarmbus status shout
    expect_code 64 swarmbus status set busy
    expect_code 66 swarmbus send -f "$scratch/none" bob
    expect_code 65 swarmbus send --base64 bob '!'
    expect_code 74 swarmbus send -f "$scratch" bob
    expect_code 65 swarmbus send -f /dev/zero bob
    expect_code 65 swarmbus send --lines -f /dev/zero bob
    swarmbus send bob kept
    expect_code 74 swarmbus recv -t 0 -f "$scratch/no/such/folder"
    local got
    swarmbus recv -t 0 -v got
    expect kept "$got" "a message whose file could not be written"
}

test_variables_that_must_not_be_assigned_to_are_refused() {
    load
    swarmbus open "$bus/bob"
    # shellcheck disable=SC2034
    local -r fixed=1
    # shellcheck disable=SC2034
    local -a list=(1)
    # shellcheck disable=SC2034
    local -A table=()
    local -i number=0
    expect_code 64 swarmbus recv -t 0 -v fixed
    expect_code 64 swarmbus recv -t 0 -v list
    expect_code 64 swarmbus recv -t 0 -v table
    expect_code 64 swarmbus recv -t 0 -a list
    # What comes is not to be evaluated.
    swarmbus send bob "x[\$(touch '$scratch/evil')]"
    expect_code 65 swarmbus recv -t 0 -v number
    [[ ! -e $scratch/evil ]] || fail "a message was evaluated"
    swarmbus recv -t 0 -f "$scratch/got"
    swarmbus send bob 42
    swarmbus recv -t 0 -v number
    expect 42 "$number" "a number"
}

test_variables_of_functions_are_theirs() {
    load
    swarmbus open "$bus/bob"
    got=outer
    inner() {
        local got
        # shellcheck disable=SC2034
        local -n other=result
        swarmbus send bob inner
        swarmbus recv -t 0 -v got
        expect inner "$got" "the local variable"
        swarmbus send bob referred
        swarmbus recv -t 0 -v other
    }
    local result=""
    inner
    expect "outer referred" "$got $result" "what the caller has"
}

test_a_jump_out_of_an_assignment_loses_nothing() {
    load
    swarmbus open "$bus/bob"
    swarmbus send bob one
    # The reference leads to an element whose subscript bash cannot evaluate: it jumps to its top level, out of our call.
    bash -c "enable -f '$library' swarmbus
        swarmbus open '$bus/eve'; swarmbus send eve one
        eval 'declare -n ref=list[1/0]; swarmbus recv -t 0 -v ref' 2>/dev/null
        swarmbus recv -t 0 -v got -a about && echo \"\$got \${about[deliveries]}\"" >"$scratch/out" 2>"$scratch/err" || true
    # Bash may end the script there (code 1): then the message waits.
    if [[ -s $scratch/out ]]; then
        expect "one 2" "$(<"$scratch/out")" "what came again"
    else
        expect 1 "$(command env swarmbus peek "$bus/eve" -o jsonl | wc -l)" "messages that stayed"
    fi
}

test_it_can_be_taken_away_and_loaded_again() {
    load
    swarmbus open "$bus/bob"
    enable -d swarmbus
    load 2>/dev/null
    swarmbus open "$bus/bob"
    swarmbus send bob "still here"
    local got
    swarmbus recv -t 0 -v got
    expect "still here" "$got" "what came"
}

test_help_fits_a_terminal() {
    load
    local verb
    {
        help swarmbus
        swarmbus help
        for verb in send recv call status open declare; do swarmbus help "$verb"; done
    } >"$scratch/help"
    expect "" "$(awk 'length($0) > 80' "$scratch/help")" "lines that are too long"
    grep -q 'Takes the next message of the mailbox' "$scratch/help" || fail "the help of recv is missing"
}

test_many_messages_cost_no_memory() {
    load
    swarmbus open "$bus/bob"
    local number got before after
    local -A about
    exchange() {
        for ((number = 0; number < $1; number++)); do
            swarmbus send bob "message $number"
            swarmbus recv -t 0 -v got -a about
        done
    }
    exchange 2000
    before=$(awk '/^RssAnon/ { print $2 }' /proc/$$/status)
    exchange 20000
    after=$(awk '/^RssAnon/ { print $2 }' /proc/$$/status)
    # 10 bytes for each would be 200 KiB.
    ((after - before < 160)) || fail "20000 messages cost $((after - before)) KiB"
}

main "$@"
