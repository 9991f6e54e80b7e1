/* SPDX-License-Identifier: ISC */
/*
 * The control socket: accept, ask the kernel who is there, pass the descriptor
 * to the broker.  Nothing is read or relayed here.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/parent/keybrokerd.h"

#define CTL_PATH_MAX	100

static int
control_path(struct keyd *k)
{
	char	 path[PATH_MAX + 16];

	if (k->conf.control[0] != '\0')
		strlcpy(path, k->conf.control, sizeof(path));
	else {
		if (args_mkdirs(k->args.rundir, 0755) == -1) {
			log_warn("%s", k->args.rundir);
			return -1;
		}
		snprintf(path, sizeof(path), "%s/ctl.sock", k->args.rundir);
	}
	if (strlen(path) > CTL_PATH_MAX) {
		log_warnx("control socket path is over %d bytes: %s; name a "
		    "shorter one by \"control\" in keybrokerd.conf",
		    CTL_PATH_MAX, path);
		return -1;
	}
	strlcpy(k->ctlpath, path, sizeof(k->ctlpath));
	return 0;
}

int
control_listen(struct keyd *k)
{
	struct sockaddr_un	 sun;
	mode_t			 old;
	int			 r;

	if (control_path(k) == -1)
		return -1;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, k->ctlpath, sizeof(sun.sun_path));
	k->ctlfd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (k->ctlfd == -1) {
		log_warn("control socket");
		return -1;
	}
	/* The lock says that nobody else serves here. */
	if (unlink(k->ctlpath) == -1 && errno != ENOENT)
		log_warn("%s", k->ctlpath);
	old = umask(0177);
	r = bind(k->ctlfd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	if (r == -1 || listen(k->ctlfd, 16) == -1) {
		log_warn("control socket %s", k->ctlpath);
		return -1;
	}
	poll_add(k->poll, k->ctlfd, POLLIN, control_accept, k);
	return 0;
}

void
control_accept(void *arg, int fd, short revents)
{
	struct keyd	*k;
	struct kid	*broker;
	struct ucred	 uc;
	struct msgw	 w;
	socklen_t	 len;
	int		 s;

	(void)revents;
	k = arg;
	s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (s == -1)
		return;
	len = sizeof(uc);
	broker = roles_find(k, ROLE_BROKER, 0);
	if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &uc, &len) == -1 ||
	    (uc.uid != 0 && uc.uid != geteuid()) || broker == NULL ||
	    !broker->up) {
		close(s);
		return;
	}
	msg_open(&w, M_CONTROL);
	msg_put_u32(&w, (uint32_t)uc.uid);
	msg_put_u8(&w, 1);
	if (msg_send(&broker->channel, &w, s) == -1)
		log_warn("CONTROL");
}
