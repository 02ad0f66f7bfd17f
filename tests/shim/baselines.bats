#!/usr/bin/env bats
# weir gate by rules, baselines and repeats: sites are known again from build to build, numbers only ever fall, and what
# cannot be compared is not passed.
load helpers

setup_file() {
    build_tools
    cd "$BATS_FILE_TMPDIR" || return 1
    shop "" shop.c
    gcc -g -O1 -fno-builtin-malloc -o shop shop.c
    cat >racy.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *volatile kept[100];
__attribute__((noinline)) static void *keep(size_t n) { void *p = malloc(n); return p ? p : p + 1; }
__attribute__((noinline)) static void lose_sometimes(int n) { char *volatile p = malloc(24 * (size_t)n); *p = 1; p = NULL; }
__attribute__((noinline)) static void lose_always(void) { char *volatile p = malloc(100); *p = 1; p = NULL; }
int main(int argc, char **argv) { /* what it does depends on how often it ran here */
    char room[8192];
    int n = 0;
    FILE *f = fopen("count", "a+");
    fprintf(f, "x");
    n = (int)ftell(f);
    fclose(f);
    if (strchr(argv[1], 's') && n % 3 == 0) lose_sometimes(n);
    if (strchr(argv[1], 'a')) lose_always();
    if (strchr(argv[1], 'g')) for (int i = 0; i < n; i++) kept[i] = keep(1000);
    memset(room, argc, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
    return strchr(argv[1], 'f') && n == 2 ? 7 : 0;
}
C
    gcc -g -O1 -fno-builtin-malloc -o racy racy.c
}
setup() { plain; }

# shop LINES FILE: a program that loses an order and its name for each of its turns; LINES are put above it.
shop() {
    {
        printf '%s' "$1"
        cat <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct order { char *name; int n; };
static char *copy(const char *text) {
    char *to = malloc(strlen(text) + 1);
    return strcpy(to, text);
}
static struct order *order_new(const char *name, int n) {
    struct order *o = malloc(sizeof *o);
    o->name = copy(name);
    o->n = n;
    return o;
}
static int serve(int n) {
    struct order *volatile o = order_new("apple", n);
    return o->n;
}
int main(int argc, char **argv) {
    char room[8192];
    int sum = 0, turns = argc > 1 ? atoi(argv[1]) : 3;
    for (int i = 0; i < turns; i++) sum += serve(i);
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
    printf("%d\n", sum);
    return argc > 2 ? atoi(argv[2]) : 0;
}
C
    } >"$2"
}

sites() { /usr/bin/python3 -c 'import json, sys; print(*[s["site"] + " %d %d" % (s["blocks"], s["bytes"]) for s in json.load(open(sys.argv[1]))["sites"]], sep="\n")' "$1"; }

# --- identity ---

@test "one_identity_whatever_lines_options_and_compiler" {
    local lines compiler level wanted=$'copy shop.c 3 18\norder_new shop.c 3 48' flags
    lines=$(for i in $(seq 30); do echo "/* line $i */"; done)
    mkdir moved
    shop "" shop.c
    shop "$lines"$'\n' moved/shop.c
    for compiler in gcc clang; do
        for level in -O0 -O2; do
            for flags in "" "-DNDEBUG -fdebug-prefix-map=$PWD=/elsewhere"; do
                rm -f base.json shop
                $compiler -g $level $flags -fno-builtin-malloc -o shop "$([ -n "$flags" ] && echo "$PWD/moved/shop.c" || echo shop.c)"
                gate 0 --baseline base.json --update-baseline -- ./shop
                same "$compiler $level $flags $(sites base.json)" "$compiler $level $flags $wanted"
            done
        done
    done
}
@test "copies_of_functions_templates_and_lambdas_keep_their_names" {
    cat >names.cc <<'C'
#include <cstdlib>
#include <cstring>
#include <string>
namespace {
struct hidden { __attribute__((noinline)) static void lose(int n) { char *volatile p = (char *)malloc(n); *p = 1; p = nullptr; } };
}
namespace app {
template <class T> struct table { void lose(T n) { char *volatile p = (char *)malloc(n); *p = 1; p = nullptr; } };
}
static __attribute__((noinline)) void lose_copy(int n, int m) { char *volatile p = (char *)malloc(n + m); *p = 1; p = nullptr; }
int main() {
    char room[8192];
    hidden::lose(10);
    app::table<long>().lose(20);
    auto lambda = [](int n) { char *volatile p = (char *)malloc(n); *p = 1; p = nullptr; };
    lambda(30);
    for (int i = 0; i < 3; i++) lose_copy(i, 40);
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
}
C
    for compiler in g++ clang++; do
        for level in -O0 -O2; do
            rm -f base.json
            $compiler -g $level -fno-builtin-malloc -o names names.cc
            gate 0 --baseline base.json --update-baseline -- ./names
            [ -e first ] || sites base.json >first
            same "$compiler $level $(sites base.json)" "$compiler $level $(cat first)"
        done
    done
    has first "app::table<long>::lose names.cc" "lose_copy names.cc" "{lambda}"
}
@test "what_has_no_name_goes_by_its_address_and_the_next_build_is_not_passed" {
    cp "$BATS_FILE_TMPDIR/shop" shop
    strip shop
    gate 0 --baseline base.json --update-baseline -- ./shop
    has out "2 of them have no name and go by their addresses, until the next build"
    gate 0 --baseline base.json -- ./shop
    gate 1 --baseline base.json -- ./shop 4
    gcc -O1 -fno-builtin-malloc -DNDEBUG -Wl,--build-id=0x1234 -s -o shop "$BATS_FILE_TMPDIR/shop.c"
    gate 3 --baseline base.json -- ./shop
    has out "has no name, so that nobody knows whether the baseline has it as shop+0x"
    gate 3 --max-leaked='1M site order_new' -- ./shop
    has out "has no name, so that nobody knows whether max_leaked with a site is about it"
}

# --- baselines ---

@test "what_is_borne_passes_what_is_new_or_more_fails" {
    shop=$BATS_FILE_TMPDIR/shop
    gate 2 --baseline base.json -- "$shop"
    has err "base.json: there is no such file (--update-baseline makes it)"
    gate 0 --baseline base.json --update-baseline -- "$shop"
    has out "base.json has 2 sites" "passed: 1 process, leaked nothing, in the baseline 66 B in 6 blocks"
    gate 0 --baseline base.json -- "$shop"
    gate 1 --baseline base.json -- "$shop" 5
    has out "more than the baseline: copy shop.c, 30 B in 5 blocks; borne are 18 B in 3 blocks" "FAILED: leaked 44 B in 4 blocks; first: order_new shop.c"
    mv weir.gate.*.d five
    gate 1 --baseline base.json five # dumps that are there are judged alike
    gate 0 --policy=report --baseline base.json five
    has out "passed: (policy report) leaked 44 B in 4 blocks"
    gate 1 --policy=strict --baseline base.json -- "$shop"
    has out "without a reason: copy shop.c" "FAILED: leaked 66 B in 6 blocks"
    gate 1 --baseline base.json --max-leaked=10 -- "$shop" 4
    gate 0 --baseline base.json --max-leaked=22 -- "$shop" 4
    sed '/order_new/,/bytes/d; s/{ *$/{/' base.json | /usr/bin/python3 -c '
import json
d = json.load(open("base.json"))
d["sites"] = [s for s in d["sites"] if "copy" in s["site"]]
json.dump(d, open("less.json", "w"))'
    gate 1 --baseline less.json --max-leaked=1M --max-new-sites=0 -- "$shop"
    has out "not in the baseline: order_new shop.c, 48 B in 3 blocks" "FAILED: 1 site leaked that the baseline does not have, allowed 0"
    sed -i s/x86_64/riscv64/ base.json
    gate 3 --policy=report --baseline base.json -- "$shop"
    has out "INCONCLUSIVE: base.json is the baseline of riscv64-linux-gnu, and this is x86_64-linux-gnu"
}
@test "a_baseline_only_ever_falls_and_what_is_accepted_has_a_reason_and_an_end" {
    shop=$BATS_FILE_TMPDIR/shop
    gate 0 --baseline base.json --update-baseline -- "$shop"
    cp base.json first.json
    gate 1 --baseline base.json --update-baseline -- "$shop" 5
    cmp base.json first.json
    gate 7 --baseline base.json --update-baseline -- "$shop" 1 7 # it failed: who knows what it did not do
    has err "base.json stays as it is: the program failed"
    gate 3 --level=simple --baseline base.json --update-baseline -- "$shop" 1
    cmp base.json first.json
    gate 0 --baseline base.json -- "$shop" 2
    has out "of the baseline 0 sites are gone, 2 leak less (--update-baseline)"
    gate 0 --baseline base.json --update-baseline -- "$shop" 2
    same "$(sites base.json)" $'copy shop.c 2 12\norder_new shop.c 2 32'
    gate 2 --baseline base.json --update-baseline --accept 'copy shop.c' -- "$shop"
    has err "a reason is wanted"
    gate 2 --baseline base.json --update-baseline --accept x --reason why --expires 2020-01-01 -- "$shop"
    has err "that day is over"
    gate 2 --baseline base.json --update-baseline --accept x --reason $'a\nb' -- "$shop"
    gate 2 --baseline base.json --accept x --reason why -- "$shop"
    gate 2 --update-baseline -- "$shop"
    gate 3 --baseline base.json --update-baseline --accept 'nobody*' --reason why -- "$shop" 2
    has out "nothing that leaks is nobody*; base.json stays as it is"
    gate 0 --baseline base.json --update-baseline --accept '*shop.c' --reason 'it is "known"' --expires 2999-12-31 -- "$shop"
    same "$(sites base.json)" $'copy shop.c 3 18\norder_new shop.c 3 48'
    gate 0 --policy=strict --baseline base.json -- "$shop"
    sed -i s/2999/2019/ base.json
    gate 1 --baseline base.json -- "$shop"
    has out 'expired on 2019-12-31: copy shop.c, 18 B in 3 blocks (it is "known")'
    gate 1 --baseline base.json --update-baseline -- "$shop"
    same "$(sites base.json)" ""
}
@test "a_baseline_that_is_none_is_refused_before_anything_runs" {
    for text in "" "[]" '{"schema": "weir-baseline-9"}' '{"schema": "weir-baseline-1", "platform": "p", "sites": [{}]}'; do
        echo "$text" >base.json
        gate 2 --baseline base.json -- touch ran
        same "$(wc -l <err)" 1
        has err "weir: base.json: "
    done
    [ ! -e ran ]
    gate 2 --baseline "$PWD" -- touch ran
    [ ! -e ran ]
}
@test "a_baseline_that_cannot_be_written_is_no_pass" {
    mkdir closed
    ln -s /proc/self/nowhere/base.json closed/base.json
    gate 3 --baseline /proc/self/none.json --update-baseline -- "$BATS_FILE_TMPDIR/shop"
    has out "/proc/self/none.json: cannot be written: "
}
@test "what_is_written_is_valid_by_the_schema" {
    /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
    gate 0 --baseline base.json --update-baseline -- "$BATS_FILE_TMPDIR/shop"
    gate 0 --baseline base.json --update-baseline --accept 'copy*' --reason 'why' --expires 2999-12-31 -- "$BATS_FILE_TMPDIR/shop"
    /usr/bin/python3 "$WEIR_ROOT/tests/lib/valid.py" --renamed baseline base.json
    for change in 'd.update(schema="x")' 'd["sites"][0].update(blocks=0)' 'd["sites"][0].update(extra=1)' 'd["sites"][0].pop("reason")'; do
        /usr/bin/python3 -c 'import json, sys; d = json.load(open("base.json")); eval(sys.argv[1]); json.dump(d, open("changed.json", "w"))' "$change"
        ! /usr/bin/python3 "$WEIR_ROOT/tests/lib/valid.py" baseline changed.json || { echo "$change"; false; }
    done
}

# --- rules ---

@test "rules_are_by_site_and_by_program_and_flags_go_before_them" {
    shop=$BATS_FILE_TMPDIR/shop
    printf '# of the shop\nmax_leaked 48 site order_*\nmax_leaked 18 program shop\n' >weir.rules
    gate 0 -- "$shop"
    gate 1 -- "$shop" 4
    mv weir.gate.*.d four
    has out "leaked 64 B in 4 blocks at order_*, allowed 48 B (weir.rules:2)" "leaked 24 B in 4 blocks by shop, allowed 18 B (weir.rules:3)"
    gate 1 --max-leaked=1M four # those of the file are about more, and stay
    gate 1 --max-leaked='1M site order_new' four
    lacks out "order_*"
    gate 0 --max-leaked='1M site order_new' --max-leaked='1M program s?op' four
    echo 'max_leaked 0 program sh' >other.rules
    gate 0 --rules other.rules --max-leaked=1M -- sh -c "'$shop' 5; true" # sh leaks nothing
    gate 1 --rules other.rules --max-leaked=1M --max-leaked='0 program shop' -- sh -c "'$shop' 5; true"
    has out "FAILED: leaked 110 B in 10 blocks by shop (--max-leaked)"
    printf 'max_leaked any\nmax_live 10 site copy program shop\n' >live.rules
    gate 1 --rules live.rules four
    has out "FAILED: live at the end: 24 B by shop at copy, allowed 10 B (live.rules:2)"
    gate 1 --rules live.rules --max-peak='20 site copy' four
    gate 1 --rules /dev/null --policy=strict --max-leaked=any --max-new-sites=1 four
    has out "FAILED: 2 sites leaked that the baseline does not have, allowed 1"
    echo 'policy report' >report.rules
    gate 0 --rules report.rules four
    gate 1 --rules report.rules --policy=strict four
    printf 'require_processes 2\nmax_leaked any\n' >two.rules
    gate 3 --rules two.rules four
    gate 0 --rules two.rules --require-processes=1 four
    mkdir sub
    printf 'leak:copy\n' >sub/known
    printf 'suppressions known\nmax_leaked 64\n' >sub/rules
    gate 0 --rules sub/rules four
    has out "24 B            4        1  copy (sub/known:1)"
}
@test "rules_that_are_wrong_are_refused_before_anything_runs" {
    echo 'max_leeked 0' >weir.rules
    gate 2 -- touch ran
    has err "weir: weir.rules:1: a line begins with max_leaked"
    gate 2 --rules missing -- touch ran
    gate 2 --rules /dev/null --policy lax -- touch ran
    gate 2 --rules /dev/null --max-leaked='1K at x' -- touch ran
    gate 2 --rules /dev/null --repeat 0 -- touch ran
    gate 2 --rules /dev/null --repeat 101 -- touch ran
    gate 2 --rules /dev/null --repeat 2 x.dump
    [ ! -e ran ]
}
@test "gates_that_report_do_not_pass_what_they_could_not_see" {
    gate 3 --policy=report -- perl -e 'kill 9, $$'
    gate 3 --policy=report -- sh -c "'$BATS_FILE_TMPDIR/shop'; env -i /bin/true; kill -9 \$\$"
}

# --- repeats ---

@test "ten_runs_of_a_racy_program_are_flaky_with_the_counts" {
    racy=$BATS_FILE_TMPDIR/racy
    gate 1 --repeat 10 -- "$racy" s
    has out "3 of 10                1         72 B .. 216 B  lose_sometimes racy.c" "FLAKY: failed in 3 of 10 runs: lose_sometimes racy.c 3"
    same "$(ls weir.gate.*.d)" $'3\n6\n9' # the dumps of those that failed
    same "$(grep -c '^#1  LEAK' out)" 1
    rm -rf count weir.gate.*.d
    gate 1 --repeat 3 -- "$racy" as
    has out "FAILED: failed in 3 of 3 runs: lose_always racy.c 3, lose_sometimes racy.c 1"
    rm -rf count weir.gate.*.d
    gate 0 --repeat 2 --warm-up 3 -- "$racy" s
    has out "passed: 2 processes, leaked nothing"
    [ "$(wc -c <count)" = 5 ] # five runs
    gate 0 --repeat 3 --baseline base.json --update-baseline -- "$racy" s
    same "$(sites base.json)" "lose_sometimes racy.c 1 144" # of the sixth run in all
    gate 7 --repeat 2 -- sh -c "rm -f count; for i in 1 2; do '$racy' f || exit; done"
}
@test "what_is_in_use_grows_from_run_to_run" {
    racy=$BATS_FILE_TMPDIR/racy
    gate 0 --repeat 4 -- "$racy" g
    has out "1000 B     1000 B .. 3.9 KiB  keep racy.c"
    gate 1 --repeat 4 --max-growth=900 -- "$racy" g
    has out "FAILED: in use of all: 1000 B more with each run, allowed 900 B"
    gate 0 --repeat 4 --max-growth=900 --max-growth='1K site keep' -- "$racy" g
    gate 3 --repeat 2 --max-growth=900 -- "$racy" g
    has out "max_growth is a matter of 3 runs at least"
}
