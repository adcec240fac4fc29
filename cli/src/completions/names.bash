# Names that are there now, where a verb takes one: what is generated above knows only verbs and options.
_swarmbus_names() {
    _swarmbus "$@"
    local word verb="" kind=""
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] && continue
        verb+=${verb:+ }$word
        case $verb in
            @ADDRESSES@) kind=addresses ;;
            @BUSES@) kind=buses ;;
        esac
        [[ -n $kind ]] && break
    done
    case $3 in
        -b | --bus) kind=buses ;;
        -*) return ;;
    esac
    [[ -z $kind || $2 == -* ]] && return
    mapfile -t COMPREPLY < <(swarmbus words "$kind" -- "$2" 2>/dev/null)
    [[ ${COMPREPLY[*]} == */ ]] && compopt -o nospace
    return 0
}
