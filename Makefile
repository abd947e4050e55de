# okv-luna-hooks: one Makefile, no recursion, objects outside the tree of sources.
#
# What is built is read from two files: helpers/FLOORPLAN (the rooms) and helpers/TOOLS (the binaries).
# `make help` lists the targets.

# The spec says the version, and nothing else does.
VERSION := $(shell awk '$$1 == "Version:" {print $$2}' spec/okv-luna-hooks.spec)
BUILD   ?= build
PREFIX  := /opt/okv-luna

# The system's own tools before what somebody has put in front of them (another python3, say).
export PATH := /usr/sbin:/usr/bin:/sbin:/bin:$(PATH)
# A test that imports another one's module leaves nothing in the tree.
export PYTHONDONTWRITEBYTECODE := 1

CC       ?= cc
CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wvla -Wstrict-prototypes -Wmissing-prototypes
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
# Code is made ready for CET.  Whether a program says so in its note is for the linker, which asks the start files of
# the C library, too: Debian's are not ready.
ifeq ($(shell uname -m),x86_64)
HARDEN   += -fcf-protection=full
endif
HARDEN_L := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,--gc-sections
# SANITIZE is set by `make asan`; fortified functions and sanitizers do not go together.
ifdef SANITIZE
HARDEN   := -fno-omit-frame-pointer $(SANITIZE)
HARDEN_L := $(SANITIZE) tests/sanitized.c
endif
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DOKV_LUNA_VERSION='"$(VERSION)"' -Ihelpers $(WARNINGS) $(HARDEN) \
             -ffunction-sections -fdata-sections -MMD -MP $(CFLAGS)

ROOMS := $(shell awk '$$1 ~ /^[a-z]/ && $$1 !~ /^(guard|nouns)$$/ {print $$1}' helpers/FLOORPLAN)
LIBRARY_ROOMS := $(filter-out cmd,$(ROOMS))
TOOLS := $(shell awk '$$1 ~ /^[a-z]/ {print $$1}' helpers/TOOLS)
# NAME:PLACE:LIBRARY for each tool
tool_place   = $(shell awk -v t=$(1) '$$1 == t {print $$3}' helpers/TOOLS)
tool_library = $(shell awk -v t=$(1) '$$1 == t && $$4 != "-" {gsub(",", " -l", $$4); print "-l" $$4}' \
    helpers/TOOLS)

