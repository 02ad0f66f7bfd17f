#!/usr/bin/env bats
# The ceiling: what is in use never passes it, all of it can be had, and a refusal is what the program's language makes
# of memory that has run out.
load helpers

setup_file() { build_tools; }
# The dump that a refusal writes beside the one at exit has a test of its own.
setup() { plain; export WEIR_DUMP_AT=exit; }

MAX=67108864

# Each message's numbers: used was not above max, and what was asked for would have passed it.
messages_add_up() {
    sed -nE 's/^weir: failed to allocate ([0-9]+) byte\(s\) of direct memory \(used: ([0-9]+), max: ([0-9]+)\)$/\1 \2 \3/p' err >numbers
    [ -s numbers ] || { echo "no message"; seen; return 1; }
    awk -v max="$1" '$3 != max || $2 > $3 || $1 + $2 <= $3 { print "asked for, used, max: " $0; bad = 1 } END { exit bad }' numbers
    same "$(grep -c '^weir: failed' err) $(grep -c '^weir:   [a-z_ ]* in [^ ]*\[[0-9]*\] thread [0-9]*, at ' err)" "$(wc -l <numbers) $(wc -l <numbers)"
}

ceiling_is_never_passed() {
    expect 0 "$1" WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/ceiling" $MAX
    messages_add_up $MAX
    same "$(json '(d["direct"]["max"], d["direct"]["peak"] <= 67108864, d["direct"]["peak"] > 60000000, d["direct"]["refused"] > 0, len(d["refusals"]) > 0)' "$(last_dump ceiling)")" \
        "($MAX, True, True, True, True)"
}
@test "ceiling_is_never_passed_by_64_threads_disabled" { ceiling_is_never_passed disabled; }
@test "ceiling_is_never_passed_by_64_threads_paranoid" { ceiling_is_never_passed paranoid; }

@test "the_ceiling_can_be_reached_to_the_byte_and_left_again" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/fill" $MAX
        same "$(sort out | uniq -c | sed 's/^ *//')" $'3 0 below the ceiling\n3 afterwards nine tenths in one piece: yes'
        messages_add_up $MAX
    done
}

@test "cxx_programs_get_bad_alloc_their_handler_and_memory_again" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/bad_alloc"
        same "$(cat out)" $'caught std::bad_alloc\nhandler called 3 times\naligned: caught\nnothrow: NULL\nagain: works'
        messages_add_up $MAX
    done
}

# The plugins are one source in several layouts; the host is in C.
plugins_get_bad_alloc() {
    local plugins=("${@/#/$SHIM_TOOLS/pitfalls/plugin_}")
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/pitfalls/plugin_host" "${plugins[@]/%/.so}"
        same "$(sort out | uniq -c | sed 's/^ *//')" "$(printf "$((2 * $#)) %s after 3, 0 in flight\n" \
            "aligned nothrow: NULL" "aligned: std::bad_alloc" "new: std::bad_alloc" "new[]: std::bad_alloc" "nothrow: NULL")"
    done
}
@test "a_plugin_gets_bad_alloc_from_the_library_that_it_needs" { plugins_get_bad_alloc shared; }
@test "a_plugin_gets_bad_alloc_from_a_library_under_another_name" { plugins_get_bad_alloc vendored; }
@test "a_plugin_gets_bad_alloc_from_the_library_inside_it" {
    plugins_get_bad_alloc static
    plugins_get_bad_alloc hidden
    plugins_get_bad_alloc operators
}
@test "a_plugin_gets_bad_alloc_however_its_symbols_are_laid_out" {
    plugins_get_bad_alloc sysv
    plugins_get_bad_alloc lld
    plugins_get_bad_alloc rodynamic
}
@test "each_of_several_plugins_gets_the_bad_alloc_of_its_own_library" {
    plugins_get_bad_alloc vendored static lld shared
    plugins_get_bad_alloc operators hidden static vendored
}

@test "refusals_are_told_at_most_every_100_ms_and_all_are_counted" {
    expect 0 disabled WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/fill" $MAX
    [ "$(grep -c '^weir: failed' err)" -lt 10 ]
    same "$(json 'd["direct"]["refused"] >= 18' "$(last_dump fill)")" True # six sizes, three rounds
}

@test "a_refusal_names_program_thread_and_caller" {
    expect 0 disabled WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/fill" $MAX
    local caller
    caller=$(sed -nE 's/^weir:   malloc in fill\[([0-9]+)\] thread \1, at fill\+(0x[0-9a-f]+)$/\2/p' err)
    [ -n "$caller" ] || { cat err; false; }
    addr2line -fe "$SHIM_TOOLS/fill" "$(printf '0x%x' $((caller - 1)))" >where
    has where take_all fill.c
    same "$(json '[f["function"] for f in d["refusals"][0]["frames"]][:1]' "$(last_dump fill)")" "['take_all']"
}

@test "the_first_refusal_leaves_a_dump_and_the_next_within_a_minute_none" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/fill" $MAX
        dumps_come fill 2
        same "$(for dump in dumps/*; do json 'd["process"]["dumped_at"]' "$dump"; done | sort)" $'exit\nlimit'
        expect 0 "$level" WEIR_DUMP_AT=limit WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/fill" $MAX
        dumps_come fill 1
        same "$(json '(d["process"]["dumped_at"], d["direct"]["refused"] > 0, d["direct"]["memory_used"] <= d["direct"]["max"], d["partial"])' "$(the_dump fill)")" "('limit', True, True, False)"
        expect 0 "$level" WEIR_DUMP_AT=exit WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/fill" $MAX
        same "$(json 'd["process"]["dumped_at"]' "$(the_dump fill)")" exit
    done
}

