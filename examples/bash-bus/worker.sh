#!/usr/bin/env bash
# A worker: takes numbers from the queue `tasks` and answers each with its steps, until a word in its own mailbox says stop.
#
# A number is the worker's until it takes the next one. If it is killed before that, the number goes to another.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=bus.sh
source ./bus.sh

swarmbus open
swarmbus status set --task "Collatz" idle
swarmbus send coordinator hello
word=""
while swarmbus recv -q tasks -q "$SWARMBUS_AGENT" -v word; do
    [[ $word == stop ]] && exit
    steps_of "$word"
    swarmbus send coordinator "$word $steps"
done
