# What the reporter's tests run: make -f tests/reporter/tests.mk BUILD=build, from the top. Builds under
# $(BUILD)/tests/reporter/. The unit tests and the fuzzers link the reporter's rooms under ASan and UBSan.
BUILD ?= build
CC    ?= gcc
OUT   := $(BUILD)/tests/reporter

WARN   := -Wall -Wextra -Wshadow -Wconversion
FLAGS  := -std=gnu11 -g -I. -D_GNU_SOURCE -DWEIR_VERSION='"test"' $(WARN)
CHECKS := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer -DCHECKED
CHECKER ?= clang # whose code tells libFuzzer what an input reaches
LIBS   := -ldw -lelf -liberty -llzma -llz4 -lzstd -lz -ljansson -lm

GATE    := $(filter-out reporter/gate/start.c reporter/gate/settings.c,$(wildcard reporter/gate/*.c)) reporter/gate.c reporter/run_values.c
ROOMS   := $(sort $(wildcard reporter/load/*.c reporter/load/core/*.c reporter/symbols/*.c reporter/view/*.c reporter/forms/*.c) $(GATE)) reporter/report.c reporter/arguments.c
HEADERS := $(wildcard reporter/*.h reporter/*/*.h reporter/*/*/*.h tests/reporter/*.h tests/fuzz/*.h tests/lib/*.h) shim/box/format.h shim/box/format_box.h shim/box/format_core.h tests/reporter/tests.mk
CHECKED := $(ROOMS:%.c=$(OUT)/checked/%.o) $(OUT)/checked/tests/reporter/dump_builder.o

all: $(OUT)/mkdump $(OUT)/unit_load $(OUT)/unit_text $(OUT)/unit_unpack $(OUT)/unit_limits $(OUT)/unit_suppress $(OUT)/unit_gate $(OUT)/fuzz_load $(OUT)/fuzz_box $(OUT)/fuzz_core $(OUT)/guided $(OUT)/stub/libweir.so $(OUT)/stub/weir

$(OUT)/mkdump: tests/reporter/mkdump.c tests/reporter/dump_builder.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -O2 -o $@ $(filter %.c,$^) $(LIBS)

# weir beside a stand-in for the library: what run and dump do must not depend on what the real one does.
$(OUT)/stub/libweir.so: tests/reporter/stub_shim.c tests/reporter/dump_builder.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -O1 -fPIC -shared -o $@ $(filter %.c,$^) -ldw -lelf

$(BUILD)/weir: $(wildcard reporter/*.[ch] reporter/*/*.[ch] reporter/*/*/*.[ch]) shim/box/format.h
	$(MAKE) BUILD=$(BUILD) $@

$(OUT)/stub/weir: $(BUILD)/weir
	@mkdir -p $(@D)
	cp $< $@

$(OUT)/unit_load: $(OUT)/checked/tests/reporter/unit_load.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS) -lcmocka

$(OUT)/unit_text: $(OUT)/checked/tests/reporter/unit_text.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS) -lcmocka

$(OUT)/unit_unpack: $(OUT)/checked/tests/reporter/unit_unpack.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS) -lcmocka

$(OUT)/unit_limits: $(OUT)/checked/tests/reporter/unit_limits.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS) -lcmocka

$(OUT)/unit_suppress: $(OUT)/checked/tests/reporter/unit_suppress.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS) -lcmocka

$(OUT)/unit_gate: $(OUT)/checked/tests/reporter/unit_gate.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS) -lcmocka

$(OUT)/fuzz_load: $(OUT)/checked/tests/fuzz/fuzz_load.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS)

$(OUT)/fuzz_box: $(OUT)/checked/tests/fuzz/fuzz_box.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS)

$(OUT)/fuzz_core: $(OUT)/checked/tests/fuzz/fuzz_core.o $(CHECKED)
	$(CHECKER) $(FLAGS) $(CHECKS) -o $@ $^ $(LIBS)

# See tests/fuzz/in_process.h.
ALONE := $(OUT)/checked/reporter/load/core/verdicts.o $(OUT)/checked/reporter/load/core/follow.o
$(OUT)/guided: $(OUT)/checked/tests/fuzz/guided.o $(ALONE:%.o=%.in_process.o) $(filter-out $(ALONE),$(CHECKED))
	$(CHECKER) $(FLAGS) $(CHECKS) -fsanitize=fuzzer -o $@ $^ $(LIBS)
$(OUT)/checked/%.in_process.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	$(CHECKER) $(FLAGS) $(CHECKS) $(if $(findstring follow,$@),-DNO_PROCESS) -include tests/fuzz/in_process.h -c -o $@ $<

$(OUT)/checked/%.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	$(CHECKER) $(FLAGS) $(CHECKS) -c -o $@ $<

.PHONY: all
