/* Remote frees, parking and adoption (ARCHITECTURE, section 4), for spin: one slab of three blocks. Two threads free a
 * block each; the third is freed by its owner, or by another thread too. Who frees the last one may give the slab's
 * memory back while the owner sleeps. The owner may end at any instant and be succeeded by a thread that adopts its heap. Explored
 * exhaustively: no block is lost or counted twice, the slab is queued at most once, and it goes only when nobody can
 * still touch it. */

#define BLOCKS 3

byte head, count;         /* the `remote` word: first block (0: none), length ... */
bool queued, claimed, emptied; /* ... and its bits; these five change together */
byte next_of[BLOCKS + 1]; /* links in the blocks, numbered from 1 */
byte last;                /* remote_last */
bool on_queue;            /* the owner's queue, which has room for one slab here */
byte used = BLOCKS;
bool free_now[BLOCKS + 1];
bool retired, parked, memory_gone;
bool heap_taken = true;   /* some thread runs the heap */
bool owner_frees;

proctype freer(byte block) {
    byte old_head, old_count;
    bool old_queued;
again:
    assert(!retired && !memory_gone);
    atomic { old_head = head; old_count = count; old_queued = queued; }
    next_of[block] = old_head;
    atomic { /* compare-and-swap */
        assert(!claimed && !emptied);
        if
        :: head == old_head && count == old_count && queued == old_queued ->
            head = block; count = old_count + 1; queued = true
        :: else -> goto again
        fi
    }
    if
    :: !old_queued ->
        assert(!retired); /* the owner word is read here */
        last = block;
        atomic { assert(!on_queue); on_queue = true }
    :: else
    fi;
    if
    :: old_count + 1 == used -> /* the slab rests, since its owner does not allocate here */
        atomic { /* the claim, for exactly the list that was made above */
            if
            :: head == block && count == old_count + 1 && queued && !claimed && !emptied -> head = 0; count = 0; claimed = true
            :: else -> goto done
            fi
        }
        assert(!retired);
        memory_gone = true;
        assert(!retired);
        atomic { claimed = false; emptied = true }
    :: else
    fi;
done:
    skip
}

inline give(block) {
    assert(!free_now[block]);
    free_now[block] = true;
    used--
}

inline drain() {
    if
    :: atomic { on_queue -> on_queue = false } ;
        end = last;
        atomic {
            assert(queued);
            if
            :: claimed -> on_queue = true; list = 0; length = 0 /* put back */
            :: emptied ->
                list = 0; length = 0; queued = false; emptied = false; used = 0;
                free_now[1] = true; free_now[2] = true; free_now[3] = true
            :: else -> list = head; length = count; head = 0; count = 0; queued = false
            fi
        }
        do
        :: list != 0 -> assert(!memory_gone); assert(next_of[list] != 0 || list == end); give(list); list = next_of[list]; length--
        :: else -> break
        od;
        assert(length == 0)
    :: else
    fi
}

/* A thread that runs the heap: drains as often as it likes, may end and park it, gives the slab back when it is empty. */
proctype owner(bool first) {
    byte list, length, end;
    if
    :: first && owner_frees -> give(3)
    :: first && !owner_frees
    :: !first -> atomic { parked -> parked = false; assert(!heap_taken); heap_taken = true }
    fi;
    do
    :: drain()
    :: first -> drain(); atomic { heap_taken = false; parked = true } ; break
    :: used == 0 ->
        assert(head == 0 && count == 0 && !queued && !on_queue && !claimed && !emptied);
        retired = true;
        break
    od
}

init {
    atomic {
        run freer(1);
        run freer(2);
        if
        :: owner_frees = true
        :: run freer(3)
        fi;
        run owner(true);
        run owner(false)
    }
}

ltl emptied_at_last { [] (retired -> (free_now[1] && free_now[2] && free_now[3])) }