@test "every_form_of_a_size_is_understood" {
    local form
    for form in 67108864 65536k 65536K 64m 64M; do
        expect 0 disabled WEIR_MAX_DIRECT=$form "$SHIM_TOOLS/fill" $MAX
        same "$(json 'd["direct"]["max"]' "$(last_dump fill)")" $MAX
    done
    for form in 3g 3G 1T 1t 100% 1%; do
        expect 3 disabled WEIR_MAX_DIRECT=$form "$SHIM_TOOLS/ends" exit
        silent
    done
    same "$(json '8 << 20 < d["direct"]["max"] < 1 << 40' "$(the_dump ends)")" True
}

# ends_with_its_own_error STATUSES WORDS CMD...: below the ceilings that make it fail, it ends by itself, and says WORDS.
# The ceilings are below the first allocations of a program, or above its whole start. Between them lie places where
# programs follow a NULL by themselves: glibc in getpwuid, with which bash starts; perl while it makes its symbol tables
# (and where no memory is left for the stream to complain on, it calls itself without end); python in its paths.
ends_with_its_own_error() {
    local statuses=$1 words=$2 max level failed=0
    shift 2
    for level in $LEVELS; do
        for max in 64k 3M 4M 5M 7M 9M; do
            under "$level" WEIR_DUMP_AT=none WEIR_MAX_DIRECT=$max "$@"
            [ "$status" != 0 ] || continue
            failed=$((failed + 1))
            [[ $status =~ ^($statuses)$ ]] || { echo "status $status at $max, $level"; seen; return 1; }
            grep -qE "^weir: (failed to allocate|no memory|no address)" err || { echo "weir said nothing at $max, $level"; seen; return 1; }
            [ $max = 64k ] || grep -v '^weir:' err | grep -qE "$words" || { echo "it did not say $words at $max, $level"; seen; return 1; }
        done
    done
    echo "$failed runs failed"
    [ $failed -gt 3 ]
}

# Python aborts by itself where even its start has no memory.
@test "bash_at_the_ceiling_ends_with_its_own_error" { ends_with_its_own_error 2 'cannot allocate' bash -c 'x=1; for ((i = 0; i < 22; i++)); do x=$x$x; done'; }
@test "perl_at_the_ceiling_ends_with_its_own_error" { ends_with_its_own_error '1|12' 'Out of memory!|panic' perl -e 'my $x = "a" x 30000000'; }
@test "python_at_the_ceiling_ends_with_its_own_error" { ends_with_its_own_error '1|134' 'MemoryError|memory|Fatal Python error' /usr/bin/python3 -S -c 'x = [1] * 3000000'; }
@test "git_at_the_ceiling_ends_with_its_own_error" {
    mkdir r
    (cd r && HOME=$PWD && git init -q . && seq 200000 >f && git add f && git -c user.name=x -c user.email=x commit -qm x) >/dev/null 2>&1
    ends_with_its_own_error 128 'fatal: Out of memory|out of memory|bad object|unable to' git -C r log -p -1
}
@test "gcc_at_the_ceiling_ends_with_its_own_error" {
    seq 1 300 | sed 's/.*/int f&(int a) { return a * & + (int)sizeof("&"); }/' >a.c
    ends_with_its_own_error '1|134' 'virtual memory exhausted|out of memory|terminate called|compilation terminated' gcc -O2 -c a.c -o /dev/null
}

