#!/usr/bin/env bats
# Debug information as linkers and tools leave it: what was dropped, split off, compressed or made small. It is read, or
# what cannot be read is named; nothing is answered by half.
load helpers

setup_file() {
    build_tools "$BUILD/tests/reporter/mkdump"
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >main.cc <<'C'
#include <execinfo.h>
#include <stdio.h>
static inline __attribute__((always_inline)) void stack() {
    void *frames[8];
    int count = backtrace(frames, 8); // line 5
    extern char __executable_start;
    for (int i = 0; i < 2 && i < count; i++) printf("0:%#lx%s", (long)frames[i] - (long)&__executable_start, i ? "\n" : ",");
}
unsigned g[16];
struct Maker {
    __attribute__((noinline)) void operator()(int n) { stack(); g[n & 15]++; } // 11
};
int main(int argc, char **) {
    Maker maker;
    maker(argc); // 15
    return g[0] == 0;
}
C
    { # a function that nobody calls, longer than all the rest
        cat main.cc
        echo 'void dropped(unsigned x) {'
        for ((i = 1; i < 1500; i++)); do echo "    x = x * ${i}u + (x >> $((i % 7 + 1))); g[$((i % 16))] += x;"; done
        echo '}'
    } >dropping.cc
    mkdir shop
    cd shop || return 1
    cat >shop.h <<'C'
#include <execinfo.h>
#include <stdio.h>
#define KEEP asm volatile("" ::: "memory")
#define APART __attribute__((noinline))
#define INSIDE __attribute__((always_inline))
static inline INSIDE void stack() {
    void *frames[16];
    int count = backtrace(frames, 16); // line 8
    extern char __executable_start, etext;
    for (int i = 0; i < count; i++)
        if ((char *)frames[i] < &etext && (char *)frames[i] >= &__executable_start)
            printf("%s0:%#lx", i ? "," : "", (long)frames[i] - (long)&__executable_start);
    printf("\n");
}
namespace shop {
template <class T> struct Cart {
    static inline INSIDE void fill(int n) { if (n) stack(); KEEP; } // 17
};
}
void back(int n);
C
    cat >front.cc <<'C'
#include "shop.h"
namespace {
APART void hidden(int n) { back(n); KEEP; } // 3
struct Local {
    APART void operator()(int n) const { hidden(n + 1); KEEP; } // 5
};
inline INSIDE void inlined(int n) { Local()(n + 1); KEEP; } // 7
}
static APART void fixed(int n) { inlined(n + 1); KEEP; } // 9
int main(int argc, char **) {
    auto apart = [=](int n) APART { fixed(n + argc); KEEP; }; // 11
    auto inside = [=](int n) INSIDE { apart(n + argc); KEEP; }; // 12
    inside(argc); // 13
}
C
    cat >back.cc <<'C'
#include "shop.h"
static inline INSIDE void step(int n) { shop::Cart<long>::fill(n); KEEP; } // 2
APART void back(int n) { step(n); KEEP; } // 3
C
    cat >names.sed <<'C'
# FUNCTION:LINE of a frame, the same for both compilers
s/^"([^"]*)","file":("[^"]*"|null),"line":([0-9]+|null).*/\1:\3/
s/^null,.*/?:-/
s/:null$/:-/
s/\{lambda[^}]*\}|\$_[0-9]/LAMBDA/
s/operator\(\)/operator@/; s/\(anonymous namespace\)/@anonymous@/
s/\([^()]*\)( const)?(:[-0-9]+)$/\2/
s/operator@/operator()/; s/@anonymous@/(anonymous namespace)/
C
}
setup() { plain; F=$BATS_FILE_TMPDIR; }

