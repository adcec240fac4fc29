# A fifo: a message is a line, which bash itself writes and reads.
# shellcheck shell=bash
prepare() {
    fifo=$FOLDER/fifo
    mkfifo "$fifo" 2>/dev/null
    # Held open for both, so that no opening waits for another and nothing is lost between two.
    exec 7<>"$fifo"
}
send() { printf '%s\n' "$1" >"$fifo"; }
receive() { read -r got <&7; }
send_stream() { cat >&7; }
receive_stream() { head -n "$1" <&7; }
