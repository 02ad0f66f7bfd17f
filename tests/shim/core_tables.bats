#!/usr/bin/env bats
# What a core has beside blocks: access records and parts that pools have given out, as a dump of the same instant has them.
load helpers
load cores

setup_file() { build_tools; }
setup() { plain; }
WEIR=$WEIR_ROOT/${WEIR_BUILD:-build}/weir
ABRT=134

# records FILE: of each site the block that was accessed last, a line a record.
records() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
for line in sorted(" ".join(map(str, [s["blocks"], s["records_discarded"], i, r["what"], r["thread"], r["number"]])) + " ".join("{module}+{offset}".format(**f) for f in s["frames"] + r["frames"])
                   for s in json.load(sys.stdin)["sites"] for i, r in enumerate(s["records"])): print(line)'
}

@test "access_records_are_those_of_a_dump_of_the_same_crash" {
    for what in many:4 calls:25 hints:1 moved:1; do
        for level in paranoid "advanced WEIR_SAMPLE_BLOCKS=1"; do
            # shellcheck disable=SC2086
            core_of "$SHIM_TOOLS/touched" $ABRT $level WEIR_ON_CRASH=dump WEIR_SAMPLE_BYTES=2 WEIR_TARGET_RECORDS=4 "${what%:*}" aborts
            records core >from_core
            records "$(the_dump touched)" >from_dump
            [ "$(wc -l <from_core)" -ge "${what#*:}" ] || { cat from_core; false; }
            cmp from_core from_dump || { diff from_core from_dump; false; }
        done
    done
}

# parts FILE: each site of a pool's, its verdict, blocks and threads, a line each; and the sums of all.
parts() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
d = json.load(sys.stdin)
for line in sorted("{verdict} {indirect} {blocks} {bytes} {smallest} {largest} ".format(**s) + " ".join("{module}+{offset}".format(**f) for f in s["frames"])
                   + str([t["thread"] for t in s["threads"]]) for s in d["sites"] if s["pool"] and s["blocks"]): print(line)
print([d["verdicts"][k] for k in ("leaked", "leaked_indirectly", "possible", "in_use")])'
}
# While a program goes on a dump calls no part leaked. So it goes on to its end, from where the core was taken.
@test "what_pools_have_given_out_and_its_verdicts_are_those_of_the_end" {
    command -v gdb >/dev/null || skip "there is no gdb"
    mkfifo fifo
    for what in leaked:6 chains:4 chunks:2 fronts:2 lost:2 past:2 ignored:2 mapped:5 region:2 many:2; do
        rm -rf dumps core
        mkdir dumps
        LD_PRELOAD=$WEIR_SHIM WEIR_LEVEL=paranoid WEIR_LEAKS=exit WEIR_OUTPUT=$PWD/dumps/%e.%p.%n.dump "$SHIM_TOOLS/pooled" "${what%:*}" waits <fifo >out 2>err 3>&- &
        pid=$!
        exec 7>fifo
        for ((i = 0; i < 200; i++)); do grep -q ready out && break || sleep 0.05; done
        gdb -batch -nx -p $pid -ex 'generate-core-file core' >gdb.out 2>&1 7>&-
        exec 7>&-
        wait $pid || true
        parts core >from_core
        parts "$(last_dump pooled)" >from_dump
        # What lies in a page that nobody may read the core has, and the program has not.
        [ "${what%:*}" != mapped ] || sed -i '$d' from_core from_dump
        [ "$(wc -l <from_core)" -ge "${what#*:}" ] || { echo "$what"; cat from_core from_dump; false; }
        cmp from_core from_dump || { echo "$what"; diff from_core from_dump; false; }
    done
}
