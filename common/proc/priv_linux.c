/* SPDX-License-Identifier: ISC */
/* What leaving root needs from Linux: namespaces and capabilities. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>

#include "common/compat/compat.h"
#include "common/proc/priv.h"

#define KEPT	(1ULL << CAP_SETUID | 1ULL << CAP_SETGID |		\
		    1ULL << CAP_SYS_CHROOT | 1ULL << CAP_NET_BIND_SERVICE | \
		    1ULL << CAP_KILL)

static int
caps_get(struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct	 head;

	head.version = _LINUX_CAPABILITY_VERSION_3;
	head.pid = 0;
	return syscall(SYS_capget, &head, data);
}

/* See priv.h.  -1: not with these capabilities, named by the caller. */
int
priv_netns(void)
{
	struct __user_cap_data_struct	 data[2];

	if (caps_get(data) == -1)
		return -1;
	if ((data[0].effective & 1U << CAP_SYS_ADMIN) == 0) {
		errno = EPERM;
		return -1;
	}
	return unshare(CLONE_NEWNET);
}

/* See priv.h: bounding set first, which needs SETPCAP, then the own sets. */
int
priv_limit_caps(void)
{
	struct __user_cap_header_struct	 head;
	struct __user_cap_data_struct	 data[2];
	uint64_t			 kept;
	int				 cap, i;

	for (cap = 0; cap < 64; cap++) {
		if ((KEPT >> cap & 1) != 0 ||
		    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1 &&
		    errno != EPERM)
			return -1;
	}
	if (caps_get(data) == -1)
		return -1;
	kept = KEPT;
	for (i = 0; i < 2; i++) {
		data[i].permitted &= kept >> (32 * i) & 0xffffffff;
		data[i].effective &= data[i].permitted;
		data[i].inheritable = 0;
	}
	head.version = _LINUX_CAPABILITY_VERSION_3;
	head.pid = 0;
	return syscall(SYS_capset, &head, data);
}
