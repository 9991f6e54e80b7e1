#!/bin/sh
# text.sh NAME FILE OUT: FILE as a C string constant, so that the shipped
# example and the built-in default are one text.
set -eu
{
	echo "/* Made by mk/text.sh from $2; do not edit. */"
	echo "extern const char $1[];"
	echo "const char $1[] ="
	sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/	"&\\n"/' "$2"
	echo "	;"
} > "$3"
