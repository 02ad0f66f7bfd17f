#!/usr/bin/env bats
# What breaks under preloaded allocators, a test a pitfall; the table in PITFALLS.md says where the others are tested.
load helpers

setup_file() { build_tools; }
setup() { plain; P=$SHIM_TOOLS/pitfalls; }
teardown() { stop_started; }

# fine PITFALL [NAME=VALUE...]: it ends well at both levels, and weir has nothing to say. FILE is its argument.
fine() {
    local what=$1 level
    shift
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$@" "$P/pitfalls" "$what" "$FILE"
        same "$(cat out)" fine || { echo "at $level"; return 1; }
        silent
    done
}

# prints WORDS CMD...: CMD prints just this, at both levels, and nothing on standard error.
prints() {
    local words=$1 level
    shift
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=none "$@"
        same "$(cat out)" "$words" || { echo "at $level"; return 1; }
        silent
    done
}

@test "pitfall_01_02_03_memory_before_main" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_MAX_DIRECT=64M "$P/early_program"
        same "$(cat out)" "made early, refused 1, chosen 42" # refused: the ceiling held before weir's constructor ran
    done
}
@test "pitfall_02_26_a_program_started_without_an_environment" {
    prints "on" env -i /bin/sh -c 'echo on'
    expect 3 without env -i LD_PRELOAD="$WEIR_SHIM" WEIR_LEVEL=paranoid /bin/sh -c 'exit 3'
    silent
    [ -n "$(ls weir.sh.*.dump weir.dash.*.dump 2>/dev/null)" ] # the default name, in the folder it ran in
}
@test "pitfall_04_another_library_looks_mmap_up_while_we_start" {
    prints ok LD_PRELOAD="$WEIR_SHIM:$P/libmapper.so" perl -e 'print "ok\n"'
    prints ok LD_PRELOAD="$P/libmapper.so:$WEIR_SHIM" perl -e 'print "ok\n"'
}
@test "pitfall_05_fakeroot_beside_us" {
    command -v fakeroot >/dev/null || skip "fakeroot is not installed"
    prints 0 fakeroot id -u
}
@test "hardly_any_address_space_is_said_and_does_not_crash" {
    for limit in 6000 12000 17000; do
        for level in $LEVELS; do
            status=0
            (ulimit -v $limit; WEIR_DUMP_AT=none WEIR_LEVEL=$level LD_PRELOAD=$WEIR_SHIM exec /bin/ls / >out 2>err) || status=$?
            [ $status = 0 ] || [ $status = 2 ] || { echo "status $status with $limit KiB"; seen; false; }
            [ $status = 0 ] || has err "every allocation will fail"
        done
    done
}
@test "pitfall_07_an_auditor_in_the_loader" {
    prints ok LD_AUDIT="$P/libauditor.so" perl -e 'print "ok\n"'
}
@test "pitfall_08_address_sanitizer_says_itself_why_it_cannot" {
    expect 1 disabled "$P/hello_asan"
    has err "ASan runtime does not come first"
}
@test "pitfall_09_a_constructor_waits_for_its_thread" { FILE=$P/libthreaded.so fine loading_and_unloading; }
@test "pitfall_10_thread_storage_at_the_ceiling" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=none WEIR_MAX_DIRECT=64M "$P/pitfalls" thread_storage_at_the_ceiling "$P/liblazy.so"
        same "$(cat out)" fine
    done
}
@test "pitfall_11_free_after_a_threads_last_destructor" { fine resolver_in_a_thread; }
@test "pitfall_12_all_keys_are_taken" { fine all_keys_taken; }
@test "pitfall_12_the_main_thread_ends_first" { fine main_thread_ends_first; }
@test "pitfall_13_threads_nobody_saw_start" { fine timer_threads; }
@test "pitfall_14_a_thread_that_only_frees" { fine one_thread_only_frees; }
@test "pitfall_15_weir_is_loaded_and_unloaded_again" { FILE=$WEIR_SHIM fine loading_and_unloading; }
@test "pitfall_15_weir_is_loaded_late" {
    # Without a preload the program's malloc is libc's: only that it does not crash, and says so.
    expect 0 without env WEIR_DUMP_AT=none WEIR_LEVEL=paranoid "$P/pitfalls" loading_and_unloading "$WEIR_SHIM"
    same "$(cat out)" fine
    has err "weir: malloc was libc.so.6+0x"
    same "$(wc -l <err)" 1
}
@test "pitfall_17_handlers_of_fork_allocate" { fine atfork_handlers_allocate; }
@test "pitfall_18_a_child_of_clone" { fine clone_with_memory_of_its_own; }
@test "pitfall_19_python_starts_children_by_vfork" {
    prints done /usr/bin/python3 -S -c 'import subprocess
for i in range(20): subprocess.run(["/bin/true"], check=True)
print("done")'
}
@test "pitfall_21_two_tasks_in_one_memory" { fine clone_in_the_same_memory; }
@test "pitfall_22_a_librarys_handler_of_fork_starts_a_thread_before_ours_runs" {
    prints "20 children" "$P/restarting_program"
}
@test "pitfall_22_a_child_of_50_threads_leaves_its_own_dump" {
    LIMIT=60 expect 0 paranoid "$P/pitfalls" child_of_50_threads
    silent
    for dump in dumps/pitfalls.*; do json 'blocks(54321)' "$dump"; done | sort >seen
    same "$(cat seen)" $'0\n1'
}
@test "pitfall_23_new_namespaces" { fine new_user_namespace; }
@test "pitfall_27_static_programs_run_without_us" {
    expect 0 paranoid "$P/hello_static"
    same "$(cat out)" hello
    silent
    same "$(dumps_of hello_static)" 0
}
@test "pitfall_28_any_x86_64_can_run_us" {
    # tzcnt is bsf where it is not known, with the same result for all that we give it.
    objdump -d --no-show-raw-insn "$WEIR_SHIM" >code
    ! grep -m 3 -E '%[yz]mm|\b(popcnt|lzcnt|pdep|pext|mulx|bextr|crc32|pshufb|palignr)\b' code
}
@test "pitfall_29_a_filter_of_system_calls" {
    fine filtered_system_calls
    expect 0 paranoid WEIR_OUTPUT="$PWD/dumps/x.dump" "$P/pitfalls" filtered_system_calls
    same "$(cat out)" fine
    same "$(cat err)" "weir: no dump is written to $PWD/dumps/x.dump: not permitted"
}
@test "pitfall_30_no_proc_no_dev_nothing_but_libraries" {
    [ "$(id -u)" = 0 ] || skip "chroot needs root"
    mkdir -p root/lib64 root/lib/x86_64-linux-gnu
    cp /lib64/ld-linux-x86-64.so.2 root/lib64
    cp /lib/x86_64-linux-gnu/libc.so.6 root/lib/x86_64-linux-gnu
    cp "$WEIR_SHIM" "$SHIM_TOOLS/ends" "$SHIM_TOOLS/model" root
    chroot root /ends exit || [ $? = 3 ] || skip "chroot is not permitted here"
    for level in $LEVELS; do
        under without chroot root /lib64/ld-linux-x86-64.so.2 --preload /libweir.so /ends exit
        same "$status" 3 || { seen; false; }
        expect 0 without env WEIR_LEVEL=$level WEIR_OUTPUT=/x.$level.dump chroot root /lib64/ld-linux-x86-64.so.2 --preload /libweir.so /model 20000 2
        silent
        json '' root/x.$level.dump
    done
}
@test "pitfall_31_listed_twice" { prints ok LD_PRELOAD="$WEIR_SHIM:$WEIR_SHIM" perl -e 'print "ok\n"'; }
@test "pitfall_31_the_debugger_inherits_us" {
    expect 0 paranoid WEIR_DUMP_AT=none gdb -nx -q -batch -ex run -ex 'print 6 * 7' --args "$SHIM_TOOLS/api"
    has out "exited normally" "= 42"
    lacks err "weir: free"
}
@test "pitfall_32_what_a_librarys_destructor_frees_is_no_leak" {
    expect 0 paranoid "$P/early_program"
    same "$(json 'blocks(4321)' "$(the_dump early_program)")" 0
}
@test "pitfall_33_abort_and_signals_end_as_they_would" {
    for level in $LEVELS; do
        expect 134 "$level" perl -e 'use POSIX; abort'
        expect 139 "$level" perl -e 'kill SEGV, $$; sleep 1'
        silent
    done
}
@test "pitfall_39_a_handler_on_8_kib_allocates" { fine handler_on_8_kib; }
@test "pitfall_41_all_signals_are_blocked" { fine all_signals_blocked; }
@test "pitfall_41_signal_masks_stay_as_they_are" { fine masks_stay_as_they_are; }
@test "pitfall_43_java_keeps_its_segmentation_faults" {
    mkdir j
    cat >j/T.java <<'END'
class T {
    static Object o;
    public static void main(String[] a) {
        int n = 0;
        for (int i = 0; i < 200000; i++) try { o.hashCode(); } catch (NullPointerException e) { n++; }
        System.out.println(n);
    }
}
END
    LIMIT=60 expect 0 paranoid WEIR_DUMP_AT=none java -Xshare:auto -Xmx64m j/T.java
    same "$(cat out)" 200000
}
@test "pitfall_45_a_reservation_is_no_memory" {
    LIMIT=60 expect 0 disabled WEIR_DUMP_AT=none WEIR_MAX_DIRECT=1G java -Xmx8g -version
    lacks err "weir:"
}
# gdb's gcore writes out all private memory, PROT_NONE or not, that is not marked dd: it would be a terabyte.
@test "pitfall_45_cores_have_nothing_of_what_weir_reserves" {
    for level in $LEVELS; do
        expect 0 "$level" perl -e 'my @a = (1 .. 100000); open F, "/proc/$$/smaps"; my ($size, $all, $dumped) = (0, 0, 0);
            while (<F>) {
                $size = $1 if /^Size: +(\d+)/;
                $all += $size, $dumped += /\bdd\b/ ? 0 : $size if /^VmFlags:/;
            }
            print $all > 1 << 29 ? "much reserved" : "little", ", ", $dumped < 200000 ? "little" : "$dumped KiB", " dumped"'
        same "$(cat out)" "much reserved, little dumped"
    done
}
@test "pitfall_49_few_mappings_whatever_is_freed" { fine few_kernel_mappings; }

