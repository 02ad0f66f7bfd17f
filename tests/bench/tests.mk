# What scripts/bench measures with: make -f tests/bench/tests.mk BUILD=build all, from the top. Built by the compiler's
# usual options and without its knowledge of malloc, which would leave calls out.
BUILD ?= build
CC    ?= gcc
OUT   := $(BUILD)/tests/bench
FLAGS := -std=gnu11 -g -O2 -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion

PROGRAMS := $(patsubst tests/bench/%.c,$(OUT)/%,$(sort $(wildcard tests/bench/*.c)))

all: $(PROGRAMS)

$(OUT)/%: tests/bench/%.c tests/bench/bench.h tests/bench/tests.mk
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(EXTRA_CFLAGS) -pthread -o $@ $< -lm

.PHONY: all
