# One Makefile, GNU make and bmake, no configure.  A folder is a process: every
# .c file of a role's folder but main.c goes into its archive, main.c becomes
# its executable.  See README.md for the two commands that matter.

.SUFFIXES:
.SUFFIXES: .c .o .y

OS !=		uname -s
include common/mk/${OS}.mk

PREFIX ?=	/usr/local
TOP !=		pwd
LIBEXEC ?=	${TOP}/out/libexec
CC =		gcc
FLAVOUR =
WARN =		-std=gnu11 -Wall -Wextra -Wstrict-prototypes \
		-Wmissing-prototypes -Wshadow -Wpointer-arith -Wcast-qual \
		-Wsign-compare -Wformat=2 -Wvla -Werror
CFLAGS =	${SYS_HARDEN} ${SYS_GCC}
LDFLAGS =	${SYS_LDFLAGS}
ALL_CFLAGS =	${WARN} ${SYS_CFLAGS} -I. ${CFLAGS} ${EXTRA_CFLAGS}

COMMON_SRC !=	ls common/*/*.c | grep -v -e _openbsd -e paths.c
WORKER_SRC !=	ls proxyd/worker/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
PROXYD_SRC !=	ls proxyd/parent/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c -e /parse.c -e /default.c || :
CTL_SRC !=	ls proxyd/proxyctl/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
KEYD_SRC !=	ls keybrokerd/parent/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c -e /parse.c -e /default.c || :
BROKER_SRC !=	ls keybrokerd/broker/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
LEDGER_SRC !=	ls keybrokerd/ledger/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
EGRESS_SRC !=	ls keybrokerd/egress/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
TLSKEY_SRC !=	ls keybrokerd/tlskey/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
EXPORT_SRC !=	ls keybrokerd/export/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
DIAL_SRC !=	ls keybrokerd/dial/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
KMS_SRC !=	ls keybrokerd/kms/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
VERIFY_SRC !=	ls keybrokerd/auditverify/*.c 2>/dev/null | grep -v -e _openbsd -e /main.c || :
UNITS !=	ls -d regress/unit/*/ 2>/dev/null | sed 's,/$$,,;s,.*/,,' || :
UNIT_BIN !=	ls -d regress/unit/*/ 2>/dev/null | sed 's,/$$,,;s,.*/,out/unit/,' || :
FUZZ_BIN !=	ls regress/fuzz/fuzz_*.c 2>/dev/null | sed 's,.*/,out/fuzz/,;s,\.c$$,,' || :

COMMON_OBJ =	${COMMON_SRC:.c=.o}
WORKER_OBJ =	${WORKER_SRC:.c=.o}
PROXYD_OBJ =	${PROXYD_SRC:.c=.o} proxyd/parent/parse.o proxyd/parent/default.o
CTL_OBJ =	${CTL_SRC:.c=.o}
KEYD_OBJ =	${KEYD_SRC:.c=.o} keybrokerd/parent/parse.o keybrokerd/parent/default.o
BROKER_OBJ =	${BROKER_SRC:.c=.o}
LEDGER_OBJ =	${LEDGER_SRC:.c=.o}
EGRESS_OBJ =	${EGRESS_SRC:.c=.o}
EXPORT_OBJ =	${EXPORT_SRC:.c=.o}
DIAL_OBJ =	${DIAL_SRC:.c=.o}
TLSKEY_OBJ =	${TLSKEY_SRC:.c=.o}
KMS_OBJ =	${KMS_SRC:.c=.o}
VERIFY_OBJ =	${VERIFY_SRC:.c=.o}

LIBCOMMON =	out/lib/libcommon.a
LIB_WORKER =	-ltls -lssl -levent_core -ljansson -lcrypto ${LIB_BASE}
LIB_BROKER =	-lsodium -lcrypto ${LIB_BASE}
LIB_LEDGER =	-lsqlite3 -lcrypto ${LIB_BASE}
LIB_EGRESS =	-lcurl -levent_core -lssl -lcrypto -lsodium ${LIB_BASE}
LIB_TLSKEY =	-lcrypto ${LIB_BASE}
LIB_EXPORT =	-lsodium -lcrypto ${LIB_BASE}
LIB_KMS =	-lcurl -ljansson -lssl -lcrypto -lsodium ${LIB_BASE}
LIB_VERIFY =	-lsodium -lcrypto ${LIB_BASE}
LIB_TEST =	-ltls -levent_core -ljansson -lsqlite3 -lcurl -lssl -lcrypto \
		-lsodium -lmd ${LIB_BASE} -lcmocka
