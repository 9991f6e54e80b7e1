/* SPDX-License-Identifier: ISC */
/*
 * The kms role: one at a time, for one exchange that the broker asks for.  It
 * gets what it may have when it has everybody that it needs, and not before:
 * credentials of the KMS leave this process only towards it, unread.  It is
 * started ahead of the first SPAWN, since a start waits for it.
 */
#include <sha2.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/secret/secret.h"
#include "keybrokerd/parent/keybrokerd.h"

/* One each: a descriptor that two processes read has one offset. */
int
kmsrole_list(const struct keyd *k)
{
	return secret_sealed("kms", k->kmshosts, k->kmshostslen);
}

static void
drop(struct keyd *k)
{
	if (k->kmsfd != -1)
		close(k->kmsfd);
	k->kmsfd = -1;
}

/* Everybody is there: sources first, the broker's link last (kms.h). */
static void
connect_all(struct keyd *k)
{
	struct kid	*broker, *dial, *kms;

	broker = roles_find(k, ROLE_BROKER, 0);
	dial = roles_find(k, ROLE_DIAL, 0);
	kms = roles_find(k, ROLE_KMS, 0);
	if (k->kmsfd == -1 || !roles_up(broker) || !roles_up(dial) ||
	    !roles_up(kms) || kms->linked)
		return;
	kms->linked = 1;
	source_send_kms(k, &kms->channel);
	roles_join(dial, kms);
	roles_peer(kms, ROLE_BROKER, 0, broker->generation, k->kmsfd);
	k->kmsfd = -1;
}

/*
 * The broker has its end at once; the link ends without RESULT if no kms can
 * take the other one.  The last exchange's kms may still be ending.
 */
void
kmsrole_spawn(struct keyd *k)
{
	struct kid	*broker, *kms;
	uint32_t	 next;
	int		 fd[2];

	broker = roles_find(k, ROLE_BROKER, 0);
	roles_want(k, ROLE_KMS, 0);
	kms = roles_find(k, ROLE_KMS, 0);
	if (kms == NULL || !roles_up(broker))
		return;
	drop(k);
	if (msg_pair(fd) == -1) {
		log_warn("socketpair");
		return;
	}
	next = kms->generation + (kms->pid == 0 || kms->linked ? 1 : 0);
	roles_peer(broker, ROLE_KMS, 0, next, fd[0]);
	if (kms->reap.stopped) {
		close(fd[1]);
		return;
	}
	k->kmsfd = fd[1];
	if (kms->pid == 0)
		kms->next_start = 0;
	connect_all(k);
}

static void
send_list(struct keyd *k, struct kid *dial)
{
	SHA2_CTX	 h;
	struct msgw	 w;
	uint8_t		 digest[32];
	int		 fd;

	if ((fd = kmsrole_list(k)) == -1) {
		log_warn("hosts of the KMS");
		return;
	}
	SHA256Init(&h);
	SHA256Update(&h, k->kmshosts, k->kmshostslen);
	SHA256Final(digest, &h);
	msg_open(&w, M_BLOB);
	msg_put_raw(&w, digest, sizeof(digest));
	if (msg_send(&dial->channel, &w, fd) == -1)
		log_warn("BLOB");
}

void
kmsrole_up(struct keyd *k, struct kid *kid)
{
	if (k->kmsuri[0] == '\0')
		return;
	if (kid->role == ROLE_DIAL)
		send_list(k, kid);
	connect_all(k);
}

uint64_t
kmsrole_gone(struct keyd *k, struct kid *kid, uint64_t now)
{
	/* What waits is of the next exchange, or was this one's. */
	if (!kid->linked || kid->reap.stopped)
		drop(k);
	kid->linked = 0;
	return k->kmsfd != -1 ? now : UINT64_MAX;
}

void
kmsrole_end(struct keyd *k)
{
	struct kid	*kms;

	drop(k);
	kms = roles_find(k, ROLE_KMS, 0);
	if (kms == NULL || kms->pid == 0 || !kms->linked)
		return;
	/* It may wait for a service, and reads nothing of ours then. */
	kms->expected = 1;
	kill(kms->pid, SIGKILL);
}
