#!/usr/bin/env bash
# The builtin between bash processes: what each verb does.
# Scripts of other shells are in single quotes.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2016
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_a_message_goes_from_one_shell_to_another() {
    load
    start 'swarmbus open "$1/bob"; swarmbus recv -t 60 -v got -a about; echo "$got from ${about[sender]} by ${about[lane]}"' \
        >"$scratch/got" &
    wait_until owned bob
    swarmbus open "$bus/alice"
    swarmbus send -p high bob "hello, bob"
    wait $!
    expect "hello, bob from alice by high" "$(<"$scratch/got")" "what bob got"
}

test_text_of_every_kind_survives_variables() {
    load
    swarmbus open "$bus/bob"
    local sent got
    for sent in "" " leading, trailing " $'two\nlines\n' 'grüße, 世界 🚌' $'\xff\xfe no utf-8' '$(id) `id` *' "-v" "--" "a'b\"c"; do
        swarmbus send bob "$sent"
        swarmbus recv -t 0 -v got
        expect "$sent" "$got" "a text"
    done
}

test_a_mebibyte_survives_a_variable_and_a_file() {
    load
    swarmbus open "$bus/bob"
    local sent got
    sent=$(head -c 786432 /dev/urandom | base64 -w 0)
    expect 1048576 "${#sent}" "bytes"
    swarmbus send bob "$sent"
    swarmbus recv -t 0 -v got
    [[ $got == "$sent" ]] || fail "a MiB changed on its way"
    head -c 1048576 /dev/urandom >"$scratch/sent"
    swarmbus send -f "$scratch/sent" bob
    swarmbus recv -t 0 -f "$scratch/got"
    cmp "$scratch/sent" "$scratch/got"
    swarmbus send bob <"$scratch/sent"
    swarmbus recv -t 0 -f - >"$scratch/got"
    cmp "$scratch/sent" "$scratch/got"
}

test_zero_bytes_go_by_base64_and_files() {
    load
    swarmbus open "$bus/bob"
    local got=before
    printf 'a\0b' >"$scratch/sent"
    swarmbus send -f "$scratch/sent" bob
    expect_code 65 swarmbus recv -t 0 -v got
    expect before "$got" "a variable that was not assigned to"
    swarmbus data --base64 -v got
    expect YQBi "$got" "the message once more"
    swarmbus data -f "$scratch/got"
    cmp "$scratch/sent" "$scratch/got"
    swarmbus send --base64 bob YQBi
    swarmbus recv -t 0 -f "$scratch/got"
    cmp "$scratch/sent" "$scratch/got"
}

test_a_message_that_no_variable_can_hold_is_not_lost() {
    load
    swarmbus open "$bus/bob"
    swarmbus send bob < <(printf 'a\0b')
    expect_code 65 swarmbus recv -t 0 -v got
    # The next take gives it back instead of releasing it: the script has not seen it.
    swarmbus recv -t 0 --base64 -v got -a about
    expect "YQBi 2" "$got ${about[deliveries]}" "the message and its deliveries"
}

test_many_at_once_come_as_an_array() {
    load
    swarmbus open "$bus/bob"
    seq 100 | while read -r number; do echo "$number"; done >"$scratch/numbers"
    mapfile -t numbers <"$scratch/numbers"
    swarmbus send --batch bob "${numbers[@]:0:60}"
    for number in "${numbers[@]:60}"; do swarmbus send bob "$number"; done
    local -a got all=()
    while swarmbus recv -t 0 -n 32 -v got 2>/dev/null; do all+=("${got[@]}"); done
    expect "${numbers[*]}" "${all[*]}" "what came"
}

