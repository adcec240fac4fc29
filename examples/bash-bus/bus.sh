# Sourced by both scripts, which run in this folder: makes `swarmbus` a builtin of this shell. SWARMBUS_BUILTIN names its file; else
# it is what the build left, or what `make install` has put where bash looks for loadable builtins.
# shellcheck shell=bash
built=../../target/release/libswarmbus_bash.so
[[ -e $built ]] || built=swarmbus_bash.so
enable -f "${SWARMBUS_BUILTIN:-$built}" swarmbus

# steps_of NUMBER: how many steps of Collatz's it takes to 1, in $steps. The work that is shared here.
steps_of() {
    local number=$1
    steps=0
    while ((number != 1)); do
        ((number = number % 2 ? 3 * number + 1 : number / 2, steps += 1))
    done
}
