/* SPDX-License-Identifier: ISC */
/* LibreSSL needs nothing beyond libtls; by inspection, not run. */
#include "proxyd/worker/worker.h"

int
tlsio_system(void)
{
	return 0;
}
