#!/usr/bin/env bats
# The recipes of weir-ci(7): test runners over weir gate. Each of them passes a test that leaks nothing, and fails for one
# that loses a block, which is named.
load ../lib/weir

setup_file() {
    shim_is_built || return 1
    cd "$BATS_FILE_TMPDIR" || return 1
    mkdir bin
    ln -s "$WEIR_REPORTER" bin/weir
    for leaks in 0 1; do
        cat >"test_$leaks.c" <<C
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) static void parse(int leaks) {
    char *volatile p = malloc(77);
    *p = 1;
    if (!leaks) free(p);
    p = NULL;
}
int main(void) {
    char room[8192];
    parse($leaks);
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
    return 0;
}
C
    done
}
setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

needs() { command -v "$1" >/dev/null || skip "$1 is not installed"; }
# runs STATUS WORDS CMD...: it ends so, and says the words.
runs() {
    local wanted=$1 words=$2 got=0
    shift 2
    ( # cargo lies elsewhere
        local path=$PATH home=$HOME
        plain_environment "$PWD"
        export PATH=$BATS_FILE_TMPDIR/bin:$PATH:$path CARGO_HOME=${CARGO_HOME:-$home/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup}
        close_fds_of_bats
        exec timeout -k 5 120 "$@"
    ) >out 2>&1 </dev/null || got=$?
    if [ "$wanted" = 0 ]; then [ "$got" = 0 ]; else [ "$got" != 0 ]; fi || { echo "status $got: $*"; tail -n 40 out; return 1; }
    grep -qF -- "$words" out || { echo "no $words in:"; tail -n 40 out; return 1; }
}

@test "ctest" {
    needs ctest
    cp "$BATS_FILE_TMPDIR"/test_*.c .
    for leaks in 0 1; do
        cat >CMakeLists.txt <<C
cmake_minimum_required(VERSION 3.13)
project(tests C)
enable_testing()
set(CMAKE_C_FLAGS "-g -O1 -fno-builtin")
find_program(WEIR weir REQUIRED)
foreach(test $leaks)
    add_executable(test_\${test} test_\${test}.c)
    add_test(NAME \${test} COMMAND \${WEIR} gate -- \$<TARGET_FILE:test_\${test}>)
endforeach()
C
        runs 0 "Build files" cmake -S . -B "build$leaks"
        runs 0 "" make -C "build$leaks"
        if [ $leaks = 0 ]; then
            runs 0 "100% tests passed" ctest --test-dir build0
        else
            runs 1 "FAILED: leaked 77 B in 1 block; first: parse" ctest --test-dir build1 --output-on-failure
        fi
    done
}
@test "meson" {
    needs meson
    cp "$BATS_FILE_TMPDIR"/test_*.c .
    printf '%s\n' "project('tests', 'c', default_options: ['debug=true', 'optimization=1'])" \
        "foreach t : ['0', '1']" "  test(t, executable('test_' + t, 'test_' + t + '.c', c_args: ['-fno-builtin']))" "endforeach" >meson.build
    runs 0 "" meson setup build
    runs 0 "Ok:" meson test -C build --wrap="weir gate --" 0
    runs 1 "FAILED: leaked 77 B in 1 block; first: parse" meson test -C build --print-errorlogs --wrap="weir gate --" 1
}
@test "make_check" {
    cp "$BATS_FILE_TMPDIR"/test_*.c .
    printf 'CFLAGS = -g -O1 -fno-builtin\ncheck: $(TESTS)\n\tfor test in $(TESTS); do weir gate -- ./$$test || exit; done\n.PHONY: check\n' >Makefile
    runs 0 "weir gate: passed" make check TESTS=test_0
    runs 1 "FAILED: leaked 77 B in 1 block; first: parse test_1.c:5" make check TESTS="test_0 test_1"
}
@test "cargo_test" {
    needs cargo
    mkdir src
    printf '[package]\nname = "orders"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n' >Cargo.toml
    cat >src/lib.rs <<'R'
#[inline(never)]
pub fn order_new(n: usize) -> *mut u8 { Box::into_raw(vec![1u8; n].into_boxed_slice()) as *mut u8 }
#[cfg(test)]
mod tests {
    #[test]
    fn keeps() { assert_eq!(vec![1u8; 77].len(), 77); }
    #[test]
    fn loses() { for _ in 0..20 { assert!(!crate::order_new(77).is_null()); } }
}
R
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="weir gate --" CARGO_NET_OFFLINE=true
    runs 0 "weir gate: passed" cargo test --lib keeps
    runs 1 "first: orders::order_new" cargo test --lib loses
}
@test "pytest_with_a_c_extension" {
    /usr/bin/python3 -c 'import pytest' 2>/dev/null || skip "pytest is not installed"
    [ -e "$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" ] || skip "Python.h is not installed"
    cat >orders.c <<'C'
#include <Python.h>
#include <stdlib.h>
static PyObject *order(PyObject *self, PyObject *number) {
    char *volatile o = malloc(77);
    long n = PyLong_AsLong(number);
    (void)self;
    *o = 1;
    if (n % 2 == 0) free(o);
    o = NULL;
    return PyLong_FromLong(n);
}
static PyMethodDef methods[] = {{"order", order, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "orders", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_orders(void) { return PyModule_Create(&module); }
C
    gcc -g -O1 -fno-builtin -shared -fPIC "-I$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')" -o orders.so orders.c
    printf 'import orders\ndef test_even(): assert orders.order(2) == 2\ndef test_odd(): assert orders.order(3) == 3\n' >test_orders.py
    printf 'max_leaked any\nmax_leaked 0 site "* orders.c"\n' >weir.rules
    runs 0 "weir gate: passed" env PYTHONMALLOC=malloc weir gate -- python3 -m pytest -q -p no:cacheprovider -k even
    runs 1 "leaked 77 B in 1 block at * orders.c" env PYTHONMALLOC=malloc weir gate -- python3 -m pytest -q -p no:cacheprovider
}
@test "a_test_at_a_time_in_one_process" {
    cat >many.c <<'C'
#include "shim/weir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) static void lose(int n) {
    for (int i = 0; i < n; i++) {
        char *volatile p = malloc(24);
        *p = 1;
        p = NULL;
    }
}
__attribute__((noinline)) static void wipe(void) {
    char room[8192];
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
}
int main(int argc, char **argv) {
    char name[32];
    (void)argv;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "test_%d", i);
        weir_mark(name);
        lose(argc > 1 ? 0 : i % 7 == 3 ? i : 0);
        wipe();
        int leaks = weir_check();
        if (leaks) printf("not ok %s: %d\n", name, leaks);
    }
    return 0;
}
C
    gcc -g -O1 -fno-builtin "-I$WEIR_ROOT" -o many many.c
    runs 1 "Made after test_3 (3), test_10 (10), test_17 (17), test_24 (24), and after others (69)" weir gate -- ./many
    for i in 3 10 17 24 31 38; do grep -qx "not ok test_$i: $i" out || { cat out; return 1; }; done
    [ "$(grep -c 'not ok' out)" = 6 ]
    runs 0 "weir gate: passed" weir gate -- ./many none
    ! grep -qF "not ok" out
    WEIR_LEVEL=paranoid WEIR_DUMP_AT=none LD_PRELOAD=$WEIR_SHIM ./many >plain 2>said
    grep -qF "weir: LEAK: 17 blocks since the mark test_17" said
    ./many >plain # nothing is loaded
    [ ! -s plain ]
}
