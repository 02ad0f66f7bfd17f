#!/usr/bin/env bats
# A debugger and a stressor behave under weir as without it.
load ../lib/weir

setup_file() {
    export TOOLS=$BATS_FILE_TMPDIR
    gcc -g -O0 "$BATS_TEST_DIRNAME/compiled.c" -o "$TOOLS/compiled"
}

# gdb itself under weir, and a program under weir (it inherits the environment) under gdb.
gdb_session() {
    gdb --batch --nx -ex 'set debuginfod enabled off' -ex 'info line by_value' -ex 'ptype insn_t' -ex 'disassemble by_value' \
        -ex 'python print(sum(len(str(i)) for i in range(20000)))' "$TOOLS/compiled"
    # No addresses or thread ids in what is compared.
    gdb --batch --nx -ex 'set debuginfod enabled off' -ex 'set disable-randomization on' -ex 'break interpret' -ex run -ex 'print n' \
        -ex 'backtrace 1' -ex 'print (char)code[0].op < 8' -ex finish -ex continue "$TOOLS/compiled" 2>&1 |
        sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/process [0-9]+/process N/; /libthread_db|warning: /d'
    echo "status ${PIPESTATUS[0]}"
}
stress_session() {
    stress-ng --malloc 2 --malloc-bytes 16M --malloc-ops 2000 --timeout 30 --metrics-brief --verify 2>&1 |
        grep -oE 'passed: [0-9]+: malloc|failed: [0-9]+|successful run completed'
    echo "status ${PIPESTATUS[0]}"
    stress-ng --vm 1 --vm-bytes 16M --vm-ops 50 --mmap 1 --mmap-bytes 8M --mmap-ops 50 --timeout 30 2>&1 | grep -oE 'successful run completed'
}
export -f gdb_session stress_session

@test "gdb_behaves_as_without_weir_at_disabled" { same_as_without disabled gdb gdb_session; }
@test "gdb_behaves_as_without_weir_at_simple" { same_as_without simple gdb gdb_session; }
@test "gdb_behaves_as_without_weir_at_paranoid" { same_as_without paranoid gdb gdb_session; }
@test "stress_ng_behaves_as_without_weir_at_disabled" { same_as_without disabled stress-ng stress_session; }
@test "stress_ng_behaves_as_without_weir_at_simple" { same_as_without simple stress-ng stress_session; }
@test "stress_ng_behaves_as_without_weir_at_paranoid" { same_as_without paranoid stress-ng stress_session; }
