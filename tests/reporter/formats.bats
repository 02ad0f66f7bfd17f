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
}
setup() { plain; F=$BATS_FILE_TMPDIR; }

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
            done
        done
    done
    grep -q bfd tried # the others may not be installed
}
