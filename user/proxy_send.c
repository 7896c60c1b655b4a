/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_send.c - see proxy_send.h. The plan from its text; a header from the plan.
 *
 * Why CRC32C and NOOP never pass: the first is wrong as soon as anything else changes, the second is only padding.
 * Owns: nothing beyond the plan's values.
 * Never: copies a received value (the builder does, once).
 * See: proto_proxy_build.c.
 */
#include "proxy_send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto_proxy.h"
#include "proxy_tlv.h"

#define UNIQUE_ID_MAX 128
#define TYPE_MAX 32

static const char *const templates[] = {"unique-id", "client", "service", "sid"};
enum { TEMPLATE_UNIQUE_ID, TEMPLATE_CLIENT, TEMPLATE_SERVICE, TEMPLATE_SID, TEMPLATE_COUNT };

static int fail(const char *text, size_t len, const char *what, char *why, size_t why_cap)
{
	snprintf(why, why_cap, "\"%.*s\" %s", (int)(len < 64 ? len : 64), text, what);
	return -EINVAL;
}

static int parse_type(const char *text, size_t len, uint8_t *out)
{
	char name[TYPE_MAX];

	if (!len || len >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, len);
	name[len] = '\0';
	return proxy_tlv_parse_type(name, out);
}

/* --- what passes ------------------------------------------------------------------------------------- */

static bool never_passes(uint8_t type)
{
	return type == PROXY_TLV_CRC32C || type == PROXY_TLV_NOOP;
}

bool proxy_send_passes(const struct proxy_send *plan, uint8_t type)
{
	return plan->pass[type / 8] >> (type % 8) & 1;
}

bool proxy_send_passes_any(const struct proxy_send *plan)
{
	for (size_t i = 0; i < sizeof(plan->pass); i++)
		if (plan->pass[i])
			return true;
	return false;
}

static void pass_all(struct proxy_send *plan)
{
	for (unsigned type = 0; type < 256; type++)
		if (!never_passes((uint8_t)type))
			plan->pass[type / 8] |= (uint8_t)(1u << type % 8);
}

