# fyke: make, make demo, make check, make install PREFIX=/usr/local. No configure step.
# Everything built goes to build/ (build-san/ with SAN=1, build-tsan/ with SAN=thread).

PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1) $(2)')

B := build
ifdef SAN
B := $(if $(filter thread,$(SAN)),build-tsan,build-san)
endif

CC      ?= cc
CSTD    := -std=c11 -D_GNU_SOURCE
WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
OPT     := -O2 -g
HARDEN  := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDHARD  := -pie -Wl,-z,relro,-z,now,--as-needed
ifdef SAN
SANITIZE := $(if $(filter thread,$(SAN)),thread,address,undefined -fno-sanitize-recover=all)
OPT     := -O1 -g -fno-omit-frame-pointer
HARDEN  := -fsanitize=$(SANITIZE) -fPIE
LDHARD  := -pie -fsanitize=$(SANITIZE)
export ASAN_OPTIONS := verify_asan_link_order=0:$(ASAN_OPTIONS)
endif

# Packages by their pkg-config names. All programs need BASE; the others stand beside the sources
# and the programs (or units) that use them, and are left out, with a line, when they are missing.
BASE := popt inih libdeflate
MORE := netcdf libserialport libcurl erfa libzmq libnats libtirpc cfitsio
# Taken where it is there, missed by nobody else: base/crc.h.
FAST := libisal
SKY_FILES := $(wildcard lib/sky/hour*.c lib/sky/merge*.c)
SRC_netcdf := $(wildcard lib/file/cdf*.c) $(SKY_FILES) $(wildcard lib/sky/obs*.c) lib/dev/wave.c
SRC_erfa := lib/sky/coord.c lib/sky/simnight.c lib/sky/simlog.c $(SKY_FILES)
USES_merge := netcdf erfa
USES_slice := netcdf
USES_simdas := erfa
USES_simtel := erfa
USES_coord := erfa
USES_clockfit := erfa
USES_raw2nc := netcdf
USES_cdf := netcdf
SRC_libserialport := lib/base/tty.c lib/base/dial.c lib/sky/encsrc.c lib/dev/encoder.c
USES_gasread := libserialport
USES_tty := libserialport
USES_hvset := libserialport
USES_hvmon := libserialport
USES_hvmux := libserialport
USES_srv := libserialport
USES_dial := libserialport
USES_rotctl := libserialport
USES_rot := libserialport
SRC_libcurl := lib/bus/influx.c
USES_influxput := libcurl
USES_influxget := libcurl
SRC_libzmq := lib/bus/zmq.c
SRC_libnats := $(wildcard lib/bus/nats*.c)
USES_evpub := libzmq libnats
USES_evsub := libzmq libnats
USES_evstat := libzmq libnats
SRC_libtirpc := lib/base/onc.c lib/dev/vxi11.c lib/dev/scope.c lib/dev/scopeset.c \
                lib/sky/telinfo.c lib/sky/encsrc.c
USES_scopeget := libtirpc netcdf
USES_vxi11 := libtirpc
USES_scope := libtirpc
USES_writelog := libtirpc libserialport
USES_telinfo := libtirpc
USES_encsrc := libtirpc libserialport

SRC_cfitsio := lib/cam/fits.c $(wildcard lib/cam/shoot*.c lib/cam/seq*.c)
USES_seqd := cfitsio
USES_seq := cfitsio
USES_fits := cfitsio

HAVE := $(shell for p in $(BASE) $(MORE) $(FAST); do pkg-config --exists $$p 2>/dev/null && echo $$p; done)
LACK := $(filter-out $(HAVE),$(BASE) $(MORE))

CPPFLAGS += -Ilib -It -isystem $(B)/gen -DFYKE_VERSION='"$(VERSION)"' -MMD -MP \
            $(if $(filter libisal,$(HAVE)),-DFYKE_ISAL) $(if $(HAVE),$(shell pkg-config --cflags $(HAVE)))
CFLAGS_ALL := $(CSTD) $(WARN) $(OPT) $(HARDEN) $(CFLAGS)