@test "a_refusal_tells_what_was_asked_for_and_what_was_to_be_committed" {
    expect 0 disabled WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/fill" $MAX
    same "$(json '{r["requested"] for r in d["refusals"]} <= {1 << 20, 70000, 8000, 1000, 100, 16} and all(r["committed"] >= 4096 for r in d["refusals"]) and all(r["used"] + max(r["requested"], r["committed"]) > r["max"] for r in d["refusals"])' "$(last_dump fill)")" True || { cat report.json; false; }
}

# --- percentages ---

# Makes a cgroup of 200 MiB, and two below it, where that is allowed (version 1 or 2): $group is the first.
make_group() {
    local parent=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup) limit=memory.limit_in_bytes
    [ -d "$parent" ] && [ "$parent" != /sys/fs/cgroup/memory ] || parent=/sys/fs/cgroup/memory
    [ -d "$parent" ] || { parent=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup) limit=memory.max; }
    group=$parent/weir.test.$$.$BATS_TEST_NUMBER
    mkdir -p "$group/a/b" 2>/dev/null && echo 209715200 2>/dev/null >"$group/$limit"
}
remove_group() { rmdir "$group/a/b" "$group/a" "$group" 2>/dev/null || true; }

@test "half_of_a_cgroup_of_200_mib_is_100_mib_two_levels_below_too" {
    make_group || { remove_group; skip "cgroups cannot be made here; unit_limits has them from files"; }
    local below
    for below in "" /a/b; do
        expect 0 disabled WEIR_MAX_DIRECT=50% WEIR_DUMP_AT=exit bash -c "echo \$BASHPID >'$group$below/cgroup.procs' && exec perl -e 1" || { remove_group; return 1; }
        json 'd["direct"]["max"]' "$(last_dump perl)" >max
        [ "$(cat max)" = $((100 << 20)) ] || { remove_group; cat max; return 1; }
    done
    remove_group
}

# --- WEIR_ON_LIMIT ---

# outcomes: what the five requests came to.
outcomes() { cut -d' ' -f1 out | uniq -c | tr -s ' '; }
refused_before() { awk -v ms="$1" '$1 == "refused" && $2 < ms' out | wc -l; } # MS: how many were

@test "what_other_threads_retain_serves_a_request_that_waits_for_it" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=37M WEIR_QUIET=1 WEIR_DUMP_AT=exit "$SHIM_TOOLS/reclaim" asleep
        same "$(outcomes)" " 5 refused"
        # On a machine that is too busy to let them all run within 511 ms a request may be refused, but not earlier.
        for try in 1 2 3 4 5; do
            expect 0 "$level" WEIR_MAX_DIRECT=37M WEIR_QUIET=1 WEIR_ON_LIMIT=reclaim WEIR_DUMP_AT=exit "$SHIM_TOOLS/reclaim" busy
            same "$(refused_before 511)" 0
            [ "$(outcomes)" != " 5 got" ] || break
        done
        same "$(outcomes)" " 5 got"
        same "$(json 'd["direct"]["peak"] <= 37 << 20, d["direct"]["refused"]' "$(the_dump reclaim)")" "(True, 0)"
    done
}
@test "who_answers_just_now_is_waited_for" {
    for level in $LEVELS; do
        for try in $(seq "$(few 20)"); do
            expect 0 "$level" WEIR_MAX_DIRECT=37M WEIR_QUIET=1 WEIR_ON_LIMIT=reclaim WEIR_DUMP_AT= "$SHIM_TOOLS/reclaim" again
            same "$(refused_before 511)" 0 || { seen; false; }
        done
    done
}
@test "threads_that_sleep_are_waited_for_once" {
    for level in $LEVELS; do
        # 36M: at simple a class that is drawn has two slabs, so that 30M are used up, and no wait would help
        expect 0 "$level" WEIR_MAX_DIRECT=36M WEIR_QUIET=1 WEIR_ON_LIMIT=reclaim WEIR_DUMP_AT=exit "$SHIM_TOOLS/reclaim" asleep
        same "$(outcomes)" " 5 refused"
        # 511 ms for the first one; who is not waited for is refused at once, but where the machine is busy
        same "$(awk 'NR == 1 && $2 >= 511 || NR > 1 && $2 < 400' out | wc -l)" 5
        expect 0 "$level" WEIR_MAX_DIRECT=30M WEIR_QUIET=1 WEIR_ON_LIMIT=reclaim WEIR_DUMP_AT=exit "$SHIM_TOOLS/reclaim" alone
        same "$(awk '$1 == "refused" && $2 < 400' out | wc -l)" 5
    done
}

