/* The limits of a process as trees of files in a folder say them: version 1 and 2 of cgroups, nested ones, a
 * container's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "reporter/load/limits.h"
#include "tests/lib/tree.h"

#define MIB (1ull << 20)

static int begin(void **state) {
    (void)state;
    if (make_root() != 0) return -1;
    put("/proc/meminfo", "MemTotal:        1048576 kB\nMemFree:   1 kB\nMemAvailable:     524288 kB\n"
                         "CommitLimit:      700000 kB\nCommitted_AS:     100000 kB\n");
    put("/proc/sys/vm/overcommit_memory", "2\n");
    put("/proc/sys/vm/max_map_count", "65530\n");
    put("/proc/7/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
                          "Max data size             1048576              unlimited            bytes     \n"
                          "Max address space         unlimited            unlimited            bytes     \n");
    return 0;
}

static void the_machines_and_the_processs_own_limits(void **state) {
    (void)state;
    struct limits limits;
    limits_read(&limits, root, "7");
    assert_int_equal(limits.machine, 1024 * MIB);
    assert_int_equal(limits.available, 512 * MIB);
    assert_int_equal(limits.commit_limit, 700000ull * 1024);
    assert_int_equal(limits.committed, 100000ull * 1024);
    assert_int_equal(limits.overcommit, 2);
    assert_int_equal(limits.map_count, 65530);
    assert_int_equal(limits.data, MIB);
    assert_true(limits.address_space == LIMIT_NONE);
    assert_int_equal(limits.group_count, 0);
    assert_int_equal(limits_least(&limits), 1024 * MIB);
    limits_free(&limits);
}

static void groups_above_count(void **state) {
    (void)state;
    struct limits limits;
    put("/proc/7/cgroup", "1:name=systemd:/x\n0::/a/b/c\n");
    put("/proc/7/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("/sys/fs/cgroup/a/memory.max", "209715200\n");
    put("/sys/fs/cgroup/a/memory.current", "4096\n");
    put("/sys/fs/cgroup/a/b/memory.high", "104857600\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/c/memory.current", "8192\n");
    limits_read(&limits, root, "7");
    assert_int_equal(limits.group_count, 3);
    assert_string_equal(limits.groups[0].path, "/a/b/c");
    assert_int_equal(limits.groups[0].now, 8192);
    assert_true(limits.groups[0].max == LIMIT_NONE);
    assert_int_equal(limits.groups[1].high, 100 * MIB);
    assert_string_equal(limits.groups[2].path, "/a");
    assert_int_equal(limits.groups[2].max, 200 * MIB);
    assert_int_equal(limits_least(&limits), 200 * MIB);
    limits_free(&limits);
}

static void a_containers_root_is_all_that_is_seen(void **state) {
    (void)state;
    struct limits limits;
    put("/proc/7/cgroup", "9:cpu,memory:/docker/abc\n");
    put("/proc/7/mountinfo", "31 23 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "52428800\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "12288\n");
    limits_read(&limits, root, "7");
    assert_int_equal(limits.group_count, 1);
    assert_string_equal(limits.groups[0].path, "/docker/abc");
    assert_int_equal(limits.groups[0].max, 50 * MIB);
    assert_int_equal(limits.groups[0].now, 12288);
    limits_free(&limits);
    /* Version 1 says a number near 2^63 where there is no limit. */
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    limits_read(&limits, root, "7");
    assert_int_equal(limits_least(&limits), 1024 * MIB);
    limits_free(&limits);
}

static void what_is_not_there_or_makes_no_sense_is_no_limit(void **state) {
    (void)state;
    struct limits limits;
    limits_read(&limits, "/nowhere", "7");
    assert_true(limits.machine == LIMIT_NONE && limits.overcommit == LIMIT_NONE);
    assert_int_equal(limits_least(&limits), 0);
    limits_free(&limits);
    put("/proc/7/cgroup", "0:\n0::\n:::\n\n0::/../../x\n");
    put("/proc/7/mountinfo", "- - -\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2\n31 23\n");
    put("/proc/meminfo", "MemTotal: \n");
    limits_read(&limits, root, "7");
    assert_true(limits.machine == LIMIT_NONE);
    limits_free(&limits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_machines_and_the_processs_own_limits, begin, remove_root),
        cmocka_unit_test_setup_teardown(groups_above_count, begin, remove_root),
        cmocka_unit_test_setup_teardown(a_containers_root_is_all_that_is_seen, begin, remove_root),
        cmocka_unit_test_setup_teardown(what_is_not_there_or_makes_no_sense_is_no_limit, begin, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
