/* The C++ runtime of whoever calls operator new: its new-handler, and its way to throw std::bad_alloc. */
#ifndef WEIR_ENTRY_CXX_H
#define WEIR_ENTRY_CXX_H

#include "shim/base/base.h"

typedef void (*cxx_handler)(void);

/* What the C++ ABI gives a thrower; all of one module. */
struct cxx_runtime {
    cxx_handler (*get_new_handler)(void);
    void *(*allocate)(size_t);
    void (*throw)(void *exception, void *type, void (*destroy)(void *));
    void *type;  /* of std::bad_alloc, as are the next two */
    char *table; /* of virtual functions */
    void (*destroy)(void *);
};

struct cxx_found {
    bool throws;
    struct cxx_runtime runtime; /* where `throws` */
    void *function;             /* else a definition of the operator that was asked for, or NULL */
};

/* For a call by `caller` of operator `symbol`. Looked for by what a module defines, whatever it is called: the runtime
 * may be a library under any name, or inside of the module that calls. dlsym would not see a local library, and
 * allocates when it fails. */
struct cxx_found cxx_find(const void *caller, const char *symbol) HIDDEN;

/* A C++ library's definition of the symbol, the caller's if there are several; NULL: nobody's. */
void *cxx_function(const void *caller, const char *symbol) HIDDEN;

_Noreturn void cxx_throw_bad_alloc(const struct cxx_runtime *r) HIDDEN;

#endif
