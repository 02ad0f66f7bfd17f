# Cores of programs that end by one.
# core_of PROGRAM STATUS LEVEL [NAME=VALUE...] ARGUMENT...: runs it, and leaves its core in the file core. Where the kernel
# gives cores to somebody else, gdb writes it.
core_of() {
    local program=$1 status=$2 level=$3 settings=() found
    shift 3
    while [[ $1 == *=* ]]; do settings+=("$1"); shift; done
    rm -f core core.*
    if [[ $(cat /proc/sys/kernel/core_pattern) == [\|/]* ]] || ! ulimit -c unlimited 2>/dev/null; then
        command -v gdb >/dev/null || skip "neither the kernel nor gdb writes a core here"
        LIMIT=60 under without gdb -batch -nx -iex 'set startup-with-shell off' -ex "set environment LD_PRELOAD $WEIR_SHIM" \
            -ex "set environment WEIR_LEVEL $level" -ex "set environment WEIR_OUTPUT $PWD/dumps/%e.%p.%n.dump" \
            $(printf -- '-ex set\\040environment\\040%s ' "${settings[@]/=/ }") -ex run -ex 'generate-core-file core' \
            --args "$program" "$@"
    else
        expect "$status" "$level" "${settings[@]}" "$program" "$@"
    fi
    for found in core core.*; do [ ! -f "$found" ] || mv -n "$found" core 2>/dev/null || true; done
    [ -f core ] || { echo "no core"; seen; return 1; }
}
# core_at_exit PROGRAM ARGUMENT...: as gdb writes it when the program calls exit_group, at paranoid.
core_at_exit() {
    command -v gdb >/dev/null || skip "there is no gdb"
    rm -f core
    LIMIT=60 under without gdb -batch -nx -iex 'set startup-with-shell off' -ex "set environment LD_PRELOAD $WEIR_SHIM" \
        -ex 'set environment WEIR_LEVEL paranoid' -ex 'set environment WEIR_BOX off' \
        -ex "set environment WEIR_OUTPUT $PWD/dumps/%e.%p.%n.dump" -ex 'catch syscall exit_group' -ex run \
        -ex 'generate-core-file core' --args "$@"
    [ -f core ] || { echo "no core"; seen; return 1; }
}
cored() { core_of "$SHIM_TOOLS/cored" "$@"; }
