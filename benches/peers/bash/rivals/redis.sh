# redis-cli: a list that one side pushes to and the other waits at.
# shellcheck shell=bash
prepare() { :; }
send() { redis-cli -p "$PORT" RPUSH lead "$1" >/dev/null; }
receive() {
    # The list's name and the message.
    got=$(redis-cli -p "$PORT" BLPOP lead 0)
    got=${got#*$'\n'}
}
send_stream() { sed 's/^/RPUSH lead /' | redis-cli -p "$PORT" >/dev/null; }
receive_stream() { redis-cli -p "$PORT" -r "$1" BLPOP lead 0 | sed -n '2~2p'; }
