"""An agent: takes files from the work queue, analyses them and answers the coordinator."""

import swarmbus
from analysis import analyse

with swarmbus.connect() as me:
    # A file is released when the next one is asked for, so after its answer is sent. Whoever dies before that has
    # its file delivered again, to another agent. The loop ends when the queue is closed and empty.
    for message in me.messages("files"):
        stats = analyse(bytes(message).decode())
        me.send("coordinator", stats.to_json(delivery=message.deliveries), content="json")
