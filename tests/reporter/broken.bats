#!/usr/bin/env bats
# Files that are no whole dumps: one clear line, exit 3, and whatever is whole in them.
load helpers

setup_file() { build_tools "$BUILD/tests/reporter/mkdump" "$BUILD/tests/reporter/fuzz_load" "$BUILD/tests/reporter/fuzz_box" "$BUILD/tests/reporter/fuzz_core" "$BUILD/tests/reporter/guided"; }
setup() { plain; }

refused() { # refused FILE WORDS...: one line that names the file, nothing on stdout
    local file=$1
    shift
    expect 3 timeout 10 "$WEIR" report "$file"
    one_line
    has "$err" "weir: $file: " "$@"
    [ -z "$out" ]
}

@test "what_is_no_regular_file_is_named_and_does_not_hang" {
    mkfifo fifo
    refused fifo "FIFO"
    refused /dev/zero "device"
    refused missing "No such file"
    mkdir empty
    refused empty "no dump is in this folder"
    mkdir empty/x.dump
    expect 3 "$WEIR" report empty
    has "$err" "empty/x.dump: is a folder"
}

@test "what_is_no_dump_is_named_with_the_byte" {
    : >empty
    refused empty "at byte 0 (header): the file is empty"
    head -c 5000 /dev/urandom >random
    refused random "at byte 0 (header): not a dump"
    mkdump a.dump
    head -c 40 a.dump >short
    refused short "at byte 40 (header): the file ends inside the header"
    { head -c 8 a.dump; printf '\x09\0\0\0'; tail -c +13 a.dump; } >version
    refused version "at byte 8 (header): format version 9; this weir reads version 1"
    { head -c 30 a.dump; printf '\x55'; tail -c +32 a.dump; } >header
    refused header "at byte 0 (header): damaged"
}

@test "a_cut_dump_gives_what_is_whole_and_says_what_is_missing" {
    mkdump --blocks 1000 --sites 5 a.dump
    head -c $(($(stat -c %s a.dump) - 2000)) a.dump >cut.dump
    expect 3 "$WEIR" report cut.dump
    one_line
    has "$err" "weir: cut.dump: at byte " "(section blocks): the file is cut"
    has "$out" "partial: cut.dump: " "missing: blocks, stats" "not freed at least" "at 5 sites" "used ?"
    expect 3 "$WEIR" report --json cut.dump
    [ "$(json 'd["partial"], len(d["reasons"]), len(d["sites"]), d["direct"]["memory_used"]' .out)" = "(True, 2, 5, None)" ]
}

@test "sites_that_were_lost_are_added_up_from_the_blocks" {
    mkdump --blocks 10 --sites 2 --size 50 --set 8:1:0:4=77 a.dump
    expect 3 "$WEIR" report a.dump
    has "$err" "(section sites): record 1 names a stack that does not exist"
    has "$out" "not freed at least 500 B at 2 sites"
}

@test "indexes_out_of_range_and_impossible_values_are_named" {
    while read -r set section words; do
        mkdump --refusals 1 --thread x --pool 1 --set "$set" a.dump
        expect 3 "$WEIR" report a.dump
        one_line
        has "$err" "at byte " "(section $section)" "$words"
    done <<'C'
4:0:24:4=0xfffffff0 modules a path out of range
4:0:44:4=400 modules an impossible build-id length
4:0:16:8=1 modules ends before it starts
6:0:0:8=0x7000000001000 frames a module that does not exist
7:1:0:4=0xffffffff stacks frames out of range
8:0:0:4=1000000 sites a stack that does not exist
9:3:24:4=0xffffffff blocks a stack that does not exist
9:3:32:4=99 blocks an unknown verdict
12:0:40:8=0x9000000000000 refusals a module that does not exist
13:0:8:4=0x80000000 threads a name out of range
41:0:24:4=0xffffffff pools a stack that does not exist
41:0:32:4=5 pools an unknown verdict
41:0:8:8=0 pools an impossible size
41:0:8:8=0xffffffffffffffff pools an impossible size
1:0:12:4=9 process impossible level
1:0:72:4=0xffffffff process names a string out of range
C
}

@test "a_dump_without_an_end_or_process_is_not_whole" {
    mkdump --no-end a.dump
    expect 3 "$WEIR" report a.dump
    has "$err" "(section header): the file is cut here"
    mkdump --omit 1 a.dump
    expect 3 "$WEIR" report a.dump
    has "$err" "(section process): missing"
}

