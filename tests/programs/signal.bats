#!/usr/bin/env bats
# A busy program that gets the dump signal again and again leaves as many readable dumps and does not notice: no request
# fails, no child is left for it to wait for, what it holds stays right. 200 dumps with LONG=1, all of which are read.
load ../lib/weir

SIGNALS=$(few 200) LEVEL=paranoid

setup() {
    shim_is_built
    cd "$BATS_TEST_TMPDIR"
}
teardown() {
    touch "$BATS_TEST_TMPDIR/stop"
    stop_started
}

none() { ! grep -aiE "$@" || { echo "found in $2"; return 1; }; }

dumps_of() { find dumps -name "*.$1.*.dump" | wc -l; }
have_dumps_of() { [ "$(dumps_of "$1")" -ge "$2" ]; }

# The next signal goes out when the dump of the last is there: pending signals of one number would become one.
signal_often() {
    local pid=$1 n begin=$EPOCHREALTIME
    for ((n = 1; n <= SIGNALS; n++)); do
        kill -s RTMAX-1 "$pid" || { echo "gone after $((n - 1)) signals; its messages: $(cat err)"; return 1; }
        wait_for 10 have_dumps_of "$pid" "$n" || { echo "no dump within 10 s of signal $n, there are $(dumps_of "$pid")"; return 1; }
        sleep 0.01
    done
    echo "# $SIGNALS dumps in $(((${EPOCHREALTIME/./} - ${begin/./}) / 1000)) ms" >&3
}

all_readable() {
    local count
    count=$(dumps_of "$1")
    [ "$count" -ge "$SIGNALS" ] || { echo "$count dumps"; return 1; }
    [[ $WEIR_SHIM == */libweir.so && -x $WEIR_REPORTER ]] || return 0
    find dumps -name "*.$1.*.dump" -print0 | sort -z | sed -zn "1~$((LONG ? 1 : 4))p" |
        xargs -0 -P 2 -n 1 sh -c 'timeout 60 "$0" report --json "$1" >/dev/null || { echo "cannot read $1"; exit 1; }' "$WEIR_REPORTER" 2>&1 3>&-
}

# Also those that the process forked from another of ours would have to wait for.
zombies_of() { cat /proc/[0-9]*/stat 2>/dev/null | grep -E "^[0-9]+ \(.*\) Z $1 " || true; }
# In another namespace than the machine's own the last copy that has ended is there until the next dump.
no_zombies_of() {
    local most=1
    [ "$(stat -L -c %i /proc/self/ns/pid)" != 4026531836 ] || most=0
    [ "$(zombies_of "$1" | wc -l)" -le $most ]
}

@test "redis_under_load_does_not_notice_dumps" {
    start_under_weir $LEVEL dumps redis-server --port 0 --unixsocket "$PWD/s" --save '' --dir "$PWD" --logfile log --enable-debug-command local
    local pid=$started digest loader
    wait_for 10 redis-cli -s s ping
    for i in $(seq 2000); do echo "set k$i $((i * i))"; echo "rpush l$((i % 9)) $i"; done | redis-cli -s s >/dev/null
    digest=$(redis-cli -s s debug digest)
    # The load has keys of its own, in another database, which is left out of the digest by flushing it.
    while [ ! -e stop ]; do
        timeout 60 redis-benchmark -s s --dbnum 1 -q -n 20000 -c 10 -r 500 -d 200 -t set,get,lpush,lpop,hset || echo "FAILED $?"
    done >load 2>&1 3>&- &
    loader=$!
    signal_often "$pid"
    touch stop
    wait "$loader"
    none 'FAILED|error|refused|reset' load
    redis-cli -s s -n 1 flushdb
    [ "$(redis-cli -s s debug digest)" = "$digest" ]
    wait_for 5 no_zombies_of "$pid" || { zombies_of "$pid"; false; }
    none 'weir:|unmatched pid|crash|bug report' log
    redis-cli -s s shutdown nosave
    wait "$pid"
    all_readable "$pid"
    [ ! -s err ] || { cat err; false; }
}

@test "nginx_under_requests_does_not_notice_dumps" {
    seq 1 20000 >file
    {
        [ "$(id -u)" != 0 ] || echo "user root;"
        echo "daemon off; worker_processes 1; pid $PWD/pid; error_log $PWD/log notice; events { }
            http { access_log off; gzip on; gzip_min_length 1; gzip_types *; client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2;
            fastcgi_temp_path $PWD/t3; uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5;
            server { listen unix:$PWD/s; root $PWD; } }"
    } >conf
    start_under_weir $LEVEL dumps nginx -p "$PWD/" -e "$PWD/log" -c conf
    local master=$started worker loader
    wait_for 10 curl -sf --unix-socket s -o /dev/null http://local/file
    worker=$(cat /proc/"$master"/task/*/children)
    /usr/bin/python3 -S "$PROGRAMS/http_load.py" s file stop >load 2>&1 3>&- &
    loader=$!
    signal_often "${worker// /}"
    touch stop
    wait "$loader" || { cat load; false; }
    echo "# $(cat load)" >&3
    wait_for 5 no_zombies_of "${worker// /}" && wait_for 5 no_zombies_of "$master"
    kill -QUIT "$master"
    wait "$master"
    none 'weir:|exited on signal|unknown process|\[(alert|crit|emerg)\]' log
    all_readable "${worker// /}"
    [ ! -s err ] || { cat err; false; }
}

@test "python_does_not_notice_dumps" {
    start_under_weir $LEVEL dumps /usr/bin/python3 -S "$PROGRAMS/ticker.py" ready stop
    local pid=$started
    wait_for 10 test -e ready
    signal_often "$pid"
    wait_for 5 no_zombies_of "$pid" || { zombies_of "$pid"; false; }
    touch stop
    wait "$pid" || { cat out err; false; }
    echo "# $(cat out)" >&3
    grep -q 'wrong 0$' out
    all_readable "$pid"
    [ ! -s err ] || { cat err; false; }
}