ROLE_LIBS =	out/lib/libworker.a out/lib/libbroker.a out/lib/libledger.a \
		out/lib/libegress.a out/lib/libkms.a out/lib/libdial.a out/lib/libtlskey.a out/lib/libexport.a out/lib/libverify.a \
		out/lib/libkeyd.a out/lib/libproxyd.a out/lib/libctl.a

BINS =		out/sbin/proxyd out/sbin/keybrokerd out/sbin/proxyctl \
		out/bin/auditverify out/libexec/proxyd/worker \
		out/libexec/keybrokerd/broker out/libexec/keybrokerd/ledger \
		out/libexec/keybrokerd/kms out/libexec/keybrokerd/egress out/libexec/keybrokerd/dial \
		out/libexec/keybrokerd/tlskey out/libexec/keybrokerd/export \
		out/libexec/keybrokerd/ledgerdump

all: need ${BINS}

need:
	@sh mk/need.sh check build

.c.o:
	${CC} ${ALL_CFLAGS} -MMD -c -o $@ $<

proxyd/parent/parse.c: proxyd/parent/parse.y
	${YACC} -p proxydconf -o $@ proxyd/parent/parse.y
keybrokerd/parent/parse.c: keybrokerd/parent/parse.y
	${YACC} -p keydconf -o $@ keybrokerd/parent/parse.y
proxyd/parent/default.c: etc/proxyd.conf mk/text.sh
	sh mk/text.sh pconf_default etc/proxyd.conf $@
keybrokerd/parent/default.c: etc/keybrokerd.conf mk/text.sh
	sh mk/text.sh kconf_default etc/keybrokerd.conf $@

