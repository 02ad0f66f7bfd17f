# What the shim's tests run: make -f tests/shim/tests.mk BUILD=build, from the top. Builds under $(BUILD)/tests/shim/.
BUILD ?= build
CC    ?= gcc
CXX   ?= g++
OUT   := $(BUILD)/tests/shim
COMMA := ,
WARN  := -Wall -Wextra -Wno-use-after-free -Wno-free-nonheap-object
PLAIN := coroutines jitting changes steps everywhere cuts align api ceiling fill ends misuse model storm frames memory oldkernel threads stress stacks modules \
         filtered locked grown jumps cancelled tables mappings where reclaim mixed sampled leaked touched vectors lsan scanned pooled waits living collected backlog killed published boxed cored judged
LIBRARIES := early threaded restarter mapper auditor friend lazy forwarder
PLUGINS  := shared static hidden operators sysv lld rodynamic vendored
PITFALLS := $(LIBRARIES:%=lib%.so) early_program restarting_program own_malloc pitfalls hello_static hello_asan \
            replaced_PLAIN replaced_ARRAY replaced_ALIGNED plugin_host $(PLUGINS:%=plugin_%.so)
CXXES := containers bad_alloc operators hits families faults thrown owners
LSANS := suppresses files wishes off
EXCHANGED := plugin_one plugin_two bare_one bare_two

all: $(PLAIN:%=$(OUT)/%) $(CXXES:%=$(OUT)/%) $(OUT)/leaks_c $(OUT)/leaks_cc $(PITFALLS:%=$(OUT)/pitfalls/%) \
     $(EXCHANGED:%=$(OUT)/%.so) $(OUT)/families_static $(OUT)/touched_cc $(OUT)/touched_fixed $(LSANS:%=$(OUT)/lsan_%)

$(OUT)/%: tests/shim/%.c tests/shim/stepping.h tests/shim/lost.h shim/weir.h shim/box/format.h shim/box/format_box.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -g -O1 -I. -fno-builtin -fno-omit-frame-pointer $(WARN) -o $@ $< -pthread -ldl $(if $(filter frames,$*),-lunwind)

$(OUT)/%: tests/shim/%.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -g -O1 -fno-builtin $(if $(filter thrown,$*),-fnon-call-exceptions) $(WARN) -Wno-mismatched-new-delete -o $@ $< -pthread

# weir.h as strict compilers take it, and in a program at fixed addresses.
$(OUT)/touched_cc: tests/shim/touched.cc shim/weir.h
	@mkdir -p $(@D)
	$(CXX) -std=c++98 -pedantic -Wall -Wextra -Wshadow -Wconversion -Werror -O2 -I. -o $@ $<

$(OUT)/touched_fixed: tests/shim/touched.cc shim/weir.h
	@mkdir -p $(@D)
	$(CXX) -std=c++98 -pedantic -Wall -Wextra -Werror -O0 -fno-PIE -no-pie -I. -o $@ $<

# What a program for LeakSanitizer may define itself.
LSAN_suppresses := '-DSUPPRESSES="leak:^suppressed_*ion$$\n\nleak:no_such_function\n"'
LSAN_files      := '-DSUPPRESSES="leak:shim/lsan.c\n"'
LSAN_wishes     := '-DWISHES="exitcode=7:use_stacks=1"' '-DSUPPRESSES="leak:no_such_function\n"'
LSAN_off        := -DTURNED_OFF
$(LSANS:%=$(OUT)/lsan_%): $(OUT)/lsan_%: tests/shim/lsan.c tests/shim/lost.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -I. -D_GNU_SOURCE -g -O1 -fno-builtin -fno-omit-frame-pointer $(WARN) $(LSAN_$*) -o $@ $< -pthread

# With the C++ runtime inside.
$(OUT)/families_static: tests/shim/families.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -g -O1 -fno-builtin $(WARN) -Wno-mismatched-new-delete -Wno-sized-deallocation -static-libstdc++ -static-libgcc -o $@ $<

# The same but for a name; `bare` has no build-id.
$(EXCHANGED:%=$(OUT)/%.so): tests/shim/plugin.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -g -O1 -fno-builtin $(WARN) -fPIC -shared -DNAME=$(lastword $(subst _, ,$(basename $(@F)))) $(if $(filter bare%,$(@F)),-Wl$(COMMA)--build-id=none) -o $@ $<

