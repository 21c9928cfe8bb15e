# smsrelay. `make help` lists the targets.
#
# Sources are found: a new file anywhere in proto/, conf/ or gateway/ is built, a new *_test.c in
# tests/unit/ is a test program of its own. Variants (release, asan, tsan, valgrind, cover) share
# nothing but the sources: each builds into build/<variant>/.

VARIANT ?= release
BUILD    = build/$(VARIANT)
VERSION  = 0.2.0

# What a fresh Debian 12 lacks: to build and run, and on top of that to test.
RUN_PACKAGES  = gcc pkg-config libc6-dev libevent-dev libcurl4-openssl-dev libssl-dev libcrypt-dev \
                libjansson-dev libinih-dev libsqlite3-dev libunistring-dev libglib2.0-dev libxml2-dev \
                netcat-openbsd
TEST_PACKAGES = $(RUN_PACKAGES) libcriterion-dev python3 clang libclang-rt-14-dev clang-format \
                cppcheck valgrind curl msmtp swaks perl faketime openssl libnet-ssleay-perl iproute2
# Unpacked below build/ for the tests, for they are servers.
UNPACKED_PACKAGES = nullmailer prometheus nginx
# For `make clients`; the libraries are those of Postfix and Exim, which are unpacked as well.
CLIENTS_PACKAGES = php-cli libphp-phpmailer golang-go ruby default-jdk-headless libjakarta-mail-java \
                   libdb5.3 libicu72 libnsl2 libsasl2-2 libgnutls-dane0 libidn12 libpcre2-8-0
# Node.js and npm, by command: those of others than Debian are as good.
NODE_PACKAGES = $(if $(shell command -v npm),,nodejs npm)

# What looks at the page and at the unit. Heavy, or not for every machine: only CI installs it, and
# elsewhere these tests run if it is there.
CI_PACKAGES = $(if $(filter true,$(CI)),chromium systemd)

LIBRARIES = libevent libevent_pthreads libevent_openssl openssl libcrypt libcurl jansson inih sqlite3 \
            glib-2.0 libxml-2.0
# libunistring has no .pc file. Asked of pkg-config only where something is compiled, so that `make deps` works without it.
PKG_CONFIG ?= pkg-config
PKG_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(LIBRARIES))
PKG_LIBS   = $(shell $(PKG_CONFIG) --libs $(LIBRARIES)) -lunistring

CC_release = gcc
CC_asan    = clang
CC_tsan    = clang
CC_fuzz    = clang
CC_cover   = gcc
CC_valgrind = gcc
# What each variant needs: the flags of a packager come after them.
FLAGS_release = -fPIE
FLAGS_asan    = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    = -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FLAGS_fuzz    = $(FLAGS_asan) -fsanitize=fuzzer-no-link
FLAGS_cover   = -O0 -g --coverage
LINK_release  = -pie
LINK_asan     = -fsanitize=address,undefined
LINK_tsan     = -fsanitize=thread
LINK_fuzz     = -fsanitize=fuzzer,address,undefined
LINK_cover    = --coverage

# Hardening that not every compiler and machine has, tried once. Not for sanitizers, which would no longer
# see what it hides; so valgrind has a variant without it, too.
ZERO_INIT       = -ftrivial-auto-var-init=zero
ZERO_INIT_CLANG = $(ZERO_INIT) -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang
if_it_works     = { $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2> /dev/null && echo '$(1)'; }
HARDENING = $(eval HARDENING := $$(shell \
    $(call if_it_works,-fstack-clash-protection); $(call if_it_works,-fcf-protection); \
    $(call if_it_works,$(ZERO_INIT)) || $(call if_it_works,$(ZERO_INIT_CLANG))))$(HARDENING)

