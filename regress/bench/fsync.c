/* SPDX-License-Identifier: ISC */
/*
 * fsync DIR [n]: how long one commit's flush takes there, without a gateway:
 * 12 KB written over blocks that exist, then fdatasync, n times.  Prints the
 * median in us and the file system's name; refuses one without a device.
 */
#include <sys/vfs.h>

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "regress/bench/bench.h"

#define COMMIT	12288
#define SLOTS	64

static const struct {
	long		 magic;
	const char	*name;
	int		 device;
} kinds[] = {
	{ 0xef53,	"ext4",		1 },
	{ 0x58465342,	"xfs",		1 },
	{ 0x9123683e,	"btrfs",	1 },
	{ 0xf2f52010,	"f2fs",		1 },
	{ 0x2fc12fc1,	"zfs",		1 },
	{ 0x01021994,	"tmpfs",	0 },
	{ 0x858458f6,	"ramfs",	0 },
	{ 0x794c7630,	"overlay",	0 },
	{ 0,		"unknown",	0 },
};

static int
order(const void *a, const void *b)
{
	uint32_t	 x, y;

	x = *(const uint32_t *)a;
	y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	static char	 page[COMMIT];
	struct statfs	 fs;
	char		 path[1024];
	uint32_t	*us;
	uint64_t	 t;
	int		 fd, i, k, n;

	if (argc < 2 || statfs(argv[1], &fs) == -1)
		err(2, "usage: fsync DIR [n]");
	for (k = 0; kinds[k].magic != 0; k++)
		if (kinds[k].magic == (long)fs.f_type)
			break;
	if (!kinds[k].device)
		errx(1, "%s is on %s: durability would cost nothing there",
		    argv[1], kinds[k].name);
	n = argc > 2 ? atoi(argv[2]) : 200;
	snprintf(path, sizeof(path), "%s/fsync.probe", argv[1]);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	us = calloc(n > 0 ? (size_t)n : 1, sizeof(*us));
	if (fd == -1 || us == NULL)
		err(1, "%s", path);
	for (i = 0; i < SLOTS; i++)
		if (pwrite(fd, page, COMMIT, (off_t)i * COMMIT) != COMMIT)
			err(1, "%s", path);
	if (fsync(fd) == -1)
		err(1, "%s", path);
	for (i = 0; i < n; i++) {
		memset(page, i, sizeof(page));
		t = wire_now();
		if (pwrite(fd, page, COMMIT, (off_t)(i % SLOTS) * COMMIT) !=
		    COMMIT || fdatasync(fd) == -1)
			err(1, "%s", path);
		us[i] = (uint32_t)((wire_now() - t) / 1000);
	}
	unlink(path);
	qsort(us, n > 0 ? (size_t)n : 0, sizeof(*us), order);
	printf("%u %s\n", n > 0 ? us[(n - 1) / 2] : 0, kinds[k].name);
	return 0;
}
