#!/usr/bin/env bats
# Levels simple and advanced: which blocks are drawn, what that costs, what reports say of the rest. How draws and ranges
# behave over many runs is unit_sample's.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# sampled WHAT [NAME=VALUE...]: at level simple, and no second bounds what is drawn.
sampled() {
    local what=$1
    shift
    expect 0 simple WEIR_SAMPLE_RATE=1000000 "$@" "$SHIM_TOOLS/sampled" "$what"
    silent
}
# near SEEN WANTED DEVIATION: no more than 4.5 standard deviations off.
near() { awk -v s="$1" -v w="$2" -v d="$3" 'BEGIN { exit !((s - w) ^ 2 <= (4.5 * d) ^ 2) }' || { echo "seen $1, wanted $2 (deviation $3)"; return 1; }; }

@test "without_a_level_blocks_are_sampled" {
    LIMIT=60 expect 0 without env LD_PRELOAD="$WEIR_SHIM" WEIR_OUTPUT="$PWD/dumps/%e.%p.dump" "$SHIM_TOOLS/sampled" many
    silent
    same "$(json 'd["process"]["level"]' "$(the_dump sampled)")" simple
}
@test "advanced_draws_as_simple" {
    expect 0 advanced "$SHIM_TOOLS/sampled" large
    silent
    same "$(json '(d["process"]["level"], d["totals"]["samples"] > 300)' "$(the_dump sampled)")" "('advanced', True)"
}
@test "a_hit_is_as_short_where_blocks_are_sampled" {
    [ "${WEIR_BUILD:-build}" = build ] || skip "counted in the build that users get"
    expect 0 simple WEIR_SAMPLE_BYTES=1T WEIR_SAMPLE_BLOCKS=1000000 WEIR_DUMP_AT=none "$SHIM_TOOLS/steps"
    same "$(cat out)" "malloc 17 free 20"
}
@test "one_block_in_128_of_one_site_is_drawn" {
    # A size that does not count beside C: 1,280,000 * (1 - exp(-1 / 128)).
    sampled many WEIR_SAMPLE_BYTES=1G
    near "$(json 'd["totals"]["samples"]' "$(the_dump sampled)")" 9961 99
    # One that does: 1,280,000 * (1 - exp(-(16 + 512) / 65536)), and its estimate.
    sampled many
    near "$(json 'd["totals"]["samples"]' "$(the_dump sampled)")" 10271 101
    near "$(json 'd["totals"]["blocks"]' "$(the_dump sampled)")" 1280000 12600
    same "$(json '(d["totals"]["blocks_low"] < d["totals"]["blocks"] < d["totals"]["blocks_high"], d["direct"]["count"] >= 1280000)' "$(the_dump sampled)")" "(True, True)"
}
@test "two_sites_that_alternate_are_both_seen" {
    sampled alternating
    near "$(json 'sum(s["samples"] for s in d["sites"] if "second_site" in s["name"])' "$(the_dump sampled)")" 85.1 9.2
    near "$(json 'sum(s["samples"] for s in d["sites"] if "first_site" in s["name"])' "$(the_dump sampled)")" 10807 104
}
@test "estimates_hold_over_reallocs" {
    # Blocks count once, wherever they were drawn on their way.
    sampled reallocated
    near "$(json 'd["totals"]["blocks"]' "$(the_dump sampled)")" 20000 800
    same "$(json '(any("first_site" in s["name"] for s in d["sites"]), any("growing_site" in s["name"] for s in d["sites"]))' "$(the_dump sampled)")" "(True, True)"
    sampled large
    near "$(json 'd["totals"]["blocks"]' "$(the_dump sampled)")" 400 8
}
@test "exact_totals_stand_beside_estimates" {
    sampled large
    "$WEIR_REPORTER" report "$(the_dump sampled)" >text
    grep -qE '^sampled stacks explain (9[0-9]|10[0-9]) % of [0-9.]+M in 40[0-9] live blocks$' text || { cat text; false; }
    has text "may be unseen: sites of fewer than 384 blocks and 192 KiB"
}
@test "children_of_one_parent_draw_by_themselves" {
    sampled children
    # 40 times 200 blocks with p = 0.0083: 66.2 drawn, and not as many in each child.
    near "$(json 'd["totals"]["samples"]' dumps)" 66.2 8.1
    same "$(json 'len(set(p["blocks"] for p in d["parts"])) > 2' dumps)" True
}
@test "no_more_than_so_many_samples_a_second_are_taken_and_freed" {
    for rate in 100 2000; do
        expect 0 simple WEIR_SAMPLE_RATE=$rate "$SHIM_TOOLS/sampled" busy
        # Each of those taken was freed, and cost twice.
        awk -v taken="$(json 'd["sampling"]["samples_ever"]' "$(the_dump sampled)")" -v s="$(cat out)" -v r=$rate \
            'BEGIN { print taken " in " s " s"; exit !(2 * taken <= r * (s + 0.5) && taken >= r / 8) }'
        same "$(json 'd["sampling"]["thinned"] > 0' "$(the_dump sampled)")" True
        "$WEIR_REPORTER" report "$(the_dump sampled)" | grep -qE '^sampled up to [0-9,]+ times less at times \(WEIR_SAMPLE_RATE\)'
    done
}
# ever SITE DUMP: allocations, bytes, frees, freed bytes, temporary, and live at the peak, of the function's sites.
ever() {
    timeout 60 "$WEIR_REPORTER" report --json --sort total "$2" >report.json </dev/null 3>&-
    /usr/bin/python3 -c '
import json, sys
d = json.load(open("report.json"))
sites = [s["ever"] for s in d["sites"] if sys.argv[1] in s["name"] and s["ever"]]
print(*[sum(e[k] for e in sites) for k in "allocations bytes frees freed_bytes temporary peak_blocks peak_bytes".split()])' "$1" 3>&-
}
@test "what_was_ever_made_is_counted_exactly_where_all_is_tracked" {
    expect 0 paranoid "$SHIM_TOOLS/sampled" ever
    silent
    local parent child
    for dump in dumps/*.dump; do [ "$(json 'd["process"]["forked_from"]' "$dump")" = None ] && parent=$dump || child=$dump; done
    same "$(ever first_site "$parent")" "3000 300000 3000 300000 3000 0 0"
    read -r -a numbers < <(ever second_site "$parent")
    same "${numbers[*]:0:5}" "400 4000000 350 3500000 0"
    # A peak is noted when it is over, by one part in 128 and what threads keep back.
    ((numbers[5] > 392 && numbers[5] <= 400 && numbers[6] == 10000 * numbers[5])) || { echo "at the peak: ${numbers[*]:5}"; false; }
    same "$(ever growing_site "$parent")" "50 100000 50 100000 50 0 0"
    same "$(ever first_site "$child")" "7 700 0 0 0 7 700"
    same "$(ever second_site "$child")" "0 0 0 0 0 0 0"
    for order in total peak temporary rate; do
        "$WEIR_REPORTER" report --sort $order "$parent" >text
        has text "AT PEAK" "SITE"
    done
    has text "3.8 MiB" "3,000" "second_site"
    grep -qE '^    [0-9.]+ KiB in 3,000 blocks, 100.0 % given back, 0 live at the peak$' text || { cat text; false; }
}
@test "a_peak_that_is_over_by_one_block_is_one_with_it" {
    cat >large.c <<'C'
#include <stdlib.h>
__attribute__((noinline)) void *first(void) { return malloc(300 << 20); }
__attribute__((noinline)) void *second(void) { return malloc(100 << 20); }
__attribute__((noinline)) void *third(void) { return malloc(50 << 20); }
int main(int argc, char **argv) {
    void *volatile p = first(), *volatile q;
    if (argc > 1) free(malloc(10)); /* else the thread never has a heap */
    if (argv[argc]) return 1;
    free(p);
    p = second();
    q = third();
    return !p || !q;
}
C
    gcc -g -O0 -o large large.c
    for level in simple paranoid; do
        for heap in "" heap; do
            expect 0 $level ./large $heap
            same "$(for site in first second third; do ever $site "$(the_dump large)" | cut -d' ' -f 1-4,6,7; done)" "1 314572800 1 314572800 1 314572800
