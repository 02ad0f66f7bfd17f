#!/usr/bin/env bats
# The stacks of a core's threads, frame by frame as gdb has them: of gcc's and clang's code, by several linkers, of Rust
# and of Go with C in it.
load helpers
load cores

setup_file() {
    build_tools || return 1
    cat >"$BATS_FILE_TMPDIR/stacks.gdb" <<'GDB'
set backtrace past-main on
python
import gdb
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, pcs = gdb.newest_frame(), []
    while frame and (frame.name() or not pcs or frame.older() and frame.older().name()): # code of no name, and it guesses
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME): pcs.append(frame.pc()) # those are no frames
        try: frame = frame.older()
        except gdb.error: break
    print("stack", thread.ptid[1], *pcs)
GDB
}
setup() {
    plain
    command -v gdb >/dev/null || skip "there is no gdb"
}
WEIR=$WEIR_ROOT/${WEIR_BUILD:-build}/weir
SEGV=139 ABRT=134

# as_gdb PROGRAM LEAST: of the core each thread has gdb's frames, and of the one that ended so many at least. (Where modules lie
# is not compared: the same place of a page in each frame is no accident.)
as_gdb() {
    gdb -batch -nx -x "$BATS_FILE_TMPDIR/stacks.gdb" "$1" core 2>/dev/null | grep "^stack" >by_gdb
    "$WEIR" report --json core >by_weir
    ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || /usr/bin/python3 "$WEIR_ROOT/tests/lib/valid.py" --renamed report by_weir
    /usr/bin/python3 - by_gdb by_weir "$2" <<'PYTHON'
import json, sys
gdb = {int(line.split()[1]): [int(pc) % 4096 for pc in line.split()[2:]] for line in open(sys.argv[1])}
threads = json.load(open(sys.argv[2]))["cores"][0]["threads"]
weir = {t["thread"]: [int(f["offset"], 16) % 4096 for f in t["frames"] if not f["inlined"]] for t in threads}
assert gdb.keys() == weir.keys(), (gdb, weir)
for thread, pcs in gdb.items(): assert weir[thread][:len(pcs)] == pcs, (thread, pcs, weir[thread])
assert len(gdb[threads[0]["thread"]]) >= int(sys.argv[3]), (gdb, threads[0])
PYTHON
}

# Each of the ends with half of the ways to build it, with LONG=1 with all.
@test "of_c" {
    local n=0
    for what in uses_freed:$SEGV:3 frees_twice:$ABRT:8 calls_nothing:$SEGV:4; do
        IFS=: read -r what status least <<<"$what"
        for built in "gcc -O0" "gcc -O3 -fomit-frame-pointer" "clang -O2" "clang -O1 -fuse-ld=lld"; do
            [ "$LONG" ] || (((n++ + n / 5) % 2 == 0)) || continue
            $built -g -std=gnu11 -D_GNU_SOURCE -w -I "$WEIR_ROOT" -pthread -o built "$WEIR_ROOT/tests/shim/cored.c"
            core_of ./built "$status" paranoid "$what"
            as_gdb built "$least" || { echo "$built: $what"; false; }
        done
    done
}
@test "of_what_gdb_has_written" {
    core_at_exit "$SHIM_TOOLS/leaked" ways # threads wait in libc, whose code is not in such a core
    as_gdb "$SHIM_TOOLS/leaked" 5
}
@test "of_small_libraries_that_are_loaded_twice" {
    cat >library.c <<'C'
int deep(int n, void (*end)(void)) { if (n) return deep(n - 1, end) + 1; end(); return 2; }
int begin(void (*end)(void)) { return deep(5, end) + 1; }
C
    cat >main.c <<'C'
#include <dlfcn.h>
int main(void) {
    void *one = dlmopen(LM_ID_NEWLM, "./library.so", RTLD_NOW), *two = dlopen("./library.so", RTLD_NOW);
    int (*begin)(void (*)(void)) = dlsym(two ? one : two, "begin");
    return begin((void (*)(void))0);
}
C
    clang -g -O1 -fno-optimize-sibling-calls -fuse-ld=lld -shared -fPIC -o library.so library.c
    gcc -g -D_GNU_SOURCE -o main main.c -ldl
    core_of ./main $SEGV paranoid
    as_gdb main 11
}
@test "of_rust" {
    command -v rustc >/dev/null || skip "rustc is not installed"
    cat >main.rs <<'RUST'
use std::{thread, time::Duration};
#[inline(never)]
fn boom(items: &Vec<Box<u64>>) {
    let at = items.len() as *mut u64;
    unsafe { *at = 1 }
}
fn add(items: &mut Vec<Box<u64>>, n: u64) {
    items.push(Box::new(n));
    if n == 40 { boom(items) }
}
fn main() {
    thread::spawn(|| thread::sleep(Duration::from_secs(100)));
    thread::sleep(Duration::from_millis(100));
    let worker = thread::spawn(|| { let mut items = vec![]; (0..100u64).map(|n| add(&mut items, n)).count() });
    worker.join().unwrap();
}
RUST
    rustc -g -O -o main main.rs 2>/dev/null || skip "rustc does not work here"
    core_of ./main $SEGV paranoid
    as_gdb main 5
}
@test "of_go_with_c_in_it" {
    command -v go >/dev/null || skip "go is not installed"
    cat >main.go <<'GO'
package main

/*
#include <stdlib.h>
static void *keep(int n) { return malloc(n); }
static void crash(int *p) { *p = 1; }
static void outer(int n) { void *p = keep(100); crash((int *)(long)n); free(p); }
*/
import "C"

//go:noinline
func serve(n int) {
	C.keep(C.int(n))
	if n == 5 {
		C.outer(16)
	}
}

func main() {
	for i := 0; i < 10; i++ {
		serve(i + 1)
	}
}
GO
    printf 'module main\n' >go.mod
    GOFLAGS=-mod=mod GOPROXY=off HOME=$PWD go build -o main . 2>built || skip "go does not work here: $(head -c 200 built)"
    core_of ./main $ABRT paranoid GOTRACEBACK=crash
    as_gdb main 13
}
