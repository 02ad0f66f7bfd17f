#!/usr/bin/env bats
# The box: what is there of a program after a kill, and where it goes otherwise.
load helpers

setup_file() { build_tools; }
setup() { plain; export WEIR_BOX_DIR=$PWD/boxes; mkdir boxes; }
WEIR=$WEIR_ROOT/${WEIR_BUILD:-build}/weir
LEVELS="simple paranoid"
# Of the shell that runs the program nothing is said.
KILLED=137

boxes() { find boxes -name 'weir.*.box' | sort; }
# boxed STATUS LEVEL [NAME=VALUE...] WHAT...: runs boxed, with its boxes in the folder boxes.
boxed() {
    local settings=() status=$1 level=$2
    shift 2
    while [[ $1 == *=* ]]; do settings+=("$1"); shift; done
    expect "$status" "$level" WEIR_BOX_DIR="$PWD/boxes" "${settings[@]}" "$SHIM_TOOLS/boxed" "$@"
}
box_of() { echo "boxes/weir.$(id -u)/weir.$1.box"; }
# live BOX FUNCTION: blocks and bytes of its sites.
live() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
sites = [s for s in json.load(sys.stdin)["sites"] if any(f["function"] == sys.argv[1] for f in s["frames"])]
print(sum(s["blocks"] for s in sites), sum(s["bytes"] for s in sites))' "$2"
}
inherited() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
totals = json.load(sys.stdin)["totals"]
print(totals["inherited_blocks"], totals["inherited_bytes"])'
}
pid_of() { sed -n "s/^$1 //p" out; }

# The report of the box says that some is not there, and not that anything was freed.
partial() {
    local status=0
    "$WEIR" report "$1" >report 2>problems || status=$?
    same "$status" 3
    grep -qE "^partial: .*[0-9] parts? found no room \(WEIR_BOX_MAX, WEIR_MAX_DIRECT\), or were cut off: sites may be missing$" report || { cat report; false; }
    lacks report "every tracked block was freed"
    lacks report "out of range"
    lacks report "damaged"
}

