/* An ELF core as a file: its segments, its notes, and the memory of the process by address. The core is hostile until
 * proven otherwise: it may be cut short, sparse, and gigabytes long. Every length and count is held against the file,
 * nothing is mapped, and no more bytes are read in all than a few times what the file has, however often its segments
 * name the same ones. */
#ifndef WEIR_LOAD_CORE_IMAGE_H
#define WEIR_LOAD_CORE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_PAGE  4096u
#define CORE_PAGES 256u /* that are remembered */

struct core_segment {
    uint64_t address, size;  /* of memory */
    uint64_t offset, length; /* what the file has of it, from its start on */
    uint32_t flags;          /* PF_… */
};

/* A stretch of a file that was mapped (NT_FILE). */
struct core_file {
    uint64_t start, end, offset; /* bytes */
    const char *path;
};

enum { CORE_RAX, CORE_RDX, CORE_RCX, CORE_RBX, CORE_RSI, CORE_RDI, CORE_RBP, CORE_RSP, CORE_R8, CORE_RIP = 16 };
#define CORE_REGISTERS 17 /* as DWARF numbers them */

struct core_thread {
    uint32_t id;
    uint32_t signal; /* 0: none */
    uint64_t block;  /* address of libc's control block */
    uint64_t registers[CORE_REGISTERS];
};

struct core {
    int fd;
    uint64_t size;
    uint64_t left;                 /* bytes that may be read yet */
    bool spent;                    /* more was asked for */
    bool overlaps;                 /* segments name the same bytes of the file */
    bool cut;                      /* a segment ends behind the file's end */
    struct core_segment *segments; /* by address */
    size_t segment_count;
    struct core_file *files; /* by address, as the kernel lists them */
    size_t file_count;
    char *paths;
    struct core_thread *threads; /* the one first that the core is of */
    size_t thread_count, thread_capacity;
    struct core_registers {
        uint64_t offset, length; /* in the file */
        uint32_t thread;         /* whose; 0: not known */
        bool general;            /* a struct elf_prstatus */
    } * registers;               /* all of all threads, vectors' too */
    size_t register_count, register_capacity;
    size_t vector_count; /* of those, notes of vector registers */
    struct {
        bool known;
        uint32_t number;
        int32_t code;
        uint64_t address;
    } signal;                       /* of the first thread (NT_SIGINFO) */
    uint32_t process, parent;       /* ids of it and of who made it, as it saw them (NT_PRPSINFO) */
    uint64_t vdso;                  /* its ELF header's address, 0: there is none */
    uint64_t stack;                 /* an address in the first thread's stack, 0: not known */
    const struct core_file *opened; /* the one that `opened_fd` leads to; NULL: none */
    int opened_fd;
    uint64_t page_of[CORE_PAGES]; /* in the file, plus one */
    char pages[CORE_PAGES][CORE_PAGE];
};

/* The descriptor stays the caller's. NULL, or why it cannot be read; core_close in any case. */
const char *core_open(struct core *core, int fd, uint64_t size);
void core_close(struct core *core);

/* n bytes of the file. False: it does not have them all. */
bool core_read_file(struct core *core, void *to, size_t n, uint64_t offset);

/* n bytes of memory from the address on. False: the core does not have them all. */
bool core_read(struct core *core, void *to, size_t n, uint64_t address);

/* The same, and what the core does not have, since nobody had changed it, of the file that was mapped there; such files
 * may have changed meanwhile. */
bool core_read_mapped(struct core *core, void *to, size_t n, uint64_t address);

/* Bytes that are there from the address on; 0: none. */
uint64_t core_length(const struct core *core, uint64_t address);

/* The first address from this one on that is there; UINT64_MAX: none. */
uint64_t core_next(const struct core *core, uint64_t address);

/* Numbers; 0 where the core does not have them. */
uint64_t core_word(struct core *core, uint64_t address);
uint32_t core_half(struct core *core, uint64_t address);
uint8_t core_byte(struct core *core, uint64_t address);

/* *length bytes from what a word leads to on, or as many as are there in one piece; to be freed. */
void *core_table(struct core *core, uint64_t at_base, uint64_t *length);

/* A terminated text, of `most` bytes at most with its end; its length. */
size_t core_text(struct core *core, uint64_t address, char *to, size_t most);

/* The mapped file that the address lies in; NULL: none. */
const struct core_file *core_file_at(const struct core *core, uint64_t address);

/* It is no file on a disk, but memory that is mapped shared. */
bool core_is_shared(const struct core_file *file);

/* The last segment that begins at the address or before; NULL: none does. */
const struct core_segment *core_segment_before(const struct core *core, uint64_t address);

/* PF_… of what was mapped there, whether the core has it or not; 0: nothing was. */
uint32_t core_flags(const struct core *core, uint64_t address);

#endif
