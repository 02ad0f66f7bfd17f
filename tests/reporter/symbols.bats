#!/usr/bin/env bats
# Names for frames: from debug information inside and beside the program, with inlined calls, and the reason where
# there are none.
load helpers

setup_file() {
    build_tools "$BUILD/tests/reporter/mkdump"
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >prog.cc <<'C'
#include <cstdlib>
#include <cstdio>
#include <execinfo.h>
#include <vector>
static inline __attribute__((always_inline)) void stack() {
    void *frames[8];
    int count = backtrace(frames, 8); // line 7
    extern char __executable_start;
    for (int i = 0; i < 3 && i < count; i++) printf("%#lx\n", (long)frames[i] - (long)&__executable_start);
}
namespace shop {
template <class T> struct Cart {
    static inline __attribute__((always_inline)) void *fill(int n) { stack(); return malloc(n * sizeof(T)); } // 13
};
__attribute__((noinline)) void *checkout(const std::vector<int> &v) {
    return Cart<long>::fill(v.size()); // line 16
}
}
int main() {
    std::vector<int> v(3);
    void *volatile p = shop::checkout(v); // line 21
    return p == nullptr;
}
C
    g++ -O2 -g -Wl,--build-id -o prog prog.cc
    g++ -O2 -g -gdwarf-4 -gz=zlib -Wl,--build-id -o prog4 prog.cc
    for p in prog prog4; do
        ./$p | paste -sd, | sed 's/0x/0:0x/g' >$p.stack
        objcopy --only-keep-debug $p $p.debug
        strip -o $p.stripped $p
    done
    id=$(readelf -n prog | sed -n 's/.*Build ID: //p')
    mkdir -p debug/.build-id/"${id:0:2}"
    cp prog.debug debug/.build-id/"${id:0:2}/${id:2}.debug"
}
setup() { plain; F=$BATS_FILE_TMPDIR; }

has_every_line() {
    has "$out" "stack " "prog.cc:7 (inlined)" "shop::Cart<long>::fill " "prog.cc:13 (inlined)" "shop::checkout " "prog.cc:16" "main " "prog.cc:21"
}

@test "each_frame_and_each_inlined_call_has_its_file_and_line" {
    for p in prog prog4; do # DWARF 5; DWARF 4 in compressed sections
        mkdump --module "$F/$p" --stack "$(cut -d, -f1,2 "$F/$p.stack")" a.dump
        expect 0 "$WEIR" report a.dump
        has_every_line
        has "$out" "symbols for 1 of 1 modules"
        expect 0 "$WEIR" report --json a.dump
        [ "$(json '[(f["line"], f["inlined"]) for f in d["sites"][0]["frames"]]' .out)" = "[(7, True), (13, True), (16, False), (21, False)]" ]
    done
}

@test "a_return_address_is_looked_up_before_it_and_an_exact_one_at_it" {
    read -r start _ <<<"$(nm "$F/prog" | grep ' shop::checkout\| _ZN4shop8checkout')"
    mkdump --module "$F/prog" --stack "0:0x$start!" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "NOT FREED: shop::checkout"
    mkdump --module "$F/prog" --stack "0:0x$start" a.dump
    expect 0 "$WEIR" report a.dump
    lacks "$out" "shop::checkout"
}

@test "a_debug_file_is_found_by_build_id" {
    mkdump --module "$F/prog.stripped" --stack "$(<"$F/prog.stack")" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "stripped, no debug file" "prog.stripped+0x"
    expect 0 "$WEIR" report --debug-dir "$F/debug" a.dump
    has_every_line
}

@test "a_debug_file_is_found_by_its_link" {
    mkdir -p here/.debug
    (cd "$F" && objcopy --add-gnu-debuglink=prog.debug prog.stripped "$BATS_TEST_TMPDIR/here/linked")
    mkdump --module "$PWD/here/linked" --stack "$(<"$F/prog.stack")" a.dump
    expect 0 "$WEIR" report --debug-dir "$F" a.dump
    has_every_line
    cp "$F/prog.debug" here/.debug/
    expect 0 "$WEIR" report a.dump
    has_every_line
    cp "$F/prog4.debug" here/.debug/prog.debug
    expect 0 "$WEIR" report a.dump
    has "$out" "build-id of the debug file differs"
}

@test "a_dwz_file_is_used_where_it_is_and_not_missed_where_it_is_not" {
    command -v dwz >/dev/null || skip "dwz is not installed"
    cp "$F/prog" one
    cp "$F/prog" two
    dwz -m common.dwz one two 2>/dev/null || skip "dwz found nothing to share"
    mkdump --module "$PWD/one" --stack "$(<"$F/prog.stack")" a.dump
    expect 0 "$WEIR" report a.dump
    has_every_line
    rm common.dwz
    expect 0 "$WEIR" report a.dump
    has "$out" "shop::checkout" "no dwz file common.dwz"
}

