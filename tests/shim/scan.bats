#!/usr/bin/env bats
# WEIR_SCAN: pointers in other forms, and another set of roots.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# leaked CASE SCAN WANTED: sizes of what is leaked, directly or by another one.
leaked() {
    expect 0 paranoid WEIR_LEAKS=exit WEIR_SCAN="$2" "$SHIM_TOOLS/scanned" "$1"
    sizes "$3"
}
sizes() { same "$(json '" ".join(str(n) for n in sorted(s["smallest"] for s in d["sites"] if s["verdict"] == "leaked" and 1000 < s["smallest"] < 1400 for i in range(s["blocks"])))' "$(the_dump scanned)")" "$1"; }

@test "packed_pointers_are_seen_where_that_is_wanted" {
    leaked unaligned roots=all "1001 1101 1103 1104 1105"
    leaked unaligned unaligned 1001
    same "$(json '[s["blocks"] for s in d["sites"] if s["smallest"] == 1107 and s["verdict"] == "in_use"]' "$(the_dump scanned)")" "[1]"
}
@test "marks_are_taken_out_of_pointers" {
    leaked tagged roots=all "1001 1201 1203" # 7 more is inside of the block
    leaked tagged tags=0xff00000000000000 "1001 1203"
    leaked tagged tags=0xFFFF000000000000 1001
}
@test "roots_as_leaksanitizer_has_them" {
    leaked roots roots=all 1001
    leaked roots roots=lsan "1001 1301 1302 1303"
    leaked roots roots=lsan,unaligned,roots=all 1001
}
@test "the_program_runs_as_ever_and_real_programs_search_alike" {
    for scan in unaligned tags=0xffff00000000000f roots=lsan; do
        expect 0 paranoid WEIR_LEAKS=exit WEIR_SCAN=$scan perl -e 'print join ",", map { $_ * 2 } 1 .. 5'
        same "$(cat out)" 2,4,6,8,10
        same "$(json 'd["verdicts"]["judged"], d["verdicts"]["in_use"]["blocks"] > 500' "$(the_dump perl)")" "(True, True)"
    done
}
@test "weir_run_passes_it_on_and_refuses_what_is_wrong" {
    local value
    mkdir dumps
    run_weir() { (reporter=$WEIR_REPORTER; plain_environment "$PWD"; exec "$reporter" run "$@") </dev/null 3>&-; }
    run_weir --level=paranoid --scan=tags=0xff00000000000000 --output="$PWD/dumps/%e.%p.%n.dump" -- "$SHIM_TOOLS/scanned" tagged >out 2>err
    sizes "1001 1203"
    for value in "" tags tags= tags=7 tags=0x tags=0x10 tags=0x1ffffffffffffffff tags=0xg roots roots=none unaligned, ,unaligned unalignedly none; do
        status=0
        run_weir --scan="$value" -- true >out 2>err || status=$?
        same "$value $status $(cat err)" "$value 125 weir: --scan=$value: not a list of unaligned, tags=0xMASK (bits 0 to 3 and 47 to 63), roots=all, roots=lsan"
        expect 0 disabled WEIR_DUMP_AT=none WEIR_SCAN="$value" "$SHIM_TOOLS/scanned" none
        same "$(cat err)" "weir: WEIR_SCAN=$value: not a list of unaligned, tags=0xMASK (bits 0 to 3 and 47 to 63), roots=all, roots=lsan; roots=all is used"
    done
    for value in tags=0xf unaligned,tags=0xffff80000000000F,roots=lsan; do run_weir --output="$PWD/dumps/x" --scan="$value" -- true; done
}