test_each_word_and_each_line_is_a_message_of_its_own() {
    load
    swarmbus open "$bus/bob"
    swarmbus send --each bob "one" "" $'two\nlines' --lines
    local -a got
    swarmbus recv -n 64 -t 0 -v got
    expect $'<one><><two\nlines><--lines>' "$(printf '<%s>' "${got[@]}")" "the words"
    # Longer than what is read at once, so that lines lie across; an empty one, and one without an end.
    local -a lines
    mapfile -t lines < <(seq 20000 20999; echo; printf 'last, %0100000d' 7)
    local ids
    swarmbus send --lines -v ids bob < <(printf '%s\n' "${lines[@]:0:900}")
    expect 900 "$(wc -w <<<"$ids")" "ids"
    local -a all=()
    while swarmbus recv -t 0 -n 64 -v got 2>/dev/null; do all+=("${got[@]}"); done
    printf '%s\n' "${lines[@]:900:100}" "" >"$scratch/rest"
    printf '%s' "${lines[1001]}" >>"$scratch/rest"
    swarmbus send --lines -f "$scratch/rest" bob
    while swarmbus recv -t 0 -n 64 -v got 2>/dev/null; do all+=("${got[@]}"); done
    expect "$(printf '<%s>' "${lines[@]}")" "$(printf '<%s>' "${all[@]}")" "the lines"
    swarmbus send --lines bob </dev/null
    expect_code 75 swarmbus recv -t 0 -n 1 -v got
}

test_what_is_sent_one_by_one_is_shared_and_what_fails_says_how_far_it_came() {
    load
    swarmbus declare --limit 10 "$bus/jobs"
    swarmbus open "$bus/bob"
    expect_code 75 swarmbus send --each -t 0 jobs {1..12}
    grep -q "(10 sent before)" "$scratch/said" || fail "it says not how many were sent: $(<"$scratch/said")"
    local -a mine
    local theirs
    # Unlike a batch, which one taker gets whole.
    swarmbus recv -q jobs -n 4 -t 0 -v mine
    theirs=$(swarmbus open "$bus/carol" && swarmbus recv -q "$bus/jobs" -n 10 -t 0 -v got && echo "${got[@]}")
    expect "1 2 3 4 5 6 7 8 9 10" "${mine[*]} $theirs" "what two takers got"
    seq 12 >"$scratch/twelve"
    swarmbus release
    swarmbus queue purge jobs
    expect_code 75 swarmbus send --lines -t 0 -f "$scratch/twelve" jobs
    grep -q "(10 sent before)" "$scratch/said" || fail "it says not how many were sent: $(<"$scratch/said")"
    expect_code 64 swarmbus send --lines jobs word
    expect_code 64 swarmbus send --lines --each jobs
    expect_code 64 swarmbus send --each -k key jobs word
    expect_code 66 swarmbus send --lines -f "$scratch/none" jobs
    expect_code 74 swarmbus send --lines -f "$scratch" jobs
}

test_what_waits_is_taken_by_priority() {
    load
    swarmbus open "$bus/bob"
    local lane got order=""
    for lane in low normal high urgent; do swarmbus send -p "$lane" bob "$lane"; done
    for lane in 1 2 3 4; do swarmbus recv -t 0 -v got && order+="$got "; done
    expect "urgent high normal low " "$order" "the order"
}

test_of_messages_with_one_key_the_first_counts() {
    load
    swarmbus open "$bus/bob"
    local id got
    swarmbus send -k "order 17" -v id bob first
    [[ $id != 0 ]] || fail "the first was taken for a duplicate"
    swarmbus send -k "order 17" -v id bob second
    expect 0 "$id" "the id of the duplicate"
    swarmbus recv -t 0 -v got
    expect first "$got" "what came"
    expect_code 75 swarmbus recv -t 0 -v got
}

test_the_next_take_releases_and_nack_gives_back() {
    load
    swarmbus open "$bus/bob"
    local got
    local -A about
    swarmbus send bob one
    swarmbus send bob two
    swarmbus recv -t 0 -v got
    swarmbus nack
    swarmbus recv -t 0 -v got -a about
    expect "one 2" "$got ${about[deliveries]}" "what was given back"
    swarmbus recv -t 0 -v got
    expect two "$got" "the next"
    swarmbus release
    expect_code 64 swarmbus release
    expect_code 75 swarmbus recv -t 0 -v got
    swarmbus send bob later
    swarmbus recv -t 0 -v got -a about
    swarmbus nack -d 1h "${about[id]}"
    expect_code 75 swarmbus recv -t 0 -v got
    swarmbus queue purge bob
    swarmbus send bob soon
    swarmbus recv -t 0 -v got
    swarmbus nack -d 150ms
    swarmbus recv -t 60 -v got
    expect soon "$got" "what was put off"
}