# limited LIMITS CMD...: runs as it does without weir, below these limits.
limited() {
    local limits=$1 level
    shift
    # shellcheck disable=SC2016 # the inner shell's
    expect 0 without bash -c 'ulimit '"$limits"' && exec "$@"' limited "$@"
    mv out plain
    for level in $LEVELS; do
        # shellcheck disable=SC2016
        expect 0 without bash -c 'ulimit '"$limits"' && LD_PRELOAD=$1 WEIR_DUMP_AT=none WEIR_LEVEL=$2 exec "${@:3}"' limited "$WEIR_SHIM" "$level" "$@" ||
            { echo "at $level, ulimit $limits"; return 1; }
        cmp plain out
        silent
    done
}
@test "pitfall_50_4_gb_of_address_space" { for p in "ls /" "perl -e print(7)" "/usr/bin/python3 -S -c print(7)" "gcc --version"; do limited "-v 4000000" $p; done; }
@test "pitfall_50_1_gb_of_address_space" { limited "-v 1000000" ls / && limited "-v 1000000" perl -e 'print(7)'; }
@test "pitfall_50_200_mb_of_address_space" { limited "-v 200000" ls / && limited "-v 200000" perl -e 'print(7)'; }
@test "pitfall_50_20_mb_of_data" { limited "-d 20480" ls / && limited "-d 20480" perl -e 'print(7)'; }
@test "pitfall_50_strict_overcommit" { skip "vm.overcommit_memory is the whole machine's"; }

