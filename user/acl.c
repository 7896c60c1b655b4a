/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acl.c - see acl.h. A list is an array that is walked: trust lists are short.
 *
 * Why bits beyond the prefix are an error: 10.1.2.3/8 is a typing error for /32 or for 10.0.0.0, and taking it for the
 * wider of the two would trust sixteen million machines that nobody meant.
 * Owns: nothing. Never: keeps the text.
 * See: acl.h.
 */
#include "acl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	const char *text;
	size_t len;
};

static int fail(const struct piece *piece, const char *what, char *why, size_t why_cap)
{
	snprintf(why, why_cap, "\"%.*s\" %s", (int)(piece->len < 64 ? piece->len : 64), piece->text, what);
	return -EINVAL;
}

static const uint8_t *bytes_of(const struct addr *a)
{
	return addr_family(a) == AF_INET ? (const uint8_t *)&a->in4.sin_addr : a->in6.sin6_addr.s6_addr;
}

static unsigned width_of(int family)
{
	return family == AF_INET ? 32 : 128;
}

/* At most three digits, no sign, no heading zero. */
static int parse_bits(const char *text, size_t len, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (!len || len > 3 || (len > 1 && text[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	if (value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

static bool has_bits_beyond(const uint8_t *net, unsigned bits, unsigned width)
{
	for (unsigned i = bits; i < width; i++)
		if (net[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

/* ::ffff:10.0.0.0/104 is 10.0.0.0/8; a wider prefix holds more than IPv4 and stays IPv6. */
static void set_entry(struct acl_entry *entry, struct addr *net, unsigned bits)
{
	if (addr_is_v4mapped(net) && bits >= 96) {
		addr_unmap(net);
		bits -= 96;
	}
	*entry = (struct acl_entry){.family = addr_family(net), .bits = bits};
	memcpy(entry->net, bytes_of(net), width_of(entry->family) / 8);
}

static int parse_entry(struct acl_entry *entry, const struct piece *piece, char *why, size_t why_cap)
{
	const char *slash = memchr(piece->text, '/', piece->len);
	size_t len = slash ? (size_t)(slash - piece->text) : piece->len;
	struct addr net;

	if (addr_parse_ip(&net, piece->text, len, 0))
		return fail(piece, "is not an IPv4 or IPv6 address or network", why, why_cap);
	unsigned width = width_of(addr_family(&net)), bits = width;
	if (slash && parse_bits(slash + 1, piece->len - len - 1, width, &bits))
		return fail(piece, width == 32 ? "has no prefix length from 0 to 32" : "has no prefix length from 0 to 128",
			    why, why_cap);
	if (has_bits_beyond(bytes_of(&net), bits, width))
		return fail(piece, "has address bits beyond its prefix", why, why_cap);
	set_entry(entry, &net, bits);
	return 0;
}

static size_t count_pieces(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == ',';
	return n;
}

static struct piece take_piece(const char **text)
{
	struct piece piece = {.text = *text, .len = strcspn(*text, ",")};

	*text += piece.len + ((*text)[piece.len] == ',');
	for (; piece.len && *piece.text == ' '; piece.text++)
		piece.len--;
	while (piece.len && piece.text[piece.len - 1] == ' ')
		piece.len--;
	return piece;
}

int acl_parse(struct acl *out, const char *text, char *why, size_t why_cap)
{
	size_t count = count_pieces(text);
	struct acl_entry *entries = calloc(count, sizeof(*entries));
	int rc = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < count && !rc; i++) {
		struct piece piece = take_piece(&text);
		rc = parse_entry(&entries[i], &piece, why, why_cap);
	}
	if (rc) {
		free(entries);
		return rc;
	}
	*out = (struct acl){.entries = entries, .count = count};
	return 0;
}

void acl_free(struct acl *acl)
{
	free(acl->entries);
	*acl = (struct acl){0};
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole))
		return false;
	return !rest || !((a[whole] ^ b[whole]) >> (8 - rest));
}

bool acl_match(const struct acl *acl, const struct addr *a)
{
	struct addr ip = *a;
	int family;

	addr_unmap(&ip);
	family = addr_family(&ip);
	if (family != AF_INET && family != AF_INET6)
		return false;
	for (size_t i = 0; i < acl->count; i++)
		if (acl->entries[i].family == family &&
		    same_prefix(acl->entries[i].net, bytes_of(&ip), acl->entries[i].bits))
			return true;
	return false;
}
