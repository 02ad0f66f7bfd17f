#!/usr/bin/env bats
# The program's own mappings under the ceiling, and in dumps.
load helpers

setup_file() { build_tools; }
setup() { plain; }

MIB=1048576

@test "mappings_are_counted_as_computed_by_hand" {
    for level in $LEVELS; do
        expect 0 "$level" "$SHIM_TOOLS/mappings" keep
        silent
        # 3.5 MiB of the reservations, 4 of what was mapped by syscall, 1 of brk
        same "$(json 'd["direct"]["mappings_used"], d["direct"]["reserved"], d["mapped"]["count"], d["mapped"]["memory_used"]' "$(the_dump mappings)")" \
            "($((8 * MIB + MIB / 2)), $((3 * 1024 * MIB + 64 * MIB - 3 * MIB)), 1, $MIB)"
        timeout 60 "$WEIR_REPORTER" report "$(the_dump mappings)" >text </dev/null 3>&-
        has text "own mappings   8.5M of that; reserved 3.1G, mapped 1.0M"
    done
}
@test "mappings_that_would_pass_the_ceiling_are_refused" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M WEIR_DUMP_AT=exit "$SHIM_TOOLS/mappings" fill
        has err "weir: failed to allocate 1048576 byte(s) of direct memory (used: " ", max: 67108864)" "  mmap in mappings["
        grep -qxE '5[0-9]: Cannot allocate memory' out || { seen; false; }
        json '{r["operation"] for r in d["refusals"]} == {"mmap", "malloc"} and d["direct"]["peak"] <= 64 << 20' "$(the_dump mappings)" >refused
        same "$(cat refused)" True
    done
}
@test "threads_that_are_refused_again_and_again_give_all_back" {
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_MAX_DIRECT=32M WEIR_QUIET=1 WEIR_DUMP_AT=exit "$SHIM_TOOLS/mappings" survive "$(few 20000)"
        same "$(cat out)" survived
        json 'd["direct"]["peak"] <= 32 << 20 and d["direct"]["mappings_used"] == 0 and d["direct"]["refused"] > 0' "$(the_dump mappings)" >seen
        same "$(cat seen)" True
    done
}
@test "a_jvm_starts_below_what_it_reserves_and_is_refused_what_it_would_commit" {
    command -v java >/dev/null || skip "no java is installed"
    LIMIT=60 expect 0 disabled WEIR_MAX_DIRECT=256M WEIR_DUMP_AT=exit java -Xms16m -Xmx2g -XX:+UseSerialGC -version
    lacks err "failed to allocate"
    same "$(json 'd["direct"]["reserved"] > 1 << 30 and d["direct"]["mappings_used"] > 8 << 20' "$(last_dump java)")" True
    LIMIT=60 expect 1 disabled WEIR_MAX_DIRECT=256M WEIR_DUMP_AT=none java -Xms1g -Xmx2g -XX:+UseSerialGC -XX:ErrorFile=error.log -version
    has err "of direct memory (used: "
}
