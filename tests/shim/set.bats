#!/usr/bin/env bats
# Options that are changed while the program runs: weir set.
load helpers

setup_file() { build_tools; }
setup() { plain; }
teardown() { [ -z "${program:-}" ] || kill -KILL "$program" 2>/dev/null || true; }

# begin LEVEL [NAME=VALUE...] CMD...: starts it, which waits for lines, and waits for "ready".
begin() {
    local settings=(LD_PRELOAD="$WEIR_SHIM" WEIR_LEVEL="$1" WEIR_BOX_DIR="$PWD" WEIR_OUTPUT="$PWD/dumps/%e.%n.dump")
    shift
    rm -rf dumps lines out pid
    mkdir dumps
    mkfifo lines
    (
        plain_environment "$PWD"
        close_fds_of_bats
        echo $BASHPID >pid # exec leaves it what it is
        exec env "${settings[@]}" "$@" <lines >out 2>err
    ) 3>&- &
    exec 8>lines
    said ready
    program=$(cat pid)
}
# said WORD: waits until it is the last line of out.
said() {
    for _ in $(seq 500); do [ "$(tail -n 1 out 2>/dev/null)" = "$1" ] && return; sleep 0.02; done
    echo "no \"$1\":"; cat out err; return 1
}
go_on() { echo >&8; }
ends() { exec 8>&-; for _ in $(seq 500); do kill -0 "$program" 2>/dev/null || { program=; return 0; }; sleep 0.02; done; return 1; }
weir_set() { timeout 20 "$WEIR_REPORTER" set "$program" "$@" 3>&- 8>&-; }
status_of() { local status=0; "$@" >said 2>&1 || status=$?; echo "$status"; }
# samples NAME: of the sites made by that function in the newest dump: blocks that were tracked.
samples() { json "sum(s.get('samples', s['blocks']) for s in d['sites'] if any(f['function'] == '$1' for f in s['frames']))" "$(ls -t dumps/*.dump | head -n 1)"; }

