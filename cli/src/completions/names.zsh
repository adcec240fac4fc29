# Names that are there now, where a verb takes one.
_swarmbus_names() {
    local -a found ends goes_on
    found=(${(f)"$(_call_program $1 swarmbus words $1 -- ${(q)PREFIX} 2>/dev/null)"})
    goes_on=(${(M)found:#*/}) ends=(${found:#*/})
    local ret=1
    (( $#goes_on )) && compadd -S '' -a goes_on && ret=0
    (( $#ends )) && compadd -a ends && ret=0
    return ret
}
_swarmbus_addresses() { _swarmbus_names addresses }
_swarmbus_buses() { _swarmbus_names buses }

