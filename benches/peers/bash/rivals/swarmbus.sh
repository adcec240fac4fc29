# Ourselves: a command for each message, or one for a stream of lines. The bus and its mailboxes are there already.
# shellcheck shell=bash
prepare() { :; }
send() { "$COMMAND" send lead "$1"; }
receive() { got=$("$COMMAND" recv lead); }
send_stream() { "$COMMAND" send lead --lines; }
receive_stream() { "$COMMAND" recv lead -n "$1"; }
