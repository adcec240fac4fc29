/*
 * A message from claim to release, on paper that runs (spin). Three words carry it, as in docs/invariants.md:
 *
 *   slot    lap, chunk, EMPTY or READY      where the message is in the order
 *   word    generation, name, state         whose the chunk is
 *   intent  generation, chunk, kind         what a member may have been publishing when it died
 *
 * A sender, a taker and a reaper are at work on one queue; any of them may die at any step, DEATHS of them in all. A survivor
 * reaps who is dead, takes what is left, and finds out in the end whether all is well:
 *
 *   safety    every message that was sent is acknowledged exactly once, none that was not sent is ever delivered, a message is
 *             delivered once more only for a taker that died with it, and every chunk is free again
 *   liveness  whoever dies, and wherever: the survivor comes to its end, and can send and receive there
 *
 * The source is core/src/{queue,ring,recover}.rs, whose names are used here. The loom models run that source itself; this one
 * leaves out stale reads (memory is in one order here), and shows all schedules without a bound on preemptions.
 * MUTANT is a mistake that has to be noticed; check.sh runs all of it.
 */

#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef SLOTS
#define SLOTS 1
#endif

/* 1 */ #define DEATH_IS_A_TIME_OUT      (MUTANT == 1)
/* 2 */ #define SLOTS_NOT_SEARCHED       (MUTANT == 2)
/* 3 */ #define WORD_BEFORE_INTENT       (MUTANT == 3)
/* 4 */ #define CLAIM_NOT_COMPARED       (MUTANT == 4)
/* 5 */ #define JUDGED_WORD_NOT_COMPARED (MUTANT == 5)
/* 6 */ #define ORPHANED_MOVE_FREED      (MUTANT == 6)
/* 7 */ #define STALE_SLOT_NOT_EMPTIED   (MUTANT == 7)
/* 8 */ #define TAIL_NOT_HELPED          (MUTANT == 8)

#define CHUNKS 2

/* A chunk's word. */
#define FREE     0
#define HELD     1
#define INFLIGHT 2
#define QUEUED   3
#define WORD(generation, name, state) ((generation) * 32 + (name) * 4 + (state))
#define STATE(word)      ((word) % 4)
#define NAME(word)       (((word) / 4) % 8)
#define GENERATION(word) ((word) / 32)
#define NEXT(word, name, state) WORD(GENERATION(word) + 1, name, state)

/* A slot. Position p is in slot p % size, in lap p / size. */
#define EMPTY(lap)        ((lap) * 8)
#define READY(lap, chunk) ((lap) * 8 + 4 + (chunk))
#define IS_READY(slot)    (((slot) / 4) % 2)
#define CHUNK(slot)       ((slot) % 4)
#define LAP(slot)         ((slot) / 8)

/* An intent. 0: none. */
#define SEND 1
#define MOVE 2
#define INTENT(generation, chunk, kind) (((generation) * 4 + (chunk)) * 4 + (kind))
#define KIND(intent)      ((intent) % 4)
#define OF_CHUNK(intent)  (((intent) / 4) % 4)
#define OF_LIFE(intent)   ((intent) / 16)

/* Members. */
#define SENDER   0
#define TAKER    1
#define REAPER   2
#define SURVIVOR 3
#define MEMBERS  4
#define QUEUE    4

/* The rings of the queue: slots [0, SLOTS) are the lane, the CHUNKS behind them redelivery. */
#define LANE       0
#define REDELIVERY 1
#define SIZE(ring) ((ring) * CHUNKS + (1 - (ring)) * SLOTS)
#define PLACE(ring, position) ((ring) * SLOTS + (position) % SIZE(ring))

short word[CHUNKS];
short slot[SLOTS + CHUNKS];
byte head[2], tail[2];
short intent[MEMBERS];
byte payload[CHUNKS];

/* Who lives, how many more may die, and who is at its end, dead or not. */
bool alive[MEMBERS] = true;
byte deaths = DEATHS;
bool ended[MEMBERS];
bool finished = false;

/* What really happened, which no process looks at: the books. The last message is the survivor's. */
bool sent[MESSAGES + 1], acknowledged[MESSAGES + 1];
byte delivered[MESSAGES + 1];

/* Death comes before a shared write, or not: between two writes it looks the same to others. */
inline may_die(me) {
    if
    :: me != SURVIVOR && deaths > 0 -> alive[me] = false; deaths--; goto dead
    :: true
    fi
}

inline store(me, where, value) {
    atomic { may_die(me); where = value }
}

inline compare_exchange(me, where, expected, value, done) {
    atomic {
        may_die(me);
        done = (where == (expected));
        if :: done -> where = value :: else fi
    }
}

/* Finds a free chunk: `chunk` and its word `mine`; chunk == CHUNKS if there is none. */
inline claim(me) {
    chunk = 0;
    do
    :: chunk < CHUNKS ->
        mine = word[chunk];
        if
        :: STATE(mine) == FREE ->
            compare_exchange(me, word[chunk], mine, NEXT(mine, me, HELD), done);
            if :: done -> mine = NEXT(mine, me, HELD); break :: else -> chunk++ fi
        :: else -> chunk++
        fi
    :: else -> break
    od
}

