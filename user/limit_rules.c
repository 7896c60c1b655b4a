/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit_rules.c - see limit_rules.h.
 *
 * Why a rate becomes an interval: the bucket is kept as one point in time, which takes whole nanoseconds.
 * Owns: nothing besides the rules. Never: reads a locale (a decimal point is a point).
 */
#include "limit_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 4, WORD_MAX = 63 };
#define NS_PER_S       UINT64_C(1000000000)
#define CONNECTIONS_MAX UINT64_C(100000000)
#define RATE_MAX       UINT64_C(100000000)
#define BANDWIDTH_MAX  (UINT64_C(1) << 42)

struct words {
	char word[WORDS_MAX][WORD_MAX + 1];
	size_t count;
};

struct reading {
	const char *text;
	char *why;
	size_t why_cap;
};

static int fail(const struct reading *r, const char *what)
{
	snprintf(r->why, r->why_cap, "\"%.64s\" %s", r->text, what);
	return -EINVAL;
}

static int split(struct words *words, const struct reading *r)
{
	const char *p = r->text;

	for (;;) {
		p += strspn(p, " \t");
		size_t len = strcspn(p, " \t");
		if (!len)
			return words->count < 2 ? fail(r, "is not a key and a limit") : 0;
		if (words->count == WORDS_MAX || len > WORD_MAX)
			return fail(r, "is longer than any limit");
		memcpy(words->word[words->count], p, len);
		words->word[words->count++][len] = '\0';
		p += len;
	}
}

/* --- numbers -------------------------------------------------------------------------------------------- */

/* Digits at *text, moved past them. More than max is max + 1. */
static int take_digits(const char **text, uint64_t max, uint64_t *out)
{
	const char *p = *text;
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		value = value > max / 10 ? max + 1 : value * 10 + (unsigned)(*p - '0');
	if (p == *text)
		return -EINVAL;
	*out = value > max ? max + 1 : value;
	*text = p;
	return 0;
}

static int parse_count(const char *text, uint64_t *out)
{
	uint64_t value;

	if (take_digits(&text, CONNECTIONS_MAX, &value) || *text || !value || value > CONNECTIONS_MAX)
		return -EINVAL;
	*out = value;
	return 0;
}

/* In millionths each second. */
static int parse_rate(const char *text, uint64_t *micro_out)
{
	uint64_t whole, micro = 0, worth = 100000;

	if (take_digits(&text, RATE_MAX, &whole) || whole > RATE_MAX)
		return -EINVAL;
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++, worth /= 10)
			micro += (unsigned)(*text - '0') * worth;
	}
	micro += whole * 1000000;
	if (*text || !micro)
		return -EINVAL;
	*micro_out = micro;
	return 0;
}

/* "" "B" "K" "KB" "KiB" ... of base 2. */
static int parse_unit(const char *text, unsigned *shift)
{
	static const char letters[] = "KMGT";
	char upper = *text >= 'a' && *text <= 'z' ? (char)(*text - 0x20) : *text;
	const char *found = upper ? strchr(letters, upper) : NULL;

	*shift = found ? 10 * (unsigned)(found - letters + 1) : 0;
	if (found)
		text++;
	if (found && *text == 'i' && text[1])
		text++;
	if (*text == 'B' || *text == 'b')
		text++;
	return *text ? -EINVAL : 0;
}

static int parse_bandwidth(const char *text, uint64_t *out)
{
	uint64_t value;
	unsigned shift;

	if (take_digits(&text, BANDWIDTH_MAX, &value) || parse_unit(text, &shift) || value > BANDWIDTH_MAX >> shift)
		return -EINVAL;
	*out = value << shift;
	return 0;
}

/* --- rules ---------------------------------------------------------------------------------------------- */

static int parse_key(struct limit_rule *rule, const char *key, const struct reading *r)
{
	struct acl acl = {0};

	if (!strcmp(key, "$") || !strcmp(key, "$$")) {
		rule->key = key[1] ? LIMIT_DEFAULT : LIMIT_SERVICE;
		return 0;
	}
	if (strchr(key, ','))
		return fail(r, "does not begin with $, $$, an address or a network");
	int rc = acl_parse(&acl, key, r->why, r->why_cap);
	if (rc)
		return rc;
	rule->key = LIMIT_NETWORK;
	rule->network = acl.entries[0];
	acl_free(&acl);
	return 0;
}

