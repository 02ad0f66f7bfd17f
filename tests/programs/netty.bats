#!/usr/bin/env bats
# A JVM and Netty, as they are: their limits and weir's, their counters and weir's, and a server under load.
load ../lib/weir

NETTY=/usr/share/java/netty-buffer.jar:/usr/share/java/netty-common.jar:/usr/share/java/netty-transport.jar:/usr/share/java/netty-resolver.jar

setup_file() {
    [ -e /usr/share/java/netty-transport.jar ] || skip "libnetty-java is not installed"
    export CLASSES=$BATS_FILE_TMPDIR/classes
    javac -cp "$NETTY" -d "$CLASSES" "$BATS_TEST_DIRNAME/Netty.java"
}

# Without the options Netty 4.1 may not free its buffers by itself from Java 9 on; with so small a heap it would not pool.
netty() {
    java -Xmx64m -XX:+UseSerialGC -XX:-UsePerfData -cp "$CLASSES:$NETTY" --add-opens java.base/java.nio=ALL-UNNAMED \
        --add-opens java.base/jdk.internal.misc=ALL-UNNAMED -Dio.netty.tryReflectionSetAccessible=true \
        -Dio.netty.allocator.numDirectArenas=1 "$@"
}
limited() { netty -Dio.netty.maxDirectMemory=41943040 Netty limit; }
echoes() { netty Netty echo; }
export NETTY
export -f netty limited echoes

