# Helpers of the reporter's bats files: where the binaries are, and one line a failure that says what was seen.
# tests.mk builds what stands under $WEIR_BUILD/tests/reporter.

ROOT=${BATS_TEST_DIRNAME%/tests/*}
BUILD=${WEIR_BUILD:-build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
WEIR=$BUILD/weir
TOOLS=$BUILD/tests/reporter
STUB=$TOOLS/stub/weir # beside a stand-in for libweir.so

build_tools() {
    make --no-print-directory -s -C "$ROOT" -f tests/reporter/tests.mk BUILD="$BUILD" "$@" >"$BATS_FILE_TMPDIR/build.log" 2>&1 ||
        { cat "$BATS_FILE_TMPDIR/build.log"; return 1; }
}

plain() {
    unset "${!WEIR_@}" LD_PRELOAD NO_COLOR DEBUGINFOD_URLS
    export LC_ALL=C
    cd "$BATS_TEST_TMPDIR" || return 1
}

same() { [ "$1" = "$2" ] || { printf "seen:\n%s\nwanted:\n%s\n" "$1" "$2"; return 1; }; }

mkdump() { "$TOOLS/mkdump" "$@"; }

# expect STATUS COMMAND...: runs it, with standard output in $out and standard error in $err.
expect() {
    local wanted=$1 got=0
    shift
    "$@" >"$BATS_TEST_TMPDIR/.out" 2>"$BATS_TEST_TMPDIR/.err" 3>&- </dev/null || got=$?
    out=$(tr -d '\0' <"$BATS_TEST_TMPDIR/.out") err=$(tr -d '\0' <"$BATS_TEST_TMPDIR/.err")
    [ "$got" = "$wanted" ] || { printf 'status %s, not %s: %s\n--- out\n%s\n--- err\n%s\n' "$got" "$wanted" "$*" "$out" "$err"; return 1; }
}

has() { # has TEXT WANTED...: each is part of the text
    local text=$1 wanted
    shift
    for wanted; do
        [[ $text == *"$wanted"* ]] || { printf 'no "%s" in:\n%s\n' "$wanted" "$text"; return 1; }
    done
}

lacks() {
    local text=$1 unwanted
    shift
    for unwanted; do
        [[ $text != *"$unwanted"* ]] || { printf '"%s" in:\n%s\n' "$unwanted" "$text"; return 1; }
    done
}

one_line() {
    [ "$(wc -l <"$BATS_TEST_TMPDIR/.err")" = 1 ] || { printf 'not one line on stderr:\n%s\n' "$err"; return 1; }
}

# json EXPRESSION FILE: what Python makes of the report d.
json() { python3 -c 'import json, sys; d = json.load(open(sys.argv[2])); print(eval(sys.argv[1]))' "$1" "$2"; }
