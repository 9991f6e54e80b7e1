#!/bin/sh
# farm.sh NAME: obj/NAME becomes a tree of links to the sources, so that the
# same Makefile builds there with other flags and its own object files.
set -eu
top=$(pwd)
farm=obj/$1
mkdir -p "$farm"
find common proxyd keybrokerd regress mk etc man -type d |
    while read -r d; do mkdir -p "$farm/$d"; done
find -L "$farm" -path "$farm/out" -prune -o -type l -print |
    while read -r l; do rm -f "$l"; done
find common proxyd keybrokerd regress mk etc man -type f ! -name '*.[oda]' \
    ! -name parse.c ! -name default.c | while read -r f; do
	[ -L "$farm/$f" ] || ln -s "$top/$f" "$farm/$f"
done
[ -L "$farm/Makefile" ] || ln -s "$top/Makefile" "$farm/Makefile"
