"""An agent as each contender has it: it attaches, says that it is there, and answers until the bus is closed."""

import contextlib

import swarmbus

with swarmbus.connect() as me, contextlib.suppress(swarmbus.Closed):
    me.send("coordinator", b"ready")
    while True:
        me.recv().release()
        me.send("coordinator", b"done")
