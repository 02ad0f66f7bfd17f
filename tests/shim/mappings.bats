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
@test "mallinfo_does_not_count_mappings" {
    for level in $LEVELS; do expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/mappings" info; done
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

# --- watermarks, reserve ---

@test "each_crossing_of_a_watermark_is_one_event" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M WEIR_DUMP_AT=exit "$SHIM_TOOLS/mappings" cross
        same "$(grep -cE '^weir: direct memory is above the high watermark \(used: [0-9]+, max: 67108864\) in mappings' err)" 3
        same "$(grep -cE '^weir: direct memory is below the low watermark \(used: [0-9]+, max: 67108864\) in mappings' err)" 3
        same "$(json 'd["direct"]["high_crossings"], d["direct"]["low_crossings"]' "$(the_dump mappings)")" "(3, 3)"
        expect 0 "$level" WEIR_MAX_DIRECT=64M WEIR_ON_WATERMARK=none WEIR_HIGH_WATERMARK=40M WEIR_LOW_WATERMARK=50% "$SHIM_TOOLS/mappings" cross
        silent
        same "$(json 'd["direct"]["high_crossings"], d["direct"]["low_crossings"]' "$(the_dump mappings)")" "(3, 3)"
        expect 0 "$level" WEIR_MAX_DIRECT=64M WEIR_ON_WATERMARK=dump WEIR_DUMP_AT=limit "$SHIM_TOOLS/mappings" cross
        silent
        wait_for 10 the_dump mappings >/dev/null
    done
    # By the very call that crosses it, and with what is in use then.
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M WEIR_DUMP_AT=none "$SHIM_TOOLS/mappings" falls
        same "$(sed -nE 's/^weir: direct memory is (above|below) .*used: ([0-9]+), .*/\1 \2/p' err |
            awk '{ print $1, ($1 == "above" ? ($2 > 60 * 1048576) : ($2 < 8 * 1048576)) }')" "above 1
below 1"
    done
    expect 0 disabled "$SHIM_TOOLS/mappings" cross # no ceiling, no watermarks
    silent
}
@test "a_reserve_is_for_small_requests" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M WEIR_RESERVE=8M WEIR_QUIET=1 WEIR_DUMP_AT=exit "$SHIM_TOOLS/mappings" reserve
        read -r large small <out
        [ "$large" -ge 48 ] && [ "$large" -le 56 ] && [ "$small" -ge 3 ] || { seen; false; }
        same "$(json 'max(r["used"] for r in d["refusals"]) > 60 << 20 and {r["max"] >> 20 for r in d["refusals"]} <= {56, 64}' "$(the_dump mappings)")" True
    done
}
@test "limits_that_make_no_sense_are_one_line_and_the_default" {
    bad() { # bad WORDS NAME=VALUE...
        expect 0 disabled "${@:2}" WEIR_DUMP_AT=none "$SHIM_TOOLS/mappings" cross
        has err "$1"
        same "$(grep -vc 'watermark (used' err)" 1
    }
    for size in 0 -1 9223372036854775808 12Q 0% 101% ""; do bad "not a size (try 512M); no ceiling is set" WEIR_MAX_DIRECT="$size"; done
    bad "WEIR_RESERVE=64M: not below the ceiling; 0 is used" WEIR_MAX_DIRECT=64M WEIR_RESERVE=64M
    bad "WEIR_RESERVE=x: not a size" WEIR_MAX_DIRECT=64M WEIR_RESERVE=x
    bad "WEIR_LOW_WATERMARK=95%: the low watermark is to lie below the high one" WEIR_MAX_DIRECT=64M WEIR_LOW_WATERMARK=95%
    bad "WEIR_HIGH_WATERMARK=70M: the low watermark is to lie below the high one" WEIR_MAX_DIRECT=64M WEIR_HIGH_WATERMARK=70M
    bad "WEIR_HIGH_WATERMARK=101%: not a size or a percentage" WEIR_MAX_DIRECT=64M WEIR_HIGH_WATERMARK=101%
    bad "WEIR_ON_LIMIT=collapse: not fail, reclaim or collect; fail is used" WEIR_MAX_DIRECT=64M WEIR_ON_LIMIT=collapse
    bad "WEIR_ON_WATERMARK=shout: not a list of" WEIR_MAX_DIRECT=64M WEIR_ON_WATERMARK=shout
}
