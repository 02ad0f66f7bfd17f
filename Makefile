# weir: make, make check, make demo, make bench, make install PREFIX=…, make clean; DEBUG=1 builds with asserts,
# ENCODE=1 with encoded free lists.
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
ifeq ($(origin CC),default)
CC      := gcc
endif
VERSION := 0.1.0

WARN    := -Wall -Wextra -Wshadow -Wconversion
COMMON  := -std=gnu11 -g -I. -D_GNU_SOURCE -DWEIR_VERSION='"$(VERSION)"' $(WARN) $(EXTRA_CFLAGS)
ifdef DEBUG
# Sibling calls: an entry's slow path must find its caller in the frame above it.
COMMON  += -DWEIR_DEBUG=1 -O1 -foptimize-sibling-calls
else
COMMON  += -DNDEBUG -O2
endif
ifdef ENCODE
COMMON  += -DWEIR_ENCODE=1 # free lists' links are encoded; costs two instructions a malloc and a free
endif

# clang does not know the option, and with -fno-builtin does not make such calls.
SHIM_CC_FLAGS := $(if $(findstring clang,$(shell $(CC) --version)),,-fno-tree-loop-distribute-patterns)
# The shim: own symbols hidden, no lazy binding, thread storage from the initial-exec block. The compiler must not turn
# its loops into calls that a program may interpose (memset and friends), nor assume what malloc does, nor which operator
# delete it calls.
SHIM_CFLAGS  := $(COMMON) -fPIC -fno-plt -fsemantic-interposition -fvisibility=hidden -ftls-model=initial-exec \
                -fno-builtin $(SHIM_CC_FLAGS) \
                -fno-stack-protector -fno-exceptions -fasynchronous-unwind-tables -fno-omit-frame-pointer -momit-leaf-frame-pointer
SHIM_LDFLAGS := -shared -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,defs -Wl,--hash-style=gnu -Wl,-soname,libweir.so \
                -Wl,--version-script=shim/entry/exports.map
REPORTER_CFLAGS := $(COMMON) $(REPORTER_EXTRA)
REPORTER_LIBS   := -ldw -lelf -liberty -llzma -llz4 -lzstd -lz -ljansson -lm

SHIM_SRC     := $(sort $(wildcard shim/*/*.c))
REPORTER_SRC := $(sort $(wildcard reporter/*.c reporter/*/*.c reporter/*/*/*.c))
SHIM_OBJ     := $(SHIM_SRC:%.c=$(BUILD)/obj/%.o)
REPORTER_OBJ := $(REPORTER_SRC:%.c=$(BUILD)/obj/%.o)

# The manual, where there is something to convert it with; doc/ can be read as it is.
ifneq ($(shell command -v go-md2man 2>/dev/null),)
MAN := $(patsubst doc/%.md,$(BUILD)/man/man1/%,$(wildcard doc/*.1.md)) \
       $(patsubst doc/%.md,$(BUILD)/man/man5/%,$(wildcard doc/*.5.md)) \
       $(patsubst doc/%.md,$(BUILD)/man/man7/%,$(wildcard doc/*.7.md))
endif

all: $(BUILD)/libweir.so $(BUILD)/weir $(MAN)

$(BUILD)/libweir.so: $(SHIM_OBJ) shim/entry/exports.map
	$(CC) $(SHIM_CFLAGS) $(SHIM_LDFLAGS) -o $@.new $(SHIM_OBJ)
	mv $@.new $@ # at once: a program that starts just now gets the old one or the new one

$(BUILD)/weir: $(REPORTER_OBJ)
	$(CC) $(REPORTER_CFLAGS) -o $@ $(REPORTER_OBJ) $(REPORTER_LIBS)

$(BUILD)/obj/shim/%.o: shim/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(SHIM_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/reporter/%.o: reporter/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(REPORTER_CFLAGS) -MMD -MP -c -o $@ $<

# The title gets the version; links to other pages become their names.
PAGE = sed -E -e '1s/$$/ "" "weir $(VERSION)" "weir"/' -e 's/\[([a-z-]+)(\([0-9]\))\]\([^)]*\)/**\1**\2/g' $< | go-md2man >$@.new && mv $@.new $@

$(BUILD)/man/man1/%: doc/%.md
	@mkdir -p $(@D)
	$(PAGE)

$(BUILD)/man/man5/%: doc/%.md
	@mkdir -p $(@D)
	$(PAGE)

$(BUILD)/man/man7/%: doc/%.md
	@mkdir -p $(@D)
	$(PAGE)

# Objects depend on the flags that they were built with, so that DEBUG=1 after a plain build rebuilds.
FLAGS := $(CC) $(SHIM_CFLAGS) $(REPORTER_CFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@

deps:
	@scripts/install-deps

# The two commands of the README install what is missing first, then build, then run.
check:
	@scripts/install-deps
	@scripts/check

demo:
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory all
	@scripts/demo

bench:
	@scripts/install-deps bench
	@$(MAKE) --no-print-directory all
	@scripts/bench

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/weir $(DESTDIR)$(PREFIX)/include
	install -m 755 $(BUILD)/weir $(DESTDIR)$(PREFIX)/bin/weir
	install -m 755 $(BUILD)/libweir.so $(DESTDIR)$(PREFIX)/lib/weir/libweir.so
	install -m 644 shim/weir.h $(DESTDIR)$(PREFIX)/include/weir.h
	for page in $(MAN:$(BUILD)/%=%); do \
	    install -D -m 644 $(BUILD)/$$page $(DESTDIR)$(PREFIX)/share/$$page || exit 1; \
	done

clean:
	rm -rf $(BUILD)

FORCE:
.PHONY: all deps check demo bench install clean FORCE

-include $(SHIM_OBJ:.o=.d) $(REPORTER_OBJ:.o=.d)
