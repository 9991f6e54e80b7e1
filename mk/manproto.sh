#!/bin/sh
# manproto.sh: man/keybroker-protocol.7 from its .in and proto.h.
set -eu
sh mk/protocol.sh > man/.messages
sed -e '/@MESSAGES@/{r man/.messages' -e 'd;}' man/keybroker-protocol.7.in > man/keybroker-protocol.7
rm -f man/.messages
