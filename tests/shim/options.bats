#!/usr/bin/env bats
# Options that cannot be read: one line each, and the program runs as if they had not been given.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# complains VARIABLE=VALUE WORDS: the only line on standard error is "weir: VARIABLE=VALUE: WORDS".
complains() {
    expect 3 disabled WEIR_DUMP_AT=none "$1" "$SHIM_TOOLS/ends" exit
    same "$(cat err)" "weir: $1: $2"
}

@test "an_unknown_option_is_named_and_ignored" {
    expect 3 disabled WEIR_LEVLE=paranoid "$SHIM_TOOLS/ends" exit
    same "$(cat err)" "weir: WEIR_LEVLE: no such option; it is ignored"
    same "$(dumps_of ends)" 1
}

@test "a_bad_ceiling_is_named_and_none_is_set" {
    for value in 12Q "" 0 -1 M 1.5G 512MB 101% 0% 99999999999999999999 9223372036854775807T " 1M" 0x10; do
        complains "WEIR_MAX_DIRECT=$value" "not a size (try 512M); no ceiling is set"
    done
}
@test "a_bad_level_is_named_and_simple_is_used" {
    for value in "" 4 all Paranoid "paranoid "; do
        expect 3 "$value" "$SHIM_TOOLS/ends" exit
        same "$(head -n 1 err)" "weir: WEIR_LEVEL=$value: not a level (disabled, simple, advanced, paranoid, or 0 to 3); simple is used"
        same "$(json 'd["process"]["level"]' "$(the_dump ends)")" simple
    done
}
@test "a_bad_sampling_is_named" {
    for value in "" 0 1 2T 5% x -1; do complains "WEIR_SAMPLE_BYTES=$value" "not a size from 2 to 1T (try 64K); 64K is used"; done
    for value in "" 0 1000001 1K x; do complains "WEIR_SAMPLE_BLOCKS=$value" "not a number from 1 to 1000000; 128 is used"; done
    for value in "" 0 1000001 none; do complains "WEIR_SAMPLE_RATE=$value" "not a number from 1 to 1000000; 10000 is used"; done
}
@test "a_bad_window_is_named" { for value in "" 0 64X -1; do complains "WEIR_WINDOW=$value" "not a size (try 64G); as much as costs little is reserved"; done; }
@test "a_bad_number_of_records_is_named" { for value in "" -1 1001 x 1x; do complains "WEIR_TARGET_RECORDS=$value" "not a number from 0 to 1000; 4 is used"; done; }
@test "a_bad_depth_is_named" { for value in "" 0 129 x 1x; do complains "WEIR_DEPTH=$value" "not a number from 1 to 128; 64 is used"; done; }
@test "a_bad_output_is_named" { for value in "" %x 100% %; do complains "WEIR_OUTPUT=$value" "not a file name (%e %p %n %t and %% may stand in it); weir.%e.%p.dump is used"; done; }
@test "a_bad_moment_is_named" {
    for value in never exit,never EXIT; do
        expect 3 disabled WEIR_OUTPUT="$PWD/dumps/%e.%p.dump" WEIR_DUMP_AT="$value" "$SHIM_TOOLS/ends" exit
        same "$(cat err)" "weir: WEIR_DUMP_AT=$value: not a list of exit, signal, limit, term, or none; exit,signal,limit is used"
        same "$(dumps_of ends)" 1
    done
}
@test "a_signal_that_may_not_be_used_is_named" {
    for value in "" KILL SIGSTOP 9 19 32 33 0 65 RTMAX-31 SEGV; do
        complains "WEIR_SIGNAL=$value" "not a signal that may be used (try SIGRTMAX-1); SIGRTMAX-1 is used"
    done
}
@test "bad_switches_are_named" {
    complains WEIR_QUIET=yes "not 0 or 1; messages are printed"
    complains WEIR_QUIET= "not 0 or 1; messages are printed"
    complains WEIR_ZERO_ON_FREE=2 "not 0 or 1; 0 is used"
    complains WEIR_PATTERN=no "not 0 or 1; 1 is used"
    complains WEIR_ON_MISMATCH=ignore "not report, abort or off; report is used"
    complains WEIR_ON_ERROR=ignore "not abort or report; abort is used"
    complains WEIR_BOX_DIR=relative "not an absolute path; /dev/shm is used"
    complains "WEIR_RUN=$(printf 'x%.0s' {1..65})" "longer than 64 bytes; ignored"
}

@test "what_a_bad_value_holds_does_not_act_on_a_terminal" {
    expect 3 disabled WEIR_DUMP_AT=none WEIR_MAX_DIRECT=$'\e]0;x\a\n2' "$SHIM_TOOLS/ends" exit
    same "$(cat err)" "weir: WEIR_MAX_DIRECT=?]0;x??2: not a size (try 512M); no ceiling is set"
}

@test "a_value_of_any_length_is_cut" {
    expect 3 disabled WEIR_DUMP_AT=none WEIR_MAX_DIRECT="$(printf 'x%.0s' {1..50000})" "WEIR_$(printf 'Y%.0s' {1..50000})=1" "$SHIM_TOOLS/ends" exit
    same "$(wc -l <err)" 2
    [ "$(wc -c <err)" -lt 400 ]
}

@test "quiet_means_quiet" {
    expect 3 paranoid WEIR_QUIET=1 WEIR_NONSENSE=1 WEIR_MAX_DIRECT=x WEIR_OUTPUT=/nowhere/at/all "$SHIM_TOOLS/ends" exit
    silent
}

@test "the_dump_tells_the_ceiling_and_the_level_in_force" {
    expect 3 paranoid WEIR_MAX_DIRECT=64m WEIR_DEPTH=17 WEIR_SIGNAL=SIGUSR2 "$SHIM_TOOLS/ends" exit
    same "$(json '(d["direct"]["max"], d["process"]["level"])' "$(the_dump ends)")" "(67108864, 'paranoid')"
}
