# SPDX-License-Identifier: ISC
# A stream that a revocation cuts is an error to the official JavaScript SDKs.
. regress/peers/peerlib.sh
need_peer node
gw_start
CUT_ADMIN=$(ctl admin-key)
export CUT_ADMIN
cp regress/peers/cut_client.mjs "$PEERS/"
client "npm cut" node "$PEERS/cut_client.mjs"
settle
finish
