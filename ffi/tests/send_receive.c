/* A message arrives as it was sent, with all that is said about it. Also compiled as C++17. */
#include "check.h"

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    char name[SWARMBUS_NAME_SIZE];
    OK(swarmbus_bus_name(bus, name, sizeof name));
    CHECK(strcmp(name, argv[1]) == 0);

    swarmbus_agent *alice = NULL;
    swarmbus_agent *bob = NULL;
    OK(swarmbus_attach(bus, "alice", &alice, NULL));
    OK(swarmbus_declare(bus, "bob", NULL));
    OK(swarmbus_declare(bus, "bob", NULL));

    /* Sent before its receiver exists, in a lane, with a correlation. */
    swarmbus_send_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.lane = SWARMBUS_LANE_HIGH;
    opts.correlation = 77;
    opts.content = SWARMBUS_CONTENT_JSON;
    uint64_t low_id = 0, high_id = 0;
    OK(swarmbus_send(alice, "bob", "later", 5, 0, &low_id, NULL));
    OK(swarmbus_send(alice, "bob", "{}", 2, 0, &high_id, &opts));
    CHECK(low_id != high_id);

    OK(swarmbus_attach(bus, "bob", &bob, NULL));
    OK(swarmbus_agent_name(bob, name, sizeof name));
    CHECK(strcmp(name, "bob") == 0);

    /* The high lane comes first. */
    swarmbus_message message;
    OK(swarmbus_receive(bob, PATIENCE, &message, NULL));
    CHECK(message.length == 2 && memcmp(message.data, "{}", 2) == 0);
    CHECK((uintptr_t)message.data % 64 == 0);
    uint64_t id = 0, correlation = 0;
    int32_t lane = -1, content = -1;
    uint32_t deliveries = 0;
    OK(swarmbus_message_id(bob, &message, &id));
    OK(swarmbus_message_sender(bob, &message, name, sizeof name));
    OK(swarmbus_message_lane(bob, &message, &lane));
    OK(swarmbus_message_deliveries(bob, &message, &deliveries));
    OK(swarmbus_message_correlation(bob, &message, &correlation));
    OK(swarmbus_message_content(bob, &message, &content));
    CHECK(id == high_id && strcmp(name, "alice") == 0 && lane == SWARMBUS_LANE_HIGH && deliveries == 1);
    CHECK(correlation == 77 && content == SWARMBUS_CONTENT_JSON);
    OK(swarmbus_release(bob, &message));
    CHECK(message.data == NULL && message.length == 0);

    OK(swarmbus_receive(bob, 0, &message, NULL));
    CHECK(message.length == 5 && memcmp(message.data, "later", 5) == 0);
    OK(swarmbus_message_lane(bob, &message, &lane));
    CHECK(lane == SWARMBUS_LANE_NORMAL);

    /* Returned, it comes again and says so. */
    OK(swarmbus_nack(bob, &message));
    CHECK(message.data == NULL);
    OK(swarmbus_receive(bob, 0, &message, NULL));
    OK(swarmbus_message_deliveries(bob, &message, &deliveries));
    OK(swarmbus_message_id(bob, &message, &id));
    CHECK(deliveries == 2 && id == low_id);
    OK(swarmbus_release(bob, &message));

    /* An archive is told by its schema, which is its end; nothing else has one. */
    uint64_t schema = 0, expected = 0;
    char archive[24] = "sixteen bytes...";
    OK(swarmbus_schema_id("acme.task/1", &expected));
    CHECK(expected == UINT64_C(0x6dc71059b7a97242));
    memcpy(archive + 16, &expected, sizeof expected);
    opts.content = SWARMBUS_CONTENT_RKYV;
    OK(swarmbus_send(alice, "bob", archive, sizeof archive, 0, NULL, &opts));
    opts.content = SWARMBUS_CONTENT_BYTES;
    OK(swarmbus_send(alice, "bob", archive, sizeof archive, 0, NULL, &opts));
    OK(swarmbus_receive(bob, 0, &message, NULL));
    OK(swarmbus_message_content(bob, &message, &content));
    OK(swarmbus_message_schema(bob, &message, &schema));
    CHECK(content == SWARMBUS_CONTENT_RKYV && schema == expected && message.length == 24);
    OK(swarmbus_release(bob, &message));
    OK(swarmbus_receive(bob, 0, &message, NULL));
    OK(swarmbus_message_schema(bob, &message, &schema));
    CHECK(schema == 0);
    OK(swarmbus_release(bob, &message));

    /* A trace goes with its message, into its answer, and with no other. */
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    char told[SWARMBUS_TRACEPARENT_SIZE];
    opts.traceparent = trace;
    OK(swarmbus_send(alice, "bob", archive, sizeof archive, 0, NULL, &opts));
    swarmbus_loan loan;
    OK(swarmbus_loan_get(alice, 64, &loan));
    memset(loan.data, 'x', 64);
    OK(swarmbus_publish(alice, &loan, "bob", 64, 0, NULL, &opts));
    CHECK(loan.data == NULL);
    for (int round = 0; round < 2; round++) {
        OK(swarmbus_receive(bob, 0, &message, NULL));
        OK(swarmbus_message_traceparent(bob, &message, told, sizeof told));
        CHECK(strcmp(told, trace) == 0 && message.length == (round == 0 ? sizeof archive : 64));
        CHECK_CODE(swarmbus_message_traceparent(bob, &message, told, sizeof told - 1), SWARMBUS_INVALID_ARGUMENT);
        OK(swarmbus_release(bob, &message));
    }
    opts.traceparent = "00-0af7651916cd43dd8448eb211c80319c-01";
    CHECK_CODE(swarmbus_send(alice, "bob", "x", 1, 0, NULL, &opts), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("the parent id is not 16 of");
    opts.traceparent = "\xff";
    CHECK_CODE(swarmbus_send(alice, "bob", "x", 1, 0, NULL, &opts), SWARMBUS_INVALID_ARGUMENT);
    opts.traceparent = NULL;
    OK(swarmbus_send(alice, "bob", "x", 1, 0, NULL, &opts));
    OK(swarmbus_receive(bob, 0, &message, NULL));
    OK(swarmbus_message_traceparent(bob, &message, told, sizeof told));
    CHECK(strcmp(told, "") == 0);
    OK(swarmbus_release(bob, &message));

    /* Addresses may name the bus. */
    char address[200];
    snprintf(address, sizeof address, "%s/bob", argv[1]);
    OK(swarmbus_send(alice, address, NULL, 0, 0, NULL, NULL));
    OK(swarmbus_receive(bob, 0, &message, NULL));
    CHECK(message.length == 0);
    OK(swarmbus_release(bob, &message));

    /* What an agent holds when it leaves is delivered to its successor. */
    OK(swarmbus_send(alice, "bob", "held", 4, 0, NULL, NULL));
    OK(swarmbus_receive(bob, 0, &message, NULL));
    OK(swarmbus_agent_close(bob));
    OK(swarmbus_attach(bus, "bob", &bob, NULL));
    OK(swarmbus_receive(bob, PATIENCE, &message, NULL));
    OK(swarmbus_message_deliveries(bob, &message, &deliveries));
    CHECK(message.length == 4 && deliveries == 2);
    OK(swarmbus_release(bob, &message));

    /* The agents keep the bus open after its handle is closed. */
    OK(swarmbus_bus_close(bus));
    OK(swarmbus_send(bob, "alice", "bye", 3, 0, NULL, NULL));
    OK(swarmbus_receive(alice, PATIENCE, &message, NULL));
    OK(swarmbus_release(alice, &message));
    OK(swarmbus_agent_close(alice));
    OK(swarmbus_agent_close(bob));
    OK(swarmbus_agent_close(NULL));
    OK(swarmbus_bus_close(NULL));
    return 0;
}
