#!/bin/bash
# One benchmark run of redis: the server under the allocator named by BENCH_PRELOAD, or started by the command in
# BENCH_WRAPPER, the client as it is.
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; wait; rm -rf "$folder"' EXIT
# shellcheck disable=SC2086
env ${BENCH_PRELOAD:+LD_PRELOAD="$BENCH_PRELOAD"} ${BENCH_WRAPPER:-} redis-server --port 0 --unixsocket "$folder/s" --save '' --dir "$folder" --logfile log &
server=$!
until redis-cli -s "$folder/s" ping >/dev/null 2>&1; do sleep 0.005; done
redis-benchmark -s "$folder/s" -q -n 60000 -c 20 -P 16 -r 20000 -d 400 -t set,get,lpush,lpop,hset,mset >/dev/null || exit 1
redis-cli -s "$folder/s" dbsize
redis-cli -s "$folder/s" shutdown nosave
wait "$server"
