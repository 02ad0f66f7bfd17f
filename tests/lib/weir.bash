# Helpers of the bats files: where the library under test is, running a program with and without it, and looking at the
# dumps that it left. Loaded by tests/programs; programs started here never see the file descriptors of bats.

WEIR_ROOT=${BATS_TEST_DIRNAME%/tests/*}
WEIR_SHIM=${WEIR_SHIM:-$WEIR_ROOT/${WEIR_BUILD:-build}/libweir.so} # another library may stand in, to try the tests themselves
WEIR_REPORTER=${WEIR_REPORTER:-$WEIR_ROOT/${WEIR_BUILD:-build}/weir}
export PROGRAMS=$BATS_TEST_DIRNAME

# few N: how often a test does what chance decides. `make check` does a fifth, a tenth with asserts; with LONG=1 it is all N.
few() {
    local share=5
    [[ ${WEIR_BUILD:-} != *debug* ]] || share=10
    echo $((LONG ? $1 : ($1 + share - 1) / share))
}

# Where what is killed leaves its box.
[ -z "${BATS_RUN_TMPDIR:-}" ] || export XDG_RUNTIME_DIR=$BATS_RUN_TMPDIR

# The same surroundings for each run: Debian's programs before others, nothing from the caller's home or language.
plain_environment() {
    unset "${!WEIR_@}" LD_PRELOAD "${!GIT_@}" "${!PYTHON@}" "${!LC_@}" RUBYOPT NODE_OPTIONS JAVA_TOOL_OPTIONS MAKEFLAGS MAKELEVEL
    export PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin LC_ALL=C TZ=UTC HOME=$1 TMPDIR=$1
    export XDG_RUNTIME_DIR=${BATS_RUN_TMPDIR:-$1}
    unset BASH_ENV ENV
}

# Else the loader would warn and run the program without it.
shim_is_built() { [ -e "$WEIR_SHIM" ] || { echo "$WEIR_SHIM is not built"; return 1; }; }

close_fds_of_bats() {
    local fd
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        ((fd <= 2)) || eval "exec $fd>&-"
    done
}

# run_program NAME LIMIT LEVEL|without CMD...: runs CMD, a program or an exported function, in the empty folder work;
# leaves NAME.out, NAME.err and NAME.status, with a level also the dumps in NAME.dumps.
run_program() {
    local name=$1 limit=$2 level=$3 work=$BATS_FILE_TMPDIR/work
    shift 3
    rm -rf "$work" "$name.dumps"
    mkdir -p "$work" "$name.dumps"
    (
        local status settings=() shim=$WEIR_SHIM program=("$@")
        plain_environment "$work"
        cd "$work" || exit 1
        # env, not timeout, starts under weir only what it execs, so that each dump is the program's.
        [ "$level" = without ] || settings=(LD_PRELOAD="$shim" WEIR_LEVEL="$level" WEIR_OUTPUT="$name.dumps/%e.%p.%n.dump")
        # A roomy ceiling changes nothing either.
        [ "$level" != paranoid ] || settings+=(WEIR_LEAKS=exit WEIR_RUN=tests WEIR_MAX_DIRECT=16G)
        [ "$(type -t "$1")" != function ] || program=(/bin/bash -c '"$@"' case "$@")
        close_fds_of_bats
        timeout -k 5 "$limit" env "${settings[@]}" "${program[@]}" >"$name.out" 2>"$name.err" </dev/null && status=0 || status=$?
        echo "$status" >"$name.status"
    )
}

# dumps_are_readable FOLDER PROGRAM: one of them must be PROGRAM's; each must be readable, and say where the memory is: ten
# of the largest are decoded, which keeps a test of a thousand processes short.
dumps_are_readable() {
    local dumps=$1 program=$2 file bad=0 read=()
    [[ $WEIR_SHIM == */libweir.so ]] || return 0
    if ! compgen -G "$dumps/$program*" >/dev/null; then
        echo "no dump of $program was left; there are: $(find "$dumps" -printf '%f ' | head -c 300)"
        return 1
    fi
    [ -x "$WEIR_REPORTER" ] || return 0
    while read -r file; do
        if ! timeout -k 5 60 "$WEIR_REPORTER" report --json "$dumps/$file" >"$dumps/.$file.json" 2>"$dumps/.err" </dev/null 3>&-; then
            echo "weir report --json $file failed: $(head -c 500 "$dumps/.err")"
            bad=1
        else
            read+=("$dumps/.$file.json")
        fi
    done < <(ls -S "$dumps" | head -n 10)
    [ ${#read[@]} = 0 ] || /usr/bin/python3 "$WEIR_ROOT/tests/lib/adds_up.py" "${read[@]}" || bad=1
    return $bad
}

# same_as_without LEVEL PROGRAM CMD...: CMD must print the same, end the same and leave readable dumps, one of PROGRAM
# among them. Without weir it must succeed: two programs that fail alike would prove nothing. WEIR_REPEAT=10 runs the weir
# side ten times in a row; LIMIT is the time in seconds after which a run counts as hanging.
same_as_without() {
    local level=$1 program=$2 limit=${LIMIT:-60} plain=$BATS_FILE_TMPDIR/plain.$3 with=$BATS_TEST_TMPDIR/with round what
    shim_is_built || return 1
    shift 2
    # What all levels are compared with is run once.
    [ -e "$plain.status" ] || run_program "$plain" "$limit" without "$@"
    if [ "$(cat "$plain.status")" != 0 ]; then
        echo "without weir: exit status $(cat "$plain.status")"
        head -c 2000 "$plain.out" "$plain.err"
        rm -f "$plain.status"
        return 1
    fi
    for ((round = 1; round <= ${WEIR_REPEAT:-1}; round++)); do
        run_program "$with" "$limit" "$level" "$@"
        for what in status err out; do
            diff "$plain.$what" "$with.$what" >"$with.diff" && continue
            echo "round $round: $what differs (< without weir, > with; exit status 124 is a timeout)"
            head -c 3000 "$with.diff"
            echo "exit status $(cat "$with.status"), stderr: $(head -c 1000 "$with.err")"
            return 1
        done
        dumps_are_readable "$with.dumps" "$program" || return 1
    done
    rm -rf "$with.dumps"
}

# wait_for SECONDS CMD...: until it succeeds. For use inside programs' functions too.
wait_for() {
    local end=$((SECONDS + $1 + 1))
    shift
    until "$@" 2>/dev/null; do
        ((SECONDS < end)) || return 1
        sleep 0.01
    done
}
export -f wait_for

# start_under_weir LEVEL DUMPS CMD...: starts CMD in the folder of the test; leaves its process id in $started.
start_under_weir() {
    local level=$1 dumps=$2 shim=$WEIR_SHIM
    shift 2
    mkdir -p "$dumps"
    (
        plain_environment "$BATS_TEST_TMPDIR"
        cd "$BATS_TEST_TMPDIR" || exit 1
        close_fds_of_bats
        exec env LD_PRELOAD="$shim" WEIR_LEVEL="$level" WEIR_OUTPUT="$PWD/$dumps/%e.%p.%n.dump" "$@" >>out 2>>err </dev/null
    ) &
    started=$!
    echo "$started" >>"$BATS_TEST_TMPDIR/pids"
}

# Ends what a test left behind; for teardown.
stop_started() {
    local pid children
    [ -e "$BATS_TEST_TMPDIR/pids" ] || return 0
    while read -r pid; do
        children=$(cat "/proc/$pid/task/"*/children 2>/dev/null) || true
        # shellcheck disable=SC2086 # several numbers
        kill -KILL "$pid" $children 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done <"$BATS_TEST_TMPDIR/pids"
}

# gate STATUS ARGS...: weir gate must end like this, within $LIMIT seconds; what it says is in out and err. GATE_UNDER: a
# NAME=VALUE of its environment.
gate() {
    local wanted=$1 got=0 reporter=$WEIR_REPORTER
    shift
    (
        plain_environment "$PWD"
        close_fds_of_bats
        exec timeout -k 5 "${LIMIT:-60}" ${GATE_UNDER:+env "$GATE_UNDER"} "$reporter" gate "$@"
    ) >out 2>err </dev/null || got=$?
    [ "$got" = "$wanted" ] || { echo "status $got, not $wanted: $*"; tail -n 30 out err; return 1; }
}
