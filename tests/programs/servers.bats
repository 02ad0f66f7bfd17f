#!/usr/bin/env bats
# Programs that not every machine should get for a test (scripts/install-deps more installs them): servers that come with
# a daemon, and large ones. What is missing is skipped.
load ../lib/weir

has_program() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || skip "$1 is not installed"; }

setup_file() {
    export SSH=$BATS_FILE_TMPDIR/ssh PHP=
    mkdir "$SSH"
    if command -v ssh-keygen >/dev/null; then
        ssh-keygen -q -t ed25519 -N '' -f "$SSH/host"
        ssh-keygen -q -t ed25519 -N '' -f "$SSH/user"
        cat >"$SSH/config" <<C
HostKey $SSH/host
AuthorizedKeysFile $SSH/user.pub
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
C
    fi
    for PHP in /usr/sbin/php-fpm*; do [ -x "$PHP" ] || PHP=; done
    export PG=
    for PG in /usr/lib/postgresql/*/bin; do [ -x "$PG/initdb" ] || PG=; done
}

# --- sshd: a monitor, a child in a seccomp sandbox, a session; no port, since the client starts it itself ---

ssh_session() {
    local made=0
    [ "$(id -u)" != 0 ] || [ -d /run/sshd ] || { mkdir /run/sshd && made=1; } # it insists on it
    for command in 'echo logged in; seq 1 100000 | md5sum' 'cat; exit 3' 'env | grep -c LD_PRELOAD'; do
        seq 1 20000 | ssh -q -F none -i "$SSH/user" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
            -o ProxyCommand="/usr/sbin/sshd -i -f $SSH/config" "$(id -un)@localhost" "$command" | md5sum
        echo "status ${PIPESTATUS[1]}"
    done
    [ $made = 0 ] || rmdir /run/sshd
}

# --- php-fpm: a master and workers that are replaced ---

php_session() {
    local user= root=
    [ "$(id -u)" != 0 ] || user=$'user=root\ngroup=root' root=-R # its folder is nobody else's
    cat >page.php <<'P'
<?php $a = []; for ($i = 0; $i < 20000; $i++) $a["k$i"] = str_repeat(chr(65 + $i % 26), $i % 200); ksort($a); echo md5(json_encode($a)), " ", count($a), "\n";
P
    printf '%s\n' '[global]' "error_log=$PWD/log" daemonize=no '[www]' "listen=$PWD/socket" "$user" pm=dynamic pm.max_children=4 \
        pm.start_servers=2 pm.min_spare_servers=1 pm.max_spare_servers=3 pm.max_requests=15 >config
    "$PHP" -F $root -y "$PWD/config" &
    local server=$! i
    for ((i = 0; i < 200; i++)); do [ -S socket ] && break; sleep 0.05; done
    for ((i = 0; i < 40; i++)); do
        SCRIPT_FILENAME=$PWD/page.php REQUEST_METHOD=GET cgi-fcgi -bind -connect socket 2>&1 | tail -n 1
    done | sort | uniq -c
    kill -QUIT $server
    wait $server
    echo "status $?"
    grep -ciE 'error|signal 11|signal 6' log
    return 0
}

# --- erlang: schedulers, its own allocators over mmap; emacs: a collector of its own; firefox: a malloc of its own ---

erlang_session() {
    cat >t.erl <<'P'
-module(t).
-export([main/0]).
main() ->
    P = [spawn_monitor(fun() -> lists:sum([X * X || X <- lists:seq(1, 20000)]) end) || _ <- lists:seq(1, 200)],
    [receive {'DOWN', R, process, _, Why} -> Why end || {_, R} <- P],
    B = << <<X:32>> || X <- lists:seq(1, 100000) >>,
    io:format("~p ~p~n", [length(P), erlang:crc32(B)]),
    halt(0).
P
    erlc t.erl
    erl -noshell -pa . -s t main
    echo "status $?"
}
emacs_session() {
    emacs -Q --batch --eval '(progn
        (dotimes (i 200)
          (with-temp-buffer
            (dotimes (j 500) (insert (format "%d line %d\n" i j)))
            (goto-char 1)
            (while (re-search-forward "line \\([0-9]+\\)" nil t) (replace-match "row \\1"))))
        (garbage-collect)
        (princ (format "%s\n" (secure-hash (quote sha1) (make-string 100000 ?x)))))'
    echo "status $?"
}
firefox_session() {
    cat >page.html <<'P'
<html><body><canvas id=c width=300 height=200></canvas><script>
let x = []; for (let i = 0; i < 2e5; i++) x.push({a: i, b: "s" + i});
let c = document.getElementById('c').getContext('2d');
for (let i = 0; i < 100; i++) { c.fillStyle = `hsl(${i * 3},90%,50%)`; c.fillRect(i * 3, i, 40, 40); }
document.body.append(x.length);
</script></body></html>
P
    # Its sandboxed processes may not write a dump, as weir says; what is of interest here is the picture.
    WEIR_QUIET=1 firefox-esr --headless --no-remote --profile "$PWD" --screenshot "$PWD/page.png" "file://$PWD/page.html" >/dev/null 2>&1
    echo "status $?"
    md5sum <page.png
}
export -f ssh_session php_session erlang_session emacs_session firefox_session

@test "sshd_logs_in_as_without_weir_at_disabled" { has_program sshd; same_as_without disabled sshd ssh_session; }
@test "sshd_logs_in_as_without_weir_at_simple" { has_program sshd; same_as_without simple sshd ssh_session; }
@test "sshd_logs_in_as_without_weir_at_paranoid" { has_program sshd; same_as_without paranoid sshd ssh_session; }
@test "php_fpm_serves_as_without_weir_at_disabled" { has_program cgi-fcgi; [ -n "$PHP" ] || skip "no php-fpm is installed"; same_as_without disabled php-fpm php_session; }
@test "php_fpm_serves_as_without_weir_at_simple" { has_program cgi-fcgi; [ -n "$PHP" ] || skip "no php-fpm is installed"; same_as_without simple php-fpm php_session; }
@test "php_fpm_serves_as_without_weir_at_paranoid" { has_program cgi-fcgi; [ -n "$PHP" ] || skip "no php-fpm is installed"; same_as_without paranoid php-fpm php_session; }
@test "erlang_behaves_as_without_weir_at_disabled" { has_program erl; same_as_without disabled beam.smp erlang_session; }
@test "erlang_behaves_as_without_weir_at_simple" { has_program erl; same_as_without simple beam.smp erlang_session; }
@test "erlang_behaves_as_without_weir_at_paranoid" { has_program erl; same_as_without paranoid beam.smp erlang_session; }
@test "emacs_behaves_as_without_weir_at_disabled" { has_program emacs; same_as_without disabled emacs emacs_session; }
@test "emacs_behaves_as_without_weir_at_simple" { has_program emacs; same_as_without simple emacs emacs_session; }
@test "emacs_behaves_as_without_weir_at_paranoid" { has_program emacs; same_as_without paranoid emacs emacs_session; }
# Its malloc is its own, as its dumps say: they are no whole reports.
paints_at() {
    has_program firefox-esr
    local plain=$BATS_TEST_TMPDIR/plain with=$BATS_TEST_TMPDIR/with
    run_program "$plain" 120 without firefox_session
    run_program "$with" 120 "$1" firefox_session
    grep -q 'status 0' "$plain.out"
    diff "$plain.out" "$with.out"
    compgen -G "$with.dumps/firefox*"
}
@test "firefox_paints_as_without_weir_at_disabled" { paints_at disabled; }
@test "firefox_paints_as_without_weir_at_paranoid" { paints_at paranoid; }

# --- PostgreSQL: as an ordinary user, which it insists on ---

postgres_session() {
    local server i
    "$PG/initdb" -D data -A trust --no-sync >/dev/null || return 1
    "$PG/postgres" -D data -k "$PWD" -c listen_addresses= -c fsync=off >log 2>&1 &
    server=$!
    for ((i = 0; i < 400; i++)); do "$PG/pg_isready" -q -h "$PWD" -d postgres && break; sleep 0.05; done
    "$PG/pgbench" -h "$PWD" -i -s 1 postgres >/dev/null 2>&1
    "$PG/pgbench" -h "$PWD" -c 4 -t 100 postgres 2>&1 | grep -E 'processed|failed'
    kill -INT $server
    wait $server
    echo "status $?"
    grep -E 'weir:|ERROR|PANIC|terminated by signal' log
    return 0
}
export -f postgres_session

postgres_at() {
    local level=$1 folder as=() shim=$WEIR_SHIM
    [ -n "$PG" ] || skip "no PostgreSQL is installed"
    folder=$(mktemp -d /tmp/weir.postgres.XXXXXX)
    mkdir "$folder/dumps"
    if [ "$(id -u)" = 0 ]; then
        chown -R nobody "$folder"
        as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
        "${as[@]}" test -r "$WEIR_SHIM" || { rm -r "$folder"; skip "an ordinary user cannot read $WEIR_SHIM"; }
    fi
    (
        plain_environment "$folder"
        cd "$folder" || exit 1
        close_fds_of_bats
        timeout -k 5 120 "${as[@]}" env LD_PRELOAD="$shim" WEIR_LEVEL="$level" WEIR_MAX_DIRECT=2G WEIR_OUTPUT="$folder/dumps/%e.%p.%n.dump" \
            /bin/bash -c postgres_session
    ) >"$folder/out" 2>"$folder/err" </dev/null
    cp -r "$folder/dumps" "$folder/out" "$folder/err" .
    rm -r "$folder"
    [ "$(cat out)" = $'number of transactions actually processed: 400/400\nnumber of failed transactions: 0 (0.000%)\nstatus 0' ] || { cat out err; return 1; }
    [ ! -s err ] || { cat err; return 1; }
    dumps_are_readable "$PWD/dumps" postgres || return 1
    # Its shared buffers of 128 MiB are mapped, not direct. (Which of its processes left the dumps that were read is chance.)
    /usr/bin/python3 - "$PWD"/dumps/.postgres*.json <<'END'
import json, sys
reports = [json.load(open(path)) for path in sys.argv[1:]]
sizes = [(r["direct"]["peak"] >> 20, r["mapped"]["memory_used"] >> 20) for r in reports]
good = any(mapped >= 128 for direct, mapped in sizes) and all(direct < 100 for direct, mapped in sizes)
sys.exit(0 if good else f"MiB direct and mapped: {sizes}")
END
}

@test "postgresql_serves_as_without_weir_at_disabled" { cd "$BATS_TEST_TMPDIR" && postgres_at disabled; }
@test "postgresql_serves_as_without_weir_at_paranoid" { cd "$BATS_TEST_TMPDIR" && postgres_at paranoid; }
