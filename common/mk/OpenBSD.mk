# Untested: no such machine in CI.
SYS_CFLAGS =
SYS_HARDEN =	-O2 -g -fstack-protector-strong -fPIE
SYS_GCC =
SYS_LDFLAGS =	-pie
LIB_BASE =
YACC =		yacc
