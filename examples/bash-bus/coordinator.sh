#!/usr/bin/env bash
# The coordinator: waits until all agents are there, hands out ten numbers for each by the queue `tasks`, collects an answer to
# each, ends the agents, and checks the sum.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=bus.sh
source ./bus.sh

agents=$SWARMBUS_POOL_SIZE
tasks=$((10 * agents))
# More than a second without a word from anybody is nothing; this is a swarm that hangs.
silence=2m

# seconds FROM TO: of two EPOCHREALTIMEs.
seconds() {
    local us=$((${2/[.,]/} - ${1/[.,]/}))
    printf '%d.%02d s' $((us / 1000000)) $((us / 10000 % 100))
}

declare -A present=() steps_by=() about=()
twice=0 word=""
# receive: one word of some agent.
receive() {
    swarmbus recv -t "$silence" -v word -a about
    if [[ $word == hello ]]; then
        present[${about[sender]}]=1
    elif [[ -v steps_by[${word% *}] ]]; then
        # Its agent was killed after it had answered: the number was delivered again.
        ((twice += 1))
    else
        steps_by[${word% *}]=${word#* }
    fi
}

swarmbus open
began=$EPOCHREALTIME
while ((${#present[@]} < agents)); do receive; done
echo "$agents agents are there after $(seconds "$began" "$EPOCHREALTIME")"

began=$EPOCHREALTIME
for ((number = 1; number <= tasks; number++)); do
    swarmbus send tasks "$number"
    # As many are out as there are agents, so that no queue fills up.
    if ((number > agents)); then receive; fi
done
while ((${#steps_by[@]} < tasks)); do receive; done
echo "$tasks numbers, ${#steps_by[@]} answers, $twice twice, in $(seconds "$began" "$EPOCHREALTIME")"

for agent in "${!present[@]}"; do swarmbus send "$agent" stop; done
sum=0 expected=0
for ((number = 1; number <= tasks; number++)); do
    steps_of "$number"
    ((expected += steps, sum += steps_by[$number])) || true
done
((sum == expected)) || { echo "the sum is $sum and should be $expected" >&2; exit 1; }
echo "the sum of all steps is right: $sum"
