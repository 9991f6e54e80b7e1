/* SPDX-License-Identifier: ISC */
/*
 * Grammar of names, e-mails, ids and roles, and times as text; see key.h.
 * Pure.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "keybrokerd/broker/key.h"

/* ---- grammar ------------------------------------------------------------ */

int
key_agent_id_ok(const char *p)
{
	size_t	 i;
	int	 alnum;

	for (i = 0; p[i] != '\0'; i++) {
		alnum = (p[i] >= 'a' && p[i] <= 'z') ||
		    (p[i] >= '0' && p[i] <= '9');
		if (i == KEY_AGENT_ID || (!alnum && (i == 0 ||
		    strchr("._-", p[i]) == NULL)))
			return -1;
	}
	return i == 0 ? -1 : 0;
}

int
key_email_ok(const char *p)
{
	const char	*at;
	size_t		 i;

	at = strchr(p, '@');
	if (at == NULL || at == p || at[1] == '\0' ||
	    strchr(at + 1, '@') != NULL)
		return -1;
	for (i = 0; p[i] != '\0'; i++)
		if (i == KEY_EMAIL || p[i] <= ' ' || p[i] > '~')
			return -1;
	return 0;
}

int
key_text_ok(const char *p, size_t max)
{
	size_t	 i;

	for (i = 0; p[i] != '\0'; i++)
		if (i == max || p[i] < ' ' || p[i] > '~')
			return -1;
	return 0;
}

int
key_id_parse(const char *p, char out[TOKEN_ID + 1])
{
	size_t	 i;

	if (strncmp(p, "dk_", 3) == 0)
		p += 3;
	for (i = 0; i < TOKEN_ID; i++)
		if (!((p[i] >= '0' && p[i] <= '9') ||
		    (p[i] >= 'A' && p[i] <= 'Z') ||
		    (p[i] >= 'a' && p[i] <= 'z')))
			return -1;
	if (p[i] != '\0')
		return -1;
	memcpy(out, p, TOKEN_ID);
	out[TOKEN_ID] = '\0';
	return 0;
}

/* ---- roles and times ---------------------------------------------------- */

static const char *const	 role_names[] = {
	[ROLE_K_AGENT] = "agent-key",
	[ROLE_K_AUDITOR] = "auditor",
	[ROLE_K_DEVELOPER] = "developer",
	[ROLE_K_ADMIN] = "admin"
};

const char *
key_role_name(uint8_t role)
{
	if (role < ROLE_K_AGENT || role > ROLE_K_ADMIN)
		return "?";
	return role_names[role];
}

uint8_t
key_role_find(const char *name)
{
	uint8_t	 i;

	if (name[0] == '\0')
		return ROLE_K_DEVELOPER;
	if (strcmp(name, "agent") == 0)
		return ROLE_K_AGENT;
	for (i = ROLE_K_AGENT; i <= ROLE_K_ADMIN; i++)
		if (strcmp(role_names[i], name) == 0)
			return i;
	return 0;
}

/*
 * Civil date from days since 1970 (proleptic Gregorian; years counted from
 * March, so that the leap day is the last of its year).  gmtime would read
 * files the first time.
 */
void
key_time(uint64_t wall, char out[24])
{
	uint64_t	 s, z, era, doe, yoe, doy, mp, y, m, d;

	out[0] = '\0';
	s = wall / 1000;
	if (wall == 0 || s >= 253402300800ULL)
		return;
	z = s / 86400 + 719468;
	era = z / 146097;
	doe = z % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	d = doy - (153 * mp + 2) / 5 + 1;
	m = mp < 10 ? mp + 3 : mp - 9;
	y = yoe + era * 400 + (m <= 2);
	s %= 86400;
	snprintf(out, 24, "%04u-%02u-%02uT%02u:%02u:%02uZ",
	    (unsigned int)(y % 10000), (unsigned int)(m % 100),
	    (unsigned int)(d % 100), (unsigned int)(s / 3600),
	    (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
}
