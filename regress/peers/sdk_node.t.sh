# SPDX-License-Identifier: ISC
# The official JavaScript SDKs, plain, streaming, tools, errors.
. regress/peers/peerlib.sh
need_peer node
gw_start
# An ES module resolves its imports from its own folder.
cp regress/peers/*.mjs "$PEERS/"
client "npm openai" node "$PEERS/openai_client.mjs"
client "npm @anthropic-ai/sdk" node "$PEERS/anthropic_client.mjs"
settle
finish
