/* Remote frees, parking and adoption (ARCHITECTURE, section 4), for spin: one slab of three blocks, two threads that
 * free a block each, and an owner that frees the third, may end at any instant and be succeeded by another thread that
 * adopts its heap. Explored exhaustively: no block is lost or counted twice, the slab is queued at most once, and it
 * goes only when nobody can still touch it. */

#define BLOCKS 3

byte head, count;        /* the `remote` word: first block (0: none), length ... */
bool queued;             /* ... and REMOTE_QUEUED; these three change together */
byte next_of[BLOCKS + 1]; /* links in the blocks, numbered from 1 */
bool on_queue;           /* the owner's queue, which has room for one slab here */
byte used = BLOCKS;
bool free_now[BLOCKS + 1];
bool retired, parked;
byte in_flight;          /* frees that have begun and not ended */
bool heap_taken = true;  /* some thread runs the heap */

proctype freer(byte block) {
    byte old_head, old_count;
    bool old_queued;
    in_flight++;
again:
    assert(!retired);
    atomic { old_head = head; old_count = count; old_queued = queued; }
    next_of[block] = old_head;
    atomic { /* compare-and-swap */
        if
        :: head == old_head && count == old_count && queued == old_queued ->
            head = block; count = old_count + 1; queued = true
        :: else -> goto again
        fi
    }
    if
    :: !old_queued ->
        assert(!retired); /* the owner word is read here */
        atomic { assert(!on_queue); on_queue = true }
    :: else
    fi;
    in_flight--
}

inline give(block) {
    assert(!free_now[block]);
    free_now[block] = true;
    used--
}

inline drain() {
    if
    :: atomic { on_queue -> on_queue = false } ;
        atomic { list = head; length = count; assert(queued); head = 0; count = 0; queued = false }
        do
        :: list != 0 -> give(list); list = next_of[list]; length--
        :: else -> break
        od;
        assert(length == 0)
    :: else
    fi
}

/* A thread that runs the heap: drains as often as it likes, may end and park it, gives the slab back when it is empty. */
proctype owner(bool frees_one) {
    byte list, length;
    if
    :: frees_one -> give(3)
    :: else -> atomic { parked -> parked = false; assert(!heap_taken); heap_taken = true }
    fi;
    do
    :: drain()
    :: frees_one -> drain(); atomic { heap_taken = false; parked = true } ; break
    :: used == 0 ->
        assert(head == 0 && count == 0 && !queued && !on_queue);
        retired = true;
        break
    od
}

init {
    atomic {
        run freer(1);
        run freer(2);
        run owner(true);
        run owner(false)
    }
}

/* In the end the slab is gone, or the first owner gave it back itself. */
ltl emptied_at_last { [] (retired -> (free_now[1] && free_now[2] && free_now[3])) }
