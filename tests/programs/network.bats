#!/usr/bin/env bats
# Servers and their clients behave under weir as without it. Unix sockets, or ports that the kernel chose.
load ../lib/weir

setup_file() {
    export CERTIFICATE=$BATS_FILE_TMPDIR/certificate KEY=$BATS_FILE_TMPDIR/key
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$KEY" -out "$CERTIFICATE" -days 2 -subj /CN=localhost 2>/dev/null
}

openssl_session() {
    local port server
    # Speed's figures vary, its shape does not.
    openssl speed -seconds 1 -bytes 1024 sha256 2>&1 | sed -E 's/[0-9.]+/N/g; s/ +/ /g'
    seq 1 200000 >plain
    openssl enc -aes-256-cbc -K "$(printf '%064d' 7)" -iv "$(printf '%032d' 9)" -in plain -out sealed && sha256sum sealed
    openssl enc -d -aes-256-cbc -K "$(printf '%064d' 7)" -iv "$(printf '%032d' 9)" -in sealed | cmp - plain && echo "came back"
    openssl x509 -in "$CERTIFICATE" -noout -subject && openssl dgst -sha512 plain
    trap 'kill $(jobs -p) 2>/dev/null' EXIT
    openssl s_server -4 -accept 0 -naccept 5 -cert "$CERTIFICATE" -key "$KEY" -WWW >log 2>&1 &
    server=$!
    wait_for 10 grep -q '^ACCEPT' log
    port=$(grep -m1 ^ACCEPT log | grep -oE '[0-9]+$')
    for _ in 1 2 3 4 5; do
        printf 'GET /plain HTTP/1.0\r\n\r\n' | openssl s_client -quiet -CAfile "$CERTIFICATE" -connect "127.0.0.1:$port" | tr -d '\r' | sha256sum
    done
    wait "$server"
    echo "server ended with $?"
}

curl_session() {
    local port
    trap 'kill $(jobs -p) 2>/dev/null' EXIT
    seq 1 300000 >file
    curl -sS "file://$PWD/file" | sha256sum
    python3 -S -u -m http.server 0 --bind 127.0.0.1 >log 2>log.requests &
    wait_for 10 grep -q port log
    port=$(grep -oE 'port [0-9]+' log | grep -oE '[0-9]+')
    for _ in $(seq 10); do curl -sS -f "http://127.0.0.1:$port/file" | sha256sum; done
    curl -sS --compressed -I "http://127.0.0.1:$port/file" | head -n 1
    curl -sS --no-progress-meter --parallel -o one "http://127.0.0.1:$port/file" -o two "http://127.0.0.1:$port/file" && cmp one two && cmp one file && echo "same"
    curl -sS -f "http://127.0.0.1:$port/missing"
    echo "status $?"
}

redis_session() {
    local server
    trap 'kill $(jobs -p) 2>/dev/null' EXIT
    redis-server --port 0 --unixsocket "$PWD/s" --save '' --dir "$PWD" --logfile log --enable-debug-command local --io-threads 2 &
    server=$!
    cli() { redis-cli -s s "$@"; }
    wait_for 10 cli ping
    redis-benchmark -s s -q -n 5000 -c 20 -P 8 -r 1000 -d 300 -t set,get,lpush,lpop,sadd,hset,zadd,lrange_100,mset | tr '\r' '\n' |
        grep -oE '^[A-Z].*: [0-9.]+ requests' | sed 's/: .*//' | sort -u
    cli flushall
    for i in $(seq 4000); do echo "set k$i $((i * i))"; echo "rpush list$((i % 50)) $i"; echo "hset h$((i % 20)) f$i $i"; echo "zadd z $i m$i"; done |
        cli >/dev/null
    cli debug digest
    cli bgsave >/dev/null # forks
    wait_for 20 eval 'cli info persistence | grep -q rdb_bgsave_in_progress:0'
    cli info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
    cli debug reload && cli debug digest && cli dbsize
    cli config set activedefrag no
    cli memory doctor | head -c 40
    cli shutdown nosave
    wait "$server"
    echo "server ended with $?"
}

