/* SPDX-License-Identifier: ISC */
/*
 * What is public about a vault key: the META row "vault-key/KID" and the text
 * of TAPPASS_VAULT_DEK.  Neither is secret; neither is believed before the KMS
 * has unwrapped it to the key that the records are sealed under.
 *
 * Row: u8 1, u8 state, u64 created, str uri, str version, str deployment, blob
 * wrapped.
 */
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "keybrokerd/broker/vaultkey.h"

#define FORMAT	1

int
vaultrow_parse(struct vaultkey_row *row, const char *kid, const uint8_t *p,
    size_t len)
{
	struct msgr	 m;
	const uint8_t	*w;

	memset(row, 0, sizeof(*row));
	strlcpy(row->kid, kid, sizeof(row->kid));
	msg_read(&m, 0, p, len);
	if (msg_get_u8(&m) != FORMAT)
		return -1;
	row->state = msg_get_u8(&m);
	row->created = msg_get_u64(&m);
	msg_get_str(&m, row->uri, sizeof(row->uri));
	msg_get_str(&m, row->version, sizeof(row->version));
	msg_get_str(&m, row->deployment, sizeof(row->deployment));
	w = msg_get_blob(&m, sizeof(row->wrapped), &row->wrappedlen);
	if (msg_end(&m) == -1 || row->state == VKS_NONE ||
	    row->state > VKS_RETIRED)
		return -1;
	if (row->wrappedlen > 0)
		memcpy(row->wrapped, w, row->wrappedlen);
	return 0;
}

void
vaultrow_put(struct broker *b, const struct vaultkey_row *row)
{
	struct msgw	 w;
	char		 id[sizeof(VAULTKEY_ROW) + VAULT_KID];

	snprintf(id, sizeof(id), VAULTKEY_ROW "%s", row->kid);
	msg_open(&w, 0);
	msg_put_u8(&w, FORMAT);
	msg_put_u8(&w, row->state);
	msg_put_u64(&w, row->created);
	msg_put_str(&w, row->uri);
	msg_put_str(&w, row->version);
	msg_put_str(&w, row->deployment);
	msg_put_blob(&w, row->wrapped, row->wrappedlen);
	batch_state(b, ST_META, id, strlen(id), w.buf, w.len);
}

/* Transit's ciphertext is text already, and known to its operators as such. */
static int
is_plain(const uint8_t *p, size_t len)
{
	return len > 6 && memcmp(p, "vault:", 6) == 0;
}

int
vaultrow_dek(struct vaultkey_row *row, const uint8_t *text, size_t len)
{
	const uint8_t	*at;
	ssize_t		 n;
	size_t		 head, tail;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	at = memchr(text, '@', len);
	head = at == NULL ? len : (size_t)(at - text);
	tail = at == NULL ? 0 : len - head - 1;
	row->deployment[0] = '\0';
	if (head == 0 || tail >= sizeof(row->deployment) ||
	    (at != NULL && !note_origin_ok((const char *)at + 1, tail)))
		return -1;
	if (tail > 0)
		memcpy(row->deployment, at + 1, tail);
	row->deployment[tail] = '\0';
	if (is_plain(text, head)) {
		if (head > sizeof(row->wrapped))
			return -1;
		memcpy(row->wrapped, text, head);
		row->wrappedlen = head;
		return 0;
	}
	n = b64_decode(row->wrapped, sizeof(row->wrapped),
	    (const char *)text, head, B64_STD);
	if (n <= 0)
		return -1;
	row->wrappedlen = (size_t)n;
	return 0;
}

size_t
vaultrow_text(const struct vaultkey_row *row, char *out, size_t size)
{
	ssize_t	 n;

	out[0] = '\0';
	if (row->wrappedlen == 0 || row->wrappedlen >= size)
		return 0;
	if (is_plain(row->wrapped, row->wrappedlen)) {
		memcpy(out, row->wrapped, row->wrappedlen);
		out[row->wrappedlen] = '\0';
	} else {
		n = b64_encode(out, size, row->wrapped, row->wrappedlen,
		    B64_STD);
		if (n == -1)
			return 0;
	}
	if (row->deployment[0] != '\0') {
		strlcat(out, "@", size);
		if (strlcat(out, row->deployment, size) >= size)
			return 0;
	}
	return strlen(out);
}