@test "pitfall_51_zeroed_memory_is_zero_where_pages_are_locked" { fine locked_memory; }
@test "pitfall_55_a_deepbound_library_makes_what_we_free" { FILE=$P/libfriend.so fine deepbound_library; }
@test "pitfall_55_a_deepbound_library_frees_what_we_made" { FILE=$P/libfriend.so fine deepbound_library_frees_ours; }
@test "pitfall_56_blocks_of_a_second_libc_are_left_alone" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=none WEIR_ON_ERROR=report "$P/pitfalls" second_libc "$P/libfriend.so"
        same "$(cat out)" fine
    done
}
@test "pitfall_58_a_program_with_a_malloc_of_its_own" {
    for level in $LEVELS; do
        expect 0 "$level" "$P/own_malloc"
        same "$(cat out)" "own malloc used: 1, foreign frees: 0"
        same "$(wc -l <err)" 1
        has err "weir: malloc was own_malloc+0x" "nothing of it was limited or tracked"
        run "$WEIR_REPORTER" report --json "$(the_dump own_malloc)"
        [ "$status" = 3 ]
        [[ $output == *'"partial":true'*"malloc was not weir's, but that of $P/own_malloc"* ]] || { echo "$output"; false; }
    done
}
@test "pitfall_58_a_malloc_that_asks_weirs_is_no_other" {
    prints ok LD_PRELOAD="$P/libforwarder.so:$WEIR_SHIM" perl -e 'print "ok\n"'
}
@test "pitfall_58_a_program_that_replaces_two_of_the_operators" {
    for which in PLAIN ARRAY ALIGNED; do
        expect 0 without "$P/replaced_$which"
        prints "$(cat out)" "$P/replaced_$which"
    done
}

