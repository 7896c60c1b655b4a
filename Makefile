# SPDX-License-Identifier: BSD-2-Clause
# make             build/gostbpf             make check   every test (scripts/check installs what it needs first)
# make SAN=1       ASan + UBSan, in build-san/            make TLS=0   without OpenSSL, in build-notls/
#                                                         make install PREFIX=/usr DESTDIR=/tmp/x
# make V=1         show commands             make fuzz    libFuzzer harnesses (clang)      make format   clang-format

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

comma := ,
SAN ?=
TLS ?= 1# 0: without OpenSSL
BUILD := build$(if $(SAN),-san)$(if $(filter 0,$(TLS)),-notls)
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

PKGS     := $(if $(filter 0,$(TLS)),,openssl) libbpf libelf zlib yaml-0.1 jansson libcares
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
PKG_LIBS   := $(shell pkg-config --libs $(PKGS))

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror
HARDEN   := -fstack-protector-strong -fPIE
CFLAGS   ?= -O2 -g
OPT      := $(if $(SAN),-O1 -g -fno-omit-frame-pointer -fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined,$(CFLAGS))
ALL_CFLAGS := -std=gnu11 $(WARN) $(HARDEN) $(if $(SAN),,-D_FORTIFY_SOURCE=2) $(OPT) -D_GNU_SOURCE \
	-DGOSTBPF_VERSION='"$(VERSION)"' -Iinclude -I$(BUILD)/gen $(PKG_CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now $(LDFLAGS) $(if $(SAN),-fsanitize=address$(comma)undefined)
LIBS := $(PKG_LIBS) -lpthread

ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
SRCS := $(filter-out $(if $(filter 0,$(TLS)),user/tls_c%.c user/tls_early.c,user/tls_none.c),$(wildcard user/*.c))
OBJS := $(SRCS:user/%.c=$(BUILD)/user/%.o)
SKEL := $(BUILD)/gen/sockmap.skel.h
HEADERS := $(wildcard include/*.h)# for programs that are compiled in one go and so have no .d file

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check unit unit-programs kernel e2e fuzz fuzz-run tools man install clean format

all: $(BUILD)/gostbpf

$(BUILD)/gostbpf: $(OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/user/%.o: user/%.c | $(BUILD)/user
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Only this module sees the skeleton, so only it waits for the BPF object.
$(BUILD)/user/sockmap_maps.o: $(SKEL)

$(BUILD)/gen/sockmap.bpf.o: bpf/sockmap.bpf.c | $(BUILD)/gen
	$(call say,BPF,$<)
	$(Q)$(CLANG) -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Werror -Iinclude -Ivmlinux \
		-MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<

$(SKEL): $(BUILD)/gen/sockmap.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen object $(BUILD)/gen/sockmap.linked.o $<
	$(Q)$(BPFTOOL) gen skeleton $(BUILD)/gen/sockmap.linked.o name sockmap_bpf > $@

$(BUILD)/user $(BUILD)/gen $(BUILD)/unit $(BUILD)/kernel $(BUILD)/tools $(BUILD)/fuzz:
	$(Q)mkdir -p $@

# --- tests ---------------------------------------------------------------------------------------
# deps.mk: one line per test program with the modules it links; a long line is a design smell.
include tests/unit/deps.mk
include tests/kernel/deps.mk
include tests/bench/deps.mk

unit_progs := $(patsubst tests/unit/test_%.c,$(BUILD)/unit/test_%,$(wildcard tests/unit/test_*.c))
kernel_progs := $(patsubst tests/kernel/test_%.c,$(BUILD)/kernel/test_%,$(wildcard tests/kernel/test_*.c))
bench_progs := $(patsubst tests/bench/bench_%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench_*.c))
tool_progs := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))

$(BUILD)/unit/%.o: tests/unit/%.c | $(BUILD)/unit
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -Itests/unit -c -o $@ $<
$(BUILD)/kernel/%.o: tests/kernel/%.c | $(BUILD)/kernel
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -Itests/unit -Itests/kernel -c -o $@ $<

.SECONDEXPANSION:
$(BUILD)/unit/test_%: $(BUILD)/unit/test_%.o $(BUILD)/unit/unit.o $$(foreach m,$$(unit_$$*),$(BUILD)/user/$$(m).o)
	$(call say,UNIT,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(unit_$*_libs) -lcunit -lpthread
$(BUILD)/kernel/test_%: $(BUILD)/kernel/test_%.o $(BUILD)/unit/unit.o $$(foreach m,$$(kernel_$$*),$(BUILD)/user/$$(m).o)
	$(call say,KERN,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcunit

$(BUILD)/tools/%: tests/tools/%.c | $(BUILD)/tools
	$(call say,TOOL,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -MT $@ $(LDFLAGS_ALL) -o $@ $< -lpthread

# Parts of the product measured on their own.
$(BUILD)/bench/%: tests/bench/bench_%.c $(HEADERS) $$(foreach m,$$(bench_$$*),$(BUILD)/user/$$(m).o)
	$(Q)mkdir -p $(@D)
	$(call say,BENCH,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS_ALL) -o $@ $(filter %.c %.o,$^) $(bench_$*_libs)

unit-programs: $(unit_progs)
unit: $(unit_progs)
	$(Q)scripts/run-tests unit $(BUILD)
kernel: $(kernel_progs)
	$(Q)scripts/run-tests kernel $(BUILD)
tools: $(tool_progs) $(bench_progs)
e2e: all tools
	$(Q)scripts/run-tests e2e $(BUILD)
check: all $(unit_progs) $(kernel_progs) tools
	$(Q)scripts/run-tests all $(BUILD)

# --- fuzzers (clang only): build-fuzz/fuzz_NAME, run each for FUZZ_SECONDS ------------------------
FUZZ_SECONDS ?= 20
fuzz_progs := $(patsubst tests/fuzz/%.c,build-fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
include tests/fuzz/deps.mk
build-fuzz/%: tests/fuzz/%.c $(HEADERS) $$(foreach m,$$(fuzz_$$*),user/$$(m).c) | build-fuzz
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) -std=gnu11 -O1 -g -fsanitize=fuzzer$(comma)address$(comma)undefined -fno-sanitize-recover=undefined \
		-D_GNU_SOURCE -DGOSTBPF_VERSION='"$(VERSION)"' -Iinclude $(PKG_CFLAGS) -o $@ $(filter %.c,$^) $(fuzz_$*_libs)
build-fuzz:
	$(Q)mkdir -p $@
fuzz: $(fuzz_progs)
fuzz-run: fuzz
	$(Q)scripts/run-fuzz $(FUZZ_SECONDS)

# --- manual (scdoc) ---------------------------------------------------------------------------------
man_pages := $(patsubst docs/%.scd,$(BUILD)/man/%,$(wildcard docs/*.scd))
man: $(man_pages)
$(BUILD)/man/%: docs/%.scd
	$(Q)mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)scdoc < $< > $@

# --- the rest --------------------------------------------------------------------------------------
install: all man
	install -D -m 0755 $(BUILD)/gostbpf $(DESTDIR)$(PREFIX)/sbin/gostbpf
	install -D -m 0644 README.md $(DESTDIR)$(PREFIX)/share/doc/gostbpf/README.md
	for f in $(man_pages); do \
		install -D -m 0644 $$f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/$${f##*/}; done

format:
	clang-format -i user/*.c include/*.h bpf/*.c tests/*/*.c

clean:
	rm -rf build build-san build-notls build-san-notls build-fuzz

-include $(BUILD)/gen/sockmap.bpf.d $(wildcard $(BUILD)/*/*.d)
