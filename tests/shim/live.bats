#!/usr/bin/env bats
# A program that goes on is searched: what it waits in goes on as if nothing had been, and what is leaked is told.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# How late a wait may be is that of a busy machine; a wait that began anew each time would never end. LATE=10 is for a
# quiet one.
@test "every_wait_goes_on_in_all_threads" {
    for level in disabled paranoid; do
        expect 0 $level WEIR_LEAKS=signal WEIR_QUIET=1 LATE=3000 "$SHIM_TOOLS/waits"
        same "$(cat out)" "44 of 44"
        [ "$(dumps_of waits)" -gt 3 ]
    done
}
# Side by side with dumps that are not searched: they mostly wait.
@test "every_wait_goes_on_in_the_thread_that_gets_the_signal" {
    mkdir unsearched
    (
        cd unsearched
        LIMIT=60 expect 0 disabled WEIR_QUIET=1 LATE=3000 "$SHIM_TOOLS/waits" main
        same "$(cat out)" "44 of 44"
    ) &
    LIMIT=60 expect 0 paranoid WEIR_LEAKS=signal WEIR_QUIET=1 LATE=3000 "$SHIM_TOOLS/waits" main
    same "$(cat out)" "44 of 44"
    [ "$(dumps_of waits)" -gt 100 ]
    wait $!
}

# live "CASE [N]" [NAME=VALUE...]: starts `living CASE N` at paranoid; its process id is in $pid. It ends when its standard input does.
live() {
    local settings=(LD_PRELOAD="$WEIR_SHIM" WEIR_LEVEL=paranoid WEIR_OUTPUT="$PWD/dumps/%e.%p.%n.dump")
    rm -rf dumps
    mkdir dumps
    mkfifo input 2>/dev/null || true
    (
        plain_environment "$PWD"
        close_fds_of_bats
        exec timeout -k 5 60 env "${settings[@]}" "${@:2}" "$SHIM_TOOLS/living" $1
    ) <input >out 2>err &
    exec 9>input
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        pid=$(sed -n 's/^ready //p' out)
        [ -z "$pid" ] || return 0
        sleep 0.05
    done
    seen
    return 1
}
end_it() {
    exec 9>&-
    wait
}
leaks() { timeout 30 "$WEIR_REPORTER" dump --leaks "$@" "$pid" 3>&- 9>&-; }
sizes() { json '{v: sorted((s["smallest"], s["blocks"]) for s in d["sites"] if s["verdict"] == v and 1000 <= s["smallest"] < 1300) for v in ("leaked", "possible")}' "$1"; }

@test "what_two_searches_do_not_reach_is_leaked" {
    live leaks
    leaks --apart 0.3 >path
    same "$(sizes "$(cat path)")" "{'leaked': [(1001, 1), (1002, 20), (1003, 1)], 'possible': [(1004, 1)]}"
    same "$(json 'd["verdicts"]["threads_not_held"], 0 < d["verdicts"]["pause_nanoseconds"] < 10 ** 9, d["verdicts"]["compared_nanoseconds"] >= 3 * 10 ** 8' "$(cat path)")" "(0, True, True)"
    timeout 30 "$WEIR_REPORTER" report "$(cat path)" >text 3>&- 9>&-
    has text "leaked is what was the same 0."
    end_it
}
@test "what_one_search_does_not_reach_may_be" {
    live leaks WEIR_LEAKS=signal
    timeout 30 "$WEIR_REPORTER" dump "$pid" >path 3>&- 9>&-
    same "$(sizes "$(cat path)")" "{'leaked': [], 'possible': [(1001, 1), (1002, 20), (1003, 1), (1004, 1)]}"
    end_it
}
@test "a_child_of_a_program_that_was_searched_has_searches_of_its_own" {
    live forks
    leaks --apart 0.3 >path
    same "$(sizes "$(cat path)")" "{'leaked': [(1001, 1)], 'possible': []}"
    pid=$(sed -n 's/^child //p' out)
    leaks --apart 0.3 >path
    same "$(sizes "$(cat path)")" "{'leaked': [(1005, 1)], 'possible': []}"
    end_it
}
@test "a_thousand_forgotten_buffers_are_named_and_nothing_else" {
    live server
    leaks --apart 0.5 >path
    same "$(json '[s["smallest"] for s in d["sites"] if s["verdict"] == "leaked"], sum(s["blocks"] for s in d["sites"] if s["verdict"] == "leaked") >= 990, sum(s["blocks"] for s in d["sites"] if s["verdict"] == "possible" and s["smallest"] == 1020) <= 10' "$(cat path)")" "([1020], True, True)"
    end_it
}
# The only pointers to some blocks are moved between registers, memory and vector registers all the time.
@test "a_pointer_that_moves_is_never_missed" {
    live moves
    for ((i = 0; i < $(few 50); i++)); do
        leaks --apart 0.2 >path
        same "$(sizes "$(cat path)")" "{'leaked': [], 'possible': []}"
        rm -f "$(cat path)"
    done
    end_it
}
@test "threads_that_start_and_end_are_held_or_gone" {
    live starts
    for ((i = 0; i < $(few 50); i++)); do
        leaks --apart 0.2 >path
        same "$(sizes "$(cat path)")" "{'leaked': [], 'possible': []}"
        same "$(json 'd["verdicts"]["pause_nanoseconds"] < 10 ** 9' "$(cat path)")" True
        rm -f "$(cat path)"
    done
    end_it
}
@test "what_the_kernel_alone_knows_of_is_in_use" {
    live kernel
    leaks --apart 0.3 >path
    same "$(sizes "$(cat path)")" "{'leaked': [], 'possible': []}"
    end_it
}
@test "small_stacks_for_signals_are_enough" {
    live small
    for ((i = 0; i < 15; i++)); do
        timeout 30 "$WEIR_REPORTER" dump "$pid" >path 3>&- 9>&-
        leaks --apart 0.2 >path
    done
    kill -0 "$pid"
    end_it
    same "$(grep -v ready out)" ""
}
@test "who_waits_for_all_signals_gets_none_of_weirs" {
    live waits
    leaks --apart 0.2 >path
    same "$(json 'd["verdicts"]["threads_not_held"]' "$(cat path)")" 1
    end_it
    same "$(grep -v ready out)" ""
}
# rt_tgsigqueueinfo, restart_syscall, process_vm_readv, ppoll, epoll_pwait
@test "inherited_filters_that_kill_are_found_out_before" {
    for number in 297 219 310 271 281; do
        live "filter $number"
        timeout 30 "$WEIR_REPORTER" dump "$pid" >path 3>&- 9>&-
        leaks --apart 0.2 >path
        kill -0 "$pid"
        end_it
        rm -f input out
    done
}
