/* The limit of memory as trees of files in a folder say it: version 1 and 2 of cgroups, nested ones, a container's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shim/base/limits.h"
#include "tests/lib/tree.h"

static int begin(void **state) {
    (void)state;
    if (make_root() != 0) return -1;
    put("/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n"); /* 16 MiB */
    return 0;
}

#define V2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1 "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static void the_machine_is_the_limit_where_no_group_is(void **state) {
    (void)state;
    assert_int_equal(limits_memory(root), 16 << 20);
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2);
    assert_int_equal(limits_memory(root), 16 << 20);
}
static void a_group_above_limits_too(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/proc/self/mountinfo", "22 1 0:1 / / rw - ext4 /dev/x rw\n" V2);
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    assert_int_equal(limits_memory(root), 16 << 20);
    put("/sys/fs/cgroup/a/memory.max", "2097152\n");
    assert_int_equal(limits_memory(root), 2 << 20);
    put("/sys/fs/cgroup/a/b/c/memory.max", "1048576\n");
    assert_int_equal(limits_memory(root), 1 << 20);
    put("/sys/fs/cgroup/a/b/c/memory.max", "4194304\n");
    assert_int_equal(limits_memory(root), 2 << 20);
}
/* WEIR_MAX_DIRECT=50% in a container of 200 MiB, or two levels below. */
static void half_of_200_mib_is_100(void **state) {
    (void)state;
    put("/proc/meminfo", "MemTotal:       16777216 kB\n");
    put("/proc/self/mountinfo", V2);
    put("/sys/fs/cgroup/box/memory.max", "209715200\n");
    put("/sys/fs/cgroup/box/a/memory.max", "max\n");
    put("/sys/fs/cgroup/box/a/b/memory.max", "max\n");
    for (int level = 0; level < 3; level++) {
        static const char *const groups[] = {"0::/box\n", "0::/box/a\n", "0::/box/a/b\n"};
        put("/proc/self/cgroup", groups[level]);
        assert_int_equal(limits_memory(root) / 100 * 50, 100 << 20);
    }
}
static void version_1_is_read_beside_version_2(void **state) {
    (void)state;
    put("/proc/self/cgroup", "7:cpu,cpuacct:/x\n5:memory:/x/y\n0::/z\n");
    put("/proc/self/mountinfo", "29 23 0:25 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" V1
                                "30 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "3145728\n");
    put("/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    assert_int_equal(limits_memory(root), 3 << 20);
    put("/sys/fs/cgroup/unified/z/memory.max", "1048576\n");
    assert_int_equal(limits_memory(root), 1 << 20);
}
/* Its cgroup is the root of what is mounted, and called by its name outside, or lies out of sight. */
static void a_container_sees_its_own_root_only(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/docker/0123/inner\n");
    put("/proc/self/mountinfo", "30 23 0:26 /docker/0123 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/memory.max", "4194304\n");
    assert_int_equal(limits_memory(root), 4 << 20);
    put("/sys/fs/cgroup/inner/memory.max", "1048576\n");
    assert_int_equal(limits_memory(root), 1 << 20);
    put("/proc/self/cgroup", "0::/../elsewhere\n");
    assert_int_equal(limits_memory(root), 4 << 20);
}
static void damaged_files_limit_nothing(void **state) {
    (void)state;
    char junk[5000];
    memset(junk, '/', sizeof junk - 1);
    junk[sizeof junk - 1] = 0;
    const char *const groups[] = {"", "0", "0:", "0::", "::::\n", "0::/a", junk, "5:memory", "0::\n0::/\n"};
    const char *const mounts[] = {"",         "-",  " - ",         "1 2 3 4 5 6 - cgroup2",
                                  "1 2 3 / ", junk, " - cgroup2 ", "a - cgroup2 \n\n - cgroup memory\n"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        for (size_t k = 0; k < sizeof mounts / sizeof *mounts; k++) {
            put("/proc/self/cgroup", groups[i]);
            put("/proc/self/mountinfo", mounts[k]);
            assert_int_equal(limits_memory(root), 16 << 20);
        }
    put("/proc/meminfo", "");
    assert_int_equal(limits_memory(root), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_machine_is_the_limit_where_no_group_is, begin, remove_root),
        cmocka_unit_test_setup_teardown(a_group_above_limits_too, begin, remove_root),
        cmocka_unit_test_setup_teardown(half_of_200_mib_is_100, begin, remove_root),
        cmocka_unit_test_setup_teardown(version_1_is_read_beside_version_2, begin, remove_root),
        cmocka_unit_test_setup_teardown(a_container_sees_its_own_root_only, begin, remove_root),
        cmocka_unit_test_setup_teardown(damaged_files_limit_nothing, begin, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
