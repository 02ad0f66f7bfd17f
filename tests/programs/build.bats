#!/usr/bin/env bats
# Compilers and build tools behave under weir as without it: what they make is the same byte for byte, and runs.
load ../lib/weir

gcc_session() {
    gcc -O2 -g -frandom-seed=1 -Wall -c "$PROGRAMS/compiled.c" -o c.o && sha256sum c.o
    gcc c.o -o c && ./c
    gcc -Wall -Wextra -c -x c - -o bad.o <<<'int f(int x) { int y; if (x = 1) return y }'
    echo "status $?"
}
gxx_session() {
    g++ -std=c++17 -O1 -frandom-seed=1 -c "$PROGRAMS/compiled.cc" -o cc.o && sha256sum cc.o
    g++ -pthread cc.o -o cc && ./cc
}
make_session() {
    local i
    for i in $(seq 12); do echo "int f$i(int x) { return x * $i; }" >"f$i.c"; done
    echo '#include <stdio.h>
        int f12(int);
        int main(void) { printf("%d\n", f12(3)); }' >main.c
    printf 'program: $(patsubst %%.c,%%.o,$(sort $(wildcard *.c)))\n\t$(CC) -o $@ $^\n%%.o: %%.c\n\t@$(CC) -c -o $@ $<\nfails: ; exit 3\n' >Makefile
    make -s -j4 program && ./program && sha256sum ./*.o
    make -q program && echo "up to date"
    make -j2 -k fails nothing
    echo "status $?"
}
cmake_session() {
    mkdir src
    cp "$PROGRAMS/compiled.c" src/
    echo 'cmake_minimum_required(VERSION 3.10)
        project(small C)
        find_package(Threads REQUIRED)
        add_library(part STATIC compiled.c)
        add_executable(small compiled.c)
        target_link_libraries(small Threads::Threads)' >src/CMakeLists.txt
    cmake -S src -B out -DCMAKE_BUILD_TYPE=Release | sed 's/([0-9.]*s)//'
    cmake --build out --parallel 2 | grep -c Built && out/small
}
export -f gcc_session gxx_session make_session cmake_session

@test "gcc_makes_the_same_objects_at_disabled" { same_as_without disabled cc1 gcc_session; }
@test "gcc_makes_the_same_objects_at_simple" { same_as_without simple cc1 gcc_session; }
@test "gcc_makes_the_same_objects_at_paranoid" { same_as_without paranoid cc1 gcc_session; }
@test "gxx_makes_the_same_objects_at_disabled" { same_as_without disabled cc1plus gxx_session; }
@test "gxx_makes_the_same_objects_at_simple" { same_as_without simple cc1plus gxx_session; }
@test "gxx_makes_the_same_objects_at_paranoid" { same_as_without paranoid cc1plus gxx_session; }
@test "make_behaves_as_without_weir_at_disabled" { same_as_without disabled make make_session; }
@test "make_behaves_as_without_weir_at_simple" { same_as_without simple make make_session; }
@test "make_behaves_as_without_weir_at_paranoid" { same_as_without paranoid make make_session; }
@test "cmake_behaves_as_without_weir_at_disabled" { same_as_without disabled cmake cmake_session; }
@test "cmake_behaves_as_without_weir_at_simple" { same_as_without simple cmake cmake_session; }
@test "cmake_behaves_as_without_weir_at_paranoid" { same_as_without paranoid cmake cmake_session; }