WHOLE='stack:8 < shop::Cart<long>::fill:17 < step:2 < back:3 < (anonymous namespace)::hidden:3 < (anonymous namespace)::Local::operator():5 < (anonymous namespace)::inlined:7 < fixed:9 < main::LAMBDA::operator():11 < main::LAMBDA::operator():12 < main:13'
FRONT=${WHOLE#*back:3 < }
BARE_FRONT='(anonymous namespace)::hidden:- < (anonymous namespace)::Local::operator():- < fixed:- < main::LAMBDA::operator():- < main:-'
BARE="back:- < $BARE_FRONT"

# report_on PROGRAM: of a block made where the program says; all frames as FUNCTION:LINE in $frames.
report_on() {
    mkdump --module "$PWD/$1" --stack "$("./$1" | tail -n 1)" a.dump
    expect 0 timeout 60 "$WEIR" report --json a.dump
    frames=$(json '[(f["function"].replace("stack()", "stack"), f["line"]) for f in d["sites"][0]["frames"]]' .out)
}
is_whole() {
    [ "$frames" = "[('stack', 5), ('Maker::operator()(int)', 11), ('main', 15)]" ] || { echo "$1: $frames"; return 1; }
}

@test "what_the_linker_dropped_is_not_code" {
    local linker compiler flags
    for linker in bfd gold lld; do
        for compiler in g++ clang++; do
            for flags in "-O1" "-O1 -gdwarf-4" "-O0 -gz=zlib" "-O1 -Wl,-z,noseparate-code"; do
                # shellcheck disable=SC2086 # several flags
                $compiler -g $flags -ffunction-sections -Wl,--gc-sections "-fuse-ld=$linker" -o dropping "$F/dropping.cc" 2>err || continue
                report_on dropping
                is_whole "$compiler $linker $flags"
                echo "$linker" >>tried
                [ "$LONG" ] || [ "$linker $compiler" = "bfd g++" ] || break
            done
            [ "$LONG" ] || [ $linker = bfd ] || break
        done
    done
    grep -q bfd tried # the others may not be installed
}

# shop COMPILER FLAGS...: builds prog of two units in a folder of its own, and goes there; $stack is of a block made in it.
shop() {
    rm -rf "$BATS_TEST_TMPDIR/shop"
    mkdir "$BATS_TEST_TMPDIR/shop"
    cd "$BATS_TEST_TMPDIR/shop" || return 1
    cp "$F"/shop/*.cc "$F"/shop/*.h .
    "$1" -O2 -g "${@:2}" -c front.cc back.cc && "$1" -O2 -g -Wl,--build-id "${@:2}" -o prog front.o back.o && stack=$(./prog)
}

# explained OPTIONS...: what weir says of the block, whatever the program is called: FUNCTION:LINE of each frame up to main
# in $frames, why lines are missing in $missing.
explained() {
    mkdump --module "${module:-$PWD/prog}=$PWD/prog" --stack "$stack" a.dump
    expect 0 timeout 60 "$WEIR" report --json "$@" a.dump
    sed 's/{"function":/\n/g' "$BATS_TEST_TMPDIR/.out" | sed 1d | grep -v '^"_start"' >frames
    frames=$(sed -Ef "$F/shop/names.sed" frames | paste -sd'<' | sed 's/</ < /g; s/Cart < long>/Cart<long>/g')
    missing=$(sed -nE 's/.*"missing":"([^"]*)".*/\1/p' frames | sort -u | paste -sd'|' | sed 's/|/ | /g')
}

# explains WHAT FRAMES [MISSING]: the last report had these.
explains() {
    [ "$frames" = "$2" ] && [ "$missing" = "${3:-}" ] || { printf '%s\n  frames   %s\n  not      %s\n  missing  %s\n' "$1" "$frames" "$2" "$missing"; return 1; }
}

@test "every_way_to_compile_has_whole_names_and_the_lines_that_belong_to_them" {
    local compiler flags
    for compiler in g++ clang++; do
        for flags in "-gdwarf-5" "-gdwarf-4 -fdebug-types-section" "-gdwarf-5 -fdebug-types-section -gz=zlib"; do
            # shellcheck disable=SC2086 # several flags
            shop $compiler $flags
            explained
            explains "$compiler $flags" "$WHOLE"
        done
    done
    shop g++ -gz=zlib-gnu
    explained
    explains "gcc's older compression" "$WHOLE"
    for flags in "g++ -flto" "clang++ -flto -fuse-ld=lld"; do # the linker inlines `back`; noinline holds for the rest
        # shellcheck disable=SC2086
        shop $flags 2>err || continue
        explained
        explains "$flags" "$WHOLE"
    done
}

@test "with_little_debug_information_functions_have_the_symbol_tables_names" {
    local few='stack:8 < fill:17 < step:2 < back:3 < (anonymous namespace)::hidden:3 < (anonymous namespace)::Local::operator():5 < inlined:7 < fixed:9 < main::LAMBDA::operator():11 < operator():12 < main:13'
    shop g++ -g1
    explained
    explains "gcc -g1" "${few/ fill/ shop::Cart<long>::fill}"
    shop clang++ -g1 # tells nothing of functions into which nothing is inlined
    explained
    explains "clang -g1" "$few"
}

@test "names_are_whole_without_a_symbol_table_too" {
    shop g++
    strip --strip-all --keep-section='.debug_*' -o stripped prog
    mv stripped prog
    explained
    explains "" "$WHOLE < ?:-" "no symbol covers it"
}

@test "split_debug_files_are_read" {
    local compiler flags
    for compiler in g++ clang++; do
        for flags in "-gdwarf-4" "-gdwarf-5" "-gdwarf-5 -fdebug-types-section -gz=zlib -ffunction-sections"; do
            # shellcheck disable=SC2086
            shop $compiler -gsplit-dwarf $flags
            explained
            explains "$compiler $flags" "$WHOLE"
        done
    done
    shop clang++ -gsplit-dwarf=single # inside of the object files
    explained
    explains "inside of object files" "$WHOLE"
}

@test "split_debug_files_are_found_elsewhere" {
    shop g++ -gsplit-dwarf
    mkdir elsewhere
    mv ./*.dwo elsewhere
    explained --debug-dir "$PWD/elsewhere"
    explains "in a debug folder" "$WHOLE"
    mkdir -p "root$PWD"
    mv elsewhere/*.dwo "root$PWD"
    cp prog root/prog
    module=/prog explained --sysroot "$PWD/root"
    explains "below a root" "$WHOLE"
    mv "root$PWD"/*.dwo .
    objcopy --only-keep-debug prog prog.debug
    strip -o stripped prog
    objcopy --add-gnu-debuglink=prog.debug stripped prog
    explained
    explains "of a debug file" "$WHOLE"
}

@test "packages_of_split_debug_files_are_read" {
    local compiler
    for compiler in g++ clang++; do
        shop $compiler -gsplit-dwarf -gdwarf-4 -fdebug-types-section
        dwp -e prog -o prog.dwp
        rm ./*.dwo
        explained
        explains "$compiler" "$WHOLE"
    done
    mkdir elsewhere
    mv prog.dwp elsewhere
    explained --debug-dir "$PWD/elsewhere"
    explains "in a debug folder" "$WHOLE"
}

@test "packages_of_dwarf_5_are_read" {
    command -v llvm-dwp >/dev/null || skip "llvm-dwp is not installed" # binutils' own crashes over it
    shop clang++ -gsplit-dwarf -gdwarf-5
    llvm-dwp -e prog -o prog.dwp
    rm ./*.dwo
    explained
    explains "" "$WHOLE"
}

@test "a_split_file_that_is_missing_costs_lines_and_is_named" {
    local compiler version
    for compiler in g++ clang++; do
        for version in 4 5; do
            shop $compiler -gsplit-dwarf -gdwarf-$version
            rm front.dwo
            explained
            explains "$compiler -gdwarf-$version, one missing" "${WHOLE%%(anon*}$BARE_FRONT" "no split debug file front.dwo"
            rm back.dwo
            explained
            explains "$compiler -gdwarf-$version, both" "$BARE" "no split debug file back.dwo | no split debug file front.dwo"
        done
    done
    expect 0 "$WEIR" report a.dump
    has "$out" "prog+0x" "(no split debug file front.dwo)"
    lacks "$out" ".cc:" ".h:"
    expect 0 "$WEIR" report --full a.dump
    [ "$(grep -c "^  $PWD/prog: no split debug file .*, and 1 more like it$" "$BATS_TEST_TMPDIR/.out")" = 1 ] || { tail -n 5 "$BATS_TEST_TMPDIR/.out"; false; }
}

@test "a_skeleton_that_tells_what_is_inlined_does_without_its_split_file" {
    shop clang++ -gsplit-dwarf -fsplit-dwarf-inlining -gdwarf-4
    explained
    explains "with it" "$WHOLE"
    rm ./*.dwo
    explained
    [[ $frames == *"stack:8 < "*"fill:17 < "*"step:2 < back:3 < "*"hidden:3 < "*"operator():12 < main:13" ]] || { echo "$frames"; false; }
}

@test "a_split_file_that_is_another_one_or_damaged_is_not_used" {
    shop g++ -gsplit-dwarf
    echo 'int other;' >>back.cc
    g++ -O2 -g -gsplit-dwarf -c back.cc
    explained
    explains "another" "back:- < $FRONT" "split debug file back.dwo is another one now"
    head -c 700 back.dwo >cut
    mv cut back.dwo
    explained
    explains "damaged" "back:- < $FRONT" "${missing:?}"
    has "$missing" "split debug file back.dwo"
    rm back.dwo
    mkfifo back.dwo
    explained
    explains "a FIFO" "back:- < $FRONT" "no split debug file back.dwo"
    head -c 3000 /dev/urandom >prog.dwp
    explained
    explains "a package of nothing" "back:- < $FRONT" "split debug file prog.dwp is damaged"
}

# A whole symbol table, compressed into a section of the stripped program.
add_minidebuginfo() {
    objcopy --only-keep-debug "$1" kept
    nm "$1" --format=posix --defined-only | awk '$2 ~ /[Tt]/ { print $1 }' >functions
    objcopy -S --remove-section .comment --keep-symbols=functions kept mini
    xz -f mini
    strip "$1"
    objcopy --add-section .gnu_debugdata=mini.xz "$1"
}

@test "the_symbol_table_inside_of_a_stripped_program_is_read" {
    shop g++
    add_minidebuginfo prog
    explained
    explains "whole" "$BARE" "no debug file"
    has "$(json 'd["sites"][0]["name"]' "$BATS_TEST_TMPDIR/.out")" "back"
    head -c 300 mini.xz >cut
    objcopy --update-section .gnu_debugdata=cut prog
    explained
    explains "cut" "?:- < ?:- < ?:- < ?:- < ?:- < ?:- < ?:-" "stripped, its .gnu_debugdata is damaged"
}

@test "sections_compressed_with_zstd_are_read" {
    shop g++
    objcopy --compress-debug-sections=zstd prog 2>err || skip "objcopy knows no zstd"
    readelf -tW prog | grep -q ZSTD
    explained
    explains "in the program" "$WHOLE"
    objcopy --only-keep-debug prog prog.debug
    strip -o stripped prog
    objcopy --add-gnu-debuglink=prog.debug stripped prog
    explained
    explains "in a debug file" "$WHOLE"
    shop g++ -gsplit-dwarf
    objcopy --compress-debug-sections=zstd front.dwo
    objcopy --compress-debug-sections=zstd back.dwo
    readelf -tW front.dwo | grep -q ZSTD
    explained
    explains "in split files" "$WHOLE"
}

# set_byte FILE SECTION OFFSET HEX: changes a byte of a section in place.
set_byte() {
    local offset
    offset=$(readelf -SW "$1" | sed 's/\[ */[/' | awk -v s="$2" '$2 == s { print $5 }')
    printf '%b' "\\x$4" | dd of="$1" bs=1 seek=$((16#$offset + $3)) conv=notrunc status=none
}

@test "compressed_sections_that_cannot_be_read_are_named_and_answer_nothing" {
    local kind section
    shop g++
    cp prog plain
    for kind in zstd zlib; do
        for section in .debug_str .debug_info .debug_line; do
            cp plain prog
            objcopy --compress-debug-sections=$kind prog
            set_byte prog $section 30 7f
            set_byte prog $section 31 7f
            explained
            explains "$kind $section" "$BARE" "its compressed sections are damaged"
        done
    done
    set_byte prog .debug_info 0 09
    explained
    explains "unknown" "$BARE" "its sections are compressed in an unknown way"
    set_byte prog .debug_info 14 7f # a size of 2^55 bytes
    explained
    has "$missing" "its sections are too large"
}

@test "a_section_of_texts_whose_last_one_does_not_end_is_not_read" {
    local section size
    for section in .debug_str .debug_line_str; do
        shop g++
        size=$(readelf -SW prog | sed 's/\[ */[/' | awk -v s=$section '$2 == s { print $6 }')
        set_byte prog $section $((16#$size - 1)) 78
        explained
        explains $section "$BARE" "its debug information cannot be read"
    done
}

@test "debian_s_dwz_files_are_found" {
    command -v dwz >/dev/null || skip "dwz is not installed"
    local common=usr/lib/debug/.dwz/x86_64-linux-gnu/shop.debug
    shop g++
    cp prog other
    mkdir -p "root/${common%/*}" root/usr/lib/debug/.build-id/ab
    dwz -m "root/$common" -M "/$common" prog other
    explained
    explains "nowhere" "$BARE" "no dwz file shop.debug"
    explained --debug-dir "$PWD/root/usr/lib/debug"
    explains "in a debug folder" "$WHOLE"
    objcopy --compress-debug-sections "root/$common"
    cp prog root
    module=/prog explained --sysroot "$PWD/root"
    explains "below a root" "$WHOLE"
    shop g++
    cp prog other
    mkdir -p root/.dwz debug/.build-id
    dwz -m root/.dwz/common -M ../.dwz/common prog other
    id=$(readelf -n prog | sed -n 's/.*Build ID: //p')
    mkdir -p "debug/.build-id/${id:0:2}" root/bin
    objcopy --only-keep-debug prog root/bin/prog.debug
    ln -s "$PWD/root/bin/prog.debug" "debug/.build-id/${id:0:2}/${id:2}.debug"
    strip prog
    explained --debug-dir "$PWD/debug"
    explains "beside what a link leads to" "$WHOLE"
}

@test "dwz_files_of_dwarf_5_are_named" {
    command -v dwz >/dev/null || skip "dwz is not installed"
    shop g++
    cp prog other
    dwz --dwarf-5 -m common prog other
    explained
    explains "" "$BARE" "shared debug information (.debug_sup) is not read"
}

@test "a_debug_file_of_no_build_id_must_have_the_links_checksum" {
    shop g++
    objcopy --remove-section .note.gnu.build-id prog plain
    objcopy --only-keep-debug plain plain.debug
    strip plain
    objcopy --add-gnu-debuglink=plain.debug plain prog
    explained
    explains "the same" "$WHOLE"
    printf 'more' >>plain.debug
    explained
    has "$missing" "checksum of the debug file differs"
    [[ $frames != *back* ]]
}

@test "functions_inlined_very_deep_are_all_there" {
    {
        echo '#include "shop.h"'
        echo 'static inline INSIDE void f0() { stack(); KEEP; }'
        for ((i = 1; i < 200; i++)); do echo "static inline INSIDE void f$i() { int v = $i; f$((i - 1))(); asm volatile(\"\" ::\"r\"(v)); }"; done
        echo 'int main() { f199(); KEEP; }'
    } >"$BATS_TEST_TMPDIR/deep.cc"
    shop g++
    g++ -g -O1 -I. -Wl,--build-id -o prog ../deep.cc
    stack=$(./prog)
    explained
    [[ $frames == "stack:8 < f0:2 < f1:3 < "*" < f198:200 < f199:201 < main:202" ]] || { echo "$frames"; false; }
}

# What is nested deeper than anybody writes is not followed; then nobody knows what is inlined there.
@test "a_line_is_not_given_with_the_name_of_a_function_around_it" {
    shop g++
    {
        echo '#include "shop.h"'
        echo 'static inline INSIDE void inner() { stack(); KEEP; } APART void outer() {'
        for ((i = 0; i < 600; i++)); do echo "{ volatile int v$i = $i;"; done
        echo 'inner();'
        for ((i = 0; i < 600; i++)); do echo '}'; done
        echo '} int main() { outer(); KEEP; }'
    } >deep.cc
    g++ -g -O0 -Wl,--build-id -o prog deep.cc
    stack=$(./prog)
    explained
    explains "" "outer:- < main:-" "its debug information cannot be read"
}
