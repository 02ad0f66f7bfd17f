# What scripts/bench measures with: make -f tests/bench/tests.mk BUILD=build all, from the top. Built by the compiler's
# usual options and without its knowledge of malloc, which would leave calls out.
BUILD ?= build
CC    ?= gcc
CXX   ?= g++
OUT   := $(BUILD)/tests/bench
FLAGS := -std=gnu11 -g -O2 -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion

PROGRAMS := $(patsubst tests/bench/%,$(OUT)/%,$(basename $(sort $(wildcard tests/bench/*.c tests/bench/*.cc))))

all: $(PROGRAMS)

$(OUT)/%: tests/bench/%.c tests/bench/bench.h tests/bench/tests.mk
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(EXTRA_CFLAGS) -pthread -o $@ $< -lm

$(OUT)/%: tests/bench/%.cc tests/bench/tests.mk
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -g -O2 -fno-builtin -Wall -Wextra -Wshadow $(EXTRA_CFLAGS) -pthread -o $@ $<

.PHONY: all