LIB_SRC := $(filter-out $(foreach p,$(LACK),$(SRC_$(p))),$(wildcard lib/*/*.c))
LIB     := $(B)/libfyke.a
# What rpcgen makes of lib/*/NAME.x: NAME_rpc.h and NAME_rpc.c in $(B)/gen.
RPC     := $(if $(filter libtirpc,$(HAVE)),$(wildcard lib/*/*.x))
RPC_H   := $(foreach x,$(RPC),$(B)/gen/$(basename $(notdir $(x)))_rpc.h)
# names of bin/*.c, t/unit/*.c or t/fuzz/*.c whose packages are all here
usable   = $(foreach n,$(basename $(notdir $(wildcard $(1)))),$(if $(filter $(LACK),$(USES_$(n))),,$(n)))
PROGS   := $(basename $(notdir $(wildcard bin/*.c)))
BUILD   := $(call usable,bin/*.c)
UNITS   := $(call usable,t/unit/*.c)
libs     = $(shell pkg-config --libs $(BASE) $(filter $(FAST),$(HAVE)) $(USES_$(1))) -lpthread -lm

all: needed $(addprefix $(B)/bin/,$(BUILD))

needed:
	@for p in $(filter $(BASE),$(LACK)); do echo "fyke needs $$p: run scripts/deps"; exit 2; done
	@$(if $(filter-out $(BUILD),$(PROGS)),echo "left out for want of $(filter-out $(BASE),$(LACK)) \
	    (scripts/deps installs it): $(filter-out $(BUILD),$(PROGS))")

# The sections that a configuration may have.
$(B)/obj/lib/base/cli.o: CPPFLAGS += -DFYKE_PROGRAMS='"$(PROGS)"'

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC  ,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c -o $@ $<

# rpcgen reads only names without a folder as it writes them into its output; its code is compiled
# without our warnings.
define rpc_rule
$(B)/gen/$(basename $(notdir $(1)))_rpc.h: $(1)
	@mkdir -p $(B)/gen
	$$(call say,RPC ,$$<)
	$$(Q)cp $(1) $$(@:.h=.x) && cd $$(@D) && rm -f $$(@F) $$(@F:.h=.c) && \
	    rpcgen -c -o $$(@F:.h=.c) $$(@F:.h=.x) && rpcgen -h -o $$(@F) $$(@F:.h=.x)
$(B)/gen/$(basename $(notdir $(1)))_rpc.o: $(B)/gen/$(basename $(notdir $(1)))_rpc.h
	$$(call say,CC  ,$$(@:.o=.c))
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CSTD) $$(OPT) $$(HARDEN) -w -c -o $$@ $$(@:.o=.c)
$(1:%.x=$(B)/obj/%.o): $(B)/gen/$(basename $(notdir $(1)))_rpc.h
endef
$(foreach x,$(RPC),$(eval $(call rpc_rule,$(x))))

$(LIB): $(LIB_SRC:%.c=$(B)/obj/%.o) $(RPC_H:.h=.o)
	@rm -f $@
	$(call say,AR  ,$@)
	$(Q)ar rcs $@ $^

$(B)/bin/%: $(B)/obj/bin/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDHARD) $(LDFLAGS) -o $@ $^ $(call libs,$*)

# Unit tests: one TAP program for each t/unit/*.c.
$(B)/t/%: $(B)/obj/t/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDHARD) $(LDFLAGS) -o $@ $^ $(call libs,$*)

# Fuzz targets as programs that replay their corpora.
$(B)/t/fuzz-%: $(B)/obj/t/fuzz/%.o $(B)/obj/t/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDHARD) $(LDFLAGS) -o $@ $^ $(call libs,$*)

# Injectors and the like that tests preload.
$(B)/t/%.so: t/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CSTD) -Wall -Wextra -Werror -O2 -fPIC -shared -o $@ $< -ldl -lm

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- tests ----

TESTS  ?= $(if $(SAN),$(addprefix t/,$(SAN_TESTS)),$(wildcard t/*.t))
# What runs under the sanitizers: units, and what needs no peer.
SAN_TESTS := $(notdir $(shell grep -l '^\# san: yes' t/*.t))
UNITBIN := $(addprefix $(B)/t/,$(UNITS))
FUZZERS := $(addprefix $(B)/t/fuzz-,$(filter-out replay,$(call usable,t/fuzz/*.c)))
SHIMS   := $(patsubst t/%.c,$(B)/t/%.so,$(wildcard t/shim-*.c t/fake-*.c))
FYKE_ENV = FYKE_BUILD='$(abspath $(B))' FYKE_SAN='$(SAN)' PYTHONDONTWRITEBYTECODE=1

testbuild: all $(UNITBIN) $(FUZZERS) $(SHIMS)

check: deps-check
	+$(MAKE) --no-print-directory testbuild
	@$(FYKE_ENV) prove --state=save --statefile=$(B)/prove.state -j4 --timer --exec t/run $(UNITBIN) $(TESTS) || \
	{ printf '\n== what failed beside others, once more alone: timing, or a fault?\n'; \
	  $(FYKE_ENV) prove --state=failed --statefile=$(B)/prove.state --timer --exec t/run; }

nightly: deps-check
	+$(MAKE) --no-print-directory testbuild
	$(FYKE_ENV) FYKE_NIGHTLY=1 prove -j2 --timer --exec t/run $(UNITBIN) $(wildcard t/*.t)

golden: testbuild
	$(FYKE_ENV) FYKE_GOLDEN=1 t/run t/$(T).t

deps-check:
	@sh scripts/deps check

lint:
	sh scripts/lint

bench: deps-check
	+$(MAKE) --no-print-directory testbuild
	$(FYKE_ENV) /usr/bin/python3 t/bench/run
	$(FYKE_ENV) /usr/bin/python3 t/bench/bus
	$(FYKE_ENV) /usr/bin/python3 t/bench/seq
	$(FYKE_ENV) /usr/bin/python3 t/bench/influxput
	$(FYKE_ENV) /usr/bin/python3 t/bench/dirsync

fuzz:
	$(FYKE_ENV) sh t/fuzz/run

libs-of:
	@echo $(call libs,$(T))

demo:
	@sh scripts/deps run
	+@$(MAKE) --no-print-directory all
	@$(FYKE_ENV) sh scripts/demo

# ---- installation ----

SCRIPTS := quicklook seqterm headercopy start_tel_util start_merge remerge
# What these source.
SCRIPTLIB := night.sh quicklook-merged.sh
# The sequencer's commands are links to seqcmd: SEQ_PREFIX.xbin in bin, and xbin in lib/fyke/seq.
SEQ_PREFIX ?= stancam
SEQ_VERBS := expose exp dark mexpose mexp mdark abort addtime readout hold resume save bin xbin ybin \
             xbeg ybeg xsize ysize resetxy defaults ampl gainh gainl temp cooler autosave_on autosave_off \
             beep_on beep_off comment comment1 object imagetype filename filenamestd tint mult log-comment \
             wait-camera-state status help
SEQDIR := $(PREFIX)/lib/fyke/seq
CARDDIR := $(PREFIX)/share/fyke/cards

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(CARDDIR) $(DESTDIR)$(PREFIX)/lib/fyke
	install -m 755 $(addprefix $(B)/bin/,$(BUILD)) $(addprefix scripts/,$(SCRIPTS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(addprefix scripts/,$(SCRIPTLIB)) $(DESTDIR)$(PREFIX)/lib/fyke
	install -m 644 man1/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man5/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 etc/cards/*.card $(DESTDIR)$(CARDDIR)
	install -m 644 etc/*.cal $(DESTDIR)$(PREFIX)/share/fyke
	cd etc && find . -type f ! -name '*.card' ! -name '*.cal' ! -path './seq/*' | while read -r f; do \
	    install -D -m 644 "$$f" "$(DESTDIR)$(PREFIX)/share/fyke/etc/$$f" || exit 1; done
	install -d $(DESTDIR)$(SEQDIR) $(DESTDIR)$(PREFIX)/share/fyke/seq
	for v in $(SEQ_VERBS); do \
	    ln -sf seqcmd $(DESTDIR)$(PREFIX)/bin/$(SEQ_PREFIX).$$v && \
	    ln -sf ../../../bin/seqcmd $(DESTDIR)$(SEQDIR)/$$v || exit 1; done
	install -m 755 etc/seq/focus-series $(DESTDIR)$(PREFIX)/share/fyke/seq
	install -m 644 etc/seq/*.seq $(DESTDIR)$(PREFIX)/share/fyke/seq

uninstall:
	cd $(DESTDIR)$(PREFIX)/bin && rm -f $(PROGS) $(SCRIPTS) $(addprefix $(SEQ_PREFIX).,$(SEQ_VERBS))
	rm -rf $(DESTDIR)$(PREFIX)/lib/fyke
	cd $(DESTDIR)$(PREFIX)/share/man && rm -f $(addprefix man1/,$(notdir $(wildcard man1/*.1))) \
	    $(addprefix man5/,$(notdir $(wildcard man5/*.5)))
	rm -rf $(DESTDIR)$(PREFIX)/share/fyke

clean:
	rm -rf build build-san build-tsan build-fuzz

.PHONY: all needed check nightly golden testbuild deps-check lint bench fuzz libs-of demo install uninstall clean
