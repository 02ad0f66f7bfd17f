#!/usr/bin/env bats
# weir gate: passed 0, leaks 1, usage 2, inconclusive 3; it never passes what it could not see.
load helpers

setup_file() {
    build_tools
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >tests.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
char *names[40];
static void test(int i, int leaky) {
    char *buffer = malloc(100 + (size_t)i);
    sprintf(buffer, "test %d", i);
    names[i] = strdup(buffer);
    free(buffer);
    if (i == leaky) {
        char *volatile lost = malloc(1); /* line 12 */
        *lost = 1;
        lost = NULL;
    }
}
int main(int argc, char **argv) {
    int leaky = argc > 1 ? atoi(argv[1]) : -1;
    for (int i = 0; i < 40; i++) test(i, leaky);
    puts("40 tests");
    return argc > 2 ? atoi(argv[2]) : 0;
}
C
    gcc -g -O1 -fno-builtin-malloc -o tests tests.c
}
setup() { plain; }

# gate STATUS ARGS...: what it says is in out and err.
gate() {
    local wanted=$1 got=0 reporter=$WEIR_REPORTER
    shift
    (
        plain_environment "$PWD"
        close_fds_of_bats
        exec timeout -k 5 60 "$reporter" gate "$@"
    ) >out 2>err </dev/null || got=$?
    [ "$got" = "$wanted" ] || { echo "status $got, not $wanted: $*"; seen 2>/dev/null; return 1; }
}

@test "what_leaks_nothing_passes_and_leaves_nothing" {
    gate 0 -- "$BATS_FILE_TMPDIR/tests"
    has out "40 tests" "weir gate: passed: 1 process, leaked nothing, 41 blocks in use"
    [ ! -s err ] || { cat err; false; }
    same "$(ls)" $'err\nout'
    gate 0 --level=simple -- "$BATS_FILE_TMPDIR/tests"
}
@test "one_byte_of_one_test_fails_and_is_named" {
    gate 1 -- "$BATS_FILE_TMPDIR/tests" 17
    has out "#1  LEAK: test tests.c:12, 1 B a block" "weir gate: FAILED: leaked 1 B in 1 block; first: test tests.c:12"
    same "$(ls -d weir.gate.*.d | wc -l)" 1 # the dumps stay
    gate 1 weir.gate.*.d
    has out "weir gate: FAILED: leaked 1 B in 1 block; first: test tests.c:12"
    gate 0 --max-leaked=1K weir.gate.*.d
    gate 3 --require-processes=2 --max-leaked=1 weir.gate.*.d
    gate 1 --require-processes=2 weir.gate.*.d # what is known to be wrong counts for more than what is not known
    has out "at least 2 were to be" "FAILED: leaked 1 B"
    gate 1 --max-leaked=1K --max-live=100 weir.gate.*.d
    has out "FAILED: tests[" "live at the end" "allowed 100 B"
    gate 1 --max-leaked=1K --max-peak=4K weir.gate.*.d
}
@test "a_programs_own_failure_goes_through_unless_it_leaks" {
    gate 7 -- "$BATS_FILE_TMPDIR/tests" -1 7
    has err "tests ended with status 7"
    has out "passed"
    gate 1 -- "$BATS_FILE_TMPDIR/tests" 3 7
    gate 127 -- /no/such/program
}
@test "what_was_not_seen_is_inconclusive" {
    gate 3 -- perl -e 'kill 9, $$'
    has out "perl was killed by SIGKILL" "INCONCLUSIVE"
    gate 3 -- env -i /bin/true
    has out "env[" "went on without weir after an exec"
    gate 3 --level=disabled -- /bin/true
    has out "INCONCLUSIVE: a leak that was planted to try was not found"
    gate 3 "$PWD"
    has out "INCONCLUSIVE: there is no dump"
    printf WEIRDUMPx >x.dump
    gate 3 x.dump
    gate 3 -- "$SHIM_TOOLS/pitfalls/own_malloc"
    gate 3 -- "$SHIM_TOOLS/pitfalls/hello_static"
    has out "INCONCLUSIVE"
    gate 3 -- "$SHIM_TOOLS/leaked" blocked
    has out "threads that could not be held"
    mkdir closed
    if [ "$(id -u)" != 0 ]; then
        chmod 500 closed
        cd closed || return 1
        gate 3 -- /bin/true
    fi
}
@test "a_dump_of_a_program_that_went_on_is_no_verdict" {
    expect 0 paranoid WEIR_LEAKS=exit,signal WEIR_SIGNAL=SIGUSR2 perl -e 'kill USR2, $$; select undef, undef, undef, 0.01 until glob "dumps/perl.*.dump"; print "on"'
    mkdir first both
    cp dumps/perl.*.1.dump first
    cp dumps/perl.* both
    gate 3 first
    has out "has no dump of its end"
    gate 1 both # perl leaks a little; of one process the newest counts
    has out "FAILED: leaked"
}
@test "children_are_judged_too" {
    gate 0 --require-processes=3 -- sh -c "'$BATS_FILE_TMPDIR/tests' >/dev/null; '$BATS_FILE_TMPDIR/tests' >/dev/null; true"
    gate 1 -- sh -c "'$BATS_FILE_TMPDIR/tests' 5 >/dev/null; true"
    has out "leaked 1 B in 1 block"
}
@test "usage_errors" {
    gate 2
    gate 2 --max-leaked=12Q x.dump
    gate 2 --require-processes=many x.dump
    gate 2 --nonsense x.dump
    gate 2 --level=nonsense -- true
    gate 2 --output=x -- true
    gate 0 --help
    same "$(awk 'length > 80' out)" ""
}