# As a distribution would build them: optimised, the debug information in a file of its own, found by build-id.
$(OUT)/leaks_%: tests/shim/leaks.% tests/shim/leaks.h
	@mkdir -p $(OUT)/debug
	$(if $(filter cc,$*),$(CXX) -std=c++17,$(CC) -std=gnu11) -g -O2 -o $@ $< -pthread
	id=$$(readelf -n $@ | sed -n 's/.*Build ID: //p'); dir=$(OUT)/debug/.build-id/$$(echo $$id | cut -c1-2); \
	mkdir -p $$dir; objcopy --only-keep-debug $@ $$dir/$$(echo $$id | cut -c3-).debug
	cp $@ $@.whole
	strip $@

# A library a pitfall, and programs that need options of their own.
PITFALL_FLAGS := -std=gnu11 -D_GNU_SOURCE -g -O1 -fno-builtin $(WARN)
$(LIBRARIES:%=$(OUT)/pitfalls/lib%.so): $(OUT)/pitfalls/lib%.so: tests/shim/pitfalls/library.c
	@mkdir -p $(@D)
	$(CC) $(PITFALL_FLAGS) -fPIC -shared -D$$(echo $* | tr a-z A-Z) -Wl,-soname,$(@F) -o $@ $< -pthread -ldl

$(OUT)/pitfalls/early_program: tests/shim/pitfalls/early.c $(OUT)/pitfalls/libearly.so
	$(CC) $(PITFALL_FLAGS) -o $@ $^ -Wl,-rpath,'$$ORIGIN'

$(OUT)/pitfalls/restarting_program: tests/shim/pitfalls/restarting.c $(OUT)/pitfalls/librestarter.so
	$(CC) $(PITFALL_FLAGS) -o $@ $^ -pthread -Wl,-rpath,'$$ORIGIN'

$(OUT)/pitfalls/own_malloc: tests/shim/pitfalls/own_malloc.c
	@mkdir -p $(@D)
	$(CC) $(PITFALL_FLAGS) -rdynamic -o $@ $<

$(OUT)/pitfalls/replaced_%: tests/shim/pitfalls/replaced.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -g -O1 -D$* $(WARN) -Wno-sized-deallocation -o $@ $<

# One source, and the places in which a plugin's C++ library may lie and its tables be laid out.
PLUGIN_static    := -static-libstdc++ -static-libgcc
PLUGIN_hidden    := -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL
PLUGIN_operators := -static-libstdc++ -static-libgcc -Wl,--version-script,tests/shim/pitfalls/operators.map
PLUGIN_sysv      := -static-libstdc++ -static-libgcc -Wl,--hash-style=sysv
PLUGIN_lld       := -static-libstdc++ -static-libgcc -fuse-ld=lld
PLUGIN_rodynamic := -static-libstdc++ -static-libgcc -fuse-ld=lld -Wl,-z,rodynamic
$(PLUGINS:%=$(OUT)/pitfalls/plugin_%.so): $(OUT)/pitfalls/plugin_%.so: tests/shim/pitfalls/plugin.cc tests/shim/pitfalls/operators.map
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -g -O1 -fno-builtin -fPIC -shared $(WARN) $(PLUGIN_$*) -o $@ $<
	$(if $(filter vendored,$*),cp "$$($(CXX) -print-file-name=libstdc++.so.6)" $(@D)/libvendored.so; \
	    perl -pi -e 's/libstdc\+\+\.so\.6/libvendored.so/g' $(@D)/libvendored.so $@)

$(OUT)/pitfalls/plugin_host: tests/shim/pitfalls/plugin_host.c
	@mkdir -p $(@D)
	$(CC) $(PITFALL_FLAGS) -o $@ $< -ldl -Wl,-rpath,'$$ORIGIN' -Wl,--disable-new-dtags

$(OUT)/pitfalls/pitfalls: tests/shim/pitfalls/pitfalls.c
	@mkdir -p $(@D)
	$(CC) $(PITFALL_FLAGS) -o $@ $< -pthread -ldl

$(OUT)/pitfalls/hello_static: tests/shim/pitfalls/hello.c
	@mkdir -p $(@D)
	$(CC) $(PITFALL_FLAGS) -static -o $@ $<

$(OUT)/pitfalls/hello_asan: tests/shim/pitfalls/hello.c
	@mkdir -p $(@D)
	$(CC) $(PITFALL_FLAGS) -fsanitize=address -o $@ $<

.PHONY: all