@test "a_sysroot_stands_in_front_of_every_path" {
    mkdir -p root/opt
    cp "$F/prog" root/opt/prog
    mkdump --module "/opt/prog=$F/prog" --stack "$(<"$F/prog.stack")" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "the file is gone"
    expect 0 "$WEIR" report --sysroot "$PWD/root" a.dump
    has_every_line
}

@test "a_file_with_another_build_id_is_not_used" {
    mkdump --module "$F/prog=$F/prog4" --stack "$(<"$F/prog.stack")" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "prog+0x" "(build-id differs)"
    lacks "$out" "checkout"
}

@test "without_a_build_id_the_segments_must_be_the_same" {
    objcopy --remove-section .note.gnu.build-id "$F/prog" plain
    cp plain other
    strip --strip-debug -R .comment other
    mkdump --module "$PWD/plain" --stack "$(<"$F/prog.stack")" a.dump
    expect 0 "$WEIR" report a.dump
    has_every_line
    mkdump --module "$PWD/plain=/bin/true" --stack "$(<"$F/prog.stack")" --set 4:0:44:4=0 a.dump
    expect 0 "$WEIR" report a.dump
    lacks "$out" "checkout"
}

@test "a_module_that_is_no_regular_file_does_not_hang" {
    mkfifo fifo
    mkdump --module "$PWD/fifo=/bin/true" --module "/dev/zero=/bin/sh" --stack 0:0x1000,1:0x1000 a.dump
    expect 0 timeout 10 "$WEIR" report a.dump
    has "$out" "fifo+0x1000" "(is a FIFO, not a file)" "(is a device, not a file)"
}

