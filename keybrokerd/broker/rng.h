/* SPDX-License-Identifier: ISC */
#ifndef KEYBROKERD_BROKER_RNG_H
#define KEYBROKERD_BROKER_RNG_H

#include <stddef.h>

/*
 * The broker's one source of randomness.  In service it is getrandom(2); the
 * simulation and the tests give a seeded one.  fill cannot fail.
 */
struct rng {
	void	(*fill)(void *arg, void *buf, size_t len);
	void	 *arg;
};

#endif
