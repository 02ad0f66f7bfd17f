/* The claim on a sleeping owner's slab (ARCHITECTURE, section 4) when the list that it is for comes about again: a slab
 * of one block, which the owner may empty, hand out anew and extend by a second block, while whoever freed the first is
 * about to claim. Explored exhaustively: memory goes back only while nobody has a block of it, and no block is lost. */

byte first, count;             /* the `remote` word: first block (0: none), length ... */
bool queued, claimed, emptied; /* ... and its bits; these five change together */
byte next_of[3];
bool on_queue;
byte capacity = 1, used = 1;   /* the owner's, but that all read the capacity */
bool all_out = true;           /* FULL, in the owner word */
bool held[3];                  /* a user has the block, and may free it */
bool freeing[3];               /* is about to */
bool idle[3];                  /* the owner has it */
bool memory_gone, retired;

#define WORD_IS(f, c, q) (first == f && count == c && queued == q && !claimed && !emptied)

proctype freer() {
    byte block, old_first, old_count, seen;
    bool old_queued;
    if
    :: atomic { held[1] -> held[1] = false; freeing[1] = true; block = 1 }
    :: atomic { held[2] -> held[2] = false; freeing[2] = true; block = 2 }
    :: retired -> goto done
    fi;
again:
    atomic { !claimed; old_first = first; old_count = count; old_queued = queued; assert(!emptied) }
    assert(!memory_gone);
    next_of[block] = old_first;
    atomic {
        if
        :: WORD_IS(old_first, old_count, old_queued) ->
            first = block; count = old_count + 1; queued = true; freeing[block] = false
        :: else -> goto again
        fi
    }
    if
    :: !old_queued -> atomic { assert(!on_queue && !retired); on_queue = true }
    :: else
    fi;
    seen = capacity;
    if
    :: old_count + 1 == seen && all_out ->
        atomic {
            if
            :: WORD_IS(block, old_count + 1, true) -> first = 0; count = 0; claimed = true
            :: else -> goto done
            fi
        }
        /* In this order: the other way round, the owner may extend the slab and use it up in between. */
        if
        :: !all_out -> goto undo
        :: else
        fi;
        if
        :: capacity != old_count + 1 -> goto undo
        :: else
        fi;
        assert(!held[1] && !held[2] && !freeing[1] && !freeing[2] && !idle[1] && !idle[2] && !retired);
        memory_gone = true;
        atomic { claimed = false; emptied = true };
        goto done;
undo:
        atomic { claimed = false; first = block; count = old_count + 1; queued = true }
    :: else
    fi;
done:
    skip
}

proctype owner() {
    byte list, length, again_ = 0;
    do
    :: atomic { on_queue -> on_queue = false };
        atomic {
            assert(queued);
            list = 0; length = 0;
            if
            :: claimed -> on_queue = true
            :: emptied ->
                assert(!held[1] && !held[2] && !freeing[1] && !freeing[2] && all_out);
                queued = false; emptied = false; retired = true
            :: else -> list = first; length = count; first = 0; count = 0; queued = false
            fi
        }
        if
        :: retired -> break
        :: else
        fi;
        do
        :: length > 0 ->
            assert(list != 0 && !idle[list] && !memory_gone);
            idle[list] = true; used--; list = next_of[list]; length--; all_out = false
        :: else -> break
        od
    :: idle[1] && again_ < 2 -> /* once more, with or without a second block */
        again_++;
        idle[1] = false; used++; held[1] = true;
        if
        :: capacity == 1 -> used++; capacity = 2; held[2] = true /* charged as used before anybody sees the capacity */
        :: idle[2] -> idle[2] = false; used++; held[2] = true
        :: true
        fi;
        if
        :: !idle[2] -> all_out = true /* the next request found nothing */
        :: true
        fi
    :: used == 0 && !on_queue && again_ > 0 ->
        assert(!queued && !claimed && !emptied && !held[1] && !held[2] && !freeing[1] && !freeing[2]);
        retired = true;
        break
    od
}

init {
    atomic {
        held[1] = true;
        run freer();
        run freer();
        run freer();
        run owner()
    }
}
