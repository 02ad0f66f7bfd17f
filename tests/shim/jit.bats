#!/usr/bin/env bats
# Code that no module has: its names come from the perf map of the runtime that made it, through the dump. jitting.c is such
# a runtime.
load helpers

setup_file() { build_tools; }
setup() { plain; }
# Of any that a test has left.
teardown() { cat out pids 2>/dev/null | sed -n 's|^[0-9]*$|/tmp/perf-&.map|p' | xargs rm -f; }

NAMES="['java.nio.ByteBuffer java.nio.ByteBuffer.allocateDirect(int)', 'void shop.Order.place(int, java.lang.String)', 'JS:*handle /srv/shop.js:10:5']"
# jit DUMP: the functions of the code of no module, innermost first, of the two blocks' site; then what is missing.
jit() { json '(lambda f: ([g["function"] for g in f], [g.get("missing") for g in f]))([f for s in d["sites"] if s["blocks"] == 2 and s["bytes"] == 6912 for f in s["frames"] if f.get("jit")])' "$1"; }
# jitting KIND: its dump is in $dump.
jitting() { expect 0 paranoid "$SHIM_TOOLS/jitting" "$@"; silent; dump=$(find dumps -name '*.dump'); head -n 1 out >>pids; }

@test "code_of_a_jit_has_the_names_of_its_perf_map" {
    for kind in good overlong; do
        jitting "$kind"
        rm "/tmp/perf-$(head -n 1 out).map" # it is all in the dump
        same "$(jit "$dump")" "($NAMES, ['JIT, by the perf map', 'JIT, by the perf map', None])"
        same "$(json '[(f["file"], f["line"]) for s in d["sites"] if s["bytes"] == 6912 for f in s["frames"] if f.get("jit")]' "$dump")" "[(None, None), (None, None), ('/srv/shop.js', 10)]"
        # The JDK's own names no site.
        same "$(json '[s["name"] for s in d["sites"] if s["bytes"] == 6912]' "$dump")" "['shop.Order.place']"
        "$WEIR_REPORTER" report "$dump" >text </dev/null 3>&-
        has text "  shop.Order.place"$'\n' "shop.Order.place         (JIT, by the perf map)" "handle                   /srv/shop.js:10"
    done
    # Only what frames need is copied.
    [ "$(stat -c %s "$dump")" -lt 300000 ]
}
@test "what_was_named_twice_says_so" {
    jitting reused
    same "$(jit "$dump")" "($NAMES, ['JIT, other code was there, too', 'JIT, other code was there, too', None])"
}
@test "a_line_that_is_half_written_names_nothing" {
    jitting half
    same "$(jit "$dump")" "(${NAMES%, *}, None], ['JIT, by the perf map', 'JIT, by the perf map', 'JIT, not in the perf map'])"
}
@test "a_map_that_may_be_anothers_names_nothing" {
    local kind why
    while IFS=, read -r kind why; do
        under paranoid "$SHIM_TOOLS/jitting" "$kind"
        head -n 1 out >>pids
        [ "$status" != 77 ] || continue # not root, who alone may give files away
        [ "$status" = 0 ] || { seen; false; }
        silent
        [ "$kind" != secret ] || [ "$(id -u)" != 0 ] || continue # root may read it
        dump=$(find dumps -name '*.dump')
        same "$(jit "$dump")" "([None, None, None], ['JIT, $why', 'JIT, $why', 'JIT, $why'])" || { echo "$kind"; false; }
    done <<<'none,no perf map
old,the perf map is older than the process
fifo,the perf map is not to be trusted
link,the perf map is not to be trusted
foreign,the perf map is not to be trusted
secret,the perf map cannot be read
large,the perf map is too large'
    "$WEIR_REPORTER" report "$dump" >text </dev/null 3>&- || true
    has text "code of a JIT has no names: no perf map"
}
# live KIND [ARGUMENT...]: starts one that waits, under weir; its dumps are in the folder live.
live() {
    rm -rf live line out && mkdir live && mkfifo line
    (
        shim=$WEIR_SHIM
        plain_environment "$PWD"
        close_fds_of_bats
        exec env LD_PRELOAD="$shim" WEIR_LEVEL=paranoid WEIR_OUTPUT="$PWD/live/%e.%n.dump" "${PROGRAM:-$SHIM_TOOLS/jitting}" "$1" wait "${@:2}"
    ) <line >out 2>err 3>&- &
    child=$!
    exec 4>line
    wait_for 10 grep -q . out
    pid=$(head -n 1 out)
}
@test "a_map_that_is_written_after_the_dump_counts_while_its_process_runs" {
    local child pid
    live late
    dump=$("$WEIR_REPORTER" dump "$pid" </dev/null 3>&- 4>&-)
    same "$(jit "$dump")" "([None, None, None], ['JIT, no perf map', 'JIT, no perf map', 'JIT, no perf map'])"
    echo >&4
    wait_for 10 grep -q written out
    same "$(jit "$dump")" "($NAMES, ['JIT, by a later perf map', 'JIT, by a later perf map', None])"
    "$WEIR_REPORTER" report "$dump" >text </dev/null 3>&- 4>&- || true
    has text "names of JIT code by a perf map written "
    # A dump by another program of that number, or of one that began later, is not named by it.
    python3 - "$dump" "$pid" <<'EOF'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"/tests/shim/jitting")
