#!/usr/bin/env bats
# Where the memory is: rows of every dump that add up to what the kernel says is resident, and to what is charged.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# adds_up DUMP: the rows are the kernel's sum within 1 % or 64 KiB (its counters lag, a page or two a thread), and what is
# charged is the counter's to the byte.
adds_up() {
    json 'abs(d["memory"]["resident"] - d["memory"]["resident_by_kernel"]) <= max(65536, d["memory"]["resident_by_kernel"] / 100) and d["memory"]["charged"] == d["memory"]["charged_by_counter"] == d["direct"]["memory_used"] or d["memory"]' "$1" >sums
    [ "$(cat sums)" = True ] || { echo "does not add up: $1"; cat sums; return 1; }
}

# Resident and charged bytes of a kind, in MiB, rounded.
row() { json '[(round(r["resident"] / 2**20), round(r["charged"] / 2**20)) for r in d["memory"]["rows"] if r["kind"] == "'"$1"'"][0]' "$2"; }

@test "memory_is_where_it_was_put" {
    for level in $LEVELS; do
        expect 0 "$level" "$SHIM_TOOLS/where" end
        local dump
        dump=$(the_dump where)
        adds_up "$dump"
        same "$(row live_blocks "$dump")" "(11, 11)" # 10,000 of 500 bytes, one of 6 MiB
        same "$(row pinned "$dump")" "(15, 15)"      # 30,000 places
        same "$(row mappings "$dump")" "(7, 16)"
        same "$(row reserved "$dump")" "(2, 0)"
        same "$(row thread_stacks "$dump")" "(4, 0)"
        same "$(row shared "$dump")" "(5, 0)"
        same "$(json '[r["resident"] > 3 << 20 for r in d["memory"]["rows"] if r["kind"] == "files"] + [r["resident"] < 1 << 20 for r in d["memory"]["rows"] if r["kind"] == "unaccounted"]' "$dump")" "[True, True]"
        timeout 60 "$WEIR_REPORTER" report --memory --arena "$dump" >text </dev/null 3>&-
        has text "WHERE THE MEMORY IS" "free places that blocks pin " "the kernel's word, the counter's " "SLABS BY PLACES IN USE"
        same "$(awk 'length > 80' text)" ""
        same "$(grep -cE '^ +512 +1?[0-9],[0-9]+ +[23][0-9],' text)" 1 # places used and free of the blocks' class
    done
    same "$(sed -n '/PINNED/,$p' text | sed -n 2p | grep -cE '^ +1[45] MiB +10,000 .* allocate_all')" 1
}
@test "a_running_programs_memory_adds_up" {
    for level in $LEVELS; do
        mkdir -p live
        rm -f live/* pid
        mkfifo line
        env LD_PRELOAD="$WEIR_SHIM" WEIR_LEVEL="$level" WEIR_OUTPUT="$PWD/live/%e.%n.dump" "$SHIM_TOOLS/where" wait <line >pid 3>&- &
        local child=$!
        exec 4>line
        local i
        for ((i = 0; i < 500; i++)); do [ -s pid ] && break; sleep 0.02; done
        "$WEIR_REPORTER" dump "$(cat pid)" >path </dev/null 3>&- 4>&-
        "$WEIR_REPORTER" doctor "$(cat pid)" >said </dev/null 3>&- 4>&-
        echo >&4
        exec 4>&-
        wait "$child"
        rm line
        adds_up "$(cat path)"
        has said "AUDIT, BYTES " " level $level, up " "of this process"
        lacks said "off"
        same "$(ls live)" $'where.1.dump\nwhere.3.dump' # the doctor's is gone, the last one is from the end
        same "$(row thread_stacks "$(cat path)")" "(4, 0)"
        same "$(row live_blocks "$(cat path)")" "(11, 11)"
    done
}
@test "the_memory_of_real_programs_adds_up" {
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" python3 -c 'x = [[i] * (i % 50) for i in range(100000)]; del x[::3]'
        adds_up "$(last_dump python3)"
        if command -v java >/dev/null; then
            LIMIT=60 expect 0 "$level" java -Xms64m -version
            adds_up "$(last_dump java)"
        fi
        if command -v node >/dev/null; then
            LIMIT=60 expect 0 "$level" node -e 'const x = []; for (let i = 0; i < 1e6; i++) x.push({i}); Buffer.alloc(1 << 24, 1)'
            adds_up "$(last_dump node)"
        fi
    done
}
@test "a_childs_and_a_guarded_programs_memory_adds_up" {
    for level in $LEVELS; do
        expect 0 "$level" python3 -c 'import os; x = [[i] for i in range(100000)]; os.fork() == 0 or os.wait(); os._exit(0)'
        for dump in dumps/python3*; do adds_up "$dump"; done
        expect 0 "$level" WEIR_GUARD=1 WEIR_MAX_DIRECT=200M "$SHIM_TOOLS/where" end
        adds_up "$(the_dump where)"
        expect 0 "$level" WEIR_HARDEN=1 "$SHIM_TOOLS/where" end
        adds_up "$(the_dump where)"
    done
}
@test "mappings_are_listed_with_who_made_them" {
    expect 0 paranoid "$SHIM_TOOLS/where" end
    # 16 MiB by map_all; what was made unwritable is nobody's any more
    same "$(json '[(m["bytes"] >> 20, m["mappings"], [f["function"] for f in m["frames"][:2]]) for m in d["mappings"]]' "$(the_dump where)")" "[(16, 1, ['map', 'map_all'])]"
    timeout 60 "$WEIR_REPORTER" report "$(the_dump where)" >text </dev/null 3>&-
    has text "MAPPED     MAPPINGS   OLDEST  SITE" "#m1  MAPPED: map" "16 MiB in 1 mapping"
    same "$(awk 'length > 80' text)" ""
    expect 0 disabled "$SHIM_TOOLS/where" end
    same "$(json 'd["mappings"]' "$(the_dump where)")" "[]"
    # A dump at the ceiling tells who holds it.
    expect 0 paranoid WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/mappings" fill
    json '[d["mappings"][0]["bytes"] > 40 << 20, d["mappings"][0]["mappings"] > 40, sum(m["bytes"] for m in d["mappings"]) == d["direct"]["mappings_used"]]' "$(find dumps -name 'mappings.*.1.dump')" >seen
    same "$(cat seen)" "[True, True, True]"
    timeout 60 "$WEIR_REPORTER" report "$(find dumps -name 'mappings.*.1.dump')" >text </dev/null 3>&-
    has text "at the ceiling mmap of 1.0 MiB refused, used 6" "; asked for by map"
    same "$(json '[f["function"] for f in d["refusals"][0]["frames"][:2]] + [d["direct"]["peak_age_seconds"] < 10]' "$(find dumps -name 'mappings.*.1.dump')")" "['map', 'fill', True]"
    # What a fork has copied is its parent's to list.
    expect 0 paranoid python3 -c 'import mmap, os; m = mmap.mmap(-1, 9 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); os.fork() == 0 or os.wait(); os._exit(0)'
    for dump in dumps/python3*; do json 'max([m["bytes"] for m in d["mappings"]], default=0) >= 9 << 20' "$dump"; done | sort >listed
    same "$(cat listed)" $'False\nTrue'
}
@test "allocations_and_frees_are_counted_by_class" {
    for level in disabled simple paranoid; do
        expect 0 "$level" "$SHIM_TOOLS/where" count
        json '[(c["size"], c["allocations"], c["frees"]) for c in d["parts"][0]["classes"] if c["size"] in (3072, 5120, None)], d["direct"]["allocations"] - d["direct"]["frees"] == d["direct"]["count"]' "$(the_dump where)" >counted
        same "$(cat counted)" "([(3072, 400000, 400000), (5120, 77, 0), (None, 1000, 999)], True)"
    done
}
