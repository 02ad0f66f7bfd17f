/* The claim on a slab of a sleeping owner (ARCHITECTURE, section 4): anybody may take a look at any time, while two
 * blocks are freed by others and by the owner, handed out anew, and the slab is extended by the second of them. The
 * list that a claim was for may have come about again meanwhile. Explored exhaustively: memory goes back only while
 * every block is free and the owner is not allocating from the slab, and no block is lost. */

#define NONE    0
#define HELD    1 /* a user has it, and may free it */
#define FREEING 2 /* another thread is about to push it */
#define REMOTE  3
#define LOCAL   4 /* on local_free */
#define READY   5 /* on free: counts as used */

byte first, count;             /* the `remote` word: first block (0: none), length ... */
bool queued, claimed, emptied; /* ... and its bits; these five change together */
byte next_of[3];
bool on_queue;
byte state[3];
byte capacity = 1, used = 1;
byte rest;                        /* the slab rests while it is not 0: on its bin's list, or asleep on none */
bool current = true, memory_gone, retired;

#define LISTED 1
#define ASLEEP 2
#define WORD_IS(f, c, q) (first == f && count == c && queued == q && !claimed && !emptied)
#define IS_FREE(b)       (state[b] == NONE || state[b] == REMOTE || state[b] == LOCAL)
#define ANY(what)        (state[1] == what || state[2] == what)

proctype freer() {
    byte block, old_first, old_count;
    bool old_queued;
    if
    :: atomic { state[1] == HELD -> state[1] = FREEING; block = 1 }
    :: atomic { state[2] == HELD -> state[2] = FREEING; block = 2 }
    :: retired -> goto done
    fi;
again:
    atomic { !claimed; old_first = first; old_count = count; old_queued = queued; assert(!emptied) }
    assert(!memory_gone);
    next_of[block] = old_first;
    atomic {
        if
        :: WORD_IS(old_first, old_count, old_queued) ->
            first = block; count = old_count + 1; queued = true; state[block] = REMOTE
        :: else -> goto again
        fi
    }
    if
    :: !old_queued -> atomic { assert(!on_queue && !retired); on_queue = true }
    :: else
    fi;
done:
    skip
}

/* Whoever freed a last block, or looks for memory at the ceiling. */
proctype claimer() {
    byte old_first, old_count, seen;
    bool rests;
    if
    :: atomic { queued && !claimed && !emptied -> old_first = first; old_count = count }
    :: retired -> goto done
    fi;
    atomic {
        if
        :: WORD_IS(old_first, old_count, true) -> first = 0; count = 0; claimed = true
        :: else -> goto done
        fi
    }
    rests = rest != 0;
    seen = used;
    if
    :: rests && seen == old_count ->
        assert(IS_FREE(1) && IS_FREE(2) && !current && !retired);
        memory_gone = true;
        assert(IS_FREE(1) && IS_FREE(2) && !current && !retired);
        atomic { claimed = false; emptied = true }
    :: else -> atomic { claimed = false; first = old_first; count = old_count }
    fi;
done:
    skip
}

inline refill() {
    assert(!memory_gone);
    used = capacity;
    atomic {
        if
        :: state[1] == LOCAL -> state[1] = READY
        :: else
        fi;
        if
        :: state[2] == LOCAL -> state[2] = READY
        :: else
        fi
    }
}

inline give(block) {
    atomic { state[block] == HELD -> state[block] = LOCAL };
    assert(!memory_gone);
    used--
}

proctype owner() {
    byte list, length, taken, takes = 0;
    do
    :: give(1)
    :: give(2)
    :: atomic { on_queue -> on_queue = false };
        atomic {
            assert(queued);
            list = 0; length = 0;
            if
            :: claimed -> on_queue = true
            :: emptied ->
                assert(IS_FREE(1) && IS_FREE(2) && !current);
                queued = false; emptied = false; retired = true
            :: else -> list = first; length = count; first = 0; count = 0; queued = false
            fi
        }
        if
        :: retired -> break
        :: length > 0 ->
            taken = length;
            do
            :: list != 0 ->
                assert(state[list] == REMOTE && !memory_gone);
                state[list] = LOCAL; list = next_of[list]; length--
            :: else -> break
            od;
            assert(length == 0);
            used = used - taken
        :: else
        fi
    :: rest == ASLEEP && ANY(LOCAL) -> rest = LISTED /* enough are free; how many is left open */
    :: rest == LISTED && used > 0 && takes < 2 ->
        rest = 0;
        if
        :: claimed || emptied -> rest = LISTED
        :: else -> takes++; current = true; refill()
        fi
    :: atomic { current && state[1] == READY -> state[1] = HELD }
    :: atomic { current && state[2] == READY -> state[2] = HELD }
    :: current && !ANY(READY) && ANY(LOCAL) -> refill()
    :: current && !ANY(READY) && !ANY(LOCAL) && capacity == 1 ->
        state[2] = READY; used++; capacity = 2
    :: current && !ANY(READY) && !ANY(LOCAL) -> current = false; rest = ASLEEP /* none left, or no more is granted */
    :: used == 0 && rest == LISTED ->
        assert(!on_queue && !queued && !claimed && !emptied && IS_FREE(1) && IS_FREE(2));
        rest = 0; retired = true;
        break
    od
}

init {
    atomic {
        state[1] = HELD;
        run freer();
        run freer();
        run freer();
        run claimer();
        run owner()
    }
}
