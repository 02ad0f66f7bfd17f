#!/usr/bin/env bats
# The golden test of the fast paths, and the proof of the protocol beside them.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# Instructions that one call of malloc and one of free execute when they hit, by disassembly: neither has a loop, so a
# hit is the straight way from the symbol to its first ret, jumps not taken.
straight_way() {
    objdump -d --no-show-raw-insn "$WEIR_SHIM" --disassemble="$1" |
        awk '/^ +[0-9a-f]+:/ { n++; if ($2 ~ /^(lock|div|idiv|call)/) bad = $2; if ($2 == "ret") { print n, bad; exit } }'
}

@test "a_hit_of_malloc_takes_17_instructions_and_one_of_free_20" {
    [ "${WEIR_BUILD:-build}" = build ] || skip "counted in the build that users get"
    same "$(straight_way __libc_malloc)" "17 "
    same "$(straight_way __libc_cfree)" "20 "
}

@test "stepping_through_a_hit_counts_the_same" {
    [ "${WEIR_BUILD:-build}" = build ] || skip "counted in the build that users get"
    expect 0 disabled WEIR_DUMP_AT=none "$SHIM_TOOLS/steps"
    same "$(cat out)" "malloc 17 free 20"
}

# Nothing else is built so.
@test "encoded_lists_keep_each_byte" {
    make -s -j2 -C "$WEIR_ROOT" ENCODE=1 BUILD="$BATS_FILE_TMPDIR/encoded" "$BATS_FILE_TMPDIR/encoded/libweir.so" >make.log 2>&1 3>&- || { cat make.log; false; }
    for level in $LEVELS; do
        WEIR_SHIM=$BATS_FILE_TMPDIR/encoded/libweir.so expect 0 "$level" WEIR_DUMP_AT=none WEIR_SAMPLE_BLOCKS=4 "$SHIM_TOOLS/model" 100000 4
        same "$(cat out)" "100000 operations, no wrong byte"
        silent
    done
}

# holds MODEL COMPILER-OPTION PAN-OPTION: spin finds no error in any interleaving.
holds() {
    cp "$BATS_TEST_DIRNAME/$1" .
    spin -a "$1" >spin.log 2>&1 || { cat spin.log; false; }
    gcc -O2 "$2" -o pan pan.c >gcc.log 2>&1
    ./pan "$3" -m100000 >pan.log 2>&1
    grep -q 'errors: 0' pan.log || { cat pan.log; false; }
    ! grep -q 'search not completed' pan.log
}
@test "remote_frees_and_adoption_hold_in_every_interleaving" { holds remote.pml -DNOREDUCE -a; }
@test "a_claim_holds_where_its_list_comes_about_again" { holds claim.pml -DSAFETY -E; }