# --- archives --------------------------------------------------------------
${LIBCOMMON}: ${COMMON_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${COMMON_OBJ}
out/lib/libworker.a: ${WORKER_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${WORKER_OBJ}
out/lib/libproxyd.a: ${PROXYD_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${PROXYD_OBJ}
out/lib/libctl.a: ${CTL_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${CTL_OBJ}
out/lib/libkeyd.a: ${KEYD_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${KEYD_OBJ}
out/lib/libbroker.a: ${BROKER_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${BROKER_OBJ}
out/lib/libledger.a: ${LEDGER_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${LEDGER_OBJ}
out/lib/libegress.a: ${EGRESS_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${EGRESS_OBJ}
out/lib/libdial.a: ${DIAL_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${DIAL_OBJ}
out/lib/libtlskey.a: ${TLSKEY_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${TLSKEY_OBJ}
out/lib/libexport.a: ${EXPORT_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${EXPORT_OBJ}
out/lib/libkms.a: ${KMS_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${KMS_OBJ}
out/lib/libverify.a: ${VERIFY_OBJ}
	@mkdir -p out/lib; rm -f $@
	ar rcs $@ ${VERIFY_OBJ}

# --- executables: one a role, each links what it needs ----------------------
# paths.o holds the one compiled-in path; it is built twice (tree, PREFIX).
out/paths.o: common/proc/paths.c
	@mkdir -p out
	${CC} ${ALL_CFLAGS} -DLIBEXEC='"${LIBEXEC}"' -c -o $@ common/proc/paths.c
out/sbin/proxyd: proxyd/parent/main.o out/lib/libproxyd.a ${LIBCOMMON} out/paths.o
	@mkdir -p out/sbin
	${CC} ${LDFLAGS} -o $@ proxyd/parent/main.o out/paths.o out/lib/libproxyd.a ${LIBCOMMON} ${LIB_BASE}
out/sbin/keybrokerd: keybrokerd/parent/main.o out/lib/libkeyd.a ${LIBCOMMON} out/paths.o
	@mkdir -p out/sbin
	${CC} ${LDFLAGS} -o $@ keybrokerd/parent/main.o out/paths.o out/lib/libkeyd.a ${LIBCOMMON} -lmd ${LIB_BASE}
out/sbin/proxyctl: proxyd/proxyctl/main.o out/lib/libctl.a ${LIBCOMMON}
	@mkdir -p out/sbin
	${CC} ${LDFLAGS} -o $@ proxyd/proxyctl/main.o out/lib/libctl.a ${LIBCOMMON} -ljansson ${LIB_BASE}
out/bin/auditverify: keybrokerd/auditverify/main.o out/lib/libverify.a ${LIBCOMMON} out/paths.o
	@mkdir -p out/bin
	${CC} ${LDFLAGS} -o $@ keybrokerd/auditverify/main.o out/paths.o out/lib/libverify.a ${LIBCOMMON} ${LIB_VERIFY}
out/libexec/proxyd/worker: proxyd/worker/main.o out/lib/libworker.a ${LIBCOMMON}
	@mkdir -p out/libexec/proxyd
	${CC} ${LDFLAGS} -o $@ proxyd/worker/main.o out/lib/libworker.a ${LIBCOMMON} ${LIB_WORKER}
out/libexec/keybrokerd/broker: keybrokerd/broker/main.o out/lib/libbroker.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/broker/main.o out/lib/libbroker.a ${LIBCOMMON} ${LIB_BROKER}
out/libexec/keybrokerd/ledger: keybrokerd/ledger/main.o out/lib/libledger.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/ledger/main.o out/lib/libledger.a ${LIBCOMMON} ${LIB_LEDGER}
out/libexec/keybrokerd/ledgerdump: keybrokerd/ledgerdump/main.o out/lib/libledger.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/ledgerdump/main.o out/lib/libledger.a ${LIBCOMMON} ${LIB_LEDGER}
out/libexec/keybrokerd/egress: keybrokerd/egress/main.o out/lib/libegress.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/egress/main.o out/lib/libegress.a ${LIBCOMMON} ${LIB_EGRESS}
out/libexec/keybrokerd/kms: keybrokerd/kms/main.o out/lib/libkms.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/kms/main.o out/lib/libkms.a ${LIBCOMMON} ${LIB_KMS}
out/libexec/keybrokerd/dial: keybrokerd/dial/main.o out/lib/libdial.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/dial/main.o out/lib/libdial.a ${LIBCOMMON} ${LIB_BASE}
out/libexec/keybrokerd/tlskey: keybrokerd/tlskey/main.o out/lib/libtlskey.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/tlskey/main.o out/lib/libtlskey.a ${LIBCOMMON} ${LIB_TLSKEY}
out/libexec/keybrokerd/export: keybrokerd/export/main.o out/lib/libexport.a ${LIBCOMMON}
	@mkdir -p out/libexec/keybrokerd
	${CC} ${LDFLAGS} -o $@ keybrokerd/export/main.o out/lib/libexport.a ${LIBCOMMON} ${LIB_EXPORT}

# --- first use ----------------------------------------------------------------
run:
	@sh mk/need.sh install build run
	@${MAKE} -s all provider
	@sh mk/run.sh

# --- install: the parents are linked again with PREFIX in paths.o -------------
install: all
	mkdir -p ${DESTDIR}${PREFIX}/sbin ${DESTDIR}${PREFIX}/bin \
	    ${DESTDIR}${PREFIX}/libexec/proxyd \
	    ${DESTDIR}${PREFIX}/libexec/keybrokerd \
	    ${DESTDIR}${PREFIX}/share/man/man1 ${DESTDIR}${PREFIX}/share/man/man5 \
	    ${DESTDIR}${PREFIX}/share/man/man7 ${DESTDIR}${PREFIX}/share/man/man8 \
	    ${DESTDIR}${PREFIX}/share/proxyd/examples
	${CC} ${ALL_CFLAGS} -DLIBEXEC='"${PREFIX}/libexec"' -c -o out/paths-prefix.o common/proc/paths.c
	${CC} ${LDFLAGS} -o ${DESTDIR}${PREFIX}/sbin/proxyd proxyd/parent/main.o out/paths-prefix.o out/lib/libproxyd.a ${LIBCOMMON} ${LIB_BASE}
	${CC} ${LDFLAGS} -o ${DESTDIR}${PREFIX}/sbin/keybrokerd keybrokerd/parent/main.o out/paths-prefix.o out/lib/libkeyd.a ${LIBCOMMON} -lmd ${LIB_BASE}
	${CC} ${LDFLAGS} -o ${DESTDIR}${PREFIX}/bin/auditverify keybrokerd/auditverify/main.o out/paths-prefix.o out/lib/libverify.a ${LIBCOMMON} ${LIB_VERIFY}
	install -m 755 out/sbin/proxyctl ${DESTDIR}${PREFIX}/sbin/
	install -m 755 out/libexec/proxyd/worker ${DESTDIR}${PREFIX}/libexec/proxyd/
	install -m 755 out/libexec/keybrokerd/* ${DESTDIR}${PREFIX}/libexec/keybrokerd/
	install -m 644 etc/proxyd.conf etc/keybrokerd.conf ${DESTDIR}${PREFIX}/share/proxyd/examples/
	sh mk/etc.sh "${DESTDIR}" "${PREFIX}"
	for s in 1 5 7 8; do install -m 644 man/*.$$s ${DESTDIR}${PREFIX}/share/man/man$$s/; done

# out/proxyd_VERSION_ARCH.deb; needs dpkg-dev.
deb: all
	@MAKE="${MAKE}" sh mk/deb.sh
# The chart, rendered, linted and checked (regress/peers/helm.t.sh).
helm:
	@mkdir -p obj/peers
	@cd obj/peers && sh ../../regress/peers/helmtools.sh go/helm
	@sh regress/peers/helm.t.sh

# --- regress ----------------------------------------------------------------
provider: out/regress/provider
out/regress/provider: regress/scenario/provider/*.c ${LIBCOMMON}
	@mkdir -p out/regress
	${CC} ${ALL_CFLAGS} ${LDFLAGS} -o $@ regress/scenario/provider/*.c ${LIBCOMMON} -ltls -levent_core -lcrypto ${LIB_BASE}

out/regress/kmsdrive: regress/peers/kmsdrive.c regress/unit/kms/drive.c out/lib/libkms.a ${LIBCOMMON}
	@mkdir -p out/regress
	${CC} ${ALL_CFLAGS} ${LDFLAGS} -o $@ regress/peers/kmsdrive.c regress/unit/kms/drive.c out/lib/libkms.a ${LIBCOMMON} ${LIB_KMS}

tools: out/regress/inject out/regress/sweep out/regress/tlsconn out/regress/sweepcheck out/regress/load
out/regress/sweepcheck: regress/scenario/sweep/sweepcheck.c
	@mkdir -p out/regress
	${CC} ${WARN} -O2 -D_GNU_SOURCE -o $@ regress/scenario/sweep/sweepcheck.c -lsqlite3 -lcrypto
out/regress/tlsconn: regress/scenario/tlsconn.c
	@mkdir -p out/regress
	${CC} ${WARN} -O1 -D_GNU_SOURCE -o $@ regress/scenario/tlsconn.c -ltls
out/regress/inject: regress/isolation/tools/inject.c
	@mkdir -p out/regress
	${CC} ${WARN} -O1 -D_GNU_SOURCE -o $@ regress/isolation/tools/inject.c
out/regress/sweep: regress/isolation/tools/sweep.c
	@mkdir -p out/regress
	${CC} ${WARN} -O2 -D_GNU_SOURCE -o $@ regress/isolation/tools/sweep.c
# The broker between model peers on a virtual clock, from a seed.
out/sim/sim: regress/sim/*.c regress/sim/sim.h mk/sim.sh out/lib/libbroker.a out/lib/libegress.a out/lib/libverify.a ${LIBCOMMON}
	@sh mk/sim.sh $@ "${CC}" "${ALL_CFLAGS}" "${LDFLAGS}"
# Secrets in ordinary pages: for the leak sweep's control only.
ordinary:
	@sh mk/farm.sh ordinary
	@${MAKE} -s -j2 -C obj/ordinary all EXTRA_CFLAGS=-DSECRET_ORDINARY

# The control of the durability proofs: records are acknowledged before they
# are on the device.  Not for service, and keybrokerd -V says so.
nosync:
	@sh mk/farm.sh nosync
	@${MAKE} -s -j2 -C obj/nosync all EXTRA_CFLAGS="-DNOT_FOR_SERVICE -DSECRET_ORDINARY"

# Longer runs of what regress does in small: make kill KILLS=1000,
# make order CALLS=100000, make power CUTS=500.
keys-load: all provider
	AGENTS=10000 KEYS=100000 sh regress/scenario/keysload.sh
kill: all provider
	@KILLS=$${KILLS:-1000} sh regress/scenario/kill.sh
order: all provider ordinary nosync
	@CALLS=$${CALLS:-100000} sh regress/scenario/order.sh
# A million values: make sweep VALUES=1000000 KILLS=100 SECS=60.
sweep: all provider tools
	@VALUES=$${VALUES:-1000000} KILLS=$${KILLS:-100} SECS=$${SECS:-60} sh regress/scenario/sweep.sh
power: all provider nosync
	@CUTS=$${CUTS:-500} sh regress/scenario/power.sh

# The gateway beside nginx and HAProxy; QUICK=1 to try the bench itself, other
# settings at the top of regress/bench/bench.sh.
bench:
	@sh mk/need.sh install build run bench
	@${MAKE} -s -j2 all bench-tools
	@${MAKE} -s nosync
	@sh regress/bench/bench.sh
bench-tools: out/regress/load out/regress/fast out/regress/fsync
# OpenSSL inside, so that its pages are not shared with what is measured.
out/regress/load: regress/bench/load.c regress/bench/wire.c regress/bench/bench.h
	@mkdir -p out/regress
	${CC} ${WARN} -O2 -D_GNU_SOURCE -I. -o $@ regress/bench/load.c regress/bench/wire.c -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic
out/regress/fast: regress/bench/fast.c regress/bench/wire.c regress/bench/bench.h
	@mkdir -p out/regress
	${CC} ${WARN} -O2 -D_GNU_SOURCE -I. -o $@ regress/bench/fast.c regress/bench/wire.c -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic
out/regress/fsync: regress/bench/fsync.c regress/bench/wire.c regress/bench/bench.h
	@mkdir -p out/regress
	${CC} ${WARN} -O2 -D_GNU_SOURCE -I. -o $@ regress/bench/fsync.c regress/bench/wire.c -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic

# Numbers of keys: authentication, revocation.
out/regress/bench-authn: regress/bench/authn.c out/lib/libbroker.a ${LIBCOMMON}
	@mkdir -p out/regress
	${CC} ${ALL_CFLAGS} ${LDFLAGS} -o $@ regress/bench/authn.c out/lib/libbroker.a ${LIBCOMMON} ${LIB_BROKER}
bench-keys:
	@${MAKE} -s -j2 all provider out/regress/bench-authn
	@sh regress/bench/keys.sh

# What a call costs the broker alone, in CPU time and in instructions.
out/regress/bench-broker: regress/bench/broker.c regress/unit/call/rig.c regress/unit/call/rig.h out/lib/libbroker.a ${LIBCOMMON}
	@mkdir -p out/regress
	${CC} ${ALL_CFLAGS} ${LDFLAGS} -o $@ regress/bench/broker.c regress/unit/call/rig.c -Wl,--wrap=fatalx -Wl,--wrap=fatal out/lib/libbroker.a ${LIBCOMMON} ${LIB_BROKER} -lcmocka
bench-broker:
	@sh mk/need.sh check build regress
	@${MAKE} -s out/regress/bench-broker
	@sh regress/bench/broker.sh

units: ${UNIT_BIN}
${UNIT_BIN}: ${ROLE_LIBS} ${LIBCOMMON} FORCE
	@mkdir -p out/unit
	@sh mk/unit.sh "$@" "${CC}" "${ALL_CFLAGS}" "${LDFLAGS}" "${ROLE_LIBS} ${LIBCOMMON}" "${LIB_TEST}"
FORCE:

# Flavours: the same Makefile in a symlink farm with other flags, so that no
# object file ever serves two of them.
asan-units:
	@sh mk/farm.sh asan
	@${MAKE} -s -j2 -C obj/asan units FLAVOUR=asan LDFLAGS="-fsanitize=address,undefined -Wl,--as-needed" \
	    CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DFLAVOUR_ASAN"
unit: asan-units
	@CMOCKA_MESSAGE_OUTPUT=TAP prove -e '' obj/asan/out/unit/*

fuzz: fuzz-farm
	@prove --exec 'sh regress/exec.sh' regress/fuzz/smoke.sh
fuzzers: ${FUZZ_BIN}
fuzz-farm:
	@sh mk/farm.sh fuzz
	@${MAKE} -s -j2 -C obj/fuzz fuzzers CC=clang-14 SYS_GCC= LDFLAGS="-fsanitize=address,undefined,fuzzer-no-link" \
	    CFLAGS="-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -Wno-unknown-warning-option -DFLAVOUR_ASAN"
${FUZZ_BIN}: ${ROLE_LIBS} ${LIBCOMMON} FORCE
	@mkdir -p out/fuzz
	@sh mk/fuzz.sh "$@" "${CC}" "${ALL_CFLAGS}" "${ROLE_LIBS} ${LIBCOMMON}" "${LIB_TEST}"

# The whole of it: unit programs (ASan+UBSan), scenarios with the real daemons,
# isolation, documentation, a smoke of each fuzzer.  One prove, one summary.
regress:
	@sh mk/need.sh install build run regress
	@${MAKE} -s -j2 all provider tools
	@${MAKE} -s asan-units
	@${MAKE} -s ordinary
	@${MAKE} -s nosync
	@${MAKE} -s fuzz-farm
	@sh regress/run.sh obj/asan/out/unit/* \
	    `ls regress/scenario/*.sh | grep -v /lib.sh` \
	    regress/isolation/*.sh regress/sim/sim.sh regress/model/model.sh \
	    regress/fuzz/smoke.sh

# One-line mutants of the call table, each of which the cells must catch.
mutants: ${ROLE_LIBS} ${LIBCOMMON}
	@sh mk/mutants.sh "${CC}" "${ALL_CFLAGS}" "${LDFLAGS}" "${ROLE_LIBS} ${LIBCOMMON}" "${LIB_TEST}"

# Real clients from other registries; what cannot be had is skipped loudly.
regress-peers:
	@sh mk/need.sh install build run regress peers
	@${MAKE} -s -j2 all provider
	@sh regress/peers/run.sh

lint:
	@sh mk/need.sh install build regress
	@sh mk/lint.sh

clean:
	rm -rf out obj
	find . -name '*.o' -o -name '*.d' | xargs rm -f
	rm -f proxyd/parent/parse.c keybrokerd/parent/parse.c proxyd/parent/default.c keybrokerd/parent/default.c

.PHONY: keys-load sweep bench-keys bench-broker bench bench-tools mutants tools ordinary nosync kill order power all need run install regress regress-peers lint provider units unit asan-units fuzzers fuzz-farm clean FORCE

-include ${COMMON_OBJ:.o=.d} ${WORKER_OBJ:.o=.d} ${PROXYD_OBJ:.o=.d} ${CTL_OBJ:.o=.d}
-include ${KEYD_OBJ:.o=.d} ${BROKER_OBJ:.o=.d} ${LEDGER_OBJ:.o=.d} ${EGRESS_OBJ:.o=.d}
-include ${EXPORT_OBJ:.o=.d} keybrokerd/export/main.d
-include keybrokerd/auditverify/main.d keybrokerd/ledgerdump/main.d
-include ${TLSKEY_OBJ:.o=.d} ${DIAL_OBJ:.o=.d} ${VERIFY_OBJ:.o=.d}
-include proxyd/parent/main.d proxyd/worker/main.d proxyd/proxyctl/main.d
-include keybrokerd/parent/main.d keybrokerd/broker/main.d keybrokerd/ledger/main.d
-include keybrokerd/egress/main.d keybrokerd/dial/main.d keybrokerd/tlskey/main.d
-include ${KMS_OBJ:.o=.d}
