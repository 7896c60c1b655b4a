/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hosts.c - see hosts.h.
 *
 * Owns: the entries. Never: allocates after hosts_new().
 */
#include "hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

enum { NAME_MAX_LEN = 253 };

struct entry {
	UT_hash_handle hh;
	size_t count;
	struct addr addrs[HOSTS_ADDRS_MAX];
	char name[];
};

struct hosts {
	struct entry *by_name;
};

/* Lower case, without a final dot. Its length, or 0 when it cannot be a name. */
static size_t make_key(const char *name, char out[static NAME_MAX_LEN + 2])
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	if (!len || len > NAME_MAX_LEN)
		return 0;
	for (size_t i = 0; i < len; i++)
		out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
	out[len] = '\0';
	return len;
}

static bool is_name(const char *key)
{
	return strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(key) && key[strspn(key, "0123456789.")];
}

static struct entry *find(const struct hosts *h, const char *key, size_t len)
{
	struct entry *entry;

	HASH_FIND(hh, h->by_name, key, len, entry);
	return entry;
}

static struct entry *insert(struct hosts *h, const char *key, size_t len)
{
	struct entry *entry = calloc(1, sizeof(*entry) + len + 1);
	size_t before = HASH_COUNT(h->by_name);

	if (!entry)
		return NULL;
	memcpy(entry->name, key, len + 1);
	HASH_ADD_KEYPTR(hh, h->by_name, entry->name, len, entry);
	if (HASH_COUNT(h->by_name) != before)
		return entry;
	free(entry);
	return NULL;
}

static int add_name(struct hosts *h, const char *name, const struct addr *addr, char *why, size_t why_cap)
{
	char key[NAME_MAX_LEN + 2];
	size_t len = make_key(name, key);

	if (!len || !is_name(key)) {
		snprintf(why, why_cap, "\"%.64s\" is not a host name", name);
		return -EINVAL;
	}
	struct entry *entry = find(h, key, len);
	if (!entry)
		entry = insert(h, key, len);
	if (!entry)
		return -ENOMEM;
	for (size_t i = 0; i < entry->count; i++)
		if (addr_equal(&entry->addrs[i], addr))
			return 0;
	if (entry->count == HOSTS_ADDRS_MAX) {
		snprintf(why, why_cap, "\"%.64s\" has more than %d addresses", name, HOSTS_ADDRS_MAX);
		return -EINVAL;
	}
	entry->addrs[entry->count++] = *addr;
	return 0;
}

static int add_mapping(struct hosts *h, const struct host_mapping *from, char *why, size_t why_cap)
{
	struct addr addr;

	if (!from->ip || addr_parse_ip(&addr, from->ip, strlen(from->ip), 0)) {
		snprintf(why, why_cap, "\"%.64s\" is not an IPv4 or IPv6 address", from->ip ? from->ip : "");
		return -EINVAL;
	}
	addr_unmap(&addr);
	int rc = add_name(h, from->hostname ? from->hostname : "", &addr, why, why_cap);
	for (size_t i = 0; i < from->aliases.count && !rc; i++)
		rc = add_name(h, from->aliases.names[i], &addr, why, why_cap);
	return rc;
}

int hosts_new(struct hosts **out, const struct hosts_config *cfg, char *why, size_t why_cap)
{
	struct hosts *h = calloc(1, sizeof(*h));
	int rc = h ? 0 : -ENOMEM;

	for (size_t i = 0; i < cfg->count && !rc; i++)
		rc = add_mapping(h, &cfg->mappings[i], why, why_cap);
	if (rc) {
		hosts_free(h);
		return rc;
	}
	*out = h;
	return 0;
}

void hosts_free(struct hosts *h)
{
	struct entry *entry, *tmp;

	if (!h)
		return;
	HASH_ITER(hh, h->by_name, entry, tmp) {
		HASH_DEL(h->by_name, entry);
		free(entry);
	}
	free(h);
}

static const struct entry *look_up(const struct hosts *h, char *dotted, size_t len)
{
	const struct entry *entry = find(h, dotted + 1, len);

	dotted[0] = '.';
	for (const char *dot = dotted; dot && !entry; dot = strchr(dot + 1, '.'))
		entry = find(h, dot, strlen(dot));
	return entry;
}

size_t hosts_find(const struct hosts *h, const char *host, uint16_t port, struct addr out[static HOSTS_ADDRS_MAX])
{
	char dotted[NAME_MAX_LEN + 3];
	size_t len = make_key(host, dotted + 1);
	const struct entry *entry = len ? look_up(h, dotted, len) : NULL;

	if (!entry)
		return 0;
	for (size_t i = 0; i < entry->count; i++) {
		out[i] = entry->addrs[i];
		addr_set_port(&out[i], port);
	}
	return entry->count;
}
