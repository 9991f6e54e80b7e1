# SPDX-License-Identifier: ISC
# A stream that a revocation cuts is an error to the official Python SDKs.
. regress/peers/peerlib.sh
need_peer python
gw_start
CUT_ADMIN=$(ctl admin-key)
export CUT_ADMIN
client "PyPI cut" "$PEERS/py/bin/python" regress/peers/cut_client.py
settle
finish
