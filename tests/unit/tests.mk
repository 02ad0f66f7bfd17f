# The shim's rooms tested by themselves: make -f tests/unit/tests.mk BUILD=build, from the top. Builds under
# $(BUILD)/tests/unit/. arena and base are linked without the rooms above them; rooms.c stands in for those.
BUILD ?= build
CC    ?= gcc
OUT   := $(BUILD)/tests/unit

# As the shim is compiled, but that what it prints and asserts is libc's to do.
FLAGS := -std=gnu11 -g -I. -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -fno-builtin -fno-tree-loop-distribute-patterns
ifdef DEBUG
FLAGS += -DWEIR_DEBUG=1 -O1
else
FLAGS += -DNDEBUG -O2
endif

ROOMS   := $(sort $(wildcard shim/base/*.c shim/arena/*.c)) tests/unit/rooms.c
HEADERS := $(wildcard shim/base/*.h shim/arena/*.h shim/box/*.h shim/ceiling/*.h shim/ceiling/mappings.h reporter/load/estimate.h reporter/load/ages.h tests/unit/*.h tests/lib/*.h) tests/unit/tests.mk
OBJECTS := $(ROOMS:%.c=$(OUT)/plain/%.o)

all: $(OUT)/unit_classes $(OUT)/unit_slices $(OUT)/unit_text $(OUT)/unit_arena_threads $(OUT)/unit_arena_races $(OUT)/unit_mappings $(OUT)/unit_limits $(OUT)/unit_sample $(OUT)/unit_perfmap $(OUT)/unit_records

MAPPINGS := shim/ceiling/pages.c shim/ceiling/owners.c shim/ceiling/reclaim.c shim/ceiling/attached.c shim/ceiling/mappings.c

$(OUT)/unit_mappings: $(OUT)/plain/tests/unit/unit_mappings.o $(OBJECTS) $(MAPPINGS:%.c=$(OUT)/plain/%.o)
	$(CC) $(FLAGS) -o $@ $^ -lcmocka -pthread

RECORDS := shim/box/records.c shim/box/hints.c

$(OUT)/unit_records: $(OUT)/plain/tests/unit/unit_records.o $(OBJECTS) $(RECORDS:%.c=$(OUT)/plain/%.o)
	$(CC) $(FLAGS) -o $@ $^ -lcmocka -pthread

# What is drawn, and what the reporter makes of it.
$(OUT)/unit_sample: $(OUT)/plain/tests/unit/unit_sample.o $(OUT)/plain/reporter/load/estimate.o $(OUT)/plain/reporter/load/ages.o $(OBJECTS)
	$(CC) $(FLAGS) -o $@ $^ -lcmocka -pthread -lm

# Nothing but what it is: it reads what anybody may have written.
$(OUT)/unit_perfmap: tests/unit/unit_perfmap.c shim/box/perfmap.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $(filter %.c,$^) -lcmocka

$(OUT)/unit_%: $(OUT)/plain/tests/unit/unit_%.o $(OBJECTS)
	$(CC) $(FLAGS) -o $@ $^ -lcmocka -pthread

$(OUT)/plain/%.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -c -o $@ $<

# ThreadSanitizer has shadow memory for 1.5 TiB at the end of the address space: a window of 256 GiB fits there.
RACES := $(ROOMS:%.c=$(OUT)/races/%.o) $(OUT)/races/tests/unit/unit_arena_threads.o

$(OUT)/races/%.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -DWINDOW_SHIFT=38 -O1 -fsanitize=thread -DRACES=1 -c -o $@ $<

$(OUT)/races/arena_races: $(RACES)
	$(CC) $(FLAGS) -fsanitize=thread -o $@ $^ -lcmocka -pthread

# Its shadow memory does not fit either where addresses are too random.
$(OUT)/unit_arena_races: $(OUT)/races/arena_races
	printf '#!/bin/sh\nset -- "$$(dirname "$$0")/races/arena_races"\nsetarch -R true 2>/dev/null && exec setarch -R "$$@"\nexec "$$@"\n' >$@
	chmod +x $@

.PHONY: all
.SECONDARY:
