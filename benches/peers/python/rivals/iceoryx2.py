"""iceoryx2's package: samples written by memmove and looked at in place; with an event for each if it is to sleep."""

import ctypes

import iceoryx2 as iox2


def config(trial):
    """A trial keeps its files to itself, and nobody looks for the dead of others when it starts or ends."""
    config = iox2.config.default()
    at = config.global_cfg
    at.root_path = iox2.Path.new(f"{trial.folder}/iceoryx2")
    at.prefix = iox2.FileName.new(f"{trial.tag}-")
    node = at.node
    node.cleanup_dead_nodes_on_creation = False
    node.cleanup_dead_nodes_on_destruction = False
    at.service.cleanup_dead_nodes_on_open = False
    return config


class End:
    def __init__(self, trial, is_lead):
        iox2.set_log_level(iox2.LogLevel.Error)
        self.trial = trial
        self.length = trial.bytes
        self.view = ctypes.c_uint8 * trial.bytes
        self.node = iox2.NodeBuilder.new().config(config(trial)).create(iox2.ServiceType.Ipc)
        ways = ["up"] if trial.one_way else ["up", "down"]
        self.publisher = self.subscriber = self.notifier = self.listener = None
        for way in ways:
            sends = is_lead == (way == "down")
            data = self.data(way)
            if sends:
                ports = data.publisher_builder().initial_max_slice_len(trial.bytes).max_loaned_samples(2)
                self.publisher = ports.backpressure_strategy(iox2.BackpressureStrategy.RetryUntilDelivered).create()
            else:
                self.subscriber = data.subscriber_builder().create()
            if not trial.polls:
                event = self.node.service_builder(iox2.ServiceName.new(f"{way}-event")).event().open_or_create()
                if sends:
                    self.notifier = event.notifier_builder().create()
                else:
                    self.listener = event.listener_builder().create()

    def data(self, way):
        service = self.node.service_builder(iox2.ServiceName.new(way)).publish_subscribe(iox2.Slice[ctypes.c_uint8])
        service = service.enable_safe_overflow(False).history_size(0).max_publishers(1).max_subscribers(1)
        return service.subscriber_max_buffer_size(self.trial.depth).open_or_create()

    def send(self, data):
        sample = self.publisher.loan_slice_uninit(self.length)
        ctypes.memmove(sample.payload_ptr, data, self.length)
        sample.assume_init().send()
        if self.notifier:
            self.notifier.notify()

    def flush(self):
        pass

    def messages(self):
        receive, view = self.subscriber.receive, self.view
        while True:
            sample = receive()
            if sample is not None:
                yield view.from_address(sample.payload_ptr)
                sample.delete()
            elif self.listener:
                self.listener.blocking_wait()
