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
@test "what_two_dumps_of_a_process_have_in_common_is_no_chance" {
    local later=() i
    for i in $(seq 2000 2029); do later+=(--set 9:$i:16:8=7411000000000); done # made between the two
    mkdump --level 1 --weight 100 --sites 1 --blocks 2000 --size 1000 old.dump
    mkdump --level 1 --weight 100 --sites 1 --blocks 2030 --size 1000 --number 2 --set 1:0:56:8=7441000000000 "${later[@]}" new.dump
    expect 1 "$WEIR" diff old.dump new.dump
    has "$out" "1m later: grew 2.9 MiB at 1 site" "+2.9 MiB   194 MiB   2.9 MiB" "    +2.9 MiB [1.9..4.1], a minute 2.9 MiB [1.9..4.1]" "    Aged 2 % under 69 s, 10 % under 5 min, "
    # Another process has drawn by itself: 3 MB more of 200 are nothing then.
    mkdump --level 1 --weight 100 --sites 1 --blocks 2030 --size 1000 --pid 4 new.dump
    expect 0 "$WEIR" diff old.dump new.dump
    has "$out" "nothing grew beyond chance"
}
@test "one_sample_is_no_growth_and_ten_are" {
    local common=(--level 1 --weight 100 --size 1000 --module /nowhere/x --blocks 50 --stack 0:0x5000)
    mkdump "${common[@]}" old.dump
    mkdump "${common[@]}" --pid 4 --blocks 1 --stack 0:0x6000 one.dump
    expect 0 "$WEIR" diff old.dump one.dump
    has "$out" "nothing grew beyond chance"
    mkdump "${common[@]}" --pid 4 --blocks 10 --stack 0:0x6000 ten.dump
    expect 1 "$WEIR" diff old.dump ten.dump
    has "$out" "grew 977 KiB at 1 site" "+977 KiB"
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
