/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_tlv.c - see proxy_tlv.h.
 *
 * Owns: the tables. Never: allocates.
 */
#include "proxy_tlv.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct tlv_name {
	uint8_t type;
	const char *name;
};

static const struct tlv_name names[] = {
	{0x01, "ALPN"},	{0x02, "AUTHORITY"}, {0x03, "CRC32C"}, {0x04, "NOOP"},	{0x05, "UNIQUE_ID"}, {0x20, "SSL"},
	{0x30, "NETNS"}, {0xE0, "GCP"},	     {0xE1, "ALIBABA"}, {0xEA, "AWS"}, {0xEE, "AZURE"},
};

static const struct tlv_name ssl_names[] = {
	{0x21, "SSL_VERSION"}, {0x22, "SSL_CN"},    {0x23, "SSL_CIPHER"},     {0x24, "SSL_SIG_ALG"},
	{0x25, "SSL_KEY_ALG"}, {0x26, "SSL_GROUP"}, {0x27, "SSL_SIG_SCHEME"}, {0x28, "SSL_CLIENT_CERT"},
};

static const char *find(const struct tlv_name *table, size_t count, uint8_t type)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].type == type)
			return table[i].name;
	return NULL;
}

const char *proxy_tlv_name(uint8_t type)
{
	return find(names, sizeof(names) / sizeof(names[0]), type);
}

const char *proxy_tlv_ssl_name(uint8_t type)
{
	return find(ssl_names, sizeof(ssl_names) / sizeof(ssl_names[0]), type);
}

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (toupper((unsigned char)(*a == '-' ? '_' : *a)) != *b)
			return false;
	return !*a && !*b;
}

int proxy_tlv_parse_type(const char *text, uint8_t *out)
{
	char *end;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (same_name(text, names[i].name)) {
			*out = names[i].type;
			return 0;
		}
	}
	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X') || !isxdigit((unsigned char)text[2]))
		return -EINVAL;
	unsigned long value = strtoul(text + 2, &end, 16);
	if (*end || value > 0xFF)
		return -EINVAL;
	*out = (uint8_t)value;
	return 0;
}