@test "a_killed_program_leaves_its_sites" {
    boxed $KILLED paranoid kill
    same "$(boxes)" "$(box_of "$(pid_of own)")"
    same "$(live "$(boxes)" mine)" "7 7000"
    "$WEIR" report "$(boxes)" >report
    has report "it left no dump" "boxed[$(pid_of own)]  level paranoid" "7 blocks of 1000 B"
    silent
    "$WEIR" ls boxes >list # also by a relative name
    has list " boxed " " gone "
    "$WEIR" ls "$PWD/boxes" >list
    has list " boxed " " gone "
    "$WEIR" clean "$PWD/boxes" >list
    same "$(boxes)" ""
}
@test "one_that_ends_in_order_leaves_no_box" {
    for level in disabled $LEVELS; do
        boxed 0 "$level" exits && same "$(boxes)" ""
        boxed 0 "$level" WEIR_DUMP_AT=none exits && same "$(boxes)" ""
        boxed 3 "$level" _exits && same "$(boxes)" ""
    done
}
@test "one_that_ends_past_its_hooks_or_whose_dump_fails_leaves_it" {
    boxed 3 paranoid leaves
    same "$(live "$(boxes)" mine)" "100 100000"
    rm -r boxes/*
    boxed 0 paranoid WEIR_OUTPUT=/nowhere/at/all exits
    same "$(live "$(boxes)" mine)" "100 100000"
}
@test "at_level_disabled_it_has_counters_and_refusals" {
    boxed $KILLED disabled WEIR_MAX_DIRECT=32M WEIR_DUMP_AT=none refused
    "$WEIR" report "$(boxes)" >report
    has report "of 32.0M max" "refused 1" "refused last: malloc of 64 MiB"
}
@test "a_refusal_is_named_with_its_site" {
    boxed $KILLED paranoid WEIR_MAX_DIRECT=32M WEIR_DUMP_AT=none refused
    "$WEIR" report "$(boxes)" >report
    has report "refused last: malloc of 64 MiB" "asked for by main"
}
@test "a_child_has_its_own_and_leaves_its_parents_alone" {
    for what in forks clones; do
        for level in $LEVELS; do
            rm -rf boxes/*
            boxed $KILLED "$level" WEIR_SAMPLE_BLOCKS=1 "$what"
            [ "$(boxes | wc -l)" = 2 ] || { boxes; seen; false; }
            [ "$level" = paranoid ] || continue
            same "$(live "$(box_of "$(pid_of own)")" mine)" "100 100000"
            same "$(live "$(box_of "$(pid_of own)")" childs)" "0 0"
            same "$(live "$(box_of "$(pid_of child)")" childs)" "10 5000"
            same "$(live "$(box_of "$(pid_of child)")" mine)" "0 0"
            same "$(inherited "$(box_of "$(pid_of own)")")" "0 0"
            same "$(inherited "$(box_of "$(pid_of child)")")" "None 100000"
            [ "$what" = clones ] || "$WEIR" report "$(box_of "$(pid_of child)")" | grep -qx "blocks inherited from process $(pid_of own) are not listed (98 KiB)"
        done
    done
}
@test "a_box_is_its_process_s_not_a_childs_that_never_came_to_weir" {
    local status=0
    "$WEIR" run --level paranoid --box-dir "$PWD/boxes" -- perl -e 'my @kept = map { "x" x 500 } 1 .. 500; if (!fork) { sleep 3; require POSIX; POSIX::_exit(0) } select undef, undef, undef, 0.1; kill 9, $$' >out 2>err || status=$?
    same "$status" $KILLED
    has err "perl[" "] was killed by SIGKILL" "it left no dump: killed by SIGKILL"
}
@test "what_a_grandchild_inherits_is_what_was_left_of_it" {
    boxed $KILLED paranoid grandchild
    same "$(inherited "$(box_of "$(pid_of child)")")" "None 100000"
    same "$(inherited "$(box_of "$(pid_of grandchild)")")" "None $((100000 - 60 * 1000 + 20 * 2000 - 20 * 1000 + 10 * 500))"
}
@test "a_child_that_can_map_nothing_leaves_its_parents_alone" {
    for box in sites blocks; do
        boxed $KILLED paranoid WEIR_BOX=$box limited
        same "$(live "$(box_of "$(pid_of own)")" mine)" "1100 1100000"
        same "$(live "$(box_of "$(pid_of own)")" childs)" "0 0"
        rm -r boxes/*
    done
}
@test "a_program_that_makes_large_blocks_only_has_its_sites" {
    boxed $KILLED paranoid grows
    same "$(live "$(boxes)" grows)" "2000 200000000"
}
@test "a_vfork_child_writes_into_its_parents" {
    boxed $KILLED paranoid shares
    same "$(live "$(boxes)" childs)" "10 5000"
}
@test "many_children_leave_nothing" {
    boxed 0 paranoid WEIR_DUMP_AT=none many 300
    same "$(boxes)" ""
}
@test "exec_goes_on_in_a_new_box_and_a_failed_one_in_the_old" {
    boxed $KILLED paranoid exec "$SHIM_TOOLS/boxed"
    same "$(live "$(boxes)" mine)" "7 7000"
    rm -r boxes/*
    boxed $KILLED paranoid exec nowhere fails
    same "$(live "$(boxes)" mine)" "100 100000"
}
@test "an_exec_of_a_program_without_weir_leaves_a_box_that_has_ended" {
    under paranoid WEIR_BOX_DIR="$PWD/boxes" sh -c 'exec env -u LD_PRELOAD sleep 0'
    "$WEIR" ls "$PWD/boxes" >list
    [ ! -s list ] || has list " ended "
    status=0
    "$WEIR" run --quiet --box-dir "$PWD/boxes" -- sh -c 'exec env -u LD_PRELOAD sleep 0' || status=$?
    same "$status" 0
    "$WEIR" clean "$PWD/boxes" >list
    same "$(boxes)" ""
}
@test "counts_go_on_where_an_exec_fails" {
    boxed $KILLED paranoid WEIR_DUMP_AT=signal failing
    same "$(live "$(boxes)" childs)" "$(sed -n 's/^made \([0-9]*\)$/\1 /p' out)$(($(sed -n 's/^made //p' out) * 500))"
}
@test "some_of_the_file_system_is_left_for_others" {
    [ "$(id -u)" = 0 ] || skip "only root can mount"
    mkdir small && unshare -m true 2>/dev/null || skip "no namespaces of mounts here"
    unshare -m bash -c 'mount -t tmpfs -o size=6M tmpfs small && env LD_PRELOAD="$1" WEIR_LEVEL=paranoid WEIR_DUMP_AT=none WEIR_QUIET=1 WEIR_BOX_DIR="$PWD/small" "$2" deep; df --output=avail -k small | tail -n 1' bash "$WEIR_SHIM" "$SHIM_TOOLS/boxed" >out 2>err || true
    [ "$(tail -n 1 out)" -ge 3900 ] || { cat out err; false; }
}
@test "a_child_of_vfork_that_is_terminated_leaves_its_parent_its_dump" {
    boxed 143 paranoid WEIR_DUMP_AT=term borrower
    same "$(dumps_of boxed)" 1
}
@test "what_finds_no_room_is_said_and_the_program_goes_on" {
    boxed $KILLED paranoid WEIR_DEPTH=128 WEIR_BOX_MAX=128K wide 3000
    has err "weir: the box is full (WEIR_BOX_MAX"
    partial "$(boxes)"
}
@test "a_box_of_a_size_that_holds_nothing_is_refused" {
    for size in 1 16K 127K 50% some; do
        boxed $KILLED paranoid WEIR_BOX_MAX=$size kill
        has err "weir: WEIR_BOX_MAX=$size: not a size of 128K or more (try 64M); 64M is used"
        same "$(live "$(boxes)" mine)" "7 7000"
        rm -r boxes/*
    done
}
@test "under_a_low_ceiling_no_block_is_said_to_be_freed" {
    for most in 1M 2M 3M 4M 6M 8M 24M; do
        for box in sites blocks; do
            boxed $KILLED paranoid WEIR_BOX=$box WEIR_MAX_DIRECT=$most wide 3000
            [ -n "$(boxes)" ] || { has err "no box can be made"; continue; }
            "$WEIR" report "$(boxes)" >report 2>err || partial "$(boxes)"
            lacks report "every tracked block was freed"
            lacks report "out of range"
            # Those whose stacks found no room are there, too.
            [ "$most" = 1M ] || same "$({ "$WEIR" report --json "$(boxes)" || true; } | /usr/bin/python3 -S -c 'import json, sys
print(sum(s["blocks"] for s in json.load(sys.stdin)["sites"] if s["bytes"] == s["blocks"] * 1000))')" "$(sed -n 's/^made //p' out)"
            rm -r boxes/*
        done
    done
}
@test "a_box_that_was_cut_is_not_whole" {
    for box in sites blocks; do
        boxed $KILLED paranoid WEIR_BOX=$box wide 3000
        for size in 32768 65536 1000000 4000000; do
            cp --sparse=always "$(boxes)" cut.box
            truncate -s $size cut.box
            partial cut.box
        done
        rm -r boxes/*
    done
}
@test "what_a_box_lacks_is_no_damage" {
    boxed $KILLED paranoid WEIR_BOX=blocks kill
    for area in strings modules segments totals frames; do
        /usr/bin/python3 -S - "$(boxes)" $area.box $area <<'END'
import os, struct, sys
at = {"strings": (16 << 10, 1 << 20), "modules": (1 << 20, 3 << 19), "segments": (3 << 19, 2 << 20), "totals": (2 << 20, 20 << 20), "frames": (20 << 20, 84 << 20)}
begin, end = at[sys.argv[3]]
with open(sys.argv[1], "rb") as box, open(sys.argv[2], "wb") as to:
    size, offset = os.fstat(box.fileno()).st_size, 0
    to.truncate(size)
    while offset < size:
        try: offset = os.lseek(box.fileno(), offset, os.SEEK_DATA)
        except OSError: break # holes from here on
        if not begin <= offset < end: os.pwrite(to.fileno(), os.pread(box.fileno(), 4096, offset), offset)
        offset += 4096
    to.seek(152)  # header.lost
    to.write(struct.pack("<Q", 1))
END
        partial $area.box
        lacks report "impossible"
    done
}
@test "a_box_that_somebody_cuts_is_not_the_programs_end" {
    for level in $LEVELS; do
        boxed 0 "$level" WEIR_SAMPLE_BLOCKS=1 WEIR_DUMP_AT=none cut
        has out "goes on"
        has err "weir: somebody has cut the box short"
        rm -r boxes/*
    done
}
@test "a_folder_that_is_not_the_users_own_is_left_alone" {
    mkdir elsewhere && ln -s "$PWD/elsewhere" "boxes/weir.$(id -u)"
    boxed $KILLED paranoid kill
    same "$(ls elsewhere)" ""
    has err "weir: no box can be made in $PWD/boxes: "
    rm "boxes/weir.$(id -u)" && mkdir -m 755 "boxes/weir.$(id -u)"
    boxed $KILLED paranoid kill
    same "$(boxes)" ""
    chmod 700 boxes/weir.* && touch "boxes/weir.$(id -u)/weir.1.box"
    boxed $KILLED paranoid kill
    [ "$(boxes | wc -l)" = 2 ]
}
@test "where_there_is_no_folder_it_goes_on_without" {
    expect $KILLED paranoid WEIR_BOX_DIR=/nowhere/at/all XDG_RUNTIME_DIR= WEIR_BOX=off "$SHIM_TOOLS/boxed" kill
    silent
    boxed $KILLED paranoid WEIR_BOX=off kill
    same "$(boxes)" ""
    silent
}
@test "a_user_who_is_another_one_now_keeps_his_box" {
    [ "$(id -u)" = 0 ] || skip "only root can become another user"
    boxed $KILLED paranoid user
    same "$(live "$(boxes)" mine)" "50000 50000000"
}
@test "with_blocks_each_block_has_its_age_and_thread" {
    boxed $KILLED paranoid WEIR_BOX=blocks kill
    "$WEIR" report "$(boxes)" >report
    has report "7 blocks of 1000 B, made 0s ago" "By thread $(pid_of own)"
    same "$(live "$(boxes)" mine)" "7 7000"
    rm -rf boxes/*
    boxed $KILLED paranoid WEIR_BOX=blocks resized
    same "$(live "$(boxes)" resized)" "11 30000900"
    rm -rf boxes/*
    boxed $KILLED paranoid WEIR_BOX=blocks forks
    same "$(live "$(box_of "$(pid_of own)")" mine)" "100 100000"
    same "$(live "$(box_of "$(pid_of child)")" childs)" "10 5000"
    same "$(live "$(box_of "$(pid_of child)")" mine)" "0 0"
    rm -rf boxes/*
    boxed $KILLED simple WEIR_BOX=blocks WEIR_SAMPLE_BLOCKS=4 WEIR_SAMPLE_BYTES=1K user
    "$WEIR" report --json "$(boxes)" | /usr/bin/python3 -S -c 'import json, sys
site = max(json.load(sys.stdin)["sites"], key=lambda s: s["bytes"])
assert site["frames"][0]["function"] == "mine" and site["oldest_age"] is not None, site' || "$WEIR" report --json "$(boxes)"
}
@test "where_not_all_blocks_find_room_sites_are_what_counts" {
    boxed $KILLED paranoid WEIR_BOX=blocks WEIR_BOX_MAX=2M user
    "$WEIR" report "$(boxes)" >report
    has report "not all blocks found room"
    lacks report "found no room"
    same "$(live "$(boxes)" mine)" "50000 50000000"
    for what in exits _exits cut many; do boxed "$([ $what = _exits ] && echo 3 || echo 0)" paranoid WEIR_BOX=blocks $what 10; done
}
@test "kills_at_random_instants_leave_what_the_program_has_counted" {
    for level in $LEVELS; do
        for ((i = 0; i < ${KILLS:-6}; i++)); do
            rm -rf boxes/* counts
            expect 0 "$level" WEIR_BOX="$( ((i % 2)) && echo blocks || echo sites)" WEIR_BOX_DIR="$PWD/boxes" sh -c "\"$SHIM_TOOLS/killed\" counts & until [ -s counts ]; do :; done; sleep 0.0$((RANDOM % 90 + 10)); kill -9 \$!; wait \$! || true"
            "$WEIR" report --json "$(boxes)" >json 2>problems || { cat problems; false; }
            [ "$level" = simple ] || /usr/bin/python3 - counts json <<'END'
import json, struct, sys
counts = open(sys.argv[1], "rb").read()
seen = {site["frames"][0]["function"]: site for site in json.load(open(sys.argv[2]))["sites"]}
for site in range(8):
    made = freed = 0
    for thread in range(4):
        m, f = struct.unpack_from("<QQ", counts, (thread * 8 + site) * 16)
        made, freed = made + m, freed + f
    blocks = seen.get("site_%d" % site, {}).get("blocks", 0)
    bytes_ = seen.get("site_%d" % site, {}).get("bytes", 0)
    assert abs(blocks - (made - freed)) <= 4, (site, blocks, made, freed)
    assert abs(bytes_ - (made - freed) * (64 + 32 * site)) <= 4 * (64 + 32 * site), (site, bytes_, made, freed)
END
        done
    done
}
@test "whatever_instant_a_reader_comes_at_what_is_there_is_whole" {
    for box in sites blocks; do
        expect 0 without env WEIR_SHIM="$WEIR_SHIM" WEIR_LEVEL=paranoid WEIR_DUMP_AT=none WEIR_BOX_DIR="$PWD/boxes" \
            WEIR_BOX=$box ${LONG:+FROM_START=1} "$SHIM_TOOLS/published" "$SHIM_TOOLS/published"
        has out " rows seen"
    done
}
@test "a_crash_leaves_a_dump_where_it_is_asked_for_and_its_own_signal" {
    for level in disabled $LEVELS; do
        for thread in "" thread; do
            for how in fault:139 abort:134 overflow:139; do
                boxed "${how#*:}" "$level" WEIR_ON_CRASH=dump crash "${how%:*}" $thread
                silent
                "$WEIR" report --json "$(the_dump boxed)" >json
                [ "$level" != paranoid ] || same "$(live "$(the_dump boxed)" mine)" "150 150000"
                has json '"dumped_at":"crash"' "\"killed_by\":\"$([ "${how#*:}" = 134 ] && echo SIGABRT || echo SIGSEGV)\""
                same "$(boxes)" ""
            done
        done
        boxed 139 "$level" crash fault
        [ "$(dumps_of boxed)" = 0 ] && [ "$(boxes | wc -l)" = 1 ]
        rm -r boxes/*
    done
}
@test "sigterm_leaves_a_dump_with_verdicts_where_it_is_asked_for" {
    for level in disabled $LEVELS; do
        boxed 143 "$level" WEIR_DUMP_AT=term WEIR_LEAKS=exit crash terminate
        silent
        "$WEIR" report "$(the_dump boxed)" >report
        has report "of all blocks  leaked 0"
        same "$(json 'd["process"]["killed_by"]' "$(the_dump boxed)")" SIGTERM
        same "$(boxes)" ""
        boxed 143 "$level" crash terminate
        [ "$(dumps_of boxed)" = 0 ]
        rm -rf boxes/*
    done
}
@test "a_program_that_has_written_over_its_environment_is_asked_all_the_same" {
    local shim=$WEIR_SHIM
    (
        plain_environment "$PWD"
        close_fds_of_bats
        exec env LD_PRELOAD="$shim" WEIR_LEVEL=paranoid WEIR_BOX_DIR="$PWD/boxes" WEIR_OUTPUT="$PWD/asked.dump" \
            perl -e '$0 = "title " x 1000; $| = 1; print "$$\n"; sleep 20' >out 2>err </dev/null
    ) &
    until [ -s out ]; do sleep 0.05; done
    ! tr '\0' '\n' <"/proc/$(cat out)/environ" | grep -q WEIR_BOX_DIR
    "$WEIR" dump "$(cat out)" >answer
    same "$(cat answer)" "$PWD/asked.dump"
    kill "$(cat out)" && wait 2>/dev/null || true
}
# A cgroup of 60 MiB for this process's children: its folder; fails where none can be made.
make_cgroup() {
    local own
    own=$(sed -nE 's|^[0-9]+:memory:|/sys/fs/cgroup/memory|p; s|^0::|/sys/fs/cgroup|p' /proc/self/cgroup | head -n 1)/weir.$$
    mkdir "$own" 2>/dev/null && echo "$own" >cgroup &&
        { echo 60M >"$own/memory.limit_in_bytes" || { echo 60M >"$own/memory.max" && echo 0 >"$own/memory.swap.max"; }; } 2>/dev/null
}
teardown() { [ ! -e cgroup ] || { sleep 0.2; rmdir "$(cat cgroup)"; }; }
@test "what_the_kernel_kills_for_memory_is_named_with_the_site_that_grew" {
    make_cgroup || skip "no memory cgroup can be made here"
    status=0
    sh -c "echo \$\$ >$(cat cgroup)/cgroup.procs; exec \"$WEIR\" run --box-dir \"$PWD/boxes\" -- \"$SHIM_TOOLS/boxed\" grows" >out 2>err || status=$?
    same "$status" $KILLED
    has err "was killed by SIGKILL, maybe by the kernel for memory" "  1 "
    same "$(sed -nE 's/^  1 .* //p' err)" grows
}
@test "a_dump_that_is_being_written_when_its_process_is_killed_is_waited_for" {
    for i in 1 2 3 4 5 6; do # written by a copy of the process, at the ceiling
        status=0
        "$WEIR" run --level paranoid --box-dir "$PWD/boxes" --max-direct 64M -- "$SHIM_TOOLS/boxed" refused >out 2>err || status=$?
        same "$status" $KILLED
        lacks err "goes on"
        has err "was killed by SIGKILL" "malloc of 64 MiB refused"
        same "$(boxes)" ""
        rm -rf weir.boxed.*
    done
}
@test "weir_run_keeps_what_was_killed" {
    status=0
    "$WEIR" run --level paranoid --box-dir "$PWD/boxes" -- "$SHIM_TOOLS/boxed" forks >out 2>err || status=$?
    same "$status" $KILLED
    has err "boxed[$(pid_of own)] was killed by SIGKILL" "boxed[$(pid_of child)] left no dump: killed"
    same "$(boxes)" ""
    same "$(live "$(find . -name "weir.boxed.$(pid_of child).left.dump")" childs)" "10 5000"
}
@test "what_weir_run_knows_of_the_end_is_in_what_it_keeps" {
    local program='use strict; my @kept = map { "x" x 500 } 1 .. 500; select undef, undef, undef, 0.4;' status=0
    told() { json '(d["process"]["killed_by"], d["process"]["exit_status"], 0.4 <= d["process"]["uptime_seconds"] < 60)' weir.perl.*.dump; }
    "$WEIR" run --level paranoid --box-dir "$PWD/boxes" -- perl -e "$program kill 9, \$\$" >out 2>err || status=$?
    same "$status" $KILLED
    same "$(told)" "('SIGKILL', None, True)"
    "$WEIR" report weir.perl.*.dump >out
    has out "it left no dump: killed by SIGKILL; by site, no verdicts"
    lacks out "at least"
    rm weir.perl.*.dump
    # 231 is exit_group.
    "$WEIR" run --level paranoid --box-dir "$PWD/boxes" -- perl -e "$program syscall 231, 3" >out 2>err || status=$?
    same "$status" 3
    same "$(told)" "(None, 3, True)"
    "$WEIR" report weir.perl.*.dump >out
    has out "it left no dump: ended with 3 past its exit hooks"
    rm weir.perl.*.dump
    # Of others nobody knows.
    "$WEIR" run --level paranoid --box-dir "$PWD/boxes" -- sh -c 'perl -e "$1 kill 9, \$\$"; exit 0' sh "$program" >out 2>err
    "$WEIR" report weir.*.d/weir.perl.*.left.dump >out
    has out "up at least" "it left no dump: killed, crashed, or ended past its exit hooks"
}
