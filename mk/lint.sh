#!/bin/sh
# lint.sh [quick]: manual pages, spelling; then static analysis.  Any finding is
# an error.
set -u
bad=0
out=$(cd man && mandoc -Tlint ./*.[1578] 2>&1 | grep -v 'outdated mandoc.db')
[ -z "$out" ] || { echo "$out"; bad=1; }
# Words that are meant: names of variables, pieces of texts cut by a test, and
# the spelling of llhttp's own names.
codespell -q 3 -L ot,fo,te,nd,ba,wan,ue,inout,crate,pres,hsi,ser,upto,ans,provid,nulll,keep-alives,nin,includ,enconding,valu,inflight,aks \
    --skip '*.o,*.a,*.d,parse.c,seeds,*.json,*.txt' \
    README.md SECURITY.md man common proxyd keybrokerd regress mk etc || bad=1
[ "${1:-}" = quick ] && exit $bad
cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr \
    --error-exitcode=1 --suppress=missingIncludeSystem -I. \
    --suppress=normalCheckLevelMaxBranches \
    "-Djson_object_foreach(o,k,v)=while((v=json_object_get(o,k))!=NULL)" \
    $(find common proxyd keybrokerd -name '*.c' ! -name '*_openbsd.c' ! -name parse.c) || bad=1
# clang's analyser, a file at a time (about 10 minutes on two cores); what it
# has passed is remembered in obj/lint by the text that the compiler saw.
CLANG=$(command -v clang-14) || CLANG=
if [ -z "$CLANG" ]; then
	echo "lint: clang-14 is not installed: no static analysis"
	exit $bad
fi
mkdir -p obj/lint
export CLANG
find common proxyd keybrokerd -name '*.c' ! -name '*_openbsd.c' |
    xargs -P 2 -n 1 sh -c '
	set -- "$1" -std=gnu11 -D_GNU_SOURCE "-DLIBEXEC=\"/\"" -I.
	sum=$("$CLANG" -E "$@" 2>/dev/null | sha256sum | cut -c1-40)
	[ ! -e "obj/lint/$sum" ] || exit 0
	out=$("$CLANG" --analyze -Xclang -analyzer-output=text -Wno-everything \
	    "$@" -o /dev/null 2>&1)
	[ -z "$out" ] && : > "obj/lint/$sum" && exit 0
	printf "%s\n" "$out"
	exit 1' analyse || bad=1
exit $bad