# --- unwinding ---

@test "pitfall_65_frames_of_a_jit" {
    LIMIT=60 expect 0 paranoid WEIR_DUMP_AT=none node -e 'const v = []; for (let i = 0; i < 1e5; i++) v.push({ i, b: Buffer.alloc(8) }); console.log(v.length)'
    same "$(cat out)" 100000
    silent
}
@test "pitfall_67_exceptions_and_threads_that_are_cancelled" {
    expect 0 paranoid WEIR_DUMP_AT=none WEIR_MAX_DIRECT=64M "$SHIM_TOOLS/bad_alloc"
    has out "caught std::bad_alloc"
}
@test "pitfall_68_coroutines_on_small_stacks" {
    fine coroutines_on_16_kib
    expect 0 paranoid "$P/pitfalls" coroutines_on_16_kib
    same "$(json '[[f["function"] for f in s["frames"]][:1] for s in d["sites"] if s["bytes"] == 777]' "$(the_dump pitfalls)")" "[['coroutine']]"
}
@test "pitfall_68_deep_recursion" { fine deep_recursion; }
@test "pitfall_70_a_leak_of_a_library_that_is_gone_names_that_library" {
    cp "$P/libfriend.so" one.1
    # Another library of the same layout: only its build-id differs.
    /usr/bin/python3 -c 'import subprocess, sys
id = bytes.fromhex(subprocess.check_output(["readelf", "-n", "one.1"], text=True).split("Build ID: ")[1].split()[0])
file = open("one.1", "rb").read()
open("one.2", "wb").write(file.replace(id, bytes([id[0] ^ 1]) + id[1:]))' 3>&-
    expect 0 paranoid "$P/pitfalls" leak_in_a_library_that_goes "$PWD/one"
    for n in 1 2; do
        same "$(json "[s['frames'][0]['module'] for s in d['sites'] if s['bytes'] == 300$n]" "$(the_dump pitfalls)")" "['$PWD/one.$n']"
    done
}
