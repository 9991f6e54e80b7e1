/* SPDX-License-Identifier: ISC */
/*
 * The pool of secrets.  A page a slot, an inaccessible page on both sides of
 * it; the slot's head is in the same page, so that no list elsewhere says
 * where secrets lie.  Must never grow, never copy a secret to the heap, and
 * needs no system call after secret_pool.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/secret/memfd.h"
#include "common/secret/secret.h"

#define MAGIC_FREE	0x66726565u
#define MAGIC_USED	0x75736564u

#define ORDINARY	MEMFD_ORDINARY	/* the leak sweep's control build */

struct secret {
	struct secret	*next;		/* free slots only */
	size_t		 len;
	uint32_t	 magic;
	uint32_t	 zero[3];
	uint8_t		 bytes[SECRET_MAX];
};

_Static_assert(sizeof(struct secret) == 4096, "a slot is one page");

static struct {
	struct secret	*free;
	size_t		 slots, used;
	int		 kind;
} pool;

/* Puts the pages of slot i where its guards leave a hole. */
static int
place(uint8_t *at, size_t page, size_t i, int fd)
{
	void	*p;

	if (fd == -1)
		p = mmap(at, page, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANON, -1, 0);
	else
		p = mmap(at, page, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_SHARED, fd, (off_t)(i * page));
	if (p == MAP_FAILED)
		return -1;
	if (!ORDINARY && memfd_conceal(at, page, fd == -1) == -1)
		return -1;
	memset(at, 0, page);	/* present from here on: no fault later */
	return 0;
}

/* All slots over one reservation; -1 with errno and nothing mapped. */
static int
reserve(size_t slots, size_t page, int fd)
{
	struct secret	*s;
	uint8_t		*base;
	size_t		 i, len;
	int		 saved;

	len = (2 * slots + 1) * page;
	base = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (base == MAP_FAILED)
		return -1;
	for (i = 0; i < slots; i++) {
		if (place(base + (2 * i + 1) * page, page, i, fd) == -1) {
			saved = errno;
			munmap(base, len);
			errno = saved;
			return -1;
		}
	}
	for (i = slots; i-- > 0;) {
		s = (struct secret *)(void *)(base + (2 * i + 1) * page);
		s->magic = MAGIC_FREE;
		s->next = pool.free;
		pool.free = s;
	}
	return 0;
}

/*
 * See secret.h.  -1: EEXIST second call, EINVAL no or too many slots, else
 * what mmap or mlock said (EAGAIN, ENOMEM, EPERM: RLIMIT_MEMLOCK).
 */
int
secret_pool(size_t slots)
{
	long	 page;
	int	 fd, r;

	if (pool.slots != 0) {
		errno = EEXIST;
		return -1;
	}
	page = sysconf(_SC_PAGESIZE);
	if (page < (long)sizeof(struct secret) || slots == 0 ||
	    slots > 65536) {
		errno = EINVAL;
		return -1;
	}
	r = -1;
	fd = ORDINARY ? -1 : memfd_hidden(slots * (size_t)page);
	if (fd != -1) {
		r = reserve(slots, page, fd);
		close(fd);
	}
	pool.kind = r == 0;
	if (r == -1 && reserve(slots, page, -1) == -1)
		return -1;
	pool.slots = slots;
	return 0;
}

/* len zero bytes.  NULL: EMSGSIZE over SECRET_MAX, ENOMEM no slot left. */
struct secret *
secret_new(size_t len)
{
	struct secret	*s;

	if (len > SECRET_MAX || pool.free == NULL) {
		errno = len > SECRET_MAX ? EMSGSIZE : ENOMEM;
		return NULL;
	}
	s = pool.free;
	if (s->magic != MAGIC_FREE)
		fatalx("secret: free slot is damaged");
	pool.free = s->next;
	pool.used++;
	s->next = NULL;
	s->magic = MAGIC_USED;
	s->len = len;
	return s;
}

/* Wipes the whole slot and the caller's pointer. */
void
secret_free(struct secret **sp)
{
	struct secret	*s;

	if (sp == NULL || *sp == NULL)
		return;
	s = *sp;
	*sp = NULL;
	if (s->magic != MAGIC_USED)
		fatalx("secret: freed twice or damaged");
	secret_wipe(s->bytes, sizeof(s->bytes));
	s->len = 0;
	s->magic = MAGIC_FREE;
	s->next = pool.free;
	pool.free = s;
	pool.used--;
}

/* secret_len bytes, valid until secret_free. */
uint8_t *
secret_bytes(struct secret *s)
{
	return s->bytes;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}

/* Wipes what is cut off.  -1 (EINVAL) if it would grow. */
int
secret_resize(struct secret *s, size_t len)
{
	if (len > s->len) {
		errno = EINVAL;
		return -1;
	}
	secret_wipe(s->bytes + len, s->len - len);
	s->len = len;
	return 0;
}

/* A copy of len bytes; NULL as secret_new. */
struct secret *
secret_dup(const void *p, size_t len)
{
	struct secret	*s;

	s = secret_new(len);
	if (s != NULL && len > 0)
		memcpy(s->bytes, p, len);
	return s;
}

/* 1 equal, 0 not; the time depends on len only. */
int
secret_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t	*p, *q;
	uint32_t		 d;
	size_t			 i;

	p = a;
	q = b;
	d = 0;
	for (i = 0; i < len; i++)
		d |= p[i] ^ q[i];
	return (int)((d - 1) >> 31);
}

/* Zeros that no optimiser takes away. */
void
secret_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

/* Slots in use; a role that holds more than it should can see it. */
size_t
secret_in_use(void)
{
	return pool.used;
}

int
secret_kind(void)
{
	return pool.kind;
}

static struct secret *
from_map(int fd, size_t max)
{
	struct secret	*s;
	void		*p;
	off_t		 size;

	size = memfd_size(fd);
	if (size < 0)
		return NULL;
	if ((uint64_t)size > max) {
		errno = EFBIG;
		return NULL;
	}
	s = secret_new(size);
	if (s == NULL || size == 0)
		return s;
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		secret_free(&s);
		return NULL;
	}
	memcpy(s->bytes, p, size);
	munmap(p, size);
	return s;
}

/* Reads until the end or max; a byte more is EFBIG. */
static struct secret *
from_read(int fd, size_t max)
{
	struct secret	*s;
	uint8_t		 more;
	size_t		 len;
	ssize_t		 n;
	int		 saved;

	s = secret_new(max);
	if (s == NULL)
		return NULL;
	len = 0;
	n = lseek(fd, 0, SEEK_SET);
	while (n != -1) {
		n = len < max ? read(fd, s->bytes + len, max - len) :
		    read(fd, &more, 1);
		if (n == -1 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n <= 0)
			break;
		if (len == max) {
			secret_wipe(&more, 1);
			errno = EFBIG;
			n = -1;
			break;
		}
		len += n;
	}
	if (n == -1) {
		saved = errno;
		secret_free(&s);
		errno = saved;
		return NULL;
	}
	secret_resize(s, len);
	return s;
}

/* See secret.h; calls: fstat mmap munmap, or lseek read. */
struct secret *
secret_from_fd(int fd, int map, size_t max)
{
	if (max > SECRET_MAX)
		max = SECRET_MAX;
	return map ? from_map(fd, max) : from_read(fd, max);
}
