#!/usr/bin/env bats
# What a core has beside blocks: access records, as a dump of the same instant has them.
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
