/* The beacon, by which the reader of a core finds weir's tables in it; see format_core.h. Constants alone: nothing is
 * done here while the program runs. */
#include "shim/box/beacon.h"
#include "shim/arena/arena.h"
#include "shim/arena/counts.h"
#include "shim/arena/zones.h"
#include "shim/base/options.h"
#include "shim/base/reserve.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/box/storage.h"
#include "shim/ceiling/ceiling.h"
#include "shim/ceiling/owners.h"
#include "shim/ceiling/pages.h"

struct core_misuse core_misuse;

_Static_assert(sizeof(struct side) == sizeof(struct core_side) && (int)SIDE_LIVE == 0x4c495000 &&
                   (int)SIDE_FREED == 0x46524545 && offsetof(struct side, stack) == offsetof(struct core_side, stack) &&
                   offsetof(struct side, latest_stack) == offsetof(struct core_side, latest),
               "an entry is as the reader knows it");
_Static_assert(SIDE_TIME_SHIFT == 18 && SIDE_GROWN_SHIFT == 26 && STATE_EPOCHS == 128, "its times and epochs are, too");
_Static_assert(sizeof(struct ceiling_places) == sizeof(struct core_counters), "counters are as the reader knows them");
_Static_assert(sizeof(struct reserve_places) == sizeof(struct core_reserved) &&
                   sizeof(struct pages_places) == sizeof(struct core_pages),
               "so are weir's ranges, and the program's mappings");
_Static_assert((int)PAGES_OURS == (int)CORE_PAGES_OURS && (int)PAGES_CHARGED == (int)CORE_PAGES_CHARGED &&
                   (int)PAGES_MAPPED == (int)CORE_PAGES_MAPPED,
               "and what is told of them");
_Static_assert(SIDE_IGNORED == CORE_IGNORED && SIDE_RECORDED == CORE_RECORDED && SIDE_POOLED == CORE_POOLED,
               "and what is known of a block elsewhere");

_Static_assert(sizeof(struct owner) == sizeof(struct core_owner) &&
                   offsetof(struct owner, start) == offsetof(struct core_owner, start) &&
                   offsetof(struct owner, thread) == offsetof(struct core_owner, thread),
               "and who has mapped what");

#define IN(field) offsetof(struct slab, field)
#ifdef WEIR_ENCODE
#    define KEY CORE_ADDRESS(link_key)
#else
#    define KEY 0
#endif
static const struct core_arena core_arena = {
    .at_base = CORE_ADDRESS(arena.base),
    .at_slices = CORE_ADDRESS(arena.slices),
    .slice = SLICE,
    .at_descriptors = CORE_ADDRESS(arena_slabs),
    .stride = sizeof(struct slab),
    .zones = CORE_ADDRESS(zones),
    .zone_stride = sizeof(struct zone),
    .in_first = offsetof(struct zone, first),
    .in_writable = offsetof(struct zone, writable),
    .at_sides = CORE_ADDRESS(slices_sides),
    .side_a_slice = SIDE_PER_SLICE,
    .at_link_key = KEY,
    .in_free = IN(free),
    .in_local_free = IN(local_free),
    .in_used = IN(used),
    .in_asleep = IN(asleep),
    .in_owner = IN(owner),
    .in_remote = IN(remote),
    .in_size = IN(size),
    .in_reserved = IN(reserved),
    .in_capacity = IN(capacity),
    .in_committed = IN(slice.committed),
    .in_side_pages = IN(slice.side_pages),
    .in_kind = IN(kind),
    .in_class = IN(class),
    .in_slices = IN(slices),
    .in_head = IN(head),
    .in_run_side = IN(run.side),
    .in_run_bytes = IN(run.bytes),
    .in_run_slices = IN(run.slices),
    .in_run_tracked = IN(run.tracked),
    .owner_tracked = OWNER_TRACKED,
    .link_mark = LINK_MARK,
    .kind_slab = KIND_SLAB,
    .kind_run = KIND_RUN,
    .kind_tail = KIND_TAIL,
    .kind_kept = KIND_KEPT,
    .kind_emergency = KIND_EMERGENCY,
    .classes = CLASSES,
    .certain = SAMPLE_CERTAIN,
    .at_counts = CORE_ADDRESS(counts.base),
    .at_counts_committed = CORE_ADDRESS(counts.committed),
    .counts_a_row = COUNTS_ROW,
    .at_counts_apart = CORE_ADDRESS(counts_apart),
};

#define OF(field) offsetof(struct ceiling_refusal, field)
static const struct core_ceiling core_ceiling = {
    .at_counters = CORE_ADDRESS(ceiling_places),
    .refusals = CEILING_REFUSALS,
    .stride = sizeof(struct ceiling_refusal),
    .in_time = OF(time),
    .in_requested = OF(requested),
    .in_used = OF(used),
    .in_max = OF(max),
    .in_committed = OF(committed),
    .in_frame = OF(frame),
    .in_thread = OF(thread),
    .in_operation = OF(operation),
    .in_stack = OF(stack),
    .at_tables = CORE_ADDRESS(region_total),
};

static const struct core_search core_search = {
    .at_reserved = CORE_ADDRESS(reserve_places),
    .at_pages = CORE_ADDRESS(pages_places),
    .at_ignored = CORE_ADDRESS(core_ignored),
    .own_start = (uint64_t)(uintptr_t)__ehdr_start,
    .own_end = (uint64_t)(uintptr_t)_end,
    .at_unaligned = CORE_ADDRESS(options.scan.unaligned),
    .at_tags = CORE_ADDRESS(options.scan.tags),
    .at_storage = CORE_ADDRESS(storage),
    .at_storage_count = CORE_ADDRESS(storage_count),
    .at_stacks_below = CORE_ADDRESS(storage_stacks_below),
    .stacks = TLS_SIGNALS_STACKS,
    .at_owners = CORE_ADDRESS(owners_table.base),
    .at_owners_used = CORE_ADDRESS(owners_used),
    .at_undumped = CORE_ADDRESS(state_of_process.undumped),
    .at_kernel_keeps = CORE_ADDRESS(state_of_process.kernel_keeps),
};

/* Nobody refers to it but itself. */
__attribute__((used)) static const struct core_beacon beacon = {
    .magic = CORE_MAGIC,
    .version = CORE_VERSION,
    .size = sizeof(struct core_beacon),
    .self = CORE_ADDRESS(beacon),
    .at_arena = CORE_ADDRESS(core_arena),
    .at_stacks = CORE_ADDRESS(core_stacks),
    .at_modules = CORE_ADDRESS(core_modules),
    .at_state = CORE_ADDRESS(core_state),
    .at_process = CORE_ADDRESS(core_process),
    .at_ceiling = CORE_ADDRESS(core_ceiling),
    .at_search = CORE_ADDRESS(core_search),
    .at_records = CORE_ADDRESS(core_records),
    .at_hints = CORE_ADDRESS(core_hints),
    .at_pools = CORE_ADDRESS(core_pools),
    .at_totals = CORE_ADDRESS(core_totals),
};