data[at + 1] ^= 1 # the reader drops the strings, or sees another program
open("other.dump", "wb").write(data)
EOF
    "$WEIR_REPORTER" report --json other.dump >other.json 2>/dev/null </dev/null 3>&- 4>&- || true
    lacks other.json "later perf map"
    # Neither is one of which the process is gone: whose map it is nobody knows then.
    echo >&4
    exec 4>&-
    wait "$child"
    same "$(jit "$dump")" "([None, None, None], ['JIT, no perf map', 'JIT, no perf map', 'JIT, no perf map'])"
    # The one of its end has them.
    same "$(jit live/jitting.2.dump)" "($NAMES, ['JIT, by the perf map', 'JIT, by the perf map', None])"
    # And lends them where both are compared, whichever is the older one.
    "$WEIR_REPORTER" diff live/jitting.1.dump live/jitting.2.dump >text </dev/null 3>&- || true
    lacks text shop.Order JIT
}
@test "code_of_one_name_is_one_site_in_several_processes" {
    jitting good
    mv "$dump" first.dump
    jitting good
    mkdir both && mv first.dump "$dump" both/
    same "$(json '[(s["name"], s["blocks"], s["bytes"]) for s in d["sites"] if s["bytes"] == 13824]' both)" "[('shop.Order.place', 4, 13824)]"
    "$WEIR_REPORTER" diff both/first.dump both/jitting*.dump >text </dev/null 3>&- || true
    has text "nothing grew"
}
@test "functions_that_name_no_site_are_named_to_diff_too" {
    jitting good
    cp "$dump" new.dump
    expect 0 paranoid "$SHIM_TOOLS/jitting" none
    "$WEIR_REPORTER" diff --json dumps/*.dump new.dump </dev/null 3>&- >text || true
    has text '"shop.Order.place"'
    "$WEIR_REPORTER" diff --json --skip 'shop.*' dumps/*.dump new.dump </dev/null 3>&- >text || true
    has text '"name":"handle"'
}
# doctor WANTED...: what weir doctor says of a program that is called PROGRAM, with ARGUMENT.
doctor() {
    PROGRAM=$PWD/$1 live "$2" "$3"
    rm -f said
    "$WEIR_REPORTER" doctor "$pid" </dev/null 3>&- 4>&- >said
    echo >&4
    echo >&4
    exec 4>&-
    wait "$child"
    rm -f line "/tmp/perf-$pid.map"
    has said "${@:4}"
}
@test "doctor_says_what_a_runtime_lacks_for_names" {
    local child pid
    for name in node python3.12 python3.11; do cp "$SHIM_TOOLS/jitting" "$name"; done
    doctor node good --perf-basic-prof "node: names of its code         on  --perf-basic-prof" "perf map  " " old  /tmp/perf-"
    lacks said "JavaScript functions have no names"
    doctor node none --x "node: names of its code        off" ".map: there is none" "warning: JavaScript functions have no names: run node with --perf-basic-prof"
    doctor node old --x ".map: it is older than the process: another's" "warning: JavaScript"
    doctor python3.12 none -Xperf "python: names                  on  -X perf"
    doctor python3.12 none --x "python: names                 off  -X perf" "warning: Python functions have no names: run python3 with -X perf"
    doctor python3.11 none -Xperf "python: names                none  from 3.12 on (-X perf)"
    lacks said "warning: Python"
    [ -z "$(sed -n '/^  python/,$p' said | awk 'length > 80')" ] || { cat said; false; }
}
