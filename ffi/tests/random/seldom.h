/*
 * Calls that random programs make now and then: those that only look, and wrong use of what a process keeps: by another thread, in
 * a forked child, on a bus that is being destroyed. Part of calls.c, which has what is kept.
 */

/* A bus of this process alone, which is destroyed while agents, messages and locks of it are in use. */
static swarmbus_bus *side;
static int is_forked;

static void end_side(void) {
    if (side == NULL) return;
    DO(swarmbus_bus_destroy(side));
    DO(swarmbus_bus_close(side));
    side = NULL;
}

static void use_side(uint32_t at) {
    swarmbus_bus_create_opts opts = test_small();
    swarmbus_bus *other = NULL;
    char its_name[SWARMBUS_NAME_SIZE + 32];
    snprintf(its_name, sizeof its_name, "%s-side-%d", test_bus, (int)getpid());
    if (side == NULL) {
        opts.agents = pick(10) ? 8 : pick(4);
        opts.heap_bytes = pick(10) ? 1u << 20 : UINT64_MAX >> pick(64);
        /* Of a wrong size a few only: the rest of the machine has use for its memory. */
        if (opts.heap_bytes > 64u << 20 && opts.heap_bytes < UINT64_C(1) << 46) opts.heap_bytes = 1u << 20;
        opts.limit = 8;
        DO(pick(2) ? swarmbus_bus_create(its_name, &side, &opts) : swarmbus_bus_open_or_create(its_name, &side, &opts));
        if (side != NULL) DO(swarmbus_declare(side, "work", NULL));
        return;
    }
    switch (pick(5)) {
    case 0:
        if (pick(20) == 0) end_side();
        break;
    case 1:
        if (pick(20) == 0) DO(swarmbus_bus_remove(pick(2) ? its_name : name()));
        break;
    case 2:
        DO(swarmbus_bus_open(pick(2) ? its_name : name(), &other, NULL));
        DO(swarmbus_bus_name(other, its_name, pick(2) ? sizeof its_name : pick(9)));
        swarmbus_bus_close(other);
        break;
    default:
        if (pick(4)) break;
        swarmbus_agent_close(agents[at]);
        DO(swarmbus_attach(side, pick(2) ? OWNERS[pick(3)] : name(), &agents[at], NULL));
        break;
    }
}

static void use_everything(void);

static void *use_from_elsewhere(void *agent) {
    swarmbus_message message;
    CHECK(swarmbus_receive((swarmbus_agent *)agent, 0, &message, NULL) != SWARMBUS_OK);
    if (!is_forked) use_everything();
    return NULL;
}

static void in_thread(swarmbus_agent *me) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_from_elsewhere, me) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* What the parent has is refused in a child, which closes it all and ends; what it makes itself it may use. */
static void in_child(void) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0) {
        test_join(child);
        return;
    }
    is_forked = 1;
    /* The side bus is the parent's to destroy; its name is another one here. */
    side = NULL;
    for (int at = 0; at < KEPT; at++) {
        CHECK(swarmbus_beat(agents[at]) != SWARMBUS_OK);
    }
    for (int round = 0; round < 50; round++) step();
    close_all();
    end_side();
    _exit(0);
}

static void look_at_message(swarmbus_agent *me, const swarmbus_message *message) {
    char text[SWARMBUS_NAME_SIZE];
    uint64_t number = 0;
    uint32_t deliveries = 0;
    int32_t flag = 0;
    DO(swarmbus_message_id(me, message, &number));
    DO(swarmbus_message_correlation(me, message, &number));
    DO(swarmbus_message_deliveries(me, message, &deliveries));
    DO(swarmbus_message_content(me, message, &flag));
    DO(swarmbus_message_more_follows(me, message, &flag));
    DO(swarmbus_message_tapped(me, message, text, pick(2) ? sizeof text : pick(4)));
}

static void take_snapshot(uint32_t at, uint32_t to) {
    swarmbus_agent_filter filter;
    swarmbus_observer *another = NULL;
    char path[SWARMBUS_NAME_SIZE + 32];
    memset(&filter, 0, sizeof filter);
    filter.struct_size = pick(20) ? sizeof filter : pick(sizeof filter);
    filter.alive = (int32_t)pick(5) - 2;
    filter.pattern = name();
    filter.tag = pick(2) ? "a=b" : NULL;
    filter.role = pick(2) ? "cook" : NULL;
    swarmbus_snapshot_close(snapshots[at]);
    snapshots[at] = NULL;
    switch (pick(7)) {
    case 0: DO(swarmbus_snapshot_buses(&snapshots[at])); break;
    case 1: DO(swarmbus_snapshot_names(observers[to], pick(2) ? name() : NULL, &snapshots[at])); break;
    case 2: DO(swarmbus_snapshot_classes(observers[to], &snapshots[at])); break;
    case 3: DO(swarmbus_snapshot_topics(observers[to], &snapshots[at])); break;
    case 4: DO(swarmbus_snapshot_agents(observers[to], pick(2) ? &filter : NULL, &snapshots[at])); break;
    case 5: DO(swarmbus_snapshot_latencies(observers[to], &snapshots[at])); break;
    default:
        snprintf(path, sizeof path, pick(3) ? "/dev/shm/swarmbus.%s" : "/dev/%s", test_bus);
        DO(swarmbus_observer_open_file(pick(9) ? path : "/proc/self/exe", &another));
        swarmbus_observer_close(another);
        break;
    }
}

