/* SPDX-License-Identifier: ISC */
/*
 * What the linker hands to us before the real thing: the ceremony of epoch
 * keys, which takes 0.65 s and is the same in each seed; fatal, which is a
 * finding here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress/sim/sim.h"

#define NPROOFS	64

int	__real_epoch_ceremony(const uint8_t *, uint32_t, uint8_t *,
	    void (*)(void *, uint32_t, uint32_t), void *, uint8_t *);
int	__wrap_epoch_ceremony(const uint8_t *, uint32_t, uint8_t *,
	    void (*)(void *, uint32_t, uint32_t), void *, uint8_t *);
int	__real_epoch_prove(const uint8_t *, uint32_t, uint32_t, uint8_t *);
int	__wrap_epoch_prove(const uint8_t *, uint32_t, uint32_t, uint8_t *);
void	__real_epoch_tops(const uint8_t *, uint32_t, uint8_t *);
void	__wrap_epoch_tops(const uint8_t *, uint32_t, uint8_t *);
int	__real_epoch_prove_block(const uint8_t *, uint32_t, uint32_t,
	    const uint8_t *, const uint8_t *, uint8_t *);
int	__wrap_epoch_prove_block(const uint8_t *, uint32_t, uint32_t,
	    const uint8_t *, const uint8_t *, uint8_t *);
void	__wrap_fatal(const char *, ...) __attribute__((noreturn));
void	__wrap_fatalx(const char *, ...) __attribute__((noreturn));

static uint8_t	 seed[EPOCH_SEED], root[EPOCH_HASH];
static uint8_t	 tops[EPOCH_TOPS * EPOCH_HASH];
static uint8_t	*leaves;
static struct {
	int	 n;
	uint8_t	 proof[EPOCH_PROOF * EPOCH_HASH];
} proofs[NPROOFS];

int
__wrap_epoch_ceremony(const uint8_t *s, uint32_t count, uint8_t *out,
    void (*progress)(void *, uint32_t, uint32_t), void *arg, uint8_t *pin)
{
	int	 rc;

	if (leaves == NULL || memcmp(s, seed, sizeof(seed)) != 0) {
		rc = __real_epoch_ceremony(s, count, out, progress, arg, pin);
		free(leaves);
		leaves = malloc((size_t)count * EPOCH_HASH);
		if (rc == -1 || leaves == NULL || out == NULL)
			finding("ceremony");
		memcpy(leaves, out, (size_t)count * EPOCH_HASH);
		memcpy(seed, s, sizeof(seed));
		memcpy(root, pin, sizeof(root));
		memset(proofs, 0, sizeof(proofs));
		__real_epoch_tops(leaves, count, tops);
		return rc;
	}
	memcpy(pin, root, sizeof(root));
	memcpy(out, leaves, (size_t)count * EPOCH_HASH);
	return 0;
}

int
__wrap_epoch_prove(const uint8_t *have, uint32_t count, uint32_t epoch,
    uint8_t *proof)
{
	if (leaves == NULL || epoch >= NPROOFS ||
	    memcmp(have, leaves, EPOCH_HASH) != 0)
		return __real_epoch_prove(have, count, epoch, proof);
	if (proofs[epoch].n == 0)
		proofs[epoch].n = __real_epoch_prove(leaves, count, epoch,
		    proofs[epoch].proof);
	if (proofs[epoch].n > 0)
		memcpy(proof, proofs[epoch].proof,
		    (size_t)proofs[epoch].n * EPOCH_HASH);
	return proofs[epoch].n;
}

void
__wrap_epoch_tops(const uint8_t *have, uint32_t count, uint8_t *out)
{
	if (leaves == NULL || memcmp(have, leaves, EPOCH_HASH) != 0)
		__real_epoch_tops(have, count, out);
	else
		memcpy(out, tops, sizeof(tops));
}

int
__wrap_epoch_prove_block(const uint8_t *s, uint32_t count, uint32_t epoch,
    const uint8_t *have, const uint8_t *pin, uint8_t *proof)
{
	if (leaves == NULL || memcmp(s, seed, sizeof(seed)) != 0 ||
	    memcmp(have, tops, sizeof(tops)) != 0 ||
	    memcmp(pin, root, sizeof(root)) != 0)
		return __real_epoch_prove_block(s, count, epoch, have, pin,
		    proof);
	return __wrap_epoch_prove(leaves, count, epoch, proof);
}

void
__wrap_fatal(const char *fmt, ...)
{
	char	 text[256];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	finding("fatal: %s: %s", text, strerror(errno));
}

void
__wrap_fatalx(const char *fmt, ...)
{
	char	 text[256];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	finding("fatal: %s", text);
}
