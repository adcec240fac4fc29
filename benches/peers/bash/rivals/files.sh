# A file for each message, in shared memory: written beside, renamed into the folder that the reader watches.
# shellcheck shell=bash
prepare() {
    spool=/dev/shm/$TAG-spool number=1000000000 more=()
    mkdir -p "$spool/new" "$spool/ready"
    # Something to wait at without starting a process for it.
    exec 8<> <(:)
}
send() {
    ((number += 1))
    printf '%s\n' "$1" >"$spool/new/$number" && mv "$spool/new/$number" "$spool/ready/$number"
}
receive() {
    local files file
    while :; do
        files=("$spool"/ready/*)
        [[ -e ${files[0]} ]] && break
        read -r -t 0.001 -u 8
    done
    more=()
    for file in "${files[@]}"; do
        read -r got <"$file"
        more+=("$got")
    done
    rm "${files[@]}"
}