@test "a_higher_level_tracks_every_block_from_then_on" {
    begin simple "$SHIM_TOOLS/changes" blocks
    weir_set level=paranoid
    go_on && said after
    weir_set level=simple
    go_on && said later && ends
    silent
    same "$(samples after)" 2000
    [ "$(samples before)" -lt 200 ] && [ "$(samples later)" -lt 200 ]
    [ -z "$(find . -name 'weir.*.*' -not -name "*.box")" ]
}
@test "a_process_that_tracked_all_may_track_less" {
    begin paranoid "$SHIM_TOOLS/changes" blocks
    weir_set level=1
    go_on && said after
    weir_set WEIR_LEVEL=disabled
    go_on && said later && ends
    silent
    same "$(samples before)" 2000
    [ "$(samples after)" -lt 200 ]
    same "$(samples later)" 0
}
@test "access_records_are_made_while_the_level_has_them" {
    begin simple WEIR_SAMPLE_BLOCKS=1 WEIR_SAMPLE_BYTES=2 "$SHIM_TOOLS/touched" levels
    go_on && said first
    weir_set level=advanced
    go_on && said second
    weir_set level=simple
    go_on && said third && ends
    silent
    same "$(json "[[r['what'] for r in s['records']] for s in d['sites'] if s['records']]" dumps/*.dump)" "[['write(fd 3)', 'second']]"
}
@test "the_ceiling_may_be_set_and_taken_away" {
    for level in $LEVELS; do
        begin "$level" "$SHIM_TOOLS/changes" large
        go_on && said got
        weir_set max-direct=32M on-limit=reclaim
        go_on && said refused
        has err "failed to allocate 67108864 byte(s) of direct memory (used: " ", max: 33554432)"
        weir_set max-direct=256M dump-at=none quiet=1
        go_on && said got
        weir_set max-direct=none
        go_on && said got
        weir_set max-direct=1M
        go_on && said refused && ends
        same "$(grep -c 'failed to allocate' err)" 1
        same "$(ls dumps)" "changes.1.dump"
        rm lines
    done
}
@test "all_is_changed_or_nothing_and_why" {
    begin simple "$SHIM_TOOLS/changes" blocks
    same "$(status_of weir_set level=paranoid depth=3)" 3
    has said "this cannot be changed while it runs"
    same "$(status_of weir_set level=paranoid max-direct=64M reserve=64M)" 3
    has said "the reserve is not below the ceiling"
    same "$(status_of weir_set level=paranoid max-direct=64M high-watermark=50% low-watermark=60%)" 3
    has said "the low watermark"
    same "$(status_of weir_set level=paranoid level=loud)" 2
    has said "not a level"
    same "$(status_of weir_set)" 2
    same "$(status_of weir_set depth)" 2
    same "$(status_of weir_set tempo=1)" 2
    has said "tempo: no such option"
    go_on && said after && go_on && said later && ends
    [ "$(samples after)" -lt 200 ]
}
@test "a_process_without_tables_says_so" {
    begin disabled "$SHIM_TOOLS/changes" blocks
    same "$(status_of weir_set level=simple)" 3
    has said "it began at level disabled"
    weir_set sample-rate=100 on-error=report
    go_on && said after && go_on && said later && ends
    silent
}
@test "what_others_leave_is_not_believed" {
    begin simple "$SHIM_TOOLS/changes" blocks
    printf 'WEIR_LEVEL=paranoid\n' >real
    ln -s real "weir.$program.5.set"
    /usr/bin/python3 - "$program" <<'END' 3>&- 8>&-
import ctypes, os, signal, sys, time
sigval = ctypes.c_void_p(0x80000005)
ctypes.CDLL(None).sigqueue(int(sys.argv[1]), signal.SIGRTMAX - 1, sigval)
for _ in range(200):
    if os.path.exists("weir.%s.5.reply" % sys.argv[1]): break
    time.sleep(0.02)
END
    has "weir.$program.5.reply" "error the file with what is to be changed could not be read"
    go_on && said after && go_on && said later && ends
    [ "$(samples after)" -lt 200 ]
}
@test "levels_that_change_amid_threads_and_forks_lose_no_byte" {
    begin simple WEIR_DUMP_AT=signal WEIR_SAMPLE_BLOCKS=8 "$SHIM_TOOLS/changes" storm 4
    for i in $(seq "$(few 100)"); do
        case $((i % 4)) in
        0) weir_set level=paranoid ;;
        1) weir_set level=simple sample-rate=$((i * 100)) ;;
        2) weir_set level=advanced max-direct=512M ;;
        3) weir_set level=disabled max-direct=none ;;
        esac
    done
    ends
    said "wrong 0"
    silent
}
@test "a_ceiling_that_comes_later_keeps_what_the_loader_needs" {
    printf '__thread char data[3000];\nint touch(void) { return data[7]++; }\n' >library.c
    cat >late.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    char line[16];
    int (*touch)(void);
    *(void **)&touch = dlsym(dlopen("./library.so", RTLD_NOW), "touch");
    puts("ready"), fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return 1;
    for (size_t n = 1 << 20; n >= 16; n /= 2)
        while (malloc(n)) continue;
    touch();
    puts("alive"), fflush(stdout);
    return 0;
}
C
    gcc -shared -fPIC -o library.so library.c && gcc -fno-builtin -o late late.c
    begin disabled WEIR_DUMP_AT=signal "$PWD/late"
    weir_set max-direct=16M quiet=1
    go_on && said alive && ends
}
@test "operators_are_no_mismatch_where_all_is_tracked_later" {
    printf '#include <new>\n#include <cstdio>\nint main() { char line[16]; puts("ready"); fflush(stdout); if (!fgets(line, 16, stdin)) return 1; for (int i = 0; i < 2000; i++) { char *volatile p = new (std::nothrow) char[33]; delete[] p; volatile char *q = new char[12]; delete[] q; } puts("done"); fflush(stdout); }\n' >arrays.cc
    g++ -O1 -fno-builtin -w -o arrays arrays.cc
    begin simple WEIR_ON_MISMATCH=abort "$PWD/arrays"
    weir_set level=paranoid
    go_on && said 'done' && ends
    silent
}
@test "leaks_may_be_searched_for_from_later_on" {
    begin paranoid WEIR_LEAKS=off "$SHIM_TOOLS/changes" blocks
    weir_set leaks=exit
    go_on && said after && go_on && said later && ends
    same "$(json 'd["verdicts"]["judged"]' "$(ls dumps/*.dump)")" True
}
@test "a_dump_that_was_switched_off_is_refused_at_once" {
    begin simple "$SHIM_TOOLS/changes" blocks
    weir_set dump-at=exit
    same "$(status_of timeout 5 "$WEIR_REPORTER" dump "$program" 3>&- 8>&-)" 3
    has said "it writes no dump on the signal (WEIR_DUMP_AT)"
    weir_set dump-at=exit,signal
    timeout 10 "$WEIR_REPORTER" dump "$program" >path 3>&- 8>&-
    [ -s "$(cat path)" ]
    go_on && said after && go_on && said later && ends
}