@test "a_damaged_line_table_costs_only_that_modules_lines" {
    cp "$F/prog" crafted
    offset=$(readelf -SW crafted | sed 's/\[ */[/' | awk '$2 == ".debug_line" { print $5 }')
    head -c 64 /dev/zero | tr '\0' '\377' | dd of=crafted bs=1 seek=$((16#$offset + 12)) conv=notrunc status=none
    mkdump --module "$PWD/crafted" --module "$F/prog4" --stack "$(cut -d, -f1 "$F/prog.stack"),$(cut -d, -f2 "$F/prog4.stack" | sed s/0:/1:/)" a.dump
    expect 0 timeout 60 "$WEIR" report a.dump
    has "$out" "crafted+0x" "prog.cc:21"
}

@test "a_library_that_crashes_over_a_file_costs_the_names_not_the_report" {
    gcc -shared -fPIC -o crash.so -xc - <<<'#include <signal.h>
int dwarf_child(void) { return raise(SIGSEGV); }'
    mkdump --module "$F/prog" --stack "$(<"$F/prog.stack")" a.dump
    expect 0 env LD_PRELOAD="$PWD/crash.so" timeout 60 "$WEIR" report a.dump
    has "$out" "prog+0x" "its file makes the reader crash" "symbols for 0 of 1 modules"
    [ -z "$err" ]
}

@test "the_site_is_named_by_the_first_frame_that_is_no_allocators" {
    cat >names.cc <<'C'
#include <vector>
#include <string>
#include <cstdlib>
extern "C" __attribute__((noinline)) void *xmalloc(size_t n) { void *p = malloc(n); asm volatile("" ::"r"(p) : "memory"); return p; }
__attribute__((noinline)) void *load_table() { return xmalloc(3); }
namespace std { template <class T> __attribute__((noinline)) void inner_grow(T &v) { v.reserve(v.size() + 100); } }
int main() { std::vector<std::string> v; std::inner_grow(v); return load_table() == nullptr; }
C
    g++ -g -O1 -o names names.cc
    at() { nm names | awk -v n="$1" '$3 ~ n { print "0:0x" $1 "!"; exit }'; }
    mkdump --module "$PWD/names" --stack "$(at '^xmalloc$'),$(at load_table),$(at '^main$')" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "NOT FREED: load_table "
    mkdump --module "$PWD/names" --stack "$(at _ZSt10inner_grow),$(at '^main$')" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "NOT FREED: main "
    mkdump --module "$PWD/names" --stack "$(at '^xmalloc$')" a.dump # nothing else: the innermost
    expect 0 "$WEIR" report a.dump
    has "$out" "NOT FREED: xmalloc "
}

@test "functions_without_debug_information_are_named_by_the_symbol_table" {
    gcc -O1 -o plain -xc - <<<'__attribute__((noinline)) int only_me(int n) { return n * 7; } int main(int c, char **v) { (void)v; return only_me(c); }'
    mkdump --module "$PWD/plain" --stack "0:0x$(nm plain | awk '$3 == "only_me" { print $1 }')!" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "NOT FREED: only_me plain+0x" "(no debug file)"
}

@test "functions_that_do_not_tell_their_size_are_named_as_far_as_the_next_one" {
    cat >open.S <<'S'
    .text
    .globl before, within, after
    .type before, @function
before: .skip 32, 0x90
    .size before, 32
    ret
    .globl bare
bare: .skip 16, 0x90
label: .skip 16, 0x90
    .type after, @function
after: .skip 16, 0x90
    .size after, 16
    .type whole, @function
whole: .skip 16, 0x90
within: .skip 16, 0x90
    .size whole, 32
    .globl last
last: .skip 5000, 0x90
    .globl sized
sized: .skip 16, 0x90
    .size sized, 16
    .section .note.GNU-stack, "", @progbits
S
    gcc -o open -xc - -x assembler-with-cpp open.S <<<'int main(void) { return 0; }'
    at() { printf '0:0x%x!' $((0x$(nm open | awk -v n="$1" '$3 == n { print $1; exit }') + $2)); }
    mkdump --module "$PWD/open" --stack "$(at before 8),$(at before 32),$(at bare 0),$(at label 15),$(at after 2),$(at within 3),$(at last 4095),$(at last 4096),$(at sized 3)" a.dump
    expect 0 "$WEIR" report --json a.dump
    [ "$(json '[f["function"] for f in d["sites"][0]["frames"]]' .out)" = "['before', None, 'bare', None, 'after', 'whole', 'last', None, 'sized']" ] || { cat .out; false; }
    # Where local ones were taken out, others may lie behind it that nobody knows of.
    gcc -Wl,-x -o open -xc - -x assembler-with-cpp open.S <<<'int main(void) { return 0; }'
    mkdump --module "$PWD/open" --stack "$(at before 8),$(at bare 0),$(at after 2),$(at sized 2)" a.dump
    expect 0 "$WEIR" report --json a.dump
    [ "$(json '[f["function"] for f in d["sites"][0]["frames"]]' .out)" = "['before', None, 'after', 'sized']" ] || { cat .out; false; }
    # Where only what is exported is known, nothing is.
    gcc -shared -o open.so -x assembler-with-cpp open.S
    strip open.so
    at() { printf '0:0x%x!' $((0x$(nm -D open.so | awk -v n="$1" '$3 == n { print $1; exit }') + $2)); }
    mkdump --module "$PWD/open.so" --stack "$(at after 2),$(at bare 0)" a.dump
    expect 0 "$WEIR" report --json a.dump
    [ "$(json '[f["function"] for f in d["sites"][0]["frames"]]' .out)" = "['after', None]" ] || { cat .out; false; }
}

@test "a_frame_with_a_function_but_no_line_says_so" {
    gcc -O1 -g -o lines -xc - <<<'__attribute__((noinline)) int lined(int n) { return n * 7; } int main(int c, char **v) { (void)v; return lined(c); }'
    at() { nm lines | awk -v n="$1" '$3 == n { print "0:0x" $1 "!"; exit }'; }
    mkdump --module "$PWD/lines" --stack "$(at lined),$(at _start)" a.dump
    expect 0 "$WEIR" report --json a.dump
    [ "$(json '[(f["function"], f["line"] is None, f.get("missing")) for f in d["sites"][0]["frames"]]' .out)" = "[('lined', False, None), ('_start', True, 'no line is known')]" ] || { cat .out; false; }
}

@test "rust_names_are_readable" {
    command -v rustc >/dev/null || skip "rustc is not installed"
    rustc --crate-name rusty -g -O -o rusty - <<<'mod shop { #[inline(never)] pub fn keep(n: usize) -> Vec<u8> { vec![1; n] } } fn main() { std::mem::forget(shop::keep(std::env::args().count())); }' 2>/dev/null || skip "rustc does not work here"
    mkdump --module "$PWD/rusty" --stack "0:0x$(nm rusty | awk '/4shop4keep/ { print $1; exit }')!" a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "rusty::shop::keep"
}

@test "a_hundred_thousand_addresses_take_seconds" {
    read -r _ base _ size _ <<<"$(readelf -SW "$WEIR" | sed 's/\[ */[/' | awk '$2 == ".text" { print "x", $4, $5, $6 }')"
    mkdump --sites 10000 --depth 10 --blocks 10000 --module "$WEIR" --base "0x$base" --spread "0x$size" a.dump
    expect 0 timeout 20 "$WEIR" report --json a.dump
    [ "$(json 'len(d["sites"])' .out)" = 10000 ]
}
