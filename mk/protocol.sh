#!/bin/sh
# protocol.sh: the message list of keybroker-protocol(7), from proto.h.
set -eu
sed -n 's/^X(\([A-Z_]*\),[ 	]*\(0x[0-9a-f]*\), *\([A-Z]*\), *\([A-Z]*\), *\([A-Z]\), *\([A-Z_0-9]*\), *\([01]\)).*/\1 \2 \3 \4 \5 \6 \7/p' \
    common/ipc/proto.h | while read -r name num link dir class max fd; do
	case $link in
	WB) l="worker, broker" ;; CTL) l="control, broker" ;;
	BE) l="broker, egress" ;; BL) l="broker, ledger" ;;
	ED) l="egress, dial" ;; PR) l="parent, role" ;;
	WT) l="worker, tlskey" ;; KP) l="the two parents" ;; BK) l="broker, kms" ;; BX) l="broker, export" ;; *) l=$link ;;
	esac
	[ "$dir" = UP ] && d=up || d=down
	[ "$class" = A ] && a=" admin" || a=
	[ "$fd" = 1 ] && f=" fd" || f=
	echo ".It $name Ta $num Ta $l Ta $d$a$f Ta $max"
done
