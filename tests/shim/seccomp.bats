#!/usr/bin/env bats
# Programs that install a filter of system calls which kills: they end as without weir, which does no more than the filter
# lets through.
load helpers

setup_file() { build_tools; }
setup() { plain; }

SAID="weir: the program's filter of system calls forbids what a dump needs: none will be written"

# ends_by_itself HOW SAID DUMPS [END:STATUS...]: whatever it ends by, its status is its own.
ends_by_itself() {
    local level end
    [ $# -gt 3 ] || set -- "$@" return:5 exit:3 _exit:4
    for end in "${@:4}"; do
        [[ $1 != strict || $end == exit:3 ]] || continue # it leaves at once
        expect "${end#*:}" without "$SHIM_TOOLS/filtered" "$1" "${end%:*}"
        for level in $LEVELS; do
            expect "${end#*:}" "$level" "$SHIM_TOOLS/filtered" "$1" "${end%:*}"
            same "$(cat out err)" "used${2:+$'\n'$2}"
            same "$(find dumps -type f | wc -l)" "$3"
        done
    done
}
@test "a_filter_set_by_prctl_does_not_kill_for_weirs_calls" { ends_by_itself prctl "$SAID" 0; }
@test "a_filter_set_by_syscall_does_not_kill_for_weirs_calls" { ends_by_itself syscall "$SAID" 0 return:5; }
@test "a_filter_that_lets_files_be_opened_leaves_no_half_dump" { ends_by_itself prctl-files "$SAID" 0; }
@test "strict_mode_does_not_kill_for_weirs_calls" { ends_by_itself strict "$SAID" 0; }
@test "a_filter_that_nobody_saw_is_found_before_the_end" { ends_by_itself raw-files "" 0; }
@test "a_filter_of_one_thread_keeps_nothing_from_the_others" {
    ends_by_itself thread-prctl "" 1 return:5
    ends_by_itself thread-syscall "" 1 _exit:4
}
@test "a_filter_that_the_kernel_refuses_changes_nothing" { ends_by_itself refused "" 1 exit:3; }

@test "a_filter_that_forbids_to_make_files_is_said_in_words" {
    for level in $LEVELS; do
        expect 3 "$level" WEIR_OUTPUT="$PWD/dumps/x.dump" "$SHIM_TOOLS/filtered" syscall-answers exit
        same "$(cat err)" "weir: no dump is written to $PWD/dumps/x.dump: the program's filter of system calls forbids it"
        same "$(find dumps -type f | wc -l)" 0
    done
}

@test "the_ceiling_refuses_under_a_filter_as_without" {
    for level in $LEVELS; do
        expect 1 "$level" WEIR_MAX_DIRECT=16M "$SHIM_TOOLS/filtered" prctl exit # what it needs is more
        same "$(grep -v '^weir:' err)" ""
    done
}
@test "a_dump_signal_under_a_filter_ends_nothing" {
    for level in $LEVELS; do
        expect 3 "$level" /usr/bin/python3 -S -c 'import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
# tgkill and getpid raise the signal; what cloning or opening needs is killed for
allowed = [0, 1, 9, 10, 11, 12, 13, 14, 15, 25, 28, 39, 62, 98, 186, 202, 231, 234]
code = struct.pack("<HBBI", 0x20, 0, 0, 0)
for n in allowed: code += struct.pack("<HBBI", 0x15, 0, 1, n) + struct.pack("<HBBI", 6, 0, 0, 0x7fff0000)
code += struct.pack("<HBBI", 6, 0, 0, 0x80000000)
program = ctypes.create_string_buffer(code)
fprog = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(program))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, fprog, 0, 0) == 0
os.kill(os.getpid(), 63)
os._exit(3)'
        same "$(cat err)" "$SAID"
        same "$(find dumps -type f | wc -l)" 0
    done
}
