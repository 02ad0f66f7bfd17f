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
@test "children_that_end_past_weir_are_inconclusive_and_those_that_it_sees_are_judged" {
    cat >ends.c <<'C'
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) { /* its parent lives on, and waits for it */
    static char *const nothing[] = {NULL};
    if (argc > 1 && fork() == 0) {
        char *volatile p = malloc(77); /* who makes nothing loses nothing, and leaves nothing behind */
        free(p);
        if (*argv[1] == 'e') _exit(0);
        if (*argv[1] == 's') syscall(SYS_exit_group, 0);
        if (*argv[1] == 'k') raise(SIGKILL);
        if (*argv[1] == 'x') execle("/bin/true", "true", NULL, nothing);
        return 0;
    }
    wait(NULL);
    return 0;
}
C
    gcc -g -O1 -fno-builtin -o ends ends.c
    gate 0 -- ./ends e
    has out "passed: 2 processes"
    for end in s k; do
        gate 3 -- ./ends $end
        has out "INCONCLUSIVE: ends[" "left no dump: it was killed, or ended past its exit hooks"
    done
    gate 3 -- ./ends x
    has out "went on without weir after an exec"
}
@test "on_a_full_disk_nothing_is_passed" {
    mkdir small
    unshare -m mount -t tmpfs -o size=32k tmpfs small 2>/dev/null || skip "nothing can be mounted"
    export WEIR_REPORTER
    unshare -m sh -c 'mount -t tmpfs -o size=32k tmpfs small && cd small && { dd if=/dev/zero of=fill bs=1k || true; } 2>/dev/null && exec "$WEIR_REPORTER" gate -- /bin/true' >out 2>err </dev/null 3>&- && status=0 || status=$?
    [ "$status" = 3 ] || { seen; false; }
    has out "INCONCLUSIVE: a leak that was planted to try was not found: there is no dump, and less than 1 MiB of room in "
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
@test "what_the_program_left_running_is_waited_for" {
    gate 1 -- sh -c "(sleep 0.3; '$BATS_FILE_TMPDIR/tests' 5 >/dev/null)& exit 0"
    has out "FAILED: leaked 1 B in 1 block"
    gate 0 -- sh -c "(sleep 0.3; '$BATS_FILE_TMPDIR/tests' >/dev/null)& exit 0"
    gate 3 --wait=0 -- sh -c "sleep 3 & exit 0"
    has out "INCONCLUSIVE" "processes of it go on, 0 seconds after its end"
    gate 3 -- sh -c "sh -c 'sleep 0.2; kill -9 \$\$' & exit 0"
    has out "was killed by SIGKILL"
    gate 2 --wait=1000000 -- true
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

# --- suppressions ---

lossy() { # FLAGS...: a program that leaks in C and C++, in a method, a template, and where it is inlined
    cat >lossy.cc <<'C'
#include <cstdio>
#include <cstdlib>
namespace app {
struct table {
    void grow(int n) const { char *volatile p = (char *)malloc(n); *p = 1; p = nullptr; }
};
__attribute__((noinline)) void lose_one(int n) { table().grow(n); asm volatile(""); }
}
__attribute__((noinline)) void lose_two() { int *volatile p = new int[33]; p[0] = 1; p = nullptr; asm volatile(""); }
extern "C" __attribute__((noinline)) void lose_three(void) { char *volatile p = (char *)calloc(1, 77); *p = 1; p = nullptr; asm volatile(""); }
template <class T> __attribute__((noinline)) void lose_four(T v) { T *volatile p = new T(v); p = nullptr; asm volatile(""); }
int main(int count, char **) {
    char room[4096];
    for (int i = 0; i < 3; i++) app::lose_one(50 + i);
    lose_two();
    lose_three();
    lose_four<long>(4);
    snprintf(room, sizeof room, "%4000d", count);
    puts("done");
}
C
    g++ -g "$@" -fno-builtin -o lossy lossy.cc
}
report() { "$WEIR_REPORTER" report "$@" </dev/null 3>&-; }

@test "lists_of_other_tools_suppress_and_what_they_covered_is_told" {
    lossy -O1
    gate 1 -- ./lossy
    mv weir.gate.*.d all
    printf 'leak:lose_t\nleak:^nobody$\n' >known.lsan
    gate 1 --suppressions=known.lsan all
    has out "FAILED: leaked 161 B in 4 blocks" "209 B            2        2  lose_t (known.lsan:1)" "unused                        ^nobody$ (known.lsan:2)"
    printf '{\n inlined\n Memcheck:Leak\n fun:malloc\n fun:grow\n ...\n}\n{\n of C++\n Memcheck:Leak\n match-leak-kinds: definite\n fun:_Zn*m\n fun:_Z*lose_*\n}\n' >known.valgrind
    gate 1 --suppressions=known.valgrind all
    has out "FAILED: leaked 77 B in 1 block; first: lose_three" "153 B            3        3  inlined" "140 B            2        2  of C++"
    gate 0 --suppressions=known.lsan --suppressions=known.valgrind all
    has out "passed: 1 process, leaked nothing, suppressed 370 B in 6 blocks"
    gate 0 --suppressions=known.lsan --suppressions=known.valgrind -- ./lossy
    same "$(report --json --suppressions=known.lsan all | /usr/bin/python3 -c 'import json, sys
print(sorted(s["bytes"] for s in json.load(sys.stdin)["sites"] if s["suppressed"]))')" "[77, 132]"
    report --suppressions=known.lsan --suppressions=known.valgrind all >out
    has out "nothing leaked but what is suppressed" "SUPPRESSED"
    echo lose_three >weir:skip # the name, not what is covered, changes with it
    gate 1 --suppressions=known.valgrind all
    has out "first: main lossy.cc:"
    rm weir:skip
    gate 1 --suppressions=known.valgrind --skip 'lose_t*' all
    has out "first: main lossy.cc:"
    # A frame that is not there, a kind that it is not, and an end that comes too early.
    printf '{\n a\n Memcheck:Leak\n match-leak-kinds: possible,reachable\n fun:malloc\n fun:grow\n}\n{\n b\n Memcheck:Leak\n fun:malloc\n fun:main\n}\n{\n c\n Memcheck:Leak\n fun:*\n obj:*/libz.so*\n}\nleak:lose_one$\n' >others
    gate 1 --suppressions=others all
    has out "FAILED: leaked 370 B in 6 blocks"
}
@test "generated_lists_are_accepted_by_whom_they_are_for" {
    for flags in -O0 -O1; do
        lossy $flags
        gate 1 -- ./lossy
        rm -rf all
        mv weir.gate.*.d all
        for tool in lsan valgrind; do
            report --gen-suppressions=$tool all >list.$tool
            gate 0 --suppressions=list.$tool all
        done
        valgrind -q --leak-check=full --error-exitcode=9 --suppressions=list.valgrind ./lossy >out 2>&1 || { cat out list.valgrind; false; }
        clang++ -g $flags -fno-builtin -fsanitize=address -o sanitized lossy.cc
        clang++ -g $flags -fno-builtin -fsanitize=leak -o leaky lossy.cc
        if ! ./leaky >out 2>&1 && grep -q 'detected memory leaks' out; then
            LSAN_OPTIONS=suppressions=list.lsan ./leaky >out 2>&1 || { cat out list.lsan; false; }
        fi
        # In a sandbox without ptrace LeakSanitizer cannot look.
        if ! ASAN_OPTIONS=detect_leaks=1 ./sanitized >out 2>&1 && grep -q 'detected memory leaks' out; then
            ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions=list.lsan ./sanitized >out 2>&1 || { cat out list.lsan; false; }
        fi
    done
}
@test "a_generated_list_names_inlined_operators_as_valgrind_does" {
    cat >called.cc <<'C'
#include <functional>
static void lose() { char *p = new char[10]; asm volatile("" : : "r"(p) : "memory"); }
int main() { std::function<void()> f = [] { lose(); }; f(); return 0; }
C
    g++ -g -O1 -o called called.cc
    gate 1 -- ./called
    report --gen-suppressions=valgrind weir.gate.*.d >list
    valgrind -q --leak-check=full --error-exitcode=9 --suppressions=list ./called >out 2>&1 || { cat out list; false; }
}
@test "a_list_that_is_wrong_is_refused_before_anything_runs" {
    echo 'race:foo' >list
    gate 2 --suppressions=list -- touch ran
    has err "list:1: neither"
    [ ! -e ran ]
    gate 2 --suppressions=missing -- touch ran
    has err "missing: No such file or directory"
}
@test "what_was_not_sampled_is_not_taken_for_suppressed" {
    cat >much.c <<'C'
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) static void known(void) { for (int i = 0; i < 2000; i++) memset(malloc(1000), 1, 1000); }
int main(void) { char room[8192]; known(); memset(room, 0, sizeof room); __asm__ volatile("" :: "r"(room) : "memory"); }
C
    gcc -g -O1 -fno-builtin -o much much.c
    echo 'leak:known' >list
    gate 3 --level=simple --suppressions=list -- ./much
    has out "INCONCLUSIVE" "was not sampled, and may be suppressed or not (--level=paranoid)"
    gate 0 --suppressions=list -- ./much
}
@test "a_child_that_was_killed_is_seen_and_one_that_was_terminated_is_judged" {
    gate 3 -- sh -c "perl -e 'select undef, undef, undef, 9' & sleep 0.5; kill -9 \$!; wait; exit 0"
    has out "perl[" "left no dump: it was killed"
    gate 0 -- sh -c "perl -e 'select undef, undef, undef, 9' & sleep 0.5; kill \$!; wait; exit 0"
    has out "passed"
}