int proxy_send_parse_pass(struct proxy_send *plan, const char *text, char *why, size_t why_cap)
{
	if (!strcmp(text, "all")) {
		pass_all(plan);
		return 0;
	}
	for (;;) {
		size_t len = strcspn(text, ",");
		uint8_t type;
		if (parse_type(text, len, &type))
			return fail(text, len, "is not the name of a TLV or its number, such as 0xEA", why, why_cap);
		if (never_passes(type))
			return fail(text, len, "is never passed on", why, why_cap);
		plan->pass[type / 8] |= (uint8_t)(1u << type % 8);
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

/* --- what is added ------------------------------------------------------------------------------------ */

/* Which template begins at the brace; its length with both braces. */
static int find_template(const uint8_t *at, size_t len, size_t *used)
{
	for (int i = 0; i < TEMPLATE_COUNT; i++) {
		size_t name = strlen(templates[i]);
		if (len < name + 2 || memcmp(at + 1, templates[i], name) || at[name + 1] != '}')
			continue;
		*used = name + 2;
		return i;
	}
	return -1;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return found ? (int)(found - digits) : -1;
}

static int take_hex(struct proxy_added *to, const char *text, size_t len)
{
	if (len % 2)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		to->value[i / 2] = (uint8_t)(high * 16 + low);
	}
	to->len = len / 2;
	to->literal = true;
	return 0;
}

static int take_text(struct proxy_send *plan, struct proxy_added *to, const char *text, size_t len)
{
	memcpy(to->value, text, len);
	to->len = len;
	for (size_t i = 0, used; i < len; i++) {
		if (text[i] != '{')
			continue;
		int which = find_template(to->value + i, len - i, &used);
		if (which < 0)
			return -EINVAL;
		plan->unique_id |= which == TEMPLATE_UNIQUE_ID;
	}
	return 0;
}

static int take_value(struct proxy_send *plan, struct proxy_added *to, const char *text, size_t len, char *why,
		      size_t why_cap)
{
	to->value = malloc(len ? len : 1);
	if (!to->value)
		return -ENOMEM;
	if (len >= 4 && !memcmp(text, "hex:", 4)) {
		if (take_hex(to, text + 4, len - 4))
			return fail(text, len, "is not an even number of hexadecimal digits", why, why_cap);
	} else if (take_text(plan, to, text, len)) {
		return fail(text, len, "has a \"{\" that begins none of {unique-id}, {client}, {service}, {sid}", why,
			    why_cap);
	}
	if (to->type == PROXY_TLV_UNIQUE_ID && to->len > UNIQUE_ID_MAX)
		return fail(text, len, "is longer than the 128 bytes of a UNIQUE_ID", why, why_cap);
	return 0;
}

static int take_added(struct proxy_send *plan, const char *text, size_t len, char *why, size_t why_cap)
{
	struct proxy_added *to = &plan->added[plan->added_count];
	const char *equals = memchr(text, '=', len);
	size_t name = equals ? (size_t)(equals - text) : len;

	if (!equals)
		return fail(text, len, "is not TYPE=VALUE", why, why_cap);
	if (parse_type(text, name, &to->type))
		return fail(text, name, "is not the name of a TLV or its number, such as 0xEA", why, why_cap);
	if (to->type == PROXY_TLV_CRC32C)
		return fail(text, name, "is computed; ask for it with proxyProtocol.sendCrc32c", why, why_cap);
	plan->added_count++;
	return take_value(plan, to, equals + 1, len - name - 1, why, why_cap);
}

static size_t count_pieces(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == ',';
	return n;
}

int proxy_send_parse_add(struct proxy_send *plan, const char *text, char *why, size_t why_cap)
{
	size_t count = count_pieces(text);
	int rc = 0;

	plan->added = calloc(count, sizeof(*plan->added));
	if (!plan->added)
		return -ENOMEM;
	for (size_t i = 0; i < count && !rc; i++) {
		size_t len = strcspn(text, ",");
		rc = take_added(plan, text, len, why, why_cap);
		text += len + 1;
	}
	return rc;
}

void proxy_send_free(struct proxy_send *plan)
{
	for (size_t i = 0; i < plan->added_count; i++)
		free(plan->added[i].value);
	free(plan->added);
	plan->added = NULL;
	plan->added_count = 0;
}

/* --- a header ------------------------------------------------------------------------------------------- */

void proxy_send_make_unique_id(char out[static PROXY_UNIQUE_ID_SIZE])
{
	uint64_t random[2];

	arc4random_buf(random, sizeof(random));
	snprintf(out, PROXY_UNIQUE_ID_SIZE, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
}

static const char *template_value(const struct proxy_send_facts *facts, int which)
{
	const char *const values[TEMPLATE_COUNT] = {
		[TEMPLATE_UNIQUE_ID] = facts->unique_id,
		[TEMPLATE_CLIENT] = facts->client,
		[TEMPLATE_SERVICE] = facts->service,
		[TEMPLATE_SID] = facts->sid,
	};

	return values[which] ? values[which] : "";
}

/* Appends, or with a NULL buffer only counts; the new length. */
static size_t append(uint8_t *out, size_t at, const void *data, size_t len)
{
	if (out && len)
		memcpy(out + at, data, len);
	return at + len;
}

static size_t expand(const struct proxy_added *from, const struct proxy_send_facts *facts, uint8_t *out)
{
	size_t at = 0, used;

	if (from->literal)
		return append(out, 0, from->value, from->len);
	for (size_t i = 0; i < from->len; i += used) {
		used = 1;
		int which = from->value[i] == '{' ? find_template(from->value + i, from->len - i, &used) : -1;
		const char *value = which < 0 ? NULL : template_value(facts, which);
		at = value ? append(out, at, value, strlen(value)) : append(out, at, from->value + i, 1);
	}
	return at;
}

static size_t expanded_total(const struct proxy_send *plan, const struct proxy_send_facts *facts)
{
	size_t total = 0;

	for (size_t i = 0; i < plan->added_count; i++)
		total += expand(&plan->added[i], facts, NULL);
	return total;
}

static bool is_added(const struct proxy_send *plan, uint8_t type)
{
	for (size_t i = 0; i < plan->added_count; i++)
		if (plan->added[i].type == type)
			return true;
	return false;
}

/* Those of the received ones that go on, in their order; with a NULL list only counts. */
static size_t collect_passed(const struct proxy_send *plan, const struct proxy_send_facts *facts, struct proxy_tlv *list)
{
	size_t offset = 0, count = 0;
	struct proxy_tlv tlv;

	while (proxy_tlv_next(facts->tlvs, facts->tlvs_len, &offset, &tlv) > 0) {
		if (!proxy_send_passes(plan, tlv.type) || is_added(plan, tlv.type))
			continue;
		if (list)
			list[count] = tlv;
		count++;
	}
	return count;
}

static int collect_added(const struct proxy_send *plan, const struct proxy_send_facts *facts, struct proxy_tlv *list,
			 uint8_t *scratch)
{
	for (size_t i = 0; i < plan->added_count; i++) {
		const struct proxy_added *from = &plan->added[i];
		size_t len = expand(from, facts, scratch);
		if (len > UINT16_MAX || (from->type == PROXY_TLV_UNIQUE_ID && len > UNIQUE_ID_MAX))
			return -EOVERFLOW;
		list[i] = (struct proxy_tlv){.type = from->type, .len = (uint16_t)len, .value = scratch};
		scratch += len;
	}
	return 0;
}

static enum proxy_proto proto_of(const struct proxy_send_facts *facts)
{
	return facts->datagram ? PROXY_PROTO_DGRAM : PROXY_PROTO_STREAM;
}

static ssize_t build_v2(const struct proxy_send *plan, const struct proxy_send_facts *facts, uint8_t *out, size_t cap)
{
	size_t passed = facts->tlvs ? collect_passed(plan, facts, NULL) : 0, count = passed + plan->added_count;
	struct proxy_tlv *list = calloc(count ? count : 1, sizeof(*list));
	uint8_t *scratch = malloc(expanded_total(plan, facts) + 1);
	ssize_t rc = list && scratch ? 0 : -ENOMEM;

	if (!rc && passed)
		collect_passed(plan, facts, list);
	if (!rc)
		rc = collect_added(plan, facts, list + passed, scratch);
	if (!rc)
		rc = proxy_build_v2_tlvs(out, cap, &facts->src, &facts->dst, proto_of(facts), list, count, plan->crc32c);
	free(scratch);
	free(list);
	return rc;
}

ssize_t proxy_send_build(const struct proxy_send *plan, const struct proxy_send_facts *facts, uint8_t *out, size_t cap)
{
	if (plan->version == 1)
		return proxy_build_v1(out, cap, &facts->src, &facts->dst);
	if (!facts->tlvs && !plan->added_count)
		return proxy_build_v2_tlvs(out, cap, &facts->src, &facts->dst, proto_of(facts), NULL, 0, plan->crc32c);
	return build_v2(plan, facts, out, cap);
}