/* Publishes `chunk`, whose word `mine` says that it is mine. The slot's compare-exchange is the commit. */
inline publish(me, ring, kind) {
    if
    :: WORD_BEFORE_INTENT -> store(me, word[chunk], WORD(GENERATION(mine), QUEUE, QUEUED))
    :: else
    fi;
    store(me, intent[me], INTENT(GENERATION(mine), chunk, kind));
    store(me, word[chunk], WORD(GENERATION(mine), QUEUE, QUEUED));
    do
    :: position = tail[ring];
        seen = slot[PLACE(ring, position)];
        if
        :: seen == EMPTY(position / SIZE(ring)) ->
            atomic {
                may_die(me);
                done = (slot[PLACE(ring, position)] == seen);
                if
                :: done ->
                    slot[PLACE(ring, position)] = READY(position / SIZE(ring), chunk);
                    sent[payload[chunk]] = true
                :: else
                fi
            }
            if
            :: done ->
                compare_exchange(me, tail[ring], position, position + 1, helped);
                published = true;
                break
            :: else
            fi
        :: seen != EMPTY(position / SIZE(ring)) && LAP(seen) >= position / SIZE(ring) ->
            if
            :: TAIL_NOT_HELPED
            :: else -> compare_exchange(me, tail[ring], position, position + 1, helped)
            fi
        :: else ->
            /* Still of an earlier lap: full, unless somebody has sent meanwhile. */
            if
            :: tail[ring] == position -> published = false; break
            :: else
            fi
        fi
    od
}

/* The front of a ring: `found` with `chunk`, its word `mine`, slot `seen` at `position`; empties what is stale. */
inline front(me, ring) {
    position = head[ring];
    found = false;
    do
    :: seen = slot[PLACE(ring, position)];
        if
        :: IS_READY(seen) && LAP(seen) == position / SIZE(ring) ->
            chunk = CHUNK(seen);
            mine = word[chunk];
            if
            :: slot[PLACE(ring, position)] != seen
            :: else ->
                if
                :: STATE(mine) == QUEUED -> found = true; break
                :: STATE(mine) != QUEUED && STALE_SLOT_NOT_EMPTIED -> break
                :: else -> vacate(me, ring)
                fi
            fi
        :: LAP(seen) > position / SIZE(ring) ->
            compare_exchange(me, head[ring], position, position + 1, helped);
            position = position + 1
        :: else -> break
        fi
    od
}

/* Empties slot `seen` at `position`, and moves on: who claimed the chunk does it first of all, and whoever comes by does it for one that died. */
inline vacate(me, ring) {
    compare_exchange(me, slot[PLACE(ring, position)], seen, EMPTY(LAP(seen) + 1), helped);
    compare_exchange(me, head[ring], position, position + 1, helped);
    position = position + 1
}

/* Takes the oldest message: `taken`, with `chunk` and its word `mine`. */
inline take(me) {
    taken = false;
    ring_of = REDELIVERY;
    do
    :: front(me, ring_of);
        if
        :: found ->
            atomic {
                may_die(me);
                done = (word[chunk] == mine || CLAIM_NOT_COMPARED);
                if
                :: done ->
                    word[chunk] = NEXT(mine, me, INFLIGHT);
                    assert(sent[payload[chunk]]);
                    assert(!acknowledged[payload[chunk]]);
                    delivered[payload[chunk]]++;
                    /* Once more for every taker that died with it. */
                    assert(delivered[payload[chunk]] <= 3 - alive[TAKER] - alive[REAPER])
                :: else
                fi
            }
            if
            :: done -> mine = NEXT(mine, me, INFLIGHT); vacate(me, ring_of); taken = true; break
            :: else
            fi
        :: !found && ring_of == REDELIVERY -> ring_of = LANE
        :: else -> break
        fi
    od
}

/* One store gives the chunk up. It is the acknowledgement. */
inline release(me) {
    atomic {
        may_die(me);
        assert(!acknowledged[payload[chunk]]);
        acknowledged[payload[chunk]] = true;
        word[chunk] = NEXT(mine, 0, FREE)
    }
}

/* What was judged is what is changed: who comes late changes nothing. */
inline free(me) {
    if :: JUDGED_WORD_NOT_COMPARED -> mine = word[chunk] :: else fi;
    compare_exchange(me, word[chunk], mine, NEXT(mine, 0, FREE), done)
}

/* Adopts a message of the dead by name, then publishes it again. */
inline redeliver(me) {
    if :: JUDGED_WORD_NOT_COMPARED -> mine = word[chunk] :: else fi;
    compare_exchange(me, word[chunk], mine, NEXT(mine, me, INFLIGHT), done);
    if
    :: done -> mine = NEXT(mine, me, INFLIGHT); publish(me, REDELIVERY, MOVE); assert(published)
    :: else
    fi
}

