#!/usr/bin/env bats
# weir run, beside a stand-in for libweir.so that leaves a small dump at exit.
load helpers

setup_file() { build_tools "$BUILD/tests/reporter/mkdump" "$BUILD/tests/reporter/stub/weir" "$BUILD/tests/reporter/stub/libweir.so"; }
setup() { plain; }

@test "the_programs_exit_status_and_output_are_its_own" {
    expect 7 "$STUB" run -- perl -e 'print "out\n"; print STDERR "err\n"; exit 7'
    [ "$out" = out ]
    has "$err" "err" "perl[" "not freed 300 B at 1 site" "Next: weir report weir.perl."
    expect 0 "$STUB" run --quiet perl -e 'print "x"'
    [ "$out" = x ] && [ -z "$err" ]
    expect 125 "$STUB" run perl -e 'exit 125'
}

@test "a_signal_that_killed_the_program_kills_weir" {
    for signal in TERM KILL ABRT PIPE HUP USR1; do
        run python3 -c 'import subprocess, sys; print(subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL).returncode)' "$STUB" run sh -c "kill -$signal \$\$"
        [ "$output" = "-$(kill -l $signal)" ] || { echo "$signal: $output"; return 1; }
    done
}

@test "125_126_and_127_are_as_with_env" {
    expect 127 "$STUB" run /no/such/program
    has "$err" "/no/such/program: No such file"
    expect 127 "$STUB" run no-such-program-anywhere
    expect 126 "$STUB" run /etc/passwd
    expect 126 "$STUB" run /
    expect 125 "$STUB" run
    expect 125 "$STUB" run --nope true
    run ls -A
    [ "$output" = $'.err\n.out' ] || { echo "$output"; return 1; } # no folder is left behind
}

@test "a_bad_value_stops_the_run_before_the_program_starts" {
    for option in --level=loud --level=4 --max-direct=12Q --max-direct=0 --max-direct=101% --max-direct=99999999999T --window=0 --window=x --depth=0 --depth=129 --target-records=1001 --target-records=x \
        --output=%x "--output=" --dump-at=never --dump-at=exit, --signal=KILL --signal=99 --box-dir=relative --box-dir=/no/such \
        --on-error=cry --on-mismatch=cry --pattern=2 --free-stacks=2 --zero-on-free=yes --guard=2 --harden=2 --deepbind=2 --box-max=1 --box-max=127K; do
        expect 125 "$STUB" run "$option" touch started
        one_line
        has "$err" "weir: ${option%%=*}=${option#*=}: not "
        [ ! -e started ]
    done
    expect 125 "$STUB" run --box-dir="/$(printf './%.0s' {1..450})" touch started # the shim takes 900 bytes
    expect 0 "$STUB" run --quiet --dump-at=none --box-dir="/$(printf './%.0s' {1..449})" true
    WEIR_MAX_DIRECT=12Q expect 125 "$STUB" run touch started
    has "$err" "weir: WEIR_MAX_DIRECT=12Q: not a size (try 512M)"
    [ ! -e started ]
}

@test "limits_that_contradict_each_other_stop_the_run" {
    for options in "--high-watermark=50% --low-watermark=60%" "--high-watermark=200M" "--low-watermark=95%" "--reserve=100M"; do
        expect 125 "$STUB" run --max-direct=100M $options touch started # several words
        one_line
        has "$err" "WEIR_"
        [ ! -e started ]
    done
    for options in "--max-direct=100M --reserve=99M" "--max-direct=50% --high-watermark=80% --low-watermark=70%" "--max-direct=100M --high-watermark=80M"; do
        expect 0 "$STUB" run --quiet --dump-at=none $options true
    done
}

