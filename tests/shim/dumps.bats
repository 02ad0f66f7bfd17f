#!/usr/bin/env bats
# Every way in which a program ends or is asked leaves the dump it should, and the program ends as it would have.
load helpers

setup_file() { build_tools; }
setup() { plain; }
teardown() { stop_started; }

# leaves_a_dump HOW STATUS REASON RECORDED: ends.c ends so with and without weir, and its block is in its one dump.
leaves_a_dump() {
    local level
    expect "$2" without "$SHIM_TOOLS/ends" "$1"
    for level in $LEVELS; do
        expect "$2" "$level" "$SHIM_TOOLS/ends" "$1"
        silent
        same "$(json '(d["process"]["dumped_at"], d["process"]["exit_status"], d["partial"], d["direct"]["count"] > 0)' "$(the_dump ends)")" "('$3', $4, False, True)"
    done
    same "$(json 'blocks(12345)' "$(the_dump ends)")" 1 # paranoid's
}

@test "return_from_main_leaves_a_dump" { leaves_a_dump return 0 exit 0; }
@test "exit_leaves_a_dump" { leaves_a_dump exit 3 exit 3; }
@test "_exit_leaves_a_dump" { leaves_a_dump _exit 4 exit 4; }
@test "_Exit_leaves_a_dump" { leaves_a_dump _Exit 5 exit 5; }
@test "quick_exit_leaves_a_dump" { leaves_a_dump quick_exit 6 exit None; }
@test "execv_leaves_a_dump" { leaves_a_dump execv 0 exec None; }
@test "execl_leaves_a_dump" { leaves_a_dump execl 0 exec None; }
@test "execlp_leaves_a_dump" { leaves_a_dump execlp 0 exec None; }
@test "a_failed_exec_leaves_only_the_dump_at_exit" { leaves_a_dump failed_exec 7 exit 7; }
@test "a_vfork_child_leaves_no_dump" { leaves_a_dump vfork 9 exit 9; }
@test "a_spawned_child_leaves_none_of_its_parent" { leaves_a_dump spawn 0 exit 0; }
@test "exit_while_16_threads_allocate_leaves_a_dump" { leaves_a_dump threads 3 exit 3; }