test_a_message_is_forwarded() {
    load
    swarmbus open "$bus/bob"
    swarmbus open "$bus/carol"
    swarmbus send bob "for carol"
    local got
    local -A about
    swarmbus recv -t 0 -v got bob
    swarmbus forward --from bob carol
    swarmbus recv -t 0 -v got -a about
    expect "for carol in carol" "$got in ${about[queue]}" "what carol got"
}

test_workers_share_a_queue() {
    load
    swarmbus declare "$bus/jobs"
    swarmbus open "$bus/lead"
    for _ in 1 2 3; do
        start 'while swarmbus recv -v job -q "$1/jobs"; do
                   [[ $job == stop ]] && exit
                   swarmbus send "$1/lead" "$((job * job))"
               done' &
    done
    local number sum=0 got
    for number in {1..100}; do swarmbus send jobs "$number"; done
    for number in {1..100}; do swarmbus recv -t 60 -v got && ((sum += got)); done
    for _ in 1 2 3; do swarmbus send jobs stop; done
    wait
    expect 338350 "$sum" "the sum of squares"
}

test_queues_and_mailbox_are_taken_from_in_turn() {
    load
    swarmbus open "$bus/bob"
    swarmbus declare left
    swarmbus declare right
    swarmbus send left l
    swarmbus send right r
    swarmbus send bob b
    local got came=""
    for _ in 1 2 3; do swarmbus recv -t 0 -q left -q right -q bob -v got && came+=$got; done
    expect "blr" "$(grep -o . <<<"$came" | sort | tr -d '\n')" "what came"
}

test_a_question_has_its_answer() {
    load
    start 'swarmbus open "$1/oracle"
           while swarmbus recv -v question; do
               [[ $question == stop ]] && exit
               swarmbus reply "$((question + 1))"
           done' &
    wait_until owned oracle
    swarmbus open "$bus/asker"
    local answer number
    for number in 1 2 41; do
        swarmbus call -t 60 -v answer oracle "$number"
        expect "$((number + 1))" "$answer" "the answer"
    done
    swarmbus send oracle stop
    wait
    swarmbus declare nobody
    expect_code 75 swarmbus call -t 20ms -v answer nobody "anybody there?"
}

test_an_answer_comes_in_parts() {
    load
    start 'swarmbus open "$1/teller"; swarmbus recv -v question
           for part in one two; do swarmbus reply --part "$part"; done; swarmbus reply three' &
    wait_until owned teller
    swarmbus open "$bus/asker"
    swarmbus ask teller "count"
    local part parts="" code=0
    while swarmbus answer -t 60 -v part || { code=$?; false; }; do parts+="$part "; done
    expect "one two three " "$parts" "the parts"
    expect 1 "$code" "the code after the last part"
    expect_code 64 swarmbus answer -v part
    wait
}

test_subscribers_get_what_is_published() {
    load
    swarmbus open "$bus/reader"
    swarmbus declare --topic --retain 2 --capacity 8 news
    local got position number
    local -A about
    for number in 0 1 2 3; do swarmbus pub -v position news "issue $number"; done
    expect 3 "$position" "the place of the last"
    swarmbus sub --last 2 -t 0 -v got -a about news
    expect "issue 2 at 2" "$got at ${about[position]}" "the first that is retained"
    swarmbus sub -t 0 -v got news
    expect "issue 3" "$got" "the next"
    expect_code 75 swarmbus sub -t 0 -v got news
    swarmbus unsub news
    expect_code 64 swarmbus unsub news
    swarmbus sub news
    expect_code 75 swarmbus sub -t 0 -v got news
}

test_a_lock_excludes_and_ends_with_its_shell() {
    load
    swarmbus open "$bus/alice"
    start 'swarmbus lock -b "$1" "src/**"; echo held; exec 8<> <(:); read -r -u 8 _' >"$scratch/held" &
    local holder=$! token later
    wait_until grep -q held "$scratch/held"
    expect_code 75 swarmbus lock -t 0 src/main.c
    swarmbus lock -s -v token docs
    swarmbus unlock docs
    expect_code 64 swarmbus unlock docs
    kill -KILL "$holder"
    wait "$holder" 2>/dev/null || true
    swarmbus lock -t 60 -v later src/main.c
    ((later > token)) || fail "the fencing token did not rise: $token, $later"
    swarmbus unlock --all
}

