/* SPDX-License-Identifier: ISC */
/*
 * sweep PATTERNS PID...: searches the readable memory of processes for secrets
 * in twelve encodings.  PATTERNS has lines "NAME VALUE".  Prints "hit PID NAME
 * ENCODING COUNT" and at the end "scanned BYTES".  Mappings that the kernel
 * refuses to show (memfd_secret) are counted, not guessed.
 * sweep -plant VALUE PID: writes VALUE below the stack of PID: the control that
 * must be found.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATTERNS	32
#define NEEDLES		(PATTERNS * 12)
#define WINDOW		(4 * 1024 * 1024)

struct needle {
	char		 name[32], enc[16];
	unsigned char	*p;
	size_t		 len;
	unsigned long	 hits;
};

static struct needle	 needles[NEEDLES];
static size_t		 nneedles;
static unsigned long long scanned, refused;
/* Which needles begin with these two bytes: one pass over the memory. */
static unsigned char	 begins[65536];

static void
add(const char *name, const char *enc, const void *p, size_t len)
{
	struct needle	*n;

	if (nneedles == NEEDLES || len < 8)
		return;
	n = &needles[nneedles++];
	snprintf(n->name, sizeof(n->name), "%s", name);
	snprintf(n->enc, sizeof(n->enc), "%s", enc);
	n->p = malloc(len);
	memcpy(n->p, p, len);
	n->len = len;
	begins[n->p[0] << 8 | n->p[1]] = 1;
}

static size_t
base64(const unsigned char *in, size_t len, char *out, const char *tab)
{
	size_t	 i, o;

	for (i = o = 0; i + 3 <= len; i += 3) {
		out[o++] = tab[in[i] >> 2];
		out[o++] = tab[(in[i] & 3) << 4 | in[i + 1] >> 4];
		out[o++] = tab[(in[i + 1] & 15) << 2 | in[i + 2] >> 6];
		out[o++] = tab[in[i + 2] & 63];
	}
	return o;
}

static void
encodings(const char *name, const char *v)
{
	static const char std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
	    "stuvwxyz0123456789+/";
	static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
	    "stuvwxyz0123456789-_";
	char		 buf[4096], label[16];
	size_t		 i, len;

	len = strlen(v);
	if (len > 1000)
		return;
	add(name, "raw", v, len);
	for (i = 0; i < 3; i++) {
		snprintf(label, sizeof(label), "base64-%zu", i);
		add(name, label, buf, base64((const unsigned char *)v + i,
		    len - i, buf, std));
	}
	add(name, "base64url", buf, base64((const unsigned char *)v, len, buf,
	    url));
	for (i = 0; i < len; i++)
		snprintf(buf + 2 * i, 3, "%02x", (unsigned char)v[i]);
	add(name, "hex", buf, 2 * len);
	for (i = 0; i < len; i++)
		snprintf(buf + 2 * i, 3, "%02X", (unsigned char)v[i]);
	add(name, "HEX", buf, 2 * len);
	for (i = 0; i < len; i++)
		snprintf(buf + 3 * i, 4, "%%%02X", (unsigned char)v[i]);
	add(name, "percent", buf, 3 * len);
	for (i = 0; i < len; i++)
		buf[i] = v[len - 1 - i];
	add(name, "reversed", buf, len);
	for (i = 0; i < len; i++) {
		buf[2 * i] = v[i];
		buf[2 * i + 1] = 0;
	}
	add(name, "utf16le", buf, 2 * len - 1);
	for (i = 0; i < len; i++)
		buf[i] = (char)(v[i] ^ 0xff);
	add(name, "inverted", buf, len);
	/* what a copy cut at a page leaves: the second half alone */
	add(name, "half", v + len / 2, len - len / 2);
}

static void
search(const unsigned char *p, size_t len)
{
	size_t	 i, j;

	for (i = 0; i + 8 <= len; i++) {
		if (!begins[p[i] << 8 | p[i + 1]])
			continue;
		for (j = 0; j < nneedles; j++)
			if (needles[j].len <= len - i && memcmp(p + i,
			    needles[j].p, needles[j].len) == 0)
				needles[j].hits++;
	}
}

static void
sweep_map(int fd, uint64_t from, uint64_t to, unsigned char *buf)
{
	ssize_t	 n;
	size_t	 want;

	while (from < to) {
		want = to - from < WINDOW ? to - from : WINDOW;
		n = pread(fd, buf, want, (off_t)from);
		if (n <= 0) {
			refused += want;
			return;
		}
		search(buf, (size_t)n);
		scanned += (unsigned long long)n;
		if ((size_t)n < want || from + (size_t)n >= to)
			from += (uint64_t)n;
		else
			from += (uint64_t)n - 1024;	/* overlap */
	}
}

static int
sweep_pid(const char *pid, unsigned char *buf)
{
	char		 path[64], line[512], perm[8];
	uint64_t	 from, to;
	FILE		*maps;
	size_t		 i;
	int		 fd;

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	if ((fd = open(path, O_RDONLY)) == -1) {
		/* It may have ended since it was listed: kms does. */
		printf("%s %s\n", errno == ENOENT || errno == ESRCH ? "gone" :
		    "unreadable", pid);
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	if ((maps = fopen(path, "r")) == NULL)
		return -1;
	for (i = 0; i < nneedles; i++)
		needles[i].hits = 0;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perm) != 3 ||
		    perm[0] != 'r' || strstr(line, "[vvar") != NULL ||
		    strstr(line, "[vsyscall]") != NULL)
			continue;
		sweep_map(fd, from, to, buf);
	}
	fclose(maps);
	close(fd);
	for (i = 0; i < nneedles; i++)
		if (needles[i].hits != 0)
			printf("hit %s %s %s %lu\n", pid, needles[i].name,
			    needles[i].enc, needles[i].hits);
	return 0;
}

static int
plant(const char *value, const char *pid)
{
	char		 path[64], line[512];
	uint64_t	 from, to;
	FILE		*maps;
	int		 fd;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	if ((maps = fopen(path, "r")) == NULL)
		return 1;
	from = 0;
	while (fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "[stack]") != NULL)
			sscanf(line, "%lx-%lx", &from, &to);
	fclose(maps);
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	if (from == 0 || (fd = open(path, O_RDWR)) == -1)
		return 1;
	return pwrite(fd, value, strlen(value), (off_t)from) ==
	    (ssize_t)strlen(value) ? 0 : 1;
}

int
main(int argc, char *argv[])
{
	char		 name[32], value[1024];
	unsigned char	*buf;
	FILE		*f;
	int		 i;

	if (argc == 4 && strcmp(argv[1], "-plant") == 0)
		return plant(argv[2], argv[3]);
	if (argc < 3 || (f = fopen(argv[1], "r")) == NULL)
		return 2;
	while (fscanf(f, "%31s %1023s", name, value) == 2)
		encodings(name, value);
	fclose(f);
	buf = malloc(WINDOW);
	for (i = 2; i < argc; i++)
		sweep_pid(argv[i], buf);
	printf("scanned %llu refused %llu\n", scanned, refused);
	return 0;
}