/* A row of a snapshot, mostly of the wrong kind. */
static void read_row(const swarmbus_snapshot *snapshot) {
    union {
        uint32_t struct_size;
        swarmbus_name_info name;
        swarmbus_class_info class_;
        swarmbus_member_info member;
        swarmbus_queue_info queue;
        swarmbus_topic_info topic;
        swarmbus_subscriber_info subscriber;
        swarmbus_lock_info lock;
        swarmbus_agent_info agent;
        swarmbus_status_info status;
        swarmbus_message_info message;
        swarmbus_latency_info latency;
    } row;
    size_t index = pick(9);
    memset(&row, 0, sizeof row);
#define READ(read, field)                                                                                            \
    row.struct_size = pick(20) ? sizeof row.field : pick(sizeof row.field);                                           \
    DO(read(snapshot, index, &row.field))
    READ(swarmbus_snapshot_name, name);
    READ(swarmbus_snapshot_class, class_);
    READ(swarmbus_snapshot_member, member);
    READ(swarmbus_snapshot_queue, queue);
    READ(swarmbus_snapshot_topic, topic);
    READ(swarmbus_snapshot_subscriber, subscriber);
    READ(swarmbus_snapshot_lock, lock);
    READ(swarmbus_snapshot_agent, agent);
    READ(swarmbus_snapshot_status, status);
    READ(swarmbus_snapshot_message, message);
    READ(swarmbus_snapshot_latency, latency);
#undef READ
}

static void say_what_is_what(void) {
    uint64_t number = 0;
    size_t some = length();
    DO(swarmbus_key_of(payload, some == SIZE_MAX || some <= sizeof payload ? some : sizeof payload, &number));
    DO(swarmbus_schema_id(name(), &number));
    touched += strlen(swarmbus_version()) + strlen(swarmbus_strerror((int32_t)pick(64) - 60)) + swarmbus_abi_version();
}

static void connect_by_environment(uint32_t at) {
    const char *bus_name = pick(4) ? test_bus : name();
    const char *agent_name = name();
    if (bus_name == NULL || agent_name == NULL) return;
    CHECK(setenv("SWARMBUS", bus_name, 1) == 0 && setenv("SWARMBUS_AGENT", agent_name, 1) == 0);
    swarmbus_agent_close(agents[at]);
    agents[at] = NULL;
    DO(swarmbus_connect(&agents[at], NULL));
}

static void seldom(swarmbus_agent *me, uint32_t at, uint32_t to) {
    const char *tags[] = {"a=b", "", name(), "c"};
    const uint32_t pids[] = {0, 1, (uint32_t)getpid(), UINT32_MAX, 1u << 22};
    swarmbus_reaped reaped;
    switch (pick(12)) {
    case 0:
    case 1: look_at_message(me, &messages[to]); break;
    case 2: take_snapshot(at, to); break;
    case 3:
    case 4: read_row(snapshots[at]); break;
    case 5: say_what_is_what(); break;
    case 6: DO(swarmbus_set_tags(me, tags, pick(5))); break;
    case 7: DO(swarmbus_set_sender(me, name())); break;
    case 8:
        if (pick(5)) return;
        DO(swarmbus_close_queue(me, name()));
        /* Who keeps a queue closed keeps all from their work. */
        for (int queue = 0; queue < 6; queue++) DO(swarmbus_reopen_queue(me, NAMES[queue]));
        for (int owner = 0; owner < 10; owner++) DO(swarmbus_reopen_queue(me, OWNERS[owner]));
        break;
    case 9:
        if (pick(10)) return;
        memset(&reaped, 0, sizeof reaped);
        DO(swarmbus_reap_process(me, pids[pick(5)], pick(2) ? &reaped : NULL));
        break;
    case 10: use_side(at); break;
    default:
        if (pick(100) == 0 && !is_forked) {
            in_child();
        } else if (pick(30) == 0 && me != NULL) {
            in_thread(me);
        } else if (pick(20) == 0) {
            connect_by_environment(at);
        }
        break;
    }
}

/* All that this process keeps, each used once by the wrong thread. */
static void use_everything(void) {
    for (uint32_t at = 0; at < KEPT; at++) {
        swarmbus_message message = messages[at];
        swarmbus_loan loan = loans[at];
        swarmbus_lock lock = locks[at];
        swarmbus_sample sample = samples[at];
        if (agents[at] == NULL) continue;
        CHECK(swarmbus_send(agents[at], "alice", "x", 1, 0, NULL, NULL) != SWARMBUS_OK);
        CHECK(swarmbus_release(agents[at], &message) != SWARMBUS_OK);
        CHECK(swarmbus_nack(agents[at], &message) != SWARMBUS_OK);
        CHECK(swarmbus_publish(agents[at], &loan, "alice", 1, 0, NULL, NULL) != SWARMBUS_OK);
        CHECK(swarmbus_loan_discard(agents[at], &loan) != SWARMBUS_OK);
        CHECK(swarmbus_lock_release(agents[at], &lock) != SWARMBUS_OK);
        CHECK(swarmbus_sample_release(subscriptions[at], &sample) != SWARMBUS_OK);
        CHECK(swarmbus_descriptor_rearm(descriptors[at]) != SWARMBUS_OK);
        CHECK(swarmbus_sources_receive(sources[at], 0, &message, NULL) != SWARMBUS_OK);
        look_at_message(agents[at], &messages[at]);
    }
}
