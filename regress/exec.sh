#!/bin/sh
# SPDX-License-Identifier: ISC
# exec.sh FILE: how prove starts one test.
case $1 in
*.sh) exec sh "$1" ;;
*) exec "$1" ;;
esac