1 104857600 0 0 0 0
1 52428800 0 0 0 0"
        done
    done
}
@test "what_was_ever_made_is_estimated_where_blocks_are_sampled" {
    sampled many
    read -r allocations bytes frees _ < <(ever first_site "$(the_dump sampled)")
    near "$allocations" 1280000 12600
    near "$bytes" 20480000 202000
    same "$frees" 0
    sampled reallocated
    read -r allocations _ frees _ < <(ever site "$(the_dump sampled)")
    near "$((allocations - frees))" 20000 800
}
@test "what_hardens_tracks_every_block" {
    expect 0 simple WEIR_HARDEN=1 "$SHIM_TOOLS/sampled" large
    same "$(json '(d["process"]["level"], d["totals"]["blocks"] >= 400, d["sampling"])' "$(the_dump sampled)")" "('paranoid', True, None)"
}
@test "a_sample_that_is_freed_twice_is_named_with_its_stack" {
    expect 134 simple WEIR_SAMPLE_BLOCKS=1 WEIR_SAMPLE_BYTES=2 "$SHIM_TOOLS/misuse" double
    has err "double free of the block of" "made at" "freed at"
}
@test "checks_of_lists_and_samples_go_together" {
    for check in 0 1; do
        expect 0 simple WEIR_CHECK=$check WEIR_SAMPLE_RATE=1000000 WEIR_SAMPLE_BLOCKS=4 WEIR_DUMP_AT=none "$SHIM_TOOLS/model" 100000 4
        expect 0 simple WEIR_CHECK=$check WEIR_SAMPLE_RATE=1000000 WEIR_SAMPLE_BLOCKS=1 WEIR_SAMPLE_BYTES=64 WEIR_DUMP_AT=none "$SHIM_TOOLS/model" 100000 4
    done
}
@test "storms_of_signals_and_forks_meet_samples" {
    LIMIT=60 expect 0 simple WEIR_DUMP_AT=none WEIR_SAMPLE_BLOCKS=2 WEIR_SAMPLE_RATE=1000000 "$SHIM_TOOLS/storm" 3000
}
@test "a_thread_that_only_reallocates_has_totals_of_its_own" {
    cat >only.c <<'C'
#include <pthread.h>
#include <stdlib.h>
static void *volatile held;
__attribute__((noinline)) static void *site(void) { void *volatile p = malloc(1000); return p; }
static void *thread(void *p) { held = realloc(p, 980); return 0; }
int main(void) { pthread_t t; void *p = site(); pthread_create(&t, 0, thread, p); pthread_join(t, 0); return 0; }
C
    gcc -O1 -g -fno-builtin -pthread -o only only.c
    expect 0 paranoid ./only
    same "$(json '[(s["ever"]["allocations"] - s["ever"]["frees"], s["ever"]["bytes"] - s["ever"]["freed_bytes"], s["bytes"]) for s in d["sites"] if s["frames"][0]["function"] == "site"]' "$(the_dump only)")" "[(1, 980, 980)]"
}
