/* A thread that ends with a message in hand, in a process that lives on: another process gets the message, and the other
   agents of that process go on. Three ends: by the bare system call, which tells the library nothing; by pthread_exit(),
   which does; and that of the first thread of the process, which stays as a zombie while others live. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static swarmbus_bus *bus;
static int said[2], told[2], first_told[2];

static void say(char word) {
    CHECK(write(said[1], &word, 1) == 1);
}

static void wait_for(int pipe_end, char word) {
    char found = 0;
    CHECK(read(pipe_end, &found, 1) == 1 && found == word);
}

static void take_one(const char *name, uint32_t wanted) {
    swarmbus_agent *me = NULL;
    swarmbus_message message;
    uint32_t deliveries = 0;
    OK(swarmbus_attach(bus, name, &me, NULL));
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    OK(swarmbus_message_deliveries(me, &message, &deliveries));
    CHECK(deliveries == wanted);
}

static void *vanish(void *unused) {
    (void)unused;
    take_one("vanishes", 1);
    syscall(SYS_exit, 0);
    return NULL;
}

static void *leave(void *unused) {
    (void)unused;
    take_one("leaves", 1);
    pthread_exit(NULL);
}

/* Holds a message of its own while others end around it. */
static void *stay(void *unused) {
    swarmbus_agent *me = NULL;
    swarmbus_message message;
    (void)unused;
    OK(swarmbus_attach(bus, "stays", &me, NULL));
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    say('s');
    wait_for(told[0], 'r');
    OK(swarmbus_release(me, &message));
    OK(swarmbus_send(me, "parent", "still here", 10, 0, NULL, NULL));
    say('d');
    wait_for(told[0], 'e');
    exit(0);
}

static void child(const char *name) {
    swarmbus_agent *first = NULL, *idle = NULL;
    swarmbus_message message;
    pthread_t threads[3];
    OK(swarmbus_bus_open(name, &bus, NULL));
    OK(swarmbus_attach(bus, "first", &first, NULL));
    OK(swarmbus_attach(bus, "idle", &idle, NULL));
    OK(swarmbus_receive(first, PATIENCE, &message, NULL));
    CHECK(pthread_create(&threads[0], NULL, stay, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, vanish, NULL) == 0);
    CHECK(pthread_create(&threads[2], NULL, leave, NULL) == 0);
    CHECK(pthread_join(threads[1], NULL) == 0);
    CHECK(pthread_join(threads[2], NULL) == 0);
    say('v');
    wait_for(first_told[0], 'f');
    /* The first thread of the process goes, and the library is told nothing. */
    syscall(SYS_exit, 0);
}

static void expect_again(swarmbus_agent *me, const char *name, uint32_t wanted) {
    swarmbus_message message;
    uint32_t deliveries = 0;
    OK(swarmbus_receive_from(me, name, PATIENCE, &message, NULL));
    OK(swarmbus_message_deliveries(me, &message, &deliveries));
    CHECK(deliveries == wanted);
    OK(swarmbus_release(me, &message));
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_agent *me = NULL, *heir = NULL;
    swarmbus_message message;
    swarmbus_reaped reaped;
    const char *names[] = {"first", "stays", "vanishes", "leaves"};
    int status = 0;
    bus = test_create(argc, argv, &small);
    CHECK(pipe(said) == 0 && pipe(told) == 0 && pipe(first_told) == 0);
    for (int i = 0; i < 4; i++) OK(swarmbus_declare(bus, names[i], NULL));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        child(argv[1]);
        _exit(1);
    }
    OK(swarmbus_attach(bus, "parent", &me, NULL));
    for (int i = 0; i < 4; i++) OK(swarmbus_send(me, names[i], "task", 4, 0, NULL, NULL));
    char both[2];
    CHECK(read(said[0], &both[0], 1) == 1 && read(said[0], &both[1], 1) == 1 && both[0] != both[1]);

    /* One thread of the process has vanished. Stopped or not, the others are alive. */
    CHECK(kill(pid, SIGSTOP) == 0);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    memset(&reaped, 0, sizeof reaped);
    do {
        /* Its number goes a moment after pthread_join() has returned. */
        OK(swarmbus_reap_process(me, (uint32_t)pid, &reaped));
    } while (reaped.members == 0);
    CHECK(reaped.members == 1 && reaped.redelivered == 1);
    OK(swarmbus_reap(me, &reaped));
    CHECK(reaped.members == 0 && reaped.redelivered == 0);
    CHECK_CODE(swarmbus_attach(bus, "stays", &heir, NULL), SWARMBUS_AGENT_BUSY);
    CHECK_CODE(swarmbus_attach(bus, "idle", &heir, NULL), SWARMBUS_AGENT_BUSY);
    CHECK(kill(pid, SIGCONT) == 0);
    expect_again(me, "vanishes", 2);
    expect_again(me, "leaves", 2);

    /* The first thread ends, with a message and with two agents; a new owner needs no reap before. */
    CHECK(write(first_told[1], "f", 1) == 1);
    while (swarmbus_attach(bus, "first", &heir, NULL) == SWARMBUS_AGENT_BUSY) usleep(1000);
    CHECK(heir != NULL);
    expect_again(heir, "first", 2);
    OK(swarmbus_agent_close(heir));
    OK(swarmbus_attach(bus, "idle", &heir, NULL));

    /* Whoever still runs there keeps what it has. */
    CHECK(write(told[1], "r", 1) == 1);
    wait_for(said[0], 'd');
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    CHECK(message.length == 10);
    OK(swarmbus_release(me, &message));
    CHECK(write(told[1], "e", 1) == 1);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}