static int fill_connections(struct limit_rule *rule, const struct words *words, const struct reading *r)
{
	if (words->count != 2 || parse_count(words->word[1], &rule->connections))
		return fail(r, "is not a key and a number of connections");
	return 0;
}

static int fill_rate(struct limit_rule *rule, const struct words *words, const struct reading *r)
{
	uint64_t micro;

	if (words->count != 2 || parse_rate(words->word[1], &micro))
		return fail(r, "is not a key and a number of connections each second");
	rule->interval_ns = NS_PER_S * 1000000 / micro;
	rule->burst = micro / 1000000 + 1;
	return 0;
}

/* GOST's fourth word, a burst, means nothing to a pacing kernel: it is checked and not used. */
static int fill_bandwidth(struct limit_rule *rule, const struct words *words, const struct reading *r)
{
	uint64_t burst;

	if (parse_bandwidth(words->word[1], &rule->in_bytes_s) ||
	    (words->count > 2 && parse_bandwidth(words->word[2], &rule->out_bytes_s)) ||
	    (words->count > 3 && parse_bandwidth(words->word[3], &burst)))
		return fail(r, "is not a key and one or two sizes such as 512KB or 10MB");
	if (!rule->in_bytes_s && !rule->out_bytes_s)
		return fail(r, "limits nothing");
	return 0;
}

static int parse_rule(struct limit_rule *out, enum limit_kind kind, const struct reading *r)
{
	struct words words = {.count = 0};
	struct limit_rule rule = {0};
	int rc = split(&words, r);

	if (!rc)
		rc = parse_key(&rule, words.word[0], r);
	if (rc)
		return rc;
	if (kind == LIMIT_CONNECTIONS)
		rc = fill_connections(&rule, &words, r);
	else if (kind == LIMIT_RATE)
		rc = fill_rate(&rule, &words, r);
	else
		rc = fill_bandwidth(&rule, &words, r);
	if (!rc)
		*out = rule;
	return rc;
}

static bool same_key(const struct limit_rule *a, const struct limit_rule *b)
{
	if (a->key != b->key)
		return false;
	if (a->key != LIMIT_NETWORK)
		return true;
	return a->network.family == b->network.family && a->network.bits == b->network.bits &&
	       !memcmp(a->network.net, b->network.net, sizeof(a->network.net));
}

static int check_unique(const struct limit_rule *rules, size_t last, const struct reading *r)
{
	for (size_t i = 0; i < last; i++)
		if (same_key(&rules[i], &rules[last]))
			return fail(r, "has a key that was given before");
	return 0;
}

int limit_rules_parse(struct limit_rules *out, enum limit_kind kind, char *const *texts, size_t count, char *why,
		      size_t why_cap)
{
	struct limit_rule *rules = calloc(count + 1, sizeof(*rules)); /* + 1: never of size 0 */
	int rc = 0;

	if (!rules)
		return -ENOMEM;
	for (size_t i = 0; i < count && !rc; i++) {
		struct reading r = {.text = texts[i], .why = why, .why_cap = why_cap};
		rc = parse_rule(&rules[i], kind, &r);
		if (!rc)
			rc = check_unique(rules, i, &r);
	}
	if (rc) {
		free(rules);
		return rc;
	}
	*out = (struct limit_rules){.rules = rules, .count = count};
	return 0;
}

void limit_rules_free(struct limit_rules *rules)
{
	free(rules->rules);
	*rules = (struct limit_rules){0};
}

const struct limit_rule *limit_rules_of_key(const struct limit_rules *rules, enum limit_key key)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->rules[i].key == key)
			return &rules->rules[i];
	return NULL;
}

const struct limit_rule *limit_rules_of_client(const struct limit_rules *rules, const struct addr *client)
{
	const struct limit_rule *best = NULL;

	for (size_t i = 0; i < rules->count; i++) {
		struct limit_rule *rule = &rules->rules[i];
		struct acl one = {.entries = &rule->network, .count = 1};
		if (rule->key == LIMIT_NETWORK && acl_match(&one, client) &&
		    (!best || rule->network.bits > best->network.bits))
			best = rule;
	}
	return best;
}