@test "what_is_lost_is_freed_at_the_ceiling" {
    LIMIT=60 expect 0 paranoid WEIR_MAX_DIRECT=48M WEIR_ON_LIMIT=collect WEIR_DUMP_AT=exit "$SHIM_TOOLS/collected" 12
    same "$(cat out)" "got 120, refused sometimes, whole"
    grep -qE "^weir: COLLECTED: [0-9]+ blocks, [0-9]+ bytes: nothing led to them for a second or more" err
    grep -A 1 -E "^weir:   3[0-9] blocks, [0-9]+ bytes$" err | grep -q "^weir:   made at collected+0x" || { cat err; false; }
    same "$(json 'd["direct"]["collected"] >= 60, d["direct"]["collected_bytes"] == d["direct"]["collected"] << 20, d["direct"]["peak"] <= 48 << 20' "$(the_dump collected)")" "(True, True, True)"
    LIMIT=60 expect 0 paranoid WEIR_MAX_DIRECT=48M WEIR_ON_LIMIT=reclaim WEIR_QUIET=1 WEIR_DUMP_AT=exit "$SHIM_TOOLS/collected" 3
    grep -qE "^got [0-9]+, refused always, whole" out
}

# --- 64 threads, and system calls of weir's own that fail (builds with asserts know how) ---

@test "threads_at_the_ceiling_keep_its_count_right_whatever_fails" {
    local calls="none:1" call level rounds
    [ "${WEIR_BUILD:-build}" != build/debug ] || calls="none:1 mmap:3 mprotect:3 mremap:2 madvise:2 munmap:3 openat:3 clone:2"
    rounds=$(($(few 5000) / 10))
    for call in $calls; do
        for level in $LEVELS; do
            LIMIT=60 expect 0 "$level" FAIL_WEIRS="$call" WEIR_QUIET=1 WEIR_MAX_DIRECT=24M WEIR_DUMP_AT=exit "$SHIM_TOOLS/mixed" 64 "$rounds" 10
            # What tables have grown to for such a load stays, whenever that comes; a count that drifts would go on.
            awk '$1 == "used" { used[++n] = $2; still += n > 5 && used[n] <= used[n - 1] }
                END { exit !(n == 10 && still > 1 && used[10] - used[5] < 1048576) }' err || { cat err; false; }
            same "$(cat out)" "wrong 0"
            # Beside the ceiling: stacks, the library, the program's files.
            [ "$(sed -n 's/^peak //p' err)" -lt $(((24 + 6) * 1024)) ] || { cat err; false; }
            [ "$call" != openat:3 ] || continue # the dump is a file, too
            json '[d["direct"]["peak"] <= 24 << 20, d["direct"]["refused"] > 0, d["direct"]["mappings_used"], d["direct"]["count"] < 10, d["memory"]["charged"] - d["direct"]["memory_used"]]' "$(the_dump mixed)" >seen
            same "$(cat seen)" "[True, True, 0, True, 0]"
            same "$(json 'd["direct"]["cached"] < 1 << 20' "$(the_dump mixed)")" True
        done
    done
}