@test "a_flag_beats_the_environment_and_both_forms_are_taken" {
    export WEIR_LEVEL=simple WEIR_DEPTH=7
    expect 0 "$STUB" run --quiet --level=paranoid --max-direct 512M env
    has "$out" "WEIR_LEVEL=paranoid" "WEIR_MAX_DIRECT=512M" "WEIR_DEPTH=7" "WEIR_QUIET=1" "LD_PRELOAD=$TOOLS/stub/libweir.so"
    [[ $out =~ WEIR_RUN=[0-9a-f]{16} ]]
    LD_PRELOAD=/other.so expect 0 "$STUB" run --quiet -- env
    has "$out" "LD_PRELOAD=$TOOLS/stub/libweir.so:/other.so"
}

@test "one_dump_is_a_file_several_are_a_folder" {
    expect 0 "$STUB" run perl -e 1
    [ -f weir.perl.*.dump ]
    rm -rf weir.*
    expect 0 "$STUB" run perl -e 'for (1..2) { unless (fork) { exit } } wait; wait'
    [ -d weir.perl.*.d ]
    [ "$(ls weir.perl.*.d | wc -l)" = 3 ]
    has "$err" "3 processes of perl" "Next: weir report weir.perl."
    expect 0 "$WEIR" report weir.perl.*.d
}

@test "with_an_output_given_only_this_runs_dumps_are_summed_up" {
    mkdir out
    mkdump out/foreign.dump
    expect 0 "$STUB" run --output="$PWD/out/%e.%p.dump" perl -e 1
    has "$err" "perl[" "Next: weir report out/perl."
    lacks "$err" "gateway"
    [ -z "$(ls -d weir.* 2>/dev/null)" ]
}

@test "relative_output_means_where_weir_was_started" {
    mkdir out 'a%b' && cd 'a%b'
    expect 0 "$STUB" run --output=x.dump perl -e 'chdir "/"'
    [ -f x.dump ]
}

@test "without_a_writable_folder_it_runs_when_told_where_or_not_to_dump" {
    mkdir ro
    # The mounts are gone with the last process that sees them.
    in_ro() { unshare -m bash -c 'mount --bind ro ro && mount -o remount,ro,bind ro && cd ro && exec "$@"' in_ro "$@"; }
    in_ro true 2>/dev/null || skip "nothing can be mounted"
    expect 125 in_ro "$STUB" run true
    has "$err" "cannot be made: Read-only file system (--output says where dumps go)"
    expect 0 in_ro "$STUB" run --dump-at=none perl -e 1
    has "$err" "no dump: none was asked for"
    expect 0 in_ro "$STUB" run --output="$BATS_TEST_TMPDIR/x.dump" perl -e 1
    has "$err" "Next: weir report $BATS_TEST_TMPDIR/x.dump"
}

@test "started_in_the_root_folder_paths_have_one_slash" {
    cd /
    expect 0 "$STUB" run --output="${BATS_TEST_TMPDIR#/}/x.dump" perl -e 1
    [ -f "$BATS_TEST_TMPDIR/x.dump" ]
    has "$err" "Next: weir report ${BATS_TEST_TMPDIR#/}/x.dump"
    expect 0 "$STUB" run --quiet --dump-at=none perl -e 'print $ENV{WEIR_OUTPUT}'
    [ "$out" = "/weir.%e.%p.dump" ]
}

@test "it_says_why_there_is_no_dump" {
    printf 'int main(void) { return 0; }' >s.c
    gcc -static -o static s.c
    expect 0 "$STUB" run ./static
    has "$err" "weir: no dump: ./static is statically linked"
    printf '#!%s/static\n' "$PWD" >script
    chmod +x script
    expect 0 "$STUB" run ./script
    has "$err" "/static is statically linked"
    expect 0 "$STUB" run --dump-at=none perl -e 1
    has "$err" "no dump: none was asked for (WEIR_DUMP_AT=none)"
    expect 0 "$STUB" run perl -e 'use POSIX; POSIX::_exit(0)'
    has "$err" "no dump: perl left none"
    run "$STUB" run sh -c 'kill -KILL $$'
    has "$output" "no dump: sh was killed by SIGKILL"
    [ -z "$(ls -d weir.* 2>/dev/null)" ]
}