memcached_session() {
    local server user=()
    trap 'kill $(jobs -p) 2>/dev/null' EXIT
    [ "$(id -u)" != 0 ] || user=(-u root)
    memcached "${user[@]}" -s "$PWD/s" -m 64 -t 4 &
    server=$!
    wait_for 10 test -S s
    python3 -S "$PROGRAMS/memcached_client.py" "$PWD/s"
    kill -INT "$server"
    wait "$server"
    echo "server ended with $?"
}

nginx_configuration() { # FOLDER PORT
    [ "$(id -u)" != 0 ] || echo "user root;"
    echo "daemon off; worker_processes 2; pid $1/pid; error_log $1/log notice;
        events { worker_connections 128; }
        http {
            access_log off; gzip on; gzip_min_length 1; gzip_types *; client_body_temp_path $1/t1; proxy_temp_path $1/t2;
            fastcgi_temp_path $1/t3; uwsgi_temp_path $1/t4; scgi_temp_path $1/t5;
            upstream self { server unix:$1/s; }
            server { listen unix:$1/s; root $1; location / { } }
            server { listen 127.0.0.1:$2; location / { proxy_pass http://self; } }
        }"
}
nginx_session() {
    local server port i
    trap 'kill $(jobs -p) 2>/dev/null' EXIT
    seq 1 50000 >file
    port=$(python3 -S -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    nginx_configuration "$PWD" "$port" >conf
    nginx -p "$PWD/" -e "$PWD/log" -c conf &
    server=$!
    wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$port/file"
    for i in $(seq 20); do
        curl -sS -f --compressed "http://127.0.0.1:$port/file" | sha256sum
        [ $((i % 5)) != 0 ] || kill -HUP "$server" # reload: new workers, the old ones end when they have served
    done
    curl -s -f --unix-socket s http://local/missing
    echo "status $?"
    kill -QUIT "$server"
    wait "$server"
    echo "server ended with $?"
    grep -E 'weir:|exited on signal|\[(alert|crit|emerg)\]' log || echo "no worker died"
}
export -f openssl_session curl_session redis_session memcached_session nginx_configuration nginx_session

@test "openssl_behaves_as_without_weir_at_disabled" { same_as_without disabled openssl openssl_session; }
@test "openssl_behaves_as_without_weir_at_simple" { same_as_without simple openssl openssl_session; }
@test "openssl_behaves_as_without_weir_at_paranoid" { same_as_without paranoid openssl openssl_session; }
@test "curl_behaves_as_without_weir_at_disabled" { same_as_without disabled curl curl_session; }
@test "curl_behaves_as_without_weir_at_simple" { same_as_without simple curl curl_session; }
@test "curl_behaves_as_without_weir_at_paranoid" { same_as_without paranoid curl curl_session; }
@test "redis_behaves_as_without_weir_at_disabled" { same_as_without disabled redis-server redis_session; }
@test "redis_behaves_as_without_weir_at_simple" { same_as_without simple redis-server redis_session; }
@test "redis_behaves_as_without_weir_at_paranoid" { same_as_without paranoid redis-server redis_session; }
@test "memcached_behaves_as_without_weir_at_disabled" { same_as_without disabled memcached memcached_session; }
@test "memcached_behaves_as_without_weir_at_simple" { same_as_without simple memcached memcached_session; }
@test "memcached_behaves_as_without_weir_at_paranoid" { same_as_without paranoid memcached memcached_session; }
@test "nginx_behaves_as_without_weir_at_disabled" { same_as_without disabled nginx nginx_session; }
@test "nginx_behaves_as_without_weir_at_simple" { same_as_without simple nginx nginx_session; }
@test "nginx_behaves_as_without_weir_at_advanced" { same_as_without advanced nginx nginx_session; }
@test "nginx_behaves_as_without_weir_at_paranoid" { same_as_without paranoid nginx nginx_session; }