# Flags for the user or a packager to replace, on the command line or in the environment.
CFLAGS_release  = -O3 -g -fstack-protector-strong $(HARDENING) \
                  $(if $(findstring FORTIFY,$(CPPFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
CFLAGS_valgrind = -O1 -g
LDFLAGS_release = -Wl,-z,relro,-z,now
CFLAGS  ?= $(CFLAGS_$(VARIANT))
LDFLAGS ?= $(LDFLAGS_$(VARIANT))

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes $(if $(CI),-Werror)
CC       = $(CC_$(VARIANT))
COMPILE  = $(CC) -I. -D_GNU_SOURCE -DSMSRELAY_VERSION='"$(VERSION)"' $(PKG_CFLAGS) -std=c11 -pthread $(WARNINGS) \
           $(FLAGS_$(VARIANT)) $(CPPFLAGS) $(CFLAGS)
LINK     = $(CC) -pthread $(FLAGS_$(VARIANT)) $(CFLAGS) -Wl,--as-needed $(LINK_$(VARIANT)) $(LDFLAGS)

# `make V=1` shows the commands, `make -s` nothing.
QUIET = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@echo '  $(1)  $@';)

sources = $(sort $(shell find $(1) -name '*.c'))
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
MAIN    = $(BUILD)/gateway/main.o
SUPPORT = $(BUILD)/libsupport.a
LIBS    = $(BUILD)/libgateway.a $(BUILD)/libproto.a $(BUILD)/libconf.a
UNIT    = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(call sources,tests/unit))
STRESS  = $(patsubst tests/stress/%.c,$(BUILD)/stress/%,$(wildcard tests/stress/*.c))
FUZZ    = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
BENCH   = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
C_FILES = $(shell find proto conf gateway tests -name '*.[ch]')

.PHONY: all help run programs test deps deps-run unit golden e2e asan tsan stress fuzz layers lint format \
        reformat valgrind bench clients soak cover install clean
.DELETE_ON_ERROR:
.SECONDARY:

all: build/smsrelay
	@: # so that make does not say that there was nothing to do

help:
	@echo 'make            build build/smsrelay'
	@echo 'make run        install what is missing, build, start a relay to try (Ctrl-C ends it)'
	@echo 'make test       install what is missing, then everything that CI checks'
	@echo '  parts:        unit e2e asan tsan stress fuzz layers lint format valgrind'
	@echo 'make clients    the same with more mail clients and servers, whose installation is heavy, and Prometheus'
	@echo 'make bench      the figures: intake, relaying, memory'
	@echo 'make reformat   let clang-format rewrite the sources'
	@echo 'make cover      line coverage of the unit and end-to-end tests'
	@echo 'make install    PREFIX=/usr/local DESTDIR= UNITDIR=PREFIX/share/doc/smsrelay'
	@echo '  packagers:    CFLAGS, CPPFLAGS and LDFLAGS, also from the environment, replace optimisation and hardening'
	@echo 'make clean      remove build/'

build/smsrelay: build/release/smsrelay
	@ln -f $< $@

$(BUILD)/smsrelay: $(MAIN) $(LIBS)
	$(call QUIET,LD)$(LINK) -o $@ $^ $(PKG_LIBS)

# Everything of one variant that the checks run: `make VARIANT=asan programs`.
programs: $(BUILD)/smsrelay $(UNIT) $(STRESS)

$(BUILD)/libproto.a: $(call objects,proto)
$(BUILD)/libconf.a: $(call objects,conf)
$(BUILD)/libgateway.a: $(filter-out $(MAIN),$(call objects,gateway))
$(SUPPORT): $(BUILD)/tests/support/faulty_vfs.o $(BUILD)/tests/support/api_answer.o $(BUILD)/tests/support/api_body.o
# Appended (q), for two folders may each have a file of one name.
$(BUILD)/lib%.a:
	@rm -f $@ && $(AR) qcs $@ $^

# Names what is missing before the compiler does, at length.
$(BUILD)/libraries:
	@missing=$$( \
	    for program in $(firstword $(CC)) $(PKG_CONFIG); do command -v $$program > /dev/null || echo $$program; done; \
	    for library in $(LIBRARIES); do $(PKG_CONFIG) --exists $$library 2> /dev/null || echo $$library; done); \
	if [ -n "$$missing" ]; then \
	    echo "To build smsrelay, this is missing:" $$missing; \
	    echo "On Debian, \`make deps-run\` installs it."; \
	    exit 1; \
	fi >&2
	@mkdir -p $(@D) && touch $@

$(BUILD)/%.o: %.c Makefile | $(BUILD)/libraries
	@mkdir -p $(@D)
	$(call QUIET,CC)$(COMPILE) -MMD -MP -c -o $@ $<

# Unit tests are compiled quickly: what they test is optimised all the same. (_FORTIFY_SOURCE wants some.)
$(BUILD)/tests/unit/%.o: COMPILE += $(if $(filter release,$(VARIANT)),-O1,-O0)

# It holds the page, as it is, by an assembler directive, which link-time optimisation would lose.
$(BUILD)/gateway/web/page_html.o: gateway/web/page.html
$(BUILD)/gateway/web/page_html.o: COMPILE += -fno-lto

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(SUPPORT) $(LIBS)
	@mkdir -p $(@D)
	$(call QUIET,LD)$(LINK) -o $@ $^ $(PKG_LIBS) -lcriterion
$(BUILD)/stress/%: $(BUILD)/tests/stress/%.o $(SUPPORT) $(LIBS)
	@mkdir -p $(@D)
	$(call QUIET,LD)$(LINK) -o $@ $^ $(PKG_LIBS)
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIBS)
	@mkdir -p $(@D)
	$(call QUIET,LD)$(LINK) -o $@ $^ $(PKG_LIBS)
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(SUPPORT) $(LIBS)
	@mkdir -p $(@D)
	$(call QUIET,LD)$(LINK) -o $@ $^ $(PKG_LIBS)

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)

# --- running ------------------------------------------------------------------------------------

# Installs what is missing, and nothing (no network, no sudo) when all is there or this is no Debian.
define install_missing
	@command -v apt-get > /dev/null || exit 0; \
	missing=$$(dpkg-query -W -f '$${Package} $${db:Status-Status}\n' $(1) 2>/dev/null | \
	    awk '$$2 == "installed" { have[$$1] = 1 } \
	         END { n = split("$(1)", want, " "); for (i = 1; i <= n; i++) if (!have[want[i]]) print want[i] }'); \
	if [ -n "$$missing" ]; then \
	    echo "installing:" $$missing; \
	    if [ "$$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi; \
	    $$as_root apt-get update -q && \
	    DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -q -y --no-install-recommends $$missing; \
	fi
endef

deps-run:
	$(call install_missing,$(RUN_PACKAGES))
deps:
	$(call install_missing,$(TEST_PACKAGES) $(NODE_PACKAGES) $(CI_PACKAGES))
	@tests/support/fetch-clients $(UNPACKED_PACKAGES)

run: deps-run
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@exec tests/support/run-relay build/smsrelay

# --- checks -------------------------------------------------------------------------------------

test: deps
	@tests/support/check all
unit golden e2e asan tsan stress fuzz layers lint format valgrind: deps
	@tests/support/check $@
bench: deps
	@tests/bench/run
clients: deps
	$(call install_missing,$(CLIENTS_PACKAGES))
	@tests/support/fetch-clients $(UNPACKED_PACKAGES) postfix exim4-daemon-light
	@CLIENTS=all TESTS='test_clients test_more_clients test_prometheus' tests/support/check e2e
cover: deps
	@tests/support/check cover
soak: deps
	@tests/support/check soak

reformat:
	clang-format -i $(C_FILES)

# --- installing ---------------------------------------------------------------------------------

PREFIX  ?= /usr/local
UNITDIR ?= $(PREFIX)/share/doc/smsrelay
# What root builds here, the owner of this folder could not build again.
OWNER    = $(shell stat -c %u .)
AS_OWNER = $(if $(filter-out 0,$(OWNER)),$(if $(filter 0,$(shell id -u)),\
               setpriv --reuid=$(OWNER) --regid=$(shell stat -c %g .) --clear-groups))
install:
	$(if $(DESTDIR),,@$(MAKE) --no-print-directory deps-run)
	@$(AS_OWNER) $(MAKE) --no-print-directory -j$$(nproc) all
	install -D -m 755 build/smsrelay $(DESTDIR)$(PREFIX)/bin/smsrelay
	install -D -m 644 conf/smsrelay.conf $(DESTDIR)$(PREFIX)/share/doc/smsrelay/smsrelay.conf
	install -D -m 644 conf/sandbox.conf $(DESTDIR)$(PREFIX)/share/doc/smsrelay/sandbox.conf
	install -D -m 644 proto/PROTOCOL.md $(DESTDIR)$(PREFIX)/share/doc/smsrelay/PROTOCOL.md
	install -d $(DESTDIR)$(PREFIX)/lib/smsrelay
	ln -sf ../../bin/smsrelay $(DESTDIR)$(PREFIX)/lib/smsrelay/sendmail
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|/usr/local|$(PREFIX)|g' conf/smsrelay.service > $(DESTDIR)$(UNITDIR)/smsrelay.service
	chmod 644 $(DESTDIR)$(UNITDIR)/smsrelay.service

clean:
	rm -rf build
