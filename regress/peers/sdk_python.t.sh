# SPDX-License-Identifier: ISC
# The official Python SDKs, plain, streaming, tools, errors.
. regress/peers/peerlib.sh
need_peer python
gw_start
client "PyPI openai" "$PEERS/py/bin/python" regress/peers/openai_client.py
client "PyPI anthropic" "$PEERS/py/bin/python" regress/peers/anthropic_client.py
settle
finish