/* Whether a slot speaks of `chunk`: `found`. One look after the other. */
inline search() {
    found = false;
    at = 0;
    do
    :: at < SLOTS + CHUNKS && !SLOTS_NOT_SEARCHED ->
        if :: IS_READY(slot[at]) && CHUNK(slot[at]) == chunk -> found = true :: else fi;
        at++
    :: else -> break
    od;
    at = 0
}

/* Gives back what `dead` had. */
inline reap(me, dead) {
    /* What it may have been publishing. */
    noted = intent[dead];
    if
    :: noted != 0 ->
        chunk = OF_CHUNK(noted);
        mine = word[chunk];
        if
        :: GENERATION(mine) == OF_LIFE(noted) && (STATE(mine) == QUEUED || STATE(mine) == HELD) ->
            found = false;
            if :: STATE(mine) == QUEUED -> search() :: else fi;
            if
            :: found
            :: !found && KIND(noted) == MOVE && !ORPHANED_MOVE_FREED -> redeliver(me)
            :: else -> free(me)
            fi
        :: else
        fi;
        compare_exchange(me, intent[dead], noted, 0, done)
    :: else
    fi;
    noted = 0;
    /* What it held, and what was in flight with it. */
    each = 0;
    do
    :: each < CHUNKS ->
        judged = word[each];
        if
        :: NAME(judged) == dead && STATE(judged) == HELD -> chunk = each; mine = judged; free(me)
        :: NAME(judged) == dead && STATE(judged) == INFLIGHT ->
            /* It may have died before it emptied the slot. */
            front(me, REDELIVERY);
            front(me, LANE);
            chunk = each;
            mine = judged;
            redeliver(me)
        :: else
        fi;
        each++
    :: else -> break
    od;
    each = 0;
    judged = 0
}

proctype Sender() {
    short mine, seen;
    byte chunk, position, message = 0;
    bool done, helped, published;
    do
    :: message < MESSAGES ->
        claim(SENDER);
        if
        :: chunk < CHUNKS ->
            payload[chunk] = message;
            publish(SENDER, LANE, SEND);
            if
            :: published
            :: else ->
                /* Refused: taken back under a new generation, so that no word of this attempt can match again, and given up. */
                mine = NEXT(mine, SENDER, HELD);
                store(SENDER, word[chunk], mine);
                store(SENDER, word[chunk], NEXT(mine, 0, FREE))
            fi
        :: else
        fi;
        message++
    :: else -> break
    od;
dead:
    ended[SENDER] = true
}

proctype Taker() {
    short mine, seen;
    byte chunk, position, ring_of, times = 0;
    bool done, helped, found, taken;
    do
    :: times < MESSAGES ->
        take(TAKER);
        if :: taken -> release(TAKER) :: else fi;
        times++
    :: else -> break
    od;
dead:
    ended[TAKER] = true
}

/* Reaps the sender or the taker once it is dead, and takes as well. (A member does not reap the living: death is the kernel's word.) */
proctype Reaper() {
    short mine, seen, noted, judged;
    byte chunk, position, ring_of, at, each;
    bool done, helped, found, published, taken;
    if
    :: !alive[SENDER] || DEATH_IS_A_TIME_OUT -> reap(REAPER, SENDER)
    :: !alive[TAKER] || DEATH_IS_A_TIME_OUT -> reap(REAPER, TAKER)
    :: ended[SENDER] && ended[TAKER]
    fi;
    take(REAPER);
    if :: taken -> release(REAPER) :: else fi;
dead:
    ended[REAPER] = true
}

/* The last one: a second reaper beside the first, then it is alone. */
proctype Survivor() {
    short mine, seen, noted, judged;
    byte chunk, position, ring_of, at, each, who = 0;
    bool done, helped, found, published, taken;
    do
    :: who < SURVIVOR ->
        ended[who];
        if :: !alive[who] -> reap(SURVIVOR, who) :: else fi;
        who++
    :: else -> break
    od;
    do
    :: take(SURVIVOR); if :: taken -> release(SURVIVOR) :: else -> break fi
    od;
    /* Not stuck: a new message goes through. */
    claim(SURVIVOR);
    assert(chunk < CHUNKS);
    payload[chunk] = MESSAGES;
    publish(SURVIVOR, LANE, SEND);
    assert(published);
    take(SURVIVOR);
    assert(taken && payload[chunk] == MESSAGES);
    release(SURVIVOR);
    /* Nothing leaked, nothing lost. */
    each = 0;
    do
    :: each < CHUNKS -> assert(STATE(word[each]) == FREE); each++
    :: else -> break
    od;
    each = 0;
    do
    :: each < MESSAGES -> assert(sent[each] == acknowledged[each]); each++
    :: else -> break
    od;
dead:
    finished = true
}

init {
    atomic { run Sender(); run Taker(); run Reaper(); run Survivor() }
}

ltl no_wedge { <> finished }
