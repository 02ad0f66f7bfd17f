# What the tests of the forms share: the program whose dumps they write as all forms.

FORMS="text json folded callgrind pprof speedscope html sarif junit codequality github markdown valgrind-xml"
SHIM=$BUILD/libweir.so

# A program that leaks by a chain of calls, a template, recursion and what was inlined; its dumps of two levels, and without a leak.
make_shop() {
    cd "$BATS_FILE_TMPDIR" || return 1
    mkdir src
    cat >src/shop.cc <<'C'
#include <cstdlib>
static inline __attribute__((always_inline)) char *take(size_t n) { return (char *)malloc(n); } // 2
__attribute__((noinline)) char *order_new(size_t n) { char *p = take(n); asm volatile("" ::: "memory"); return p; } // 3
namespace shop {
template <class T> struct Cart {
    __attribute__((noinline)) T add(size_t n) { T item = order_new(n); asm volatile("" ::: "memory"); return item; } // 6
};
}
char *volatile kept[100];
__attribute__((noinline)) int down(int n) { int r = n ? down(n - 1) : order_new(64) != 0; asm volatile("" ::: "memory"); return r; } // 10
int main(int, char **arguments) {
    shop::Cart<char *> cart;
    if (arguments[1])
        for (int i = 0; i < 50; i++) cart.add(100 + i); // 14
    if (arguments[1]) down(5); // 15
    for (auto &k : kept) k = order_new(1000); // 16
    for (int i = 0; i < 1000; i++) free(order_new(77)); // 17
    char room[4096];
    asm volatile("" ::"r"(__builtin_memset(room, 0, sizeof room)) : "memory"); // what calls have left on the stack
}
C
    g++ -g -O1 -o shop src/shop.cc
    WEIR_LEAKS=exit WEIR_QUIET=1 WEIR_OUTPUT=paranoid.dump WEIR_LEVEL=paranoid LD_PRELOAD=$SHIM ./shop leak
    WEIR_LEAKS=exit WEIR_QUIET=1 WEIR_OUTPUT=simple.dump WEIR_LEVEL=simple WEIR_SAMPLE_BYTES=1K LD_PRELOAD=$SHIM ./shop leak
    WEIR_LEAKS=exit WEIR_QUIET=1 WEIR_OUTPUT=clean.dump WEIR_LEVEL=paranoid LD_PRELOAD=$SHIM ./shop
}
shop_setup() {
    plain
    unset GITHUB_WORKSPACE CI_PROJECT_DIR GITHUB_STEP_SUMMARY
    F=$BATS_FILE_TMPDIR
    cp -r "$F/src" .
}

# all_forms FOLDER DUMP...: each in a file of its name.
all_forms() {
    local form list=()
    mkdir -p "$1"
    for form in $FORMS; do list+=(-f "$form=$1/$form"); done
    expect 0 "$WEIR" report "${list[@]}" "${@:2}"
    [ -z "$out" ]
}
agree() { /usr/bin/python3 "$BATS_TEST_DIRNAME/forms.py" "$@"; }
jq_() { python3 -c 'import json, sys; d = json.load(open(sys.argv[2])); print(eval(sys.argv[1]))' "$@"; }
wants() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# A small program with a function of that name, and its dump: odd_dump NAME FILE.
odd_dump() {
    [ -e n.o ] || {
        printf 'void *malloc(unsigned long); void *victim(void) { void *p = malloc(9); __asm__ volatile("" ::: "memory"); return p; }\n' >n.c
        gcc -O1 -c n.c
        printf 'void *victim(void); int main(void) { return !victim(); }\n' >m.c
        gcc -O1 -c m.c
    }
    objcopy --redefine-sym "victim=$1" n.o n2.o
    objcopy --redefine-sym "victim=$1" m.o m2.o
    gcc -o m m2.o n2.o
    rm -f "$2"
    WEIR_LEAKS=exit WEIR_QUIET=1 WEIR_OUTPUT=$2 WEIR_LEVEL=paranoid LD_PRELOAD=$SHIM ./m
}
