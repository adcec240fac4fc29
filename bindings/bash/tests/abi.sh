#!/usr/bin/env bash
# The structs of bash as the builtin knows them, beside bash's headers (package bash-builtins; or BASH_HEADERS names their folder).
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_structs_are_those_of_bashs_headers() {
    local headers=${BASH_HEADERS:-/usr/include/bash}
    if [[ ! -e $headers/builtins.h ]]; then
        echo "no headers of bash here (apt install bash-builtins): not compared" >&2
        return
    fi
    cc -std=gnu11 -fsyntax-only -Wall -Werror -DHAVE_CONFIG_H -DSHELL -DLOADABLE_BUILTIN -include stdio.h \
        -I"$headers" -I"$headers/include" -I"$headers/builtins" -I"$headers/../../lib/bash" -I/usr/lib/bash "$tests/abi.c"
}

test_the_struct_that_bash_writes_to_is_writable() {
    # Bash sets flags and handle of the struct when it loads and forgets the builtin.
    bash -c "enable -f '$library' swarmbus && enable -n swarmbus && enable swarmbus && enable -d swarmbus"
    readelf -SW "$library" >"$scratch/sections"
    readelf -sW "$library" | awk '$8 == "swarmbus_struct" { print $7 }' >"$scratch/section"
    grep -q "\[ *$(head -1 "$scratch/section")\] \.data " "$scratch/sections" || fail "swarmbus_struct is not in .data"
}

main "$@"
