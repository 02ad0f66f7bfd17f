#!/usr/bin/env bats
# weir gate over programs of Debian's: with a baseline made by one command they pass, and fail for a leak that a preloaded
# library plants in each of their processes.
load ../lib/weir

setup_file() {
    shim_is_built || return 1
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >plant.c <<'C'
#include <stdlib.h>
__attribute__((noinline)) static void planted(void) {
    for (int i = 0; i < 10; i++) {
        char *volatile p = malloc(4321);
        *p = 1;
        p = NULL;
    }
}
__attribute__((constructor)) static void begin(void) {
    if (getenv("PLANT")) planted();
}
C
    gcc -g -O1 -fno-builtin -shared -fPIC -o plant.so plant.c
}
setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

LIMIT=120
with_baseline() { GATE_UNDER=${PLANT:+LD_PRELOAD=$BATS_FILE_TMPDIR/plant.so} gate "$1" --baseline base.json "${@:2}"; }
# bears CMD...: OPTIONS are for the making of the baseline.
bears() {
    with_baseline 0 --update-baseline ${OPTIONS:-} -- "$@"
    with_baseline 0 -- "$@"
    (export PLANT=1 && with_baseline 1 -- "$@")
    grep -qE "FAILED: leaked .*; first: planted plant.c:4" out || { tail -n 30 out; return 1; }
}

@test "sqlite3" { bears sqlite3 :memory: "create table t(a); insert into t values(1),(2); select sum(a) from t;"; }
@test "python3" { bears python3 -c 'import json; print(json.dumps({"a": [1, 2]}))'; }
@test "nginx" { # it may end with a connection that it was just about to close, and which leads to all others
    mkdir logs
    echo 'daemon off; master_process off; error_log /dev/null; pid nginx.pid; events {} http { access_log off; server { listen unix:n.sock; } }' >n.conf
    OPTIONS="--repeat 3" bears sh -c 'rm -f n.sock; nginx -p . -c n.conf & until curl -s --unix-socket n.sock http://x/ >page; do sleep 0.05; done; kill -QUIT $!; wait'
    [ -s page ]
}
@test "redis" { # a thread of jemalloc's, which Debian's has with it, blocks all signals and could not be held
    bears sh -c 'redis-server --port 0 --unixsocket r.sock --save "" --jemalloc-bg-thread no >log & until redis-cli -s r.sock set a b >said 2>&1 && grep -q OK said; do sleep 0.05; done; redis-cli -s r.sock shutdown nosave; wait'
}
@test "a_jvm" {
    echo 'public class H { public static void main(String[] a) { StringBuilder b = new StringBuilder(); for (int i = 0; i < 100000; i++) b.append(i); System.out.println(b.length()); } }' >H.java
    javac H.java
    OPTIONS="--repeat 3" bears java -Xint -cp . H
}