# with LEVEL [NAME=VALUE...] -- CMD...: as run_program, with more settings; leaves with.out, with.err, with.status, with.dumps.
with() {
    local level=$1 settings=()
    shift
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    shift
    cd "$BATS_TEST_TMPDIR" || return 1
    run_program "$PWD/with" 60 "$level" /usr/bin/env "${settings[@]}" /bin/bash -c '"$@"' case "$@"
}
json() { "$WEIR_REPORTER" report --json "$2" 2>/dev/null </dev/null 3>&- | /usr/bin/python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
# The virtual machine's: it allocates on a thread of its own, its launcher's process has but one more.
the_dump() { find with.dumps -name 'java.*.dump' | sort | tail -n 1; }

@test "netty_refuses_at_its_own_limit_and_weir_shows_its_chunks" {
    with paranoid -- limited
    [ "$(cat with.out)" = "OutOfDirectMemoryError used 37748736" ]
    # By their real size: one chunk of 16 MiB for the six, one of 20 MiB.
    run json '[(s["blocks"], s["smallest"], s["largest"]) for s in d["sites"] if s["bytes"] >= 16 << 20]' "$(the_dump)"
    [ "$output" = "[(2, 16777216, 20971520)]" ] || { echo "$output"; false; }
}
@test "no_reachable_direct_buffer_is_leaked_and_a_lost_one_is" {
    with paranoid -- netty Netty verdicts
    [ "$(cat with.out)" = made ]
    # Those that are reachable share their site with small ones.
    run json '[(s["verdict"], s["blocks"] if s["verdict"] != "in_use" else s["bytes"] // 1000001) for s in d["sites"] if 1000000 <= s["largest"] < 1010000]' "$(the_dump)"
    [ "$output" = "[('leaked', 1), ('in_use', 3)]" ] || { echo "$output"; run json 'd["verdicts"]' "$(the_dump)"; echo "$output"; false; }
}
@test "a_ceiling_below_nettys_limit_is_survived_a_hundred_times" {
    for level in disabled paranoid; do
        with "$level" WEIR_MAX_DIRECT=256M WEIR_RESERVE=32M WEIR_QUIET=1 -- netty -Dio.netty.maxDirectMemory=1073741824 Netty ceiling
        [ "$(cat with.status)" = 0 ]
        [ "$(cat with.out)" = "caught 100, at most several buffers" ]
        run json 'd["direct"]["refused"] >= 100, d["direct"]["peak"] <= 256 << 20' "$(the_dump)"
        [ "$output" = "(True, True)" ]
        ! compgen -G 'hs_err*'
    done
}
@test "direct_and_mapped_pools_move_as_the_jvms_own" {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir dumps
    mkfifo line
    (
        shim=$WEIR_SHIM
        plain_environment "$PWD"
        close_fds_of_bats
        export LD_PRELOAD=$shim WEIR_LEVEL=paranoid WEIR_OUTPUT="$PWD/dumps/%e.%n.dump"
        netty Netty pools
    ) <line >out 2>err 3>&- &
    local child=$! said
    exec 4>line
    for said in before direct mapped; do
        for ((i = 0; i < 1000; i++)); do grep -q "^$said " out && break; sleep 0.02; done
        "$WEIR_REPORTER" dump "$(head -n 1 out)" >"$said" </dev/null 3>&- 4>&-
        "$WEIR_REPORTER" doctor "$(head -n 1 out)" >"doctor.$said" </dev/null 3>&- 4>&-
        [ "$said" != before ] || jcmd "$(head -n 1 out)" Compiler.perfmap >jcmd 2>&1 </dev/null 3>&- 4>&-
        echo >&4
    done
    exec 4>&-
    wait "$child"
    # The JVM's words: what, direct bytes, mapped bytes.
    [ "$(awk '/^direct/ { print $2 }' out)" = $((32 << 20)) ]
    [ "$(awk '/^mapped/ { print $3 }' out)" = $((8 << 20)) ]
    sites='sum(s["bytes"] for s in d["sites"] if s["largest"] == 4 << 20)'
    run json "$sites" "$(cat before)"
    [ "$output" = 0 ]
    run json "$sites" "$(cat direct)"
    [ "$output" = $((32 << 20)) ]
    # A file that is mapped moves the mapped pool, and not the direct one.
    local mapped_before mapped_after
    mapped_before=$(json 'd["mapped"]["memory_used"]' "$(cat direct)")
    mapped_after=$(json 'd["mapped"]["memory_used"]' "$(cat mapped)")
    [ $((mapped_after - mapped_before)) = $((8 << 20)) ]
    run json "$sites" "$(cat mapped)"
    [ "$output" = $((32 << 20)) ]
    # What it lacks for names of methods, before and after a map was written.
    grep -q 'JVM: frame pointers  *not kept  -XX:+PreserveFramePointer' doctor.before
    grep -q 'perf map  *none  /tmp/perf-.*: there is none' doctor.before
    grep -q "jcmd $(head -n 1 out) Compiler.perfmap" doctor.before
    grep -q 'perf map  *[0-9ms ]* old  /tmp/perf-' doctor.direct
    rm -f "/tmp/perf-$(head -n 1 out).map"
}
# named LEVEL [NAME=VALUE...] -- CASE: with names of its methods, which are compiled soon, apart, and before they go on.
named() {
    local settings=()
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    with "${settings[@]}" -- netty -XX:+PreserveFramePointer -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit \
        -Xbatch -XX:TieredStopAtLevel=1 -XX:CompileThresholdScaling=0.02 -XX:CompileCommand=quiet '-XX:CompileCommand=dontinline,Netty*.*' Netty "$2"
    rm -f "/tmp/perf-$(the_dump | sed 's/.*java\.\([0-9]*\)\..*/\1/').map"
}
METHODS='sorted({s["name"]: sum(t["blocks"] for t in d["sites"] if t["name"] == s["name"]) for s in d["sites"] if s["name"].startswith("Netty") and "Client" not in s["name"]}.items())'

@test "direct_buffers_are_reported_under_the_methods_that_made_them" {
    named paranoid -- three </dev/null
    run json "[(name, blocks > 1500) for name, blocks in $METHODS if blocks > 100]" "$(the_dump)"
    [ "$output" = "[('Netty.readBody', True), ('Netty.readHeader', True), ('Netty.readTrailer', True)]" ] || { echo "$output"; false; }
    run json '{(f["function"], f["missing"], f["jit"]) for s in d["sites"] for f in s["frames"] if "Netty.readBody" in (f["function"] or "")}' "$(the_dump)"
    [ "$output" = "{('void Netty.readBody()', 'JIT, by the perf map', True)}" ] || { echo "$output"; false; }
    # At the default level, too.
    named simple -- three </dev/null
    run json "[name for name, blocks in $METHODS]" "$(the_dump)"
    [[ $output = *"'Netty.readBody'"* ]] || { echo "$output"; false; }
}
@test "a_netty_server_that_forgets_to_release_is_told_by_its_methods" {
    named paranoid -- forget
    run json "[(name, blocks > 300) for name, blocks in $METHODS if blocks > 100]" "$(the_dump)"
    [ "$output" = "[('Netty\$Forgetful.logRequest', True), ('Netty\$Forgetful.prepareAnswer', True)]" ] || { echo "$output"; false; }
}
@test "a_netty_server_loses_nothing_at_disabled" { same_as_without disabled java echoes; }
@test "a_netty_server_loses_nothing_at_simple" { same_as_without simple java echoes; }
@test "a_netty_server_loses_nothing_at_advanced" { same_as_without advanced java echoes; }
@test "a_netty_server_loses_nothing_at_paranoid" { same_as_without paranoid java echoes; }
