#!/usr/bin/env bats
# What the loader sees of libweir.so: what it defines, what it needs, and that a program's memory calls all reach it.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# --- names of sites ---

@test "functions_that_name_no_site_can_be_named" {
    expect 0 paranoid "$SHIM_TOOLS/sampled" ever
    for dump in dumps/*.dump; do [ "$(json 'd["process"]["forked_from"]' "$dump")" != None ] || break; done
    same "$(json '[s["name"] for s in d["sites"]][0]' "$dump")" second_site
    same "$(json '[s["name"] for s in d["sites"]][0]' "$dump" --skip '*_site')" ever
    printf '# ours\r\n\nsecond_*\n' >weir:skip
    same "$(json '[s["name"] for s in d["sites"]][0]' "$dump")" ever
    same "$(json '[s["name"] for s in d["sites"]][0]' "$dump" --skip ever)" main
    # Where nothing is left, the innermost one is the name.
    same "$(json '[s["name"] for s in d["sites"]][0]' "$dump" --skip '*')" second_site
    rm weir:skip && mkdir weir:skip
    same "$(json '[s["name"] for s in d["sites"]][0]' "$dump")" second_site
}

@test "containers_are_named_by_who_fills_them" {
    expect 0 paranoid "$SHIM_TOOLS/containers"
    dump=$(find dumps -name 'containers.*')
    same "$(json 'sorted({s["name"] for s in d["sites"] if s["blocks"] >= 50})' "$dump")" "['Shop::place', 'cycle']"
    # Rows of one name: by line, by size where that is the same, by address where that is it, too.
    "$WEIR_REPORTER" report --top 20 "$dump" >text </dev/null 3>&-
    sed -nE 's/^ +[0-9]+ .* [0-9]s  ((Shop|cycle).*)/\1/p' text | sed -E 's/0x[0-9a-f]+/ADDRESS/; s/:[0-9]+/:LINE/; s/, [0-9,]+ B/, SIZE/' | sort | uniq -c >rows
    has rows "2 cycle:LINE at containers+ADDRESS" "Shop::place:LINE"
    lacks rows std:: alloc
    [ "$(sed -nE 's/^ +[0-9]+ .* [0-9]s  ((Shop|cycle).*)/\1/p' text | sort | uniq -d)" = "" ] || { cat text; false; }
}
@test "only_the_symbols_of_exports_map_are_defined" {
    sed -n '/^global:/,/^local:/s/^ *\([A-Za-z_0-9]*\);.*/\1/p' "$WEIR_ROOT/shim/entry/exports.map" | sort >wanted
    nm -D --defined-only "$WEIR_SHIM" | awk '{ print $NF }' | sort >seen
    diff wanted seen
    ! nm -D --defined-only "$WEIR_SHIM" | grep '@' # a version of our own would not replace libc's symbols
}

# No memcpy or memset, which a program may interpose; of stdio only what malloc_info is asked to write to.
@test "little_of_libc_is_needed" {
    cat >allowed <<'END'
_ITM_deregisterTMCloneTable
_ITM_registerTMCloneTable
__cxa_at_quick_exit
__cxa_finalize
__environ
__errno_location
__gmon_start__
__libc_stack_end
__register_atfork
_dl_find_object
_r_debug
abort
dl_iterate_phdr
dlsym
environ
fprintf
on_exit
pthread_getspecific
pthread_key_create
pthread_setspecific
sigaction
END
    nm -D --undefined-only "$WEIR_SHIM" | sed 's/.* //; s/@.*//' | sort -u >needed
    LC_ALL=C sort -o allowed allowed
    comm -13 allowed needed >new
    [ ! -s new ] || { echo "needed, and not on the list:"; cat new; false; }
    readelf -dW "$WEIR_SHIM" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vxE 'libc\.so\.6|ld-linux-x86-64\.so\.2' >others || true
    [ ! -s others ] || { echo "libraries needed:"; cat others; false; }
}

@test "thread_storage_is_small_and_allocated_at_start" {
    local size
    size=$(readelf -lW "$WEIR_SHIM" | awk '$1 == "TLS" { print $6 }')
    echo "thread storage of $size bytes"
    ((size < 1024))
    readelf -rW "$WEIR_SHIM" >relocations
    lacks relocations TLSDESC DTPMOD DTPOFF
}

@test "nothing_is_bound_late_resolved_by_code_or_unloaded" {
    readelf -dW "$WEIR_SHIM" >dynamic
    has dynamic BIND_NOW NODELETE
    readelf -rW "$WEIR_SHIM" >relocations
    lacks relocations IRELATIV
    ! readelf -lW "$WEIR_SHIM" | grep -E '^ *(LOAD|GNU_STACK).* RWE'
}

# The loader tells every binding that it makes, lazily or not.
all_bind_to_weir() {
    local functions='malloc|free|calloc|realloc|memalign|posix_memalign|aligned_alloc|reallocarray|malloc_usable_size|_Znwm|_ZdlPv|_ZdlPvm'
    under disabled LD_BIND_NOW=1 LD_DEBUG=bindings LD_DEBUG_OUTPUT="$PWD/bindings" "$@"
    same "$status" 0 || { seen; return 1; }
    # weir's own look behind itself is how it finds what it replaces.
    cat bindings.* | grep -E "normal symbol \`($functions)'" | grep -vE "file [^ ]*/libweir\.so .* to " >all || true
    grep -vE " to [^ ]*/libweir\.so " all >elsewhere || true
    echo "$(wc -l <all) bindings of $1"
    [ -s all ] || return 1
    [ ! -s elsewhere ] || { echo "elsewhere:"; head elsewhere; return 1; }
}

@test "every_call_of_perl_binds_to_weir" { all_bind_to_weir perl -MPOSIX -e 'print POSIX::floor(2.5)'; }
@test "every_call_of_java_binds_to_weir" { all_bind_to_weir java -Xshare:auto -Xmx64m -version; }
@test "every_call_of_a_cxx_program_binds_to_weir" { all_bind_to_weir "$SHIM_TOOLS/leaks_cc"; }
