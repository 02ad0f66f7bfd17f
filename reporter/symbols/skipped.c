/* See skipped.h. */
#include "reporter/symbols/skipped.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/glob.h"

/* By whom, in the order of lines: the C library and those who wrap it; C++'s and Rust's own, which lie in the program;
 * GLib, OpenSSL, zlib, libxml2, APR, libcurl, SQLite, libuv, talloc, ICU and FreeType; JVMs; the JDK and Netty;
 * CPython, Perl, Ruby, PHP, Lua, Tcl, Erlang, Emacs; V8 and Node.js; PostgreSQL, MariaDB, Redis, nginx; GCC and LLVM;
 * Qt, Mozilla; other allocators' own names. */
static const char *const known[] = {"malloc",
                                    "calloc",
                                    "realloc",
                                    "reallocarray",
                                    "memalign",
                                    "aligned_alloc",
                                    "posix_memalign",
                                    "valloc",
                                    "pvalloc",
                                    "strdup",
                                    "strndup",
                                    "asprintf",
                                    "vasprintf",
                                    "xmalloc*",
                                    "xcalloc*",
                                    "xrealloc*",
                                    "xzalloc*",
                                    "xnmalloc",
                                    "xnrealloc",
                                    "xreallocarray",
                                    "xcharalloc",
                                    "xmemdup*",
                                    "xstrdup",
                                    "xstrndup",
                                    "xasprintf",
                                    "xvasprintf",
                                    "x2realloc",
                                    "x2nrealloc",
                                    "xpalloc",
                                    "safe_malloc",
                                    "safe_calloc",
                                    "safe_realloc",
                                    "do_xmalloc",

                                    "std::*",
                                    "__gnu_cxx::*",
                                    "operator new*",
                                    "void* std::*",
                                    "boost::pool*",
                                    "boost::*::allocate",
                                    "alloc::*",
                                    "core::*",
                                    "__rust_*",
                                    "__rdl_*",
                                    "__rg_*",
                                    "hashbrown::*",
                                    "<alloc::*",
                                    "<core::*",
                                    "<std::*",
                                    "<* as alloc::*",
                                    "<* as core::*",
                                    "<* as std::*",

                                    "g_malloc*",
                                    "g_realloc*",
                                    "g_try_malloc*",
                                    "g_try_realloc*",
                                    "g_strdup*",
                                    "g_strndup",
                                    "g_memdup*",
                                    "g_slice_alloc*",
                                    "g_slice_copy",
                                    "CRYPTO_malloc",
                                    "CRYPTO_zalloc",
                                    "CRYPTO_realloc",
                                    "CRYPTO_clear_realloc",
                                    "CRYPTO_strdup",
                                    "CRYPTO_memdup",
                                    "zcalloc*",
                                    "zlibAlloc",
                                    "xmlMalloc*",
                                    "xmlRealloc*",
                                    "xmlMemMalloc*",
                                    "apr_palloc*",
                                    "apr_pcalloc*",
                                    "allocator_alloc",
                                    "Curl_*dup*",
                                    "curl_dbg_*",
                                    "sqlite3Malloc*",
                                    "sqlite3_malloc*",
                                    "sqlite3Realloc*",
                                    "sqlite3_realloc*",
                                    "sqlite3Mem*alloc",
                                    "sqlite3Db*alloc*",
                                    "mallocWithAlarm",
                                    "uv__malloc",
                                    "uv__calloc",
                                    "uv__realloc*",
                                    "_talloc*",
                                    "talloc_*",
                                    "uprv_malloc*",
                                    "uprv_realloc*",
                                    "ft_alloc",
                                    "ft_mem_*alloc",

                                    "os::*",
                                    "VirtualSpace::*",
                                    "Reserved*Space::*",
                                    "metaspace::*",
                                    "Metaspace::*",
                                    "*BitMap::*",
                                    "AllocateHeap*",
                                    "ReallocateHeap*",
                                    "CHeapObj*::operator new*",
                                    "*::operator new",
                                    "AnyObj::*",
                                    "ResourceObj::*",
                                    "Arena::*",
                                    "Chunk::*",
                                    "ChunkPool::*",
                                    "resource_allocate_bytes",
                                    "GrowableArray*Allocator::allocate",
                                    "MallocSiteTable::*",
                                    "Unsafe_AllocateMemory*",
                                    "Unsafe_ReallocateMemory*",

                                    "jdk.internal.misc.Unsafe.*",
                                    "sun.misc.Unsafe.*",
                                    "java.nio.Bits.*",
                                    "java.nio.ByteBuffer.*",
                                    "java.nio.Direct*",
                                    "java.util.zip.*flater.*",
                                    "jdk.internal.foreign.*",
                                    "jdk.internal.reflect.*",
                                    "java.lang.invoke.*",
                                    "java.lang.foreign.*",
                                    "sun.nio.ch.Util*",
                                    "sun.nio.ch.IOUtil.*",
                                    "RuntimeStub*",
                                    "* Runtime1 stub",
                                    "I2C/C2I adapters*",
                                    "io.netty.buffer.*",
                                    "io.netty.util.internal.*",
                                    "io.netty.util.Recycler*",
                                    "io.netty.channel.*RecvByteBufAllocator*",

                                    "PyMem_*",
                                    "_PyMem_*",
                                    "PyObject_Malloc",
                                    "PyObject_Calloc",
                                    "PyObject_Realloc",
                                    "_PyObject_Malloc",
                                    "_PyObject_Calloc",
                                    "_PyObject_Realloc",
                                    "pymalloc_alloc",
                                    "_PyObject_GC_*",
                                    "_PyObject_New*",
                                    "PyType_GenericAlloc",
                                    "_PyType_AllocNoTrack",
                                    "gc_alloc",
                                    "new_arena",
                                    "Perl_safesys*",
                                    "Perl_more_bodies",
                                    "Perl_Slab_Alloc",
                                    "Perl_more_sv",
                                    "Perl_sv_grow*",
                                    "Perl_savepv*",
                                    "Perl_new_sv",
                                    "S_more_sv",
                                    "S_new_body",
                                    "ruby_xmalloc*",
                                    "ruby_xcalloc*",
                                    "ruby_xrealloc*",
                                    "objspace_xmalloc*",
                                    "objspace_xcalloc*",
                                    "objspace_xrealloc*",
                                    "rb_xmalloc*",
                                    "rb_gc_impl_*alloc*",
                                    "_emalloc*",
                                    "_ecalloc*",
                                    "_erealloc*",
                                    "_safe_emalloc*",
                                    "__zend_malloc",
                                    "__zend_calloc",
                                    "__zend_realloc",
                                    "zend_mm_*",
                                    "l_alloc",
                                    "luaM_*",
                                    "Tcl_Alloc*",
                                    "TclpAlloc*",
                                    "Tcl_Realloc*",
                                    "erts_alloc*",
                                    "erts_sys_alloc*",
                                    "erts_realloc*",
                                    "lisp_malloc",
                                    "lmalloc",
                                    "lrealloc",

                                    "v8::internal::Malloced::*",
                                    "v8::internal::AlignedAlloc*",
                                    "v8::internal::AllocWithRetry*",
                                    "v8::internal::New*",
                                    "v8::base::Malloc*",
                                    "v8::base::Calloc*",
                                    "v8::base::Realloc*",
                                    "v8::internal::Zone::*",
                                    "v8::internal::*::Allocate",
                                    "node::UncheckedMalloc*",
                                    "node::UncheckedRealloc*",
                                    "node::UncheckedCalloc*",
                                    "node::Malloc*",
                                    "node::Realloc*",
                                    "node::Calloc*",

                                    "palloc*",
                                    "repalloc*",
                                    "pstrdup",
                                    "MemoryContextAlloc*",
                                    "MemoryContextStrdup",
                                    "AllocSetAlloc*",
                                    "AllocSetContextCreate*",
                                    "my_malloc",
                                    "my_realloc",
                                    "my_strdup",
                                    "my_multi_malloc",
                                    "alloc_root",
                                    "zmalloc*",
                                    "ztrymalloc*",
                                    "zrealloc*",
                                    "ztryrealloc*",
                                    "zstrdup",
                                    "_sdsMakeRoomFor*",
                                    "_sdsnewlen",
                                    "sdsnew*",
                                    "sdsMakeRoomFor*",
                                    "s_malloc",
                                    "s_realloc",
                                    "ngx_alloc",
                                    "ngx_calloc",
                                    "ngx_palloc*",
                                    "ngx_pnalloc",
                                    "ngx_pcalloc",
                                    "ngx_create_pool",
                                    "ngx_memalign",

                                    "ggc_*alloc*",
                                    "vec_alloc*",
                                    "va_heap::*",
                                    "pool_allocator*",
                                    "llvm::safe_malloc",
                                    "llvm::safe_calloc",
                                    "llvm::safe_realloc",
                                    "llvm::allocate_buffer",
                                    "llvm::BumpPtrAllocator*",
                                    "llvm::MallocAllocator::*",
                                    "llvm::SmallVectorBase*",
                                    "llvm::SmallVectorTemplate*",

                                    "qMalloc*",
                                    "qRealloc*",
                                    "QArrayData::*alloc*",
                                    "QListData::*",
                                    "QHashData::*",
                                    "QTypedArrayData*::allocate",
                                    "moz_xmalloc",
                                    "moz_xcalloc",
                                    "moz_xrealloc",

                                    "je_*alloc*",
                                    "mi_*alloc*",
                                    "tc_*alloc*",
                                    "tc_new*",
                                    "dlmalloc",
                                    "dlrealloc"};

static char **more;
static size_t more_count, more_capacity;

bool skipped(const char *brief) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (glob_matches(known[i], brief)) return true;
    for (size_t i = 0; i < more_count; i++)
        if (glob_matches(more[i], brief)) return true;
    return false;
}

void skipped_add(const char *pattern) {
    more = memory_more(more, &more_capacity, more_count + 1, sizeof *more);
    more[more_count++] = memory_text(pattern, strlen(pattern));
}

bool skipped_read(const char *path) {
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    if (!file) return false;
    while (getline(&line, &size, file) >= 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line && *line != '#') skipped_add(line);
    }
    int error = ferror(file) ? errno : 0;
    free(line);
    (void)fclose(file);
    errno = error;
    return !error;
}

void skipped_forget(void) {
    for (size_t i = 0; i < more_count; i++) free(more[i]);
    free(more);
    more = NULL;
    more_count = more_capacity = 0;
}
