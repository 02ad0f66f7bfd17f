#!/usr/bin/env bats
# weir dump, against a stand-in for libweir.so that answers the dump signal.
load helpers

setup_file() { build_tools "$BUILD/tests/reporter/stub/weir" "$BUILD/tests/reporter/stub/libweir.so"; }
setup() { plain; mkdir box; export WEIR_BOX_DIR=$PWD/box; }
teardown() { stop; }

stop() {
    [ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -z "${pid:-}" ] || wait "$pid" 2>/dev/null || true
    pid=
}

start() { # start [NAME=VALUE...]: a sleeping program under the stand-in
    env LD_PRELOAD="$TOOLS/stub/libweir.so" WEIR_OUTPUT="$PWD/%e.%n.dump" "$@" perl -e 'sleep 1 for 1..60' >/dev/null 2>&1 3>&- &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        [ "$(cat "/proc/$pid/comm")" = perl ] && grep -q '^SigCgt:.*[4-7c-f]...............$' "/proc/$pid/status" && return
        sleep 0.02
    done
}

@test "a_running_program_leaves_a_dump_and_its_path_is_printed" {
    start
    expect 0 "$STUB" dump "$pid"
    [ "$out" = "$PWD/perl.1.dump" ] && [ -z "$err" ]
    [ -z "$(ls box)" ] # the answer is taken away
    expect 0 "$STUB" report "$out"
    expect 0 "$STUB" dump "$pid"
    [ "$out" = "$PWD/perl.2.dump" ]
    kill -0 "$pid"
}

@test "nothing_is_sent_to_a_process_that_the_signal_would_kill" {
    sleep 60 3>&- &
    pid=$!
    expect 3 "$STUB" dump "$pid"
    one_line
    has "$err" "weir: $pid: it does not run under weir"
    kill -0 "$pid"
    stop
    start WEIR_SIGNAL=USR2
    expect 3 "$STUB" dump "$pid"
    one_line
    has "$err" "it does not wait for SIGUSR2"
    kill -0 "$pid"
    stop
    start WEIR_SIGNAL=none
    expect 3 "$STUB" dump "$pid"
    has "$err" "switched off"
}

@test "no_process_a_thread_and_nonsense_are_named" {
    expect 3 "$STUB" dump 4194304
    one_line
    has "$err" "no such process"
    for wrong in "" 0 -1 x 12x "1 2"; do
        expect 2 "$STUB" dump $wrong
    done
    expect 2 "$STUB" dump --timeout=never 1
}

@test "an_error_a_silent_a_dying_and_a_lying_program_are_one_line" {
    start STUB_ANSWER="error no room in /somewhere"
    expect 3 "$STUB" dump "$pid"
    one_line
    has "$err" "weir: $pid: no room in /somewhere"
    stop
    start STUB_ANSWER=none
    expect 3 timeout 10 "$STUB" dump --timeout 0.2 "$pid"
    one_line
    has "$err" "no answer in time"
    stop
    start STUB_ANSWER=die
    expect 3 timeout 10 "$STUB" dump "$pid"
    one_line
    has "$err" "ended before it answered"
    start STUB_ANSWER=$'\e[31mnonsense'
    expect 3 "$STUB" dump "$pid"
    one_line
    lacks "$err" $'\e'
}

@test "a_stopped_program_is_said_to_be_stopped" {
    start
    kill -STOP "$pid"
    expect 3 timeout 10 "$STUB" dump --timeout 0.2 "$pid"
    has "$err" "it is stopped"
}

@test "blocked_signals_are_said_to_be_blocked" {
    env LD_PRELOAD="$TOOLS/stub/libweir.so" perl -e 'use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(63)); sleep 1 for 1..60' 3>&- &
    pid=$!
    for ((i = 0; i < 200; i++)); do grep -q '^SigBlk:.*[4-7c-f]...............$' "/proc/$pid/status" && break; sleep 0.02; done
    expect 3 timeout 10 "$STUB" dump --timeout 0.2 "$pid"
    has "$err" "all its threads block"
}
