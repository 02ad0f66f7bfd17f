#!/usr/bin/env bats
# Frames name the module that they were in: whatever lies at its address later, however it was loaded, wherever its
# headers are.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# made_by SIZE: what made the blocks of that size, each frame as module:function.
made_by() {
    json "sorted({'%s:%s' % (f['module'].split('/')[-1], f['function']) for s in d['sites'] if s['bytes'] == $1 * s['blocks'] for f in s['frames'][:1]})" "$(the_dump "${2:-modules}")"
}
# blocks_of SIZE: how many there are, and of how many their stack is cut short.
blocks_of() {
    json "(blocks($1), sum(s['blocks'] for s in d['sites'] if s['bytes'] == $1 * s['blocks'] and s['stack_notes']))" "$(the_dump modules)"
}

exchanged() { # exchanged FIRST SECOND
    expect 0 paranoid "$SHIM_TOOLS/modules" exchange "$SHIM_TOOLS/$1.so" "$SHIM_TOOLS/$2.so"
    silent
    same "$(made_by 2001)" "['$1.so:make_one']"
    same "$(made_by 2002)" "['$2.so:make_two']"
    same "$(blocks_of 2001)" "(6, 0)"
    same "$(blocks_of 2002)" "(6, 0)"
}
@test "libraries_at_one_address_are_told_apart" { exchanged plugin_one plugin_two; }
@test "libraries_at_one_address_without_a_build_id_are_told_apart" { exchanged bare_one bare_two; }

# A module's link map is a block as others are, and of the ones here about half are drawn.
@test "libraries_at_one_address_are_told_apart_where_blocks_are_sampled" {
    for try in {1..10}; do
        expect 0 simple WEIR_SAMPLE_BYTES=2K WEIR_SAMPLE_BLOCKS=1000000 "$SHIM_TOOLS/modules" exchange "$SHIM_TOOLS/plugin_one.so" "$SHIM_TOOLS/plugin_two.so"
        silent
        same "$(json "{f['function'] for s in d['sites'] if s['largest'] == 2001 for f in s['frames'][:1]} - {'make_one'}" "$(the_dump modules)")" "set()"
        same "$(json "{f['function'] for s in d['sites'] if s['largest'] == 2002 for f in s['frames'][:1]} - {'make_two'}" "$(the_dump modules)")" "set()"
    done
    same "$(json "sum(s['samples'] for s in d['sites'] if s['largest'] in (2001, 2002)) > 0" "$(the_dump modules)")" True
}

replaced() { # replaced KIND WHY
    cp "$SHIM_TOOLS/$1_one.so" one.so
    cp "$SHIM_TOOLS/$1_two.so" two.so
    expect 0 paranoid "$SHIM_TOOLS/modules" replace one.so two.so
    same "$(made_by 2001)" "['plugin.so:None']"
    same "$(made_by 2002)" "['plugin.so:make_two']"
    same "$(blocks_of 2001)" "(6, 0)"
    has report.json "\"$2\""
}
@test "a_library_that_replaced_another_lends_it_no_names" { replaced plugin "build-id differs"; }
@test "a_library_that_replaced_another_without_a_build_id_lends_it_no_names" { replaced bare "the file is another one now"; }

@test "modules_that_libc_unloads_by_itself_are_told_apart" {
    expect 0 paranoid "$SHIM_TOOLS/modules" convert UTF-32 UTF-7 EUC-JP EUC-KR BIG5 GBK UTF-16
    same "$(json "[[f['module'].split('/')[-1] for f in s['frames'][:2]] for s in d['sites'] if any(f['function'] == 'gconv_init' for f in s['frames'])]" "$(the_dump modules)")" "[['UTF-16.so', 'libc.so.6']]"
    same "$(json "sum('lost' in s['stack_notes'] for s in d['sites'])" "$(the_dump modules)")" 0
}

# --- found by what the kernel and the loader know ---

@test "a_library_loaded_by_a_relative_path_has_names" {
    cp "$SHIM_TOOLS/plugin_one.so" .
    expect 0 paranoid "$SHIM_TOOLS/modules" exchange ./plugin_one.so
    same "$(made_by 2001)" "['plugin_one.so:make_one']"
}
@test "a_program_started_by_ld_so_is_itself" {
    expect 0 paranoid /lib64/ld-linux-x86-64.so.2 "$SHIM_TOOLS/modules" exchange "$SHIM_TOOLS/plugin_one.so"
    same "$(made_by 2001)" "['plugin_one.so:make_one']"
    same "$(json "d['process']['name'], d['process']['executable']" "$(the_dump modules)")" "('modules', '$(realpath "$SHIM_TOOLS/modules")')"
    same "$(json "sorted({f['module'] for s in d['sites'] for f in s['frames'] if f['function'] == 'make_in_thread'})" "$(the_dump modules)")" "['$(realpath "$SHIM_TOOLS/modules")']"
}
@test "program_headers_may_lie_anywhere" {
    /usr/bin/python3 "$WEIR_ROOT/tests/shim/move_headers.py" "$SHIM_TOOLS/modules" moved 3>&-
    /usr/bin/python3 "$WEIR_ROOT/tests/shim/move_headers.py" "$SHIM_TOOLS/plugin_one.so" moved.so 3>&-
    expect 0 paranoid ./moved exchange ./moved.so
    same "$(made_by 2001 moved)" "['moved.so:make_one']"
    same "$(json "sum(f['function'] is None for s in d['sites'] if s['bytes'] == 2001 * s['blocks'] for f in s['frames'])" "$(the_dump moved)")" 0
}
# Without the table, all of .eh_frame is read.
@test "unwind_information_needs_no_table" {
    /usr/bin/python3 - "$SHIM_TOOLS/plugin_one.so" plain.so 3>&- <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
offset, = struct.unpack_from("<Q", data, 32)
size, count = struct.unpack_from("<HH", data, 54)
for i in range(count):
    kind, _, at = struct.unpack_from("<IIQ", data, offset + i * size)
    if kind == 0x6474e550: # GNU_EH_FRAME: how the number of entries and the entries are encoded
        data[at + 2 : at + 4] = b"\xff\xff"
open(sys.argv[2], "wb").write(data)
END
    expect 0 paranoid "$SHIM_TOOLS/modules" exchange ./plain.so
    same "$(made_by 2001)" "['plain.so:make_one']"
    same "$(blocks_of 2001)" "(6, 0)"
}
@test "a_name_alone_does_not_open_the_reserve_of_the_loader" {
    cp "$SHIM_TOOLS/modules" ld-linux-modules
    for level in disabled paranoid; do # samples take a little more or less
        expect 0 "$level" WEIR_DUMP_AT=none WEIR_QUIET=1 WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/modules" exhaust
        cp out honest
        expect 0 "$level" WEIR_DUMP_AT=none WEIR_QUIET=1 WEIR_MAX_DIRECT=64M ./ld-linux-modules exhaust
        diff honest out
    done
}
