/* SPDX-License-Identifier: ISC */
#ifndef COMMON_LOG_LOG_H
#define COMMON_LOG_LOG_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Lines of at most 1,000 bytes, control characters escaped; vsnprintf + write,
 * no stdio, errno kept.  A role writes to its log pipe (fd 5) "<level> text\n",
 * its parent prefixes role and instance and bounds the rate, so that a child
 * can neither forge its name nor flood.  Parents write to stderr (-d, or no
 * /dev/log) or syslog.  Never a secret, never a body.
 */
enum log_level { LOG_L_DEBUG, LOG_L_INFO, LOG_L_WARN, LOG_L_ERR };

void	 log_role(const char *name, int fd);		/* in a role */
void	 log_parent(const char *name, int tostderr);	/* in a parent */
void	 log_verbose(int);				/* debug lines too */
/* In a parent: one line that a role wrote; level digit parsed off. */
void	 log_child(const char *who, const char *line, size_t len);
void	 log_debug(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_info(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_warnx(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_warn(const char *, ...) __attribute__((format(printf, 1, 2)));
/* The code that fatal and fatalx end with from here on (sysexits), else 1. */
void	 log_exit(int code);
void	 fatal(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));	/* + errno */
void	 fatalx(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));

#endif
