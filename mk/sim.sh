#!/bin/sh
# SPDX-License-Identifier: ISC
# sim.sh OUT CC CFLAGS LDFLAGS [OBJECT...]: the simulation.  Objects come
# before the archives, so that a mutant takes the place of the real file.
set -eu
out=$1 cc=$2 cflags=$3 ldflags=$4
shift 4
mkdir -p "$(dirname "$out")"
wrap=
for f in call_event epoch_ceremony epoch_prove epoch_tops \
    epoch_prove_block fatal fatalx; do
	wrap="$wrap -Wl,--wrap=$f"
done
# shellcheck disable=SC2086
exec $cc $cflags $ldflags -o "$out" regress/sim/*.c "$@" $wrap \
    -Wl,--start-group out/lib/libbroker.a out/lib/libegress.a \
    out/lib/libverify.a out/lib/libcommon.a -Wl,--end-group \
    -levent_core -lcurl -lssl -lsodium -lcrypto -lbsd -lseccomp
