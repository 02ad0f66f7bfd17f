#!/usr/bin/env bats
# weir run with the library itself: what outlives the run, and what is left over of it.
load helpers

setup_file() { build_tools; }
setup() { plain; }
teardown() { touch "$BATS_TEST_TMPDIR/stop"; }

# run_it CMD...: under weir run at level paranoid; no descriptor of bats goes to what it leaves running.
run_it() {
    local reporter=$WEIR_REPORTER
    (
        plain_environment "$PWD"
        close_fds_of_bats
        exec timeout -k 5 60 "$reporter" run --level=paranoid -- "$@"
    ) >out 2>err </dev/null
}

# a_daemon PERL: becomes one, with a block of 54321 bytes, and goes on until the file stop is there.
a_daemon() {
    run_it perl -e 'use POSIX; exit if fork; setsid; '"$1"' $x = "x" x 54300; open F, ">started"; sleep 0.01 until -e "stop"'
}
leaves_another_dump() {
    local before
    before=$(find . -name '*.dump' | wc -l)
    touch stop
    another() { [ "$(find . -name '*.dump' | wc -l)" -gt "$before" ]; }
    wait_for 20 another || { ls -R; return 1; }
    for dump in weir.*.d/*.dump; do json '' "$dump"; done
}

@test "a_daemons_dump_comes_to_the_folder_of_its_run" {
    a_daemon ''
    wait_for 10 test -e started
    has err "weir: 1 process of this run goes on; dumps will come to weir.perl."
    leaves_another_dump
}
@test "a_daemon_that_nobody_could_see_makes_the_folder_again" {
    a_daemon '$0 = "x" x 30000;' # over its environment
    wait_for 10 test -e started
    rm -rf weir.perl.*
    leaves_another_dump
}
@test "a_half_written_dump_is_taken_away_at_the_end_of_the_run" {
    run_it perl -e 'my ($folder) = glob "weir.perl.*.d"; open F, ">$folder/killed.dump.part"; print F "half"'
    same "$(find . -name '*.part')" ""
    same "$(find . -name 'weir.perl.*.dump' | wc -l)" 1
    lacks err "no dump"
}
