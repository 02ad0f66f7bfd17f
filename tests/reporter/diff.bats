#!/usr/bin/env bats
# weir diff: what grew between two dumps.
load helpers

setup_file() { build_tools "$BUILD/tests/reporter/mkdump"; }
setup() { plain; }

@test "what_grew_is_listed_with_its_frames" {
    mkdump --sites 2 --blocks 20 --size 1000 old.dump
    mkdump --sites 2 --blocks 60 --size 1000 new.dump
    expect 1 "$WEIR" diff old.dump new.dump
    has "$out" "grew 39 KiB at 2 sites" "GREW       NOW" "+20 KiB    29 KiB" "+20" "#1  GREW: gateway+0x" "Created at:"
    expect 0 "$WEIR" diff new.dump old.dump
    has "$out" "nothing grew, shrank 39 KiB at 2"
    lacks "$out" "SHRANK"
    expect 0 "$WEIR" diff --shrunk new.dump old.dump
    has "$out" "-20 KiB" "#1  SHRANK: gateway+0x"
    expect 0 "$WEIR" diff new.dump new.dump
    has "$out" "nothing grew"
    expect 1 "$WEIR" diff --json old.dump new.dump
    same "$(json '(d["grown_sites"], d["grown_bytes"], [s["bytes"] for s in d["sites"]])' .out)" "(2, 40000, [{'grew': True, 'by': 20000}, {'grew': True, 'by': 20000}])"
}
@test "a_site_that_is_new_has_grown_and_one_that_is_gone_has_shrunk" {
    mkdump --sites 1 --blocks 10 --size 100 one.dump
    mkdump --sites 2 --blocks 20 --size 100 two.dump
    expect 1 "$WEIR" diff one.dump two.dump
    has "$out" "grew 1000 B at 1 site"
    expect 0 "$WEIR" diff two.dump one.dump
    has "$out" "nothing grew, shrank 1000 B at 1"
}
@test "folders_are_compared_as_a_whole" {
    mkdir old new
    mkdump --sites 1 --blocks 10 --size 100 old/a.dump
    mkdump --sites 1 --blocks 15 --size 100 new/a.dump
    expect 1 "$WEIR" diff old new
    has "$out" "grew 500 B at 1 site"
}
@test "what_was_not_tracked_has_not_grown_either" {
    mkdump --sites 1 --blocks 10 --level 0 off.dump
    mkdump --sites 1 --blocks 10 on.dump
    expect 3 "$WEIR" diff off.dump on.dump
    has "$out$err" "off.dump: a program ran at level disabled: what grew is not known"
}
@test "what_cannot_be_read_and_usage" {
    mkdump --sites 1 --blocks 10 good.dump
    printf WEIRDUMPx >bad.dump
    expect 3 "$WEIR" diff good.dump bad.dump
    expect 3 "$WEIR" diff good.dump none.dump
    expect 2 "$WEIR" diff good.dump
    expect 2 "$WEIR" diff --top=x good.dump good.dump
    expect 2 "$WEIR" diff --nonsense good.dump good.dump
    expect 0 "$WEIR" diff --help
    [ -z "$(awk 'length > 80' <<<"$out")" ] || { echo "$out"; false; }
}
