#!/bin/sh
# lint.sh [quick]: manual pages, spelling; then static analysis.  Any finding is
# an error.
set -u
bad=0
out=$(cd man && mandoc -Tlint ./*.[1578] 2>&1 | grep -v 'outdated mandoc.db')
[ -z "$out" ] || { echo "$out"; bad=1; }
# Words that are meant: names of variables, pieces of texts cut by a test, and
# the spelling of llhttp's own names.
codespell -q 3 -L ot,fo,te,nd,ba,wan,ue,inout,crate,pres,hsi,ser,upto,ans,provid,nulll,keep-alives,nin,includ,enconding,valu,inflight \
    --skip '*.o,*.a,*.d,parse.c,seeds,*.json,*.txt' \
    README.md SECURITY.md man common proxyd keybrokerd regress mk etc || bad=1
[ "${1:-}" = quick ] && exit $bad
cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr \
    --error-exitcode=1 --suppress=missingIncludeSystem -I. \
    --suppress=normalCheckLevelMaxBranches \
    "-Djson_object_foreach(o,k,v)=while((v=json_object_get(o,k))!=NULL)" \
    $(find common proxyd keybrokerd -name '*.c' ! -name '*_openbsd.c' ! -name parse.c) || bad=1
if command -v scan-build-14 >/dev/null 2>&1; then
	sh mk/farm.sh scan
	rm -f $(find obj/scan -name '*.o')
	(cd obj/scan && scan-build-14 --status-bugs -o out/scan make -s all \
	    SYS_GCC= CFLAGS="-O1 -g" WARN="-std=gnu11" >out.log 2>&1) ||
	    { tail -n 40 obj/scan/out.log; bad=1; }
else
	echo "lint: scan-build-14 (package clang-tools-14) is not installed: skipped"
fi
exit $bad
