# Helpers of the shim's bats files. tests.mk builds the programs that they run, under $WEIR_BUILD/tests/shim.
load ../lib/weir

SHIM_TOOLS=$WEIR_ROOT/${WEIR_BUILD:-build}/tests/shim
LEVELS=${LEVELS:-disabled simple paranoid}

build_tools() {
    shim_is_built || return 1
    make --no-print-directory -s -C "$WEIR_ROOT" -f tests/shim/tests.mk BUILD="${WEIR_BUILD:-build}" all >"$BATS_FILE_TMPDIR/build.log" 2>&1 ||
        { cat "$BATS_FILE_TMPDIR/build.log"; return 1; }
}

plain() {
    export LC_ALL=C
    cd "$BATS_TEST_TMPDIR" || return 1
}

# under LEVEL|without [NAME=VALUE...] CMD...: runs CMD, a program, for at most $LIMIT seconds; leaves its output in the
# files out and err, its exit status in $status (124: it hung) and, with a level, its dumps in the folder dumps.
under() {
    local level=$1 settings=()
    shift
    [ "$level" = without ] || settings=(LD_PRELOAD="$WEIR_SHIM" WEIR_LEVEL="$level" WEIR_OUTPUT="$PWD/dumps/%e.%p.%n.dump")
    rm -rf dumps
    mkdir dumps
    status=0
    (
        plain_environment "$PWD"
        close_fds_of_bats
        exec timeout -k 5 "${LIMIT:-30}" env "${settings[@]}" "$@"
    ) >out 2>err </dev/null || status=$?
}

# expect STATUS LEVEL [NAME=VALUE...] CMD...: as under, and it must end like this.
expect() {
    local wanted=$1
    shift
    under "$@"
    [ "$status" = "$wanted" ] || { echo "status $status, not $wanted: $*"; seen; return 1; }
}

# What the last run left, for messages of failure.
seen() {
    echo "--- out"; head -c 2000 out
    echo "--- err"; head -c 2000 err
    echo "--- dumps"; ls dumps
}

# silent: nothing is in err.
silent() { [ ! -s err ] || { echo "on standard error:"; head -c 2000 err; return 1; }; }

has() { # has FILE WANTED...: each is part of the file
    local file=$1 wanted
    shift
    for wanted; do
        grep -qF -- "$wanted" "$file" || { printf 'no "%s" in %s:\n%s\n' "$wanted" "$file" "$(head -c 3000 "$file")"; return 1; }
    done
}
lacks() {
    local file=$1 unwanted
    shift
    for unwanted; do
        ! grep -qF -- "$unwanted" "$file" || { printf '"%s" in %s:\n%s\n' "$unwanted" "$file" "$(head -c 3000 "$file")"; return 1; }
    done
}
same() { [ "$1" = "$2" ] || { printf 'seen:\n%s\nwanted:\n%s\n' "$1" "$2"; return 1; }; }

# dumps_of PROGRAM: how many there are; the_dump PROGRAM: the path of the only one, last_dump that of the last.
dumps_of() { find dumps -name "$1.*.dump" | wc -l; }
the_dump() {
    [ "$(dumps_of "$1")" = 1 ] || { echo "not one dump of $1, but: $(ls dumps)" >&2; return 1; }
    find dumps -name "$1.*.dump"
}

# dumps_come PROGRAM COUNT: waits until so many are there, and whole: what a signal or a refusal asks for is written by a
# copy of the process, which may outlive it.
dumps_come() {
    local program=$1 wanted=$2 tries dump whole
    for ((tries = 0; tries < 200; tries++)); do
        whole=0
        for dump in dumps/"$program".*.dump; do
            ! timeout -k 5 60 "$WEIR_REPORTER" report --json "$dump" >/dev/null 2>&1 </dev/null 3>&- || whole=$((whole + 1))
        done
        [ $whole -lt "$wanted" ] || break
        sleep 0.1 3>&-
    done
    same "$(dumps_of "$program")" "$wanted"
}

last_dump() { find dumps -name "$1.*.dump" | sort -t. -k3n | tail -n 1; }

# json EXPRESSION DUMP [OPTION...]: what Python makes of the report d of the dump. blocks(d, n) are the blocks of sites
# of n bytes a block. Without an expression the report is left in report.json.
json() {
    local expression=$1 dump=$2
    shift 2
    timeout -k 5 60 "$WEIR_REPORTER" report --json "$@" "$dump" >report.json 2>report.err </dev/null 3>&- ||
        { echo "weir report --json $dump: $(head -c 1000 report.err)"; return 1; }
    [ -z "$expression" ] || /usr/bin/python3 -c '
import json, sys
d = json.load(open("report.json"))
def blocks(n): return sum(s["blocks"] for s in d["sites"] if s["blocks"] and s["bytes"] == n * s["blocks"])
print(eval(sys.argv[1]))' "$expression" 3>&-
}