room_objects = $(patsubst helpers/%.c,$(BUILD)/obj/%.o,$(wildcard helpers/$(1)/*.c))
ARCHIVES := $(foreach r,$(LIBRARY_ROOMS),$(BUILD)/lib/$(r).a)
# The linker reads archives once, so the rooms that include come before those that are included.
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
LINK_ARCHIVES := $(call reverse,$(ARCHIVES))
# What the doorways share: objects of cmd/ that no tool is named after.  An archive, so that a tool takes what it uses.
CMD_SHARED := $(BUILD)/obj/cmd/shared.a

BINARIES := $(foreach t,$(TOOLS),$(BUILD)/$(call tool_place,$(t))/$(t))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c))

.PHONY: all install rpm release reproducible sign demo check gates unit bats asan faults fuzz bench
.PHONY: format house compile_commands clean help deps
.DELETE_ON_ERROR:
.SECONDARY:

# What a fresh machine lacks is said once, and how to get it.  `make demo` and `make check` see to it themselves.
ifneq ($(filter-out deps demo check help clean,$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v $(firstword $(CC))),)
$(error $(firstword $(CC)) is not installed; run: make deps)
endif
endif

all: $(BINARIES)

$(BUILD)/obj/%.o: helpers/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

# It has the block's bytes, by the assembler.
$(BUILD)/obj/conf/midupgrade.o: hooks/mid-upgrade.block

define room_rules
$(BUILD)/lib/$(1).a: $(call room_objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcsD $$@ $$^
endef
$(foreach r,$(LIBRARY_ROOMS),$(eval $(call room_rules,$(r))))

$(CMD_SHARED): $(filter-out $(foreach t,$(TOOLS),$(BUILD)/obj/cmd/$(t).o),$(call room_objects,cmd))
	@rm -f $@
	ar rcsD $@ $^

define tool_rules
$(BUILD)/$(call tool_place,$(1))/$(1): $(BUILD)/obj/cmd/$(1).o $(CMD_SHARED) $(ARCHIVES) helpers/TOOLS
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(HARDEN_L) $$(LDFLAGS) -o $$@ $$< $$(CMD_SHARED) $$(LINK_ARCHIVES) \
	    $(call tool_library,$(1)) -ldl
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rules,$(t))))

$(BUILD)/unit/%: tests/unit/%.c $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/unit $(HARDEN_L) -o $@ $< $(LINK_ARCHIVES) -lcmocka -pthread \
	    $(if $(filter client,$(firstword $(subst /, ,$*))),-larchive -lz) \
	    $(if $(filter bundle,$(firstword $(subst /, ,$*))),-lcrypto) -ldl

# What unpacks starts a program of ours.
$(BUILD)/unit/client/archive/unpack_test: $(BUILD)/libexec/okv-luna-unarchive

-include $(shell find $(BUILD)/obj $(BUILD)/unit -type f -name '*.d' 2>/dev/null)

# --- files as they lie on an appliance ------------------------------------------------------------------------

install: all
	sh spec/install.sh $(BUILD) "$(DESTDIR)" $(VERSION)

rpm:
	CHECK=$(CHECK) sh spec/build.sh $(BUILD)/rpm

release:
	tests/appliance/release-build . $(BUILD)/release

# Two builds at two paths, times and host names give the same files, which lie in BUILD/reproducible.
reproducible:
	sh spec/reproducible.sh $(BUILD)/reproducible

# Signs what `make rpm` or `make release` made: KEY is a name or number of a key of gpg's.
sign:
	sh spec/sign.sh "$(KEY)" $(BUILD)

# --- tests -----------------------------------------------------------------------------------------------------

deps:
	@sh tests/deps

demo:
	@sh tests/deps demo
	tests/appliance/demo

check:
	@sh tests/deps demo check
	+@sh tests/run

unit: $(UNIT_TESTS)

# As .clang-format says; the gate `format` only looks.
format:
	clang-format -i $$(find helpers tests -name "*.[ch]")

gates: all
	@BUILD=$(BUILD) sh tests/gates/gates

bats: all
	umask 022; BUILD=$(abspath $(BUILD)) bats tests/bats

# Sanitized twin of everything, in a build directory of its own; its unit and bats tests.
asan:
	+$(MAKE) BUILD=$(BUILD)/asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all' all unit
	BUILD=$(BUILD)/asan sh tests/run --sanitized

faults: all
	BUILD=$(BUILD) sh tests/faults

fuzz:
	BUILD=$(BUILD) sh tests/fuzz/fuzz

bench: all
	BUILD=$(BUILD) sh tests/bench/bench

# The numbers that the gate `size` holds against its limits.
house: all
	@BUILD=$(BUILD) tests/house

# For clangd and other readers of C; needs bear (make deps installs it).
compile_commands:
	@mkdir -p $(BUILD)
	bear --output $(BUILD)/compile_commands.json -- $(MAKE) -B BUILD=$(BUILD) all unit

clean:
	rm -rf $(BUILD)

help:
	@echo 'make demo      the whole story in containers: build, install, extract, wire, upgrade, prove'
	@echo 'make check     every test; ends with "N passed, N failed, N skipped"'
	@echo 'make all       the binaries, in $(BUILD)/bin and $(BUILD)/libexec'
	@echo 'make install   DESTDIR=DIR: the files as the package has them'
	@echo 'make rpm       a package for this machine; make release: for every supported one'
	@echo 'make sign      KEY=KEY: signs them; make reproducible: builds twice and compares'
	@echo 'make gates     the rules of the house; make unit, make bats: parts of check'
	@echo 'make asan      unit and behaviour tests under sanitizers'
	@echo 'make faults, make fuzz, make bench: the long campaigns'
	@echo 'make house     the house in numbers; make compile_commands: for clangd'
	@echo 'make format    lays C out as .clang-format says'
	@echo 'make deps      installs what the above need; make clean'