@test "a_forked_child_leaves_its_own_blocks_and_names_the_inherited" {
    expect 0 paranoid "$SHIM_TOOLS/ends" fork
    silent
    same "$(dumps_of ends)" 2
    for dump in dumps/*; do
        json '(blocks(12345), blocks(54321), d["totals"]["inherited_blocks"], d["totals"]["inherited_bytes"])' "$dump"
    done | sort >seen
    same "$(cat seen)" $'(0, 1, 1, 13312)\n(1, 0, 0, 0)'
}

# inherited PID: what its dump says of its own blocks, of those that it inherited, and from whom.
inherited() {
    json '"{} own of 16 and {} of 777, {} listed, {} from {}".format(blocks(16), blocks(777), d["totals"]["blocks"], d["totals"]["inherited_blocks"], d["process"]["forked_from"])' "dumps/ends.$1.1.dump"
}
@test "children_count_what_they_inherited_and_list_their_own" {
    expect 0 paranoid "$SHIM_TOOLS/ends" inherits
    silent
    read -r grandchild second first parent <out
    all=$(json 'd["totals"]["inherited_blocks"]' "dumps/ends.$first.1.dump")
    [ "$all" -ge 200000 ] && [ "$all" -le 200010 ] || { seen; false; }
    same "$(inherited "$first")" "0 own of 16 and 0 of 777, 0 listed, $all from $parent"
    same "$(inherited "$second")" "5 own of 16 and 10 of 777, 15 listed, $((all - 1000)) from $parent"
    same "$(inherited "$grandchild")" "0 own of 16 and 0 of 777, 0 listed, $((all - 985)) from $second"
    same "$(json 'd["direct"]["count"]' "dumps/ends.$second.1.dump")" $((all - 985))
    for child in "$first" "$second" "$grandchild"; do [ "$(stat -c %s "dumps/ends.$child.1.dump")" -lt 10000 ]; done
    timeout 60 "$WEIR_REPORTER" report "dumps/ends.$first.1.dump" >text </dev/null 3>&-
    grep -qE "^200,00[0-9] blocks inherited from process $parent are not listed \([0-9.]+ MiB\)\$" text || { cat text; false; }
}

@test "hardening_without_tracking_leaves_a_whole_dump_that_lists_no_block" {
    expect 0 disabled WEIR_HARDEN=1 "$SHIM_TOOLS/ends" fork
    silent
    for dump in dumps/*; do
        json '(d["partial"], d["totals"]["blocks"], d["totals"]["inherited_blocks"], d["direct"]["count"] > 0)' "$dump"
    done >seen
    same "$(cat seen)" $'(False, 0, 0, True)\n(False, 0, 0, True)'
}

@test "a_killed_program_dies_of_the_same_signal_without_a_dump" {
    for level in $LEVELS; do
        expect 143 "$level" "$SHIM_TOOLS/ends" killed
        silent
        same "$(dumps_of ends)" 0
    done
}

@test "a_file_opened_in_place_of_standard_error_stays_as_it_is" {
    expect 0 paranoid WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/ends" closed "$PWD/one" "$PWD/two"
    same "$(cat one two)" database
    silent
    same "$(json 'blocks(12345)' "$(the_dump ends)")" 1
}

@test "a_program_without_standard_streams_leaves_a_dump" {
    for level in $LEVELS; do
        expect 4 "$level" sh -c 'exec "$0" _exit <&- >&- 2>&-' "$SHIM_TOOLS/ends"
        json '' "$(the_dump ends)"
    done
}

# unwritable OUTPUT WHY: one line on standard error, and the program's own status.
unwritable() {
    local level
    for level in $LEVELS; do
        expect 3 "$level" WEIR_OUTPUT="$1" "$SHIM_TOOLS/ends" exit
        same "$(cat err)" "weir: no dump is written to $1: $2"
    done
}
@test "a_missing_folder_is_one_line" { unwritable "$PWD/missing/x.dump" "no such folder"; }
@test "a_file_as_folder_is_one_line" { touch file && unwritable "$PWD/file/x.dump" "not a folder"; }
@test "a_folder_that_may_not_be_written_is_one_line" { unwritable /sys/kernel/x.dump "permission denied"; }
@test "a_full_disk_is_one_line_and_leaves_no_half_file" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    unshare -m true 2>/dev/null || skip "mounting is not permitted here"
    mkdir full
    expect 3 without unshare -m sh -c 'mount -t tmpfs -o size=64k none full && head -c 64K /dev/zero >full/other || exit 99
        LD_PRELOAD=$1 WEIR_LEVEL=paranoid WEIR_OUTPUT=$PWD/full/x.dump "$0" exit; s=$?; ls full; umount full; exit $s' "$SHIM_TOOLS/ends" "$WEIR_SHIM"
    same "$(cat err)" "weir: no dump is written to $PWD/full/x.dump: no space left"
    same "$(cat out)" other
}
@test "a_limit_on_file_sizes_does_not_end_the_program" {
    expect 3 without bash -c 'ulimit -f 1; LD_PRELOAD=$1 WEIR_LEVEL=paranoid WEIR_OUTPUT=$PWD/dumps/x.dump exec "$0" exit' "$SHIM_TOOLS/ends" "$WEIR_SHIM"
    same "$(cat err)" "weir: no dump is written to $PWD/dumps/x.dump: file too large"
    same "$(ls dumps)" ""
}
@test "no_descriptor_left_is_one_line" {
    expect 3 paranoid WEIR_OUTPUT="$PWD/dumps/x.dump" /usr/bin/python3 -S -c 'import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); os._exit(3)'
    same "$(cat err)" "weir: no dump is written to $PWD/dumps/x.dump: too many open files"
}

@test "what_is_there_is_never_overwritten_nor_followed" {
    echo mine >mine
    mkdir folder.dump
    ln -s "$PWD/elsewhere" link.dump
    for name in mine folder.dump link.dump; do expect 3 paranoid WEIR_OUTPUT="$PWD/$name" "$SHIM_TOOLS/ends" exit; done
    silent
    same "$(cat mine)" mine
    [ ! -e elsewhere ]
    for dump in mine.2 folder.2.dump link.2.dump; do same "$(json 'blocks(12345)' "$dump")" 1; done
}

@test "stacks_of_what_was_freed_take_no_room" {
    expect 0 paranoid /usr/bin/python3 -S -c 'import json, re, argparse; print(len(json.dumps(list(map(str, range(1000))))))'
    json '' "$(the_dump python3)"
    cat >check.py <<'END'
import json, struct, sys
sites = json.load(open("report.json"))["sites"]
data, at, sections = open(sys.argv[1], "rb").read(), 64, {}
while at < len(data):
    kind, stride, length = struct.unpack_from("<IIQ", data, at)
    sections[kind] = data[at + 24:at + 24 + length]
    at += 24 + (length + 7) // 8 * 8
def column(section, record, offset): # an id of a stack in each record
    data = sections[section]
    return {struct.unpack_from("<I", data, i + offset)[0] for i in range(0, len(data), record)}
stacks = list(struct.iter_unpack("<IHHQ", sections[7]))
named = {i for i, s in enumerate(stacks) if s[1]}
live = column(9, 40, 24) | column(14, 32, 24) | column(17, 40, 32)
totals = column(18, 136, 0) # what was made there matters in all that was ever made
print(len(sites) > 10, len(stacks) == len(named) + 1, len(sections[6]) == 8 * sum(stacks[i][1] for i in named), named <= live | totals)
END
    same "$(/usr/bin/python3 check.py "$(the_dump python3)" 3>&-)" "True True True True"
}

@test "two_dumps_of_one_name_are_numbered" {
    expect 0 paranoid WEIR_OUTPUT="$PWD/dumps/x.dump" "$SHIM_TOOLS/ends" fork
    same "$(ls dumps)" $'x.2.dump\nx.dump'
}

@test "names_are_made_of_program_pid_number_and_time" {
    expect 3 disabled WEIR_OUTPUT="$PWD/dumps/%e-%n-%%-%t" "$SHIM_TOOLS/ends" exit
    [[ $(ls dumps) =~ ^ends-1-%-[0-9]{10}$ ]] || { ls dumps; false; }
}

@test "a_relative_name_is_taken_from_where_the_program_started" {
    expect 3 paranoid WEIR_OUTPUT=dumps/x.dump /bin/bash -c 'cd /; exit 3'
    same "$(ls dumps)" x.dump
}

@test "dump_at_none_leaves_nothing" {
    for how in exit _exit quick_exit execv fork; do
        under paranoid WEIR_DUMP_AT=none "$SHIM_TOOLS/ends" $how
        same "$(ls dumps)" "" || { echo "of $how"; false; }
        silent
    done
}

@test "a_dump_is_readable_by_its_owner_only" {
    expect 3 paranoid "$SHIM_TOOLS/ends" exit
    same "$(stat -c %a "$(the_dump ends)")" 600
}

@test "a_limit_on_address_space_set_later_costs_no_dump" {
    for level in $LEVELS; do
        expect 3 "$level" /usr/bin/python3 -S -c 'import ctypes, json, os, re, resource, argparse
libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; libc.malloc(54321)
resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20)) # less than there is already: nothing can be mapped
os._exit(3)'
        silent
        [ "$level" != paranoid ] || same "$(json 'blocks(54321)' "$(the_dump python3)")" 1
    done
}
@test "little_address_space_from_the_start_costs_no_dump" {
    for kilobytes in 30000 100000 300000 1000000; do
        for level in $LEVELS; do
            expect 3 "$level" bash -c "ulimit -v $kilobytes; exec $SHIM_TOOLS/ends exit"
            lacks err "no dump"
            json '' "$(the_dump ends)"
        done
    done
}

# --- one at a time ---

# all_are_whole: no dump is damaged or half written. What copies of the process write may come a little later.
all_are_whole() {
    local dump
    for dump in dumps/*; do
        [[ $dump == *.part ]] || { json '' "$dump" && grep -o '"dumped_at": *"[a-z]*"' report.json | head -n 1 || return 1; }
    done
    no_part() { ! compgen -G 'dumps/*.part' >/dev/null; }
    wait_for 20 no_part || { echo "half written: $(ls dumps)"; return 1; }
}

@test "dumps_of_all_reasons_at_once_are_whole" {
    for ((round = 0; round < $(few 4); round++)); do
        for level in $LEVELS; do
            expect 3 "$level" WEIR_OUTPUT="$PWD/dumps/x.%n.dump" "$SHIM_TOOLS/ends" dumps_at_once
            all_are_whole >reasons || { cat reasons; false; }
            same "$(grep -c exit reasons)" 1
            [ "$(wc -l <reasons)" -lt 150 ] || { wc -l reasons; false; } # the end did not wait for all the others
            has reasons signal
            lacks reasons exec # each of them failed
        done
    done
}
@test "an_exec_and_an_exit_at_once_leave_one_whole_dump" {
    for ((round = 0; round < $(few 20); round++)); do
        under paranoid "$SHIM_TOOLS/ends" exec_and_exit
        [ "$status" = 0 ] || [ "$status" = 3 ] || { seen; false; }
        all_are_whole
        [ "$(dumps_of ends)" -ge 1 ]
    done
}
@test "a_handler_that_ends_the_program_does_not_cut_its_dump" {
    for ((round = 0; round < $(few 20); round++)); do
        expect 3 paranoid "$SHIM_TOOLS/ends" handler_ends_exec
        all_are_whole
        the_dump ends >/dev/null
    done
}

# --- the dump signal; 63 is SIGRTMAX-1 ---

is_there() { compgen -G "$1" >/dev/null; }

# Python leaks 12345 bytes, tells that it is there, and sleeps.
idle='import ctypes, signal, time; libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; p = libc.malloc(12345); open("ready", "w"); time.sleep(60)'

@test "an_idle_program_is_dumped_by_weir_dump_and_goes_on" {
    start_under_weir paranoid dumps /usr/bin/python3 -S -c "$idle"
    wait_for 10 test -e ready
    timeout 20 "$WEIR_REPORTER" dump "$started" >path 2>err </dev/null 3>&- || { cat err; false; }
    silent
    same "$(cat path)" "$(realpath dumps)/$(ls dumps)"
    same "$(json '(blocks(12345), d["process"]["dumped_at"], d["process"]["exit_status"])' "$(cat path)")" "(1, 'signal', None)"
    kill -0 "$started"
}

@test "an_idle_program_is_dumped_on_the_signal_and_goes_on" {
    start_under_weir paranoid dumps /usr/bin/python3 -S -c "$idle"
    wait_for 10 test -e ready
    for n in 1 2 3; do
        kill -63 "$started"
        wait_for 10 is_there "dumps/*.$n.dump"
    done
    kill -0 "$started"
    [ ! -s err ] || { cat err; false; }
}

# A master that adopts orphans, and its worker, which is dumped on the signal: twice while it runs, once as it ends.
master='import ctypes, glob, os, sys, time
if sys.argv[1] == "subreaper": ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
worker = os.fork()
if worker == 0:
    for n in (1, 2):
        os.kill(os.getpid(), 63)
        while len(glob.glob("dumps/*.%d.dump" % n)) < 1: time.sleep(0.01)
    os.kill(os.getpid(), 63)
    os._exit(0)
seen = []
while True:
    try: seen.append(os.wait()[0])
    except ChildProcessError: break
print("only its worker" if seen == [worker] else "%d and %s" % (worker, seen))'
@test "a_master_that_adopts_orphans_sees_no_child_but_its_own" {
    for level in $LEVELS; do
        expect 0 "$level" /usr/bin/python3 -S -c "$master" subreaper
        same "$(cat out)" "only its worker"
        silent
        dumps_come python3 5 # three on the signal, two at exit
    done
}
@test "a_master_that_is_process_1_sees_no_child_but_its_own" {
    unshare -pf --mount-proc true 2>/dev/null || skip "new namespaces are not permitted here"
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=exit,signal unshare -pf --mount-proc /usr/bin/python3 -S -c "$master" first
        same "$(cat out)" "only its worker"
        silent
    done
}
@test "a_dump_before_the_first_child_in_a_new_namespace_takes_nothing_from_it" {
    unshare -pf true 2>/dev/null || skip "new namespaces are not permitted here"
    for level in $LEVELS; do
        expect 0 "$level" /usr/bin/python3 -S -c 'import ctypes, glob, os
libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; libc.malloc(54321)
assert libc.unshare(0x20000000) == 0
os.kill(os.getpid(), 63)
for i in range(2):
    child = os.fork()
    if child == 0: os.execv("/bin/sh", ["sh", "-c", "echo child $$"])
    assert os.waitpid(child, 0)[1] == 0
    os.kill(os.getpid(), 63)
    if i == 0: break'
        same "$(cat out)" "child 1"
        dumps_come python3 4 # two on the signal, one before exec, one at exit
    done
}

@test "a_sleep_is_not_cut_short_by_the_signal" {
    expect 0 disabled /usr/bin/python3 -S -c 'import os, threading, time
t = threading.Timer(0.1, lambda: os.kill(os.getpid(), 63)); t.start()
begin = time.monotonic(); time.sleep(0.3); seen = time.monotonic() - begin
print(seen >= 0.3)'
    same "$(cat out)" True
    dumps_come python3 2
}

@test "a_blocked_signal_waits_until_it_is_let_in" {
    expect 0 paranoid /usr/bin/python3 -S -c 'import os, signal, time, glob
signal.pthread_sigmask(signal.SIG_BLOCK, [63]); os.kill(os.getpid(), 63); time.sleep(0.1)
print(len(glob.glob("dumps/*"))); signal.pthread_sigmask(signal.SIG_UNBLOCK, [63])
for i in range(500):
    if glob.glob("dumps/*"): break
    time.sleep(0.01)
print(len(glob.glob("dumps/*")))'
    same "$(cat out)" $'0\n1'
}

@test "an_ignored_signal_stays_ignored" {
    expect 0 paranoid WEIR_DUMP_AT=signal /bin/sh -c 'trap "" 63; exec perl -e "kill 63, \$\$; sleep 0.2; print q(on)"'
    same "$(cat out)" on
    same "$(dumps_of perl)" 0
}

@test "a_programs_own_handler_for_the_signal_is_its_own" {
    expect 0 paranoid WEIR_DUMP_AT=signal perl -e '$SIG{RTMAX} = $SIG{NUM63} = sub { print "handled\n" }; use POSIX;
        sigaction(63, POSIX::SigAction->new(sub { print "mine\n" })); kill 63, $$; print "on\n"'
    same "$(cat out)" $'mine\non'
    same "$(dumps_of perl)" 0
}

@test "another_signal_is_used_where_one_is_named" {
    expect 0 paranoid WEIR_DUMP_AT=signal WEIR_SIGNAL=SIGUSR2 perl -e 'kill USR2, $$; select undef, undef, undef, 0.01 until glob "dumps/perl.*.dump"; print "on"'
    same "$(cat out)" on
    same "$(dumps_of perl)" 1
}

@test "dumps_only_at_exit_leave_the_signal_alone" {
    under paranoid WEIR_DUMP_AT=exit perl -e 'kill 63, $$; sleep 1'
    same "$status" 191 # killed by it, as without weir
}

@test "a_dump_at_exit_needs_no_more_than_a_small_signal_stack" {
    for level in $LEVELS; do
        expect 7 "$level" "$SHIM_TOOLS/ends" small_stack
        the_dump ends >/dev/null
    done
}
