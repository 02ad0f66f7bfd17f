#!/usr/bin/env bats
# Blocks that are given back by other functions than they were made for.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# is_named KIND OPERATOR WORDS: one message, for three times from one place, by the name of what was called, with both
# stacks; the program goes on, or does not where that is asked for.
is_named() {
    expect 0 paranoid WEIR_DUMP_AT=none "$SHIM_TOOLS/families" "$1"
    same "$(cat out)" "went on"
    same "$(grep -c '^weir: ' err)" 3 || { seen; return 1; }
    grep -qE "^weir: $2\(0x[0-9a-f]+\): $3; called from families\+0x" err || { echo "no '$2' '$3' of $1"; seen; return 1; }
    grep -qE "^weir:   made at .*families\+0x" err
    grep -qE "^weir:   (freed|resized) at families\+0x" err
    expect 134 paranoid WEIR_DUMP_AT=none WEIR_ON_MISMATCH=abort "$SHIM_TOOLS/families" "$1"
    for settings in "paranoid WEIR_ON_MISMATCH=off" disabled; do
        # shellcheck disable=SC2086 # several words
        expect 0 $settings WEIR_DUMP_AT=none "$SHIM_TOOLS/families" "$1"
        silent
    done
}
block='the block of 100 bytes at 0x[0-9a-f]+ was made by'

@test "free_of_what_new_made_is_named" {
    is_named new_free free "$block operator new"
    is_named array_free free "$block operator new\[\]"
    is_named aligned_free free "$block operator new\[\] of an aligned type"
    is_named new_realloc realloc "$block operator new"
}
@test "delete_of_what_malloc_made_is_named" {
    is_named malloc_delete "operator delete" "$block malloc"
    is_named calloc_delete_array "operator delete\[\]" "$block malloc"
    is_named strdup_delete "operator delete" "the block of 19 bytes at 0x[0-9a-f]+ was made by malloc"
}
@test "delete_of_an_array_and_delete_of_one_as_an_array_are_named" {
    is_named new_delete_array "operator delete\[\]" "$block operator new"
    is_named array_delete "operator delete" "$block operator new\[\]"
    is_named nothrow_array_delete "operator delete" "$block operator new\[\]"
    is_named array_delete_sized "operator delete" "$block operator new\[\]"
}
@test "delete_with_a_wrong_size_is_named" {
    is_named wrong_size "operator delete" "as one of 96 bytes, but $block operator new"
    is_named wrong_size_array "operator delete\[\]" "as one of 200 bytes, but $block operator new\[\]"
    is_named wrong_size_aligned "operator delete" "as one of 200 bytes, but $block operator new of an aligned type"
}
@test "aligned_and_plain_operators_are_told_apart" {
    is_named aligned_plain "operator delete" "$block operator new of an aligned type"
    is_named plain_aligned "operator delete\[\]" "$block operator new\[\]"
}

@test "every_right_pair_is_silent" {
    for program in "$SHIM_TOOLS/families" "$SHIM_TOOLS/families_static"; do
        expect 0 paranoid WEIR_DUMP_AT=none "$program" right
        same "$(cat out)" "went on"
        silent
    done
}
@test "a_runtime_inside_of_a_module_asks_malloc_and_is_not_accused" {
    for kind in new_free malloc_delete; do # its own operators are malloc and free
        expect 0 paranoid WEIR_DUMP_AT=none "$SHIM_TOOLS/families_static" $kind
        silent
    done
}
@test "mismatches_are_counted_in_the_dump" {
    expect 0 paranoid "$SHIM_TOOLS/families" new_free
    timeout 60 "$WEIR_REPORTER" report --full "$(the_dump families)" >text </dev/null 3>&-
    grep -qE 'given back by other functions +3$' text || { cat text; false; }
}