test_an_agent_says_what_it_does() {
    load
    swarmbus open "$bus/alice"
    expect_code_quietly 1 swarmbus status get -v state
    swarmbus status set --task "build it" --done 1 --total 3 in_progress
    swarmbus status set --done 2 --note "nearly"
    swarmbus tag fast
    swarmbus beat
    local state
    local -A said
    swarmbus status get -v state -a said alice
    expect "in_progress in_progress 2/3 build it nearly" "$state ${said[state]} ${said[done]}/${said[total]} ${said[task]} ${said[note]}" "the status"
    swarmbus status set --blocker "no disk" --blocker "no time" blocked
    swarmbus status get -a said
    expect $'no disk\nno time' "${said[blockers]}" "the blockers"
    swarmbus status set idle
    swarmbus status get -a said
    expect "idle " "${said[state]} ${said[blockers]}" "a state without blockers"
}

test_a_role_and_a_tap_bring_messages() {
    load
    swarmbus open "$bus/alice"
    swarmbus role reviewer
    swarmbus send @reviewer "review this"
    local got
    local -A about
    swarmbus recv -t 0 -v got -a about
    expect "review this in @reviewer" "$got in ${about[queue]}" "what came by the role"
    swarmbus role --drop reviewer
    swarmbus declare jobs
    swarmbus tap jobs
    swarmbus send jobs work
    swarmbus recv -t 0 -v got -a about
    expect "work of jobs" "$got of ${about[tapped]}" "what was tapped"
    swarmbus untap
}

test_queues_have_limits_and_dead_letters() {
    load
    swarmbus open "$bus/alice"
    swarmbus declare dead
    swarmbus declare --limit 1 --max-deliveries 1 --dead-letters dead jobs
    swarmbus send jobs one
    expect_code 75 swarmbus send -t 0 jobs two
    expect_code 75 swarmbus send -t 20ms jobs two
    local got
    swarmbus recv -t 0 -q jobs -v got
    swarmbus nack
    expect_code 75 swarmbus recv -t 0 -q jobs -v got
    swarmbus recv -t 0 -q dead -v got
    expect one "$got" "the dead letter"
    swarmbus nack
    swarmbus queue redrive dead
    swarmbus queue purge jobs
    swarmbus queue stop jobs
    expect_code 69 swarmbus send -t 0 jobs three
    swarmbus queue reopen jobs
    swarmbus send -t 0 jobs three
}

test_one_shell_is_on_several_buses() {
    load
    local other=$bus-other got
    swarmbus create "$other" --agents 16 --heap 16MiB
    swarmbus open "$bus/alice"
    swarmbus open "$other/alice"
    swarmbus send "$bus/alice" here
    swarmbus send alice there
    swarmbus recv -t 0 -v got
    expect there "$got" "what came on the bus opened last"
    swarmbus recv -t 0 -v got "$bus/alice"
    expect here "$got" "what came on the other"
    swarmbus open "$bus/alice"
    swarmbus send alice again
    swarmbus recv -t 0 -v got
    expect again "$got" "what came on the first, opened again"
    swarmbus close --all
    swarmbus destroy "$other"
}

test_an_agent_of_the_supervisor_needs_no_addresses() {
    load
    export SWARMBUS=$bus SWARMBUS_AGENT=worker
    swarmbus declare boss
    swarmbus declare worker
    swarmbus send worker "a job"
    local job
    local -A about
    swarmbus recv -t 0 -v job
    swarmbus send boss "done: $job"
    unset SWARMBUS_AGENT
    swarmbus recv -t 0 -v job -a about -q boss
    expect "done: a job from worker" "$job from ${about[sender]}" "the answer"
}

test_a_mailbox_is_handed_over() {
    load
    start 'swarmbus open "$1/leader"; echo up; code=0; swarmbus recv -v x 2>/dev/null || code=$?; echo "$code"' >"$scratch/old" &
    wait_until owned leader
    expect_code 75 swarmbus open "$bus/leader"
    expect_code 75 swarmbus open --stand-by -t 20ms "$bus/leader"
    swarmbus open --take-over "$bus/leader"
    wait
    expect "up 69" "$(paste -sd' ' "$scratch/old")" "what the old leader was told"
}

main "$@"
