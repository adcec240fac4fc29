//! Every operation, killed in every crash window and before every shared write.
//! `RUSTFLAGS="--cfg crash" CARGO_TARGET_DIR=target/crash cargo test --release -p swarmbus-stress --test windows`
#![cfg(crash)]

use std::path::Path;
use swarmbus_stress::sweep::sweep;
use swarmbus_stress::victim::Operation;

macro_rules! sweeps {
    ($($name:ident: $operation:ident,)*) => {
        $(#[test]
        fn $name() {
            let swept = sweep(Path::new(env!("CARGO_BIN_EXE_swarmbus-stress")), Operation::$operation).unwrap();
            println!("{}: {swept:?}", Operation::$operation.name());
        })*

        #[test]
        fn every_operation_is_swept() {
            use clap::ValueEnum;
            let swept = [$(Operation::$operation),*];
            assert!(Operation::value_variants().iter().all(|operation| swept.contains(operation)));
        }
    };
}

sweeps! {
    send: Send,
    send_empty: SendEmpty,
    send_nearly_full: SendNearlyFull,
    send_cold: SendCold,
    send_large: SendLarge,
    send_starved: SendStarved,
    send_lane: SendLane,
    send_waking: SendWaking,
    send_group: SendGroup,
    send_full: SendFull,
    send_wait: SendWait,
    send_batch: SendBatch,
    send_batch_full: SendBatchFull,
    loan: Loan,
    publish: Publish,
    receive: Receive,
    receive_again: ReceiveAgain,
    receive_wait: ReceiveWait,
    release: Release,
    release_large: ReleaseLarge,
    nack: Nack,
    nack_full: NackFull,
    park: Park,
    receive_parked: ReceiveParked,
    receive_batch: ReceiveBatch,
    receive_any: ReceiveAny,
    receive_any_wait: ReceiveAnyWait,
    fetch: Fetch,
    detach: Detach,
    forward: Forward,
    forward_full: ForwardFull,
    dead_letter: DeadLetter,
    dead_letter_full: DeadLetterFull,
    expire: Expire,
    expire_dropped: ExpireDropped,
    make_room: MakeRoom,
    purge: Purge,
    redrive: Redrive,
    answer: Answer,
    answer_full: AnswerFull,
    answer_parts: AnswerParts,
    call: Call,
    read_parts: ReadParts,
    send_keyed: SendKeyed,
    send_keyed_again: SendKeyedAgain,
    send_keyed_full: SendKeyedFull,
    tap: Tap,
    send_tapped: SendTapped,
    watch: Watch,
    join: Join,
    attach: Attach,
    attach_again: AttachAgain,
    declare: Declare,
    set_sender: SetSender,
    close: Close,
    close_unused: CloseUnused,
    close_queue: CloseQueue,
    supervise: Supervise,
    reap_messages: ReapMessages,
    reap_batches: ReapBatches,
    reap_heap: ReapHeap,
    reap_names: ReapNames,
    bind: Bind,
    close_late: CloseLate,
    reap_threads: ReapThreads,
    reap_keyed: ReapKeyed,
    reap_tap: ReapTap,
    lock_first: LockFirst,
    lock: Lock,
    lock_shared: LockShared,
    lock_contended: LockContended,
    lock_timeout: LockTimeout,
    unlock: Unlock,
    reap_locks: ReapLocks,
    take_over: TakeOver,
    deposed: Deposed,
    receive_anothers: ReceiveAnothers,
    stand_by: StandBy,
    take_role: TakeRole,
    reap_owners: ReapOwners,
    set_status: SetStatus,
    set_status_again: SetStatusAgain,
    set_status_after: SetStatusAfter,
    trim_topic: TrimTopic,
    publish_topic: PublishTopic,
    publish_waking: PublishWaking,
    publish_full: PublishFull,
    publish_wait: PublishWait,
    subscribe: Subscribe,
    unsubscribe: Unsubscribe,
    read_topic: ReadTopic,
    read_topic_wait: ReadTopicWait,
    read_lossy: ReadLossy,
    declare_topic: DeclareTopic,
    reap_publisher: ReapPublisher,
    reap_subscriber: ReapSubscriber,
    create: Create,
    destroy: Destroy,
}
