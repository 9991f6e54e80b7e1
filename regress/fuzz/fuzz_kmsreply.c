/* SPDX-License-Identifier: ISC */

/*
 * Answers of a KMS and of whatever gives its credentials: the first byte
 * chooses back end and operation, each run up to "\xff\xfe" is the whole answer
 * to the next request.  Whatever comes: one class, a key only with OK and then
 * of 32 bytes, and a bounded number of requests.
 */

#include <sys/socket.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "common/secret/secret.h"
#include "keybrokerd/kms/kms.h"

#define MAX_REQUESTS	24

static const char *const	uris[] = {
	"aws_kms://alias/x",
	"aws_kms://arn:aws:kms:us-east-1:1:key/k",
	"gcp_kms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
	"azure_kv://tappass-kv/s",
	"azure_kv_wrap://tappass-kv/k",
	"vault://secret/data/a",
	"vault_transit://k",
};

static const char *const	env[] = {
	"AWS_ENDPOINT_URL=http://127.0.0.1:1/", "AWS_REGION=us-east-1",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1/",
	"TAPPASS_GCP_KMS_ENDPOINT=http://127.0.0.1:1",
	"GCE_METADATA_HOST=127.0.0.1:1",
	"TAPPASS_AZURE_KV_ENDPOINT=http://127.0.0.1:1",
	"AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1",
	"VAULT_ADDR=http://127.0.0.1:1", "VAULT_ROLE_ID=r",
	"VAULT_SECRET_ID=s",
};

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const uint8_t	*input;
static size_t		 left;
static int		 peers[MAX_REQUESTS];
static int		 npeers;
static size_t		 mark;

/* The next answer, whole, in a socket that ends behind it. */
int
fetch_connect(struct kms *k, int row, const char *label, uint64_t deadline,
    char *why, size_t size)
{
	const uint8_t	*end;
	size_t		 n;
	int		 fd[2];

	(void)k;
	(void)row;
	(void)label;
	(void)deadline;
	strlcpy(why, "nothing more", size);
	if (npeers == MAX_REQUESTS)
		abort();
	if (left == 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1)
		return -1;
	end = memmem(input, left, "\xff\xfe", 2);
	n = end == NULL ? left : (size_t)(end - input);
	if (write(fd[1], input, n > 65536 ? 65536 : n) == -1)
		abort();
	shutdown(fd[1], SHUT_WR);
	peers[npeers++] = fd[1];
	input += end == NULL ? n : n + 2;
	left -= end == NULL ? n : n + 2;
	return fd[0];
}

static const char *
getter(void *arg, const char *name)
{
	size_t	 i, n;

	(void)arg;
	n = strlen(name);
	for (i = 0; i < nitems(env); i++)
		if (strncmp(env[i], name, n) == 0 && env[i][n] == '=')
			return env[i] + n + 1;
	return NULL;
}

static void
run(unsigned int choice)
{
	static const uint8_t	 key[32] = { 1 };
	static const uint8_t	 wrapped[] = { 0, 2, 'a', 'b', 1, 2, 3 };
	static struct kms	 k;
	enum proto_kms_class	 class;
	char			 why[256];

	memset(&k, 0, sizeof(k));
	strlcpy(k.uritext, uris[choice % nitems(uris)], sizeof(k.uritext));
	k.op = (uint8_t)(1 + choice / nitems(uris) % 4);
	if (kmsuri_parse(&k.uri, k.uritext, why, sizeof(why)) == -1 ||
	    kmstarget_list(&k.targets, k.uritext, getter, NULL, why,
	    sizeof(why)) == -1)
		abort();
	if (choice & 0x80)
		strlcpy(k.version, "previous", sizeof(k.version));
	k.key = key;
	k.keylen = sizeof(key);
	k.wrapped = wrapped;
	k.wrappedlen = sizeof(wrapped);
	k.deadline = poll_now() + 90 * NS_MS;
	class = kmsrun_exchange(&k);
	if (class >= KC_MAX || (class != KC_OK && (k.outkeylen != 0 ||
	    k.outwrappedlen != 0 || k.text[0] == '\0')) ||
	    (class == KC_OK && k.op != KMS_WRAP && k.outkeylen != 32))
		abort();
	while (npeers > 0)
		close(peers[--npeers]);
}

static void
start(void)
{
	const char	*eq;
	char		 name[64];
	size_t		 i;
	int		 fd, map;

	if (arena_init() == -1)
		abort();
	for (i = 0; i < nitems(env); i++) {
		eq = strchr(env[i], '=');
		memcpy(name, env[i], (size_t)(eq - env[i]));
		name[eq - env[i]] = '\0';
		fd = secret_memfd(eq + 1, strlen(eq + 1), &map);
		if (facts_add(SRC_ENV, map ? SRC_MAP : SRC_READ, name, fd) ==
		    -1)
			abort();
	}
	/* The buffers that stay are made by a first exchange. */
	run(5);
	mark = arena_mark();
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static int	 started;

	if (!started) {
		left = 0;
		start();
		started = 1;
	}
	if (n < 2)
		return 0;
	input = p + 1;
	left = n - 1;
	run(p[0]);
	arena_release(mark);
	return 0;
}
