/* A heap that is used up is SWARMBUS_OUT_OF_MEMORY, and usable again once something is released. */
#include "check.h"

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    small.heap_bytes = 16u << 20;
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_loan loans[64];
    int count = 0;
    int32_t code = SWARMBUS_OK;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    while (count < 64 && (code = swarmbus_loan_get(me, 1u << 20, &loans[count])) == SWARMBUS_OK) count++;
    CHECK_CODE(code, SWARMBUS_OUT_OF_MEMORY);
    CHECK(count >= 1 && loans[count].data == NULL);
    CHECK(strlen(swarmbus_last_error()) > 0);
    for (int at = 0; at < count; at++) memset(loans[at].data, at, loans[at].length);
    OK(swarmbus_loan_discard(me, &loans[0]));
    OK(swarmbus_loan_get(me, 1u << 20, &loans[0]));
    for (int at = 0; at < count; at++) OK(swarmbus_loan_discard(me, &loans[at]));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}