@test "one_broken_dump_of_a_folder_does_not_hide_the_others" {
    mkdir dumps
    mkdump --blocks 3 --size 10 --sites 1 dumps/a.dump
    echo no >dumps/b.dump
    expect 3 "$WEIR" report dumps
    one_line
    has "$out" "not freed at least 30 B at 1 site" "partial: dumps/b.dump: at byte 3 (header)"
}

@test "absurd_numbers_stay_numbers" {
    mkdump --sites 2 --blocks 2 --set 8:0:16:8=0xffffffffffffffff --set 8:1:16:8=0xffffffffffffffff \
        --set 8:0:24:8=0xffffffffffffffff --set 1:0:56:8=0 a.dump
    expect 3 "$WEIR" report a.dump # it ends before it starts
    has "$out" "16 EiB"
}

# checked SECONDS CMD...: a program under sanitizers. libdw may crash in the processes that read symbols and stacks; weir's own
# code may not, there or elsewhere.
checked() {
    local log first
    export ASAN_OPTIONS=log_path=$PWD/asan UBSAN_OPTIONS=log_path=$PWD/asan:print_stacktrace=1
    timeout "$@" >out 2>&1 </dev/null || { tail -n 60 out; cat asan.* || true; return 1; }
    for log in asan.*; do
        [ -e "$log" ] || continue
        first=$(grep -E '^ +#[0-9]+ ' "$log" | grep -oE ' reporter/|libdw|libelf|liblzma|libzstd' | head -n 1)
        [[ $first != *reporter/ ]] && ! grep -q 'runtime error' "$log" || { head -40 "$log"; return 1; }
    done
}
fuzz() { checked 120 "$TOOLS/fuzz_load" "$1" "$2" "$PWD" "${@:3}"; } # SEED ITERATIONS ELF [BESIDE]

small_program() {
    printf '%s\n' 'static inline __attribute__((always_inline)) int in(int n) { return n * n + 1; }' \
        '__attribute__((noinline)) int f(int n) { return in(n) / (n + 3); }' 'int main(int c, char **v) { (void)v; return f(c); }' >p.c
    gcc -O2 -g "$@" -c p.c
    gcc -Wl,--build-id -o p p.o
}

@test "ten_seconds_of_fuzzing_find_nothing" {
    small_program
    fuzz 1 120 p
    fuzz 2 120 p
}

@test "damaged_split_and_compressed_files_find_nothing" {
    small_program -gsplit-dwarf -gdwarf-5
    fuzz 3 40 p p.dwo
    small_program -gsplit-dwarf -gdwarf-4
    dwp -e p -o fuzzed.elf.dwp
    rm p.dwo
    fuzz 4 40 p fuzzed.elf.dwp
    rm fuzzed.elf.dwp
    if command -v dwz >/dev/null; then
        small_program
        cp p q
        dwz -m common -M "$PWD/common" p q
        fuzz 7 40 p common
    fi
    small_program
    nm p --format=posix --defined-only | awk '$2 ~ /[Tt]/ { print $1 }' >functions
    objcopy -S --keep-symbols=functions p mini
    xz mini
    strip -o stripped p
    objcopy --add-section .gnu_debugdata=mini.xz stripped
    fuzz 5 40 stripped
    for i in {1..40}; do echo "int more$i(int n) { struct pair$i { int a, b; } p = {n, n}; return p.a + p.b; }"; done >>p.c # worth compressing
    gcc -O2 -g -Wl,--build-id -o p p.c
    objcopy --compress-debug-sections=zstd p
    fuzz 6 40 p
}
@test "boxes_broken_at_random_are_read_or_refused" {
    checked 120 "$TOOLS/fuzz_box" 5 "${BOXES:-150}" "$PWD"
    grep -q "boxes were read" out
}
@test "cores_broken_at_random_are_read_or_refused" {
    checked 120 "$TOOLS/fuzz_core" 6 "${CORES:-150}" "$PWD"
    grep -q "cores were read" out
}
@test "the_inputs_that_libfuzzer_begins_with_are_of_this_version" {
    ALL_READ=1 checked 60 "$TOOLS/guided" "$BATS_TEST_DIRNAME"/../fuzz/corpus/*
}
@test "what_libfuzzer_makes_of_dumps_boxes_and_cores_is_read_or_refused" {
    mkdir corpus
    checked 300 "$TOOLS/guided" -seed=1 -runs="${INPUTS:-2500}" -max_len=40000 -rss_limit_mb=3000 -timeout=30 corpus \
        "$BATS_TEST_DIRNAME/../fuzz/corpus"
    grep -qE "Done [0-9]+ runs" out && [ "$(find corpus -type f | wc -l)" -gt 20 ] || { tail -n 60 out; return 1; }
}
