/* A bus of another layout is refused with what made it and what to do, and stays as it was. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "check.h"

#include <fcntl.h>
#include <stdint.h>

static int segment_of(const char *bus) {
    char path[256];
    snprintf(path, sizeof path, "/dev/shm/swarmbus.%s", bus);
    int file = open(path, O_RDWR | O_CLOEXEC);
    CHECK(file >= 0);
    return file;
}

static void say_layout(int file, uint64_t layout) { CHECK(pwrite(file, &layout, sizeof layout, 8) == sizeof layout); }

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_bus *other = NULL;
    uint64_t ours = 0;
    int file = segment_of(argv[1]);
    CHECK(pread(file, &ours, sizeof ours, 8) == sizeof ours);

    say_layout(file, ours + 1);
    CHECK_CODE(swarmbus_bus_open(argv[1], &other, NULL), SWARMBUS_WRONG_VERSION);
    CHECK(other == NULL);
    LAST_ERROR_HAS(argv[1]);
    LAST_ERROR_HAS(swarmbus_version());
    LAST_ERROR_HAS("upgrade this program");
    CHECK_CODE(swarmbus_bus_open_or_create(argv[1], &other, &small), SWARMBUS_WRONG_VERSION);

    say_layout(file, ours - 1);
    CHECK_CODE(swarmbus_bus_open(argv[1], &other, NULL), SWARMBUS_WRONG_VERSION);
    LAST_ERROR_HAS("create it anew");

    say_layout(file, ours);
    OK(swarmbus_bus_open(argv[1], &other, NULL));
    OK(swarmbus_bus_close(other));
    OK(swarmbus_bus_close(bus));
    CHECK(close(file) == 0);
    return 0;
}