# refused NAME COMPILER OPTION...: a program built so, where the compiler can, is refused by that name.
refused() {
    local name=$1
    shift
    echo 'int main(void) { return 0; }' >a.c
    "$@" -o built a.c 2>/dev/null 3>&- || { echo "# not built: $*" >&3; return 0; }
    expect 125 "$STUB" run ./built
    has "$err" "$name" "cannot be preloaded"
}
@test "a_program_with_a_sanitizer_is_refused_by_its_name" {
    refused AddressSanitizer gcc -fsanitize=address
    refused AddressSanitizer clang -fsanitize=address
    refused ThreadSanitizer gcc -fsanitize=thread
    refused ThreadSanitizer clang -fsanitize=thread
    refused MemorySanitizer clang -fsanitize=memory
    refused LeakSanitizer gcc -fsanitize=leak
    refused LeakSanitizer clang -fsanitize=leak
    # clang links it on other machines only
    refused HWAddressSanitizer gcc -rdynamic -include /dev/stdin <<<'void __hwasan_init(void) {}'
}
@test "a_program_with_a_sanitizer_that_leaves_malloc_alone_is_run" {
    echo 'int main(void) { return 0; }' >a.c
    gcc -fsanitize=undefined -o built a.c || skip "no UndefinedBehaviorSanitizer"
    expect 0 "$STUB" run ./built
}

@test "the_program_gets_the_original_mask_dispositions_and_descriptors" {
    cat >look.py <<'P'
import os, re
status = open("/proc/self/status").read()
print([re.search(name + r":\s*(\w+)", status)[1] for name in ("SigBlk", "SigIgn")], sorted(os.listdir("/proc/self/fd"))[:8])
P
    expect 0 /usr/bin/python3 look.py
    before=$out
    expect 0 "$STUB" run --quiet /usr/bin/python3 look.py
    [ "$out" = "$before" ] || { printf '%s\n%s\n' "$before" "$out"; return 1; }
    expect 0 bash -c "trap '' CHLD; exec '$STUB' run --quiet true" # an ignored SIGCHLD does not lose the child
    expect 0 bash -c "exec ls /proc/self/fd <&-"
    before=$out
    expect 0 bash -c "exec '$STUB' run --quiet ls /proc/self/fd <&-" # closed stays closed
    [ "$out" = "$before" ] || { printf '%s\n%s\n' "$before" "$out"; return 1; }
}

@test "signals_sent_to_weir_reach_the_program" {
    "$STUB" run perl -e '$| = 1; $SIG{TERM} = sub { print "term\n"; exit 3 }; $SIG{USR2} = sub { print "usr2\n" }; print "ready\n"; sleep 1 for 1..20' >seen 2>err 3>&- &
    pid=$!
    for ((i = 0; i < 100; i++)); do grep -q ready seen && break; sleep 0.05; done
    kill -INT $pid # the terminal's own reach the program by themselves
    kill -USR2 $pid
    for ((i = 0; i < 100; i++)); do grep -q usr2 seen && break; sleep 0.05; done
    kill -TERM $pid
    status=0
    wait $pid || status=$?
    [ "$status" = 3 ] || { echo "$status"; cat seen err; return 1; }
    [ "$(paste -sd, seen)" = ready,usr2,term ]
}

@test "a_stopped_program_stops_weir_and_goes_on_with_it" {
    "$STUB" run --quiet perl -e '$| = 1; print "$$\n"; sleep 1 for 1..3; exit 4' >seen 3>&- &
    pid=$!
    for ((i = 0; i < 100; i++)); do [ -s seen ] && break; sleep 0.05; done
    kill -STOP "$(<seen)"
    state() { sed -n 's/^State:\s*\(.\).*/\1/p' "/proc/$1/status"; }
    for ((i = 0; i < 100; i++)); do [ "$(state $pid)" = T ] && break; sleep 0.05; done
    [ "$(state $pid)" = T ]
    kill -CONT $pid
    status=0
    wait $pid || status=$?
    [ "$status" = 4 ]
}
