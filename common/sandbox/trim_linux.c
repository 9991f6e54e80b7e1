/* SPDX-License-Identifier: ISC */
/*
 * A role that has started gives back what only starting needed: pages of
 * libraries that ran their initialisers and self-tests once (they are clean
 * and come again from the page cache if they are needed), and the heap that
 * the self-test under the filter left behind.
 */
#include <sys/mman.h>

#include <link.h>
#include <malloc.h>
#include <stdint.h>

#include "common/compat/compat.h"
#include "common/sandbox/sandbox.h"

/*
 * Segments that nobody can have written to.  Only their whole pages: the last
 * one may be the first of a segment with data.
 */
static int
drop_clean(struct dl_phdr_info *o, size_t size, void *arg)
{
	uintptr_t	 from, to, page;
	size_t		 i;

	(void)size;
	page = *(const uintptr_t *)arg;
	for (i = 0; i < o->dlpi_phnum; i++) {
		if (o->dlpi_phdr[i].p_type != PT_LOAD ||
		    (o->dlpi_phdr[i].p_flags & PF_W) != 0)
			continue;
		from = o->dlpi_addr + o->dlpi_phdr[i].p_vaddr;
		to = (from + o->dlpi_phdr[i].p_filesz) & ~(page - 1);
		from = (from + page - 1) & ~(page - 1);
		if (from < to)
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

/* See sandbox.h. */
void
sandbox_trim(void)
{
	uintptr_t	 page;

	page = (uintptr_t)getpagesize();
	(void)dl_iterate_phdr(drop_clean, &page);
	(void)malloc_trim(0);
}
