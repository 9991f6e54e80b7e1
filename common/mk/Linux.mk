# Debian 12: libbsd in overlay mode gives the BSD names.  The last line holds
# the flags that only gcc takes; fuzz builds (clang) empty it.
SYS_CFLAGS =	-D_GNU_SOURCE -isystem /usr/include/bsd -DLIBBSD_OVERLAY
SYS_HARDEN =	-O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE \
		-fstack-clash-protection -fcf-protection
SYS_GCC =	-ftrivial-auto-var-init=zero -fzero-call-used-regs=used
SYS_LDFLAGS =	-pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
LIB_BASE =	-lbsd -lseccomp
YACC =		bison -y
