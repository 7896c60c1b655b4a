/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_value.c - text to number, and back: durations, sizes, booleans, enumerations.
 *
 * Why: GOST turns what it cannot read into 0 or false. Here every reader takes the whole text or fails.
 * Never: allocates, knows a key or a place in a file.
 * See: config_keys.c, tests/unit/test_config_value.c.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "config_parts.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* Digits at *text, advanced past them. -EINVAL when there are none, -ERANGE when they exceed max. */
static int take_digits(const char **text, uint64_t max, uint64_t *out)
{
	const char *p = *text;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++) {
		unsigned digit = (unsigned)(*p - '0');
		if (digit > max || value > (max - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*text = p;
	*out = value;
	return 0;
}

int config_parse_uint(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t value;
	int rc = take_digits(&text, max, &value);

	if (rc)
		return rc;
	if (*text)
		return -EINVAL;
	*out = value;
	return 0;
}

/* GOST's (Go's) words. "yes", "on" and "" are errors: GOST reads them as false. */
int config_parse_bool(const char *text, bool *out)
{
	static const char *const yes[] = {"1", "t", "true", NULL};
	static const char *const no[] = {"0", "f", "false", NULL};

	bool is_yes = config_list_has(yes, text);
	if (!is_yes && !config_list_has(no, text))
		return -EINVAL;
	*out = is_yes;
	return 0;
}

/* --- durations --------------------------------------------------------------------------------- */

static uint64_t unit_ns(const char *name, size_t len)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"ns", 1},	   {"us", 1000},    {"\u00b5s", 1000},	  {"\u03bcs", 1000},
		{"ms", NS_PER_MS}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i].name) == len && !memcmp(units[i].name, name, len))
			return units[i].ns;
	return 0;
}

/* What follows the point: each digit is worth a tenth of the one before it. Below 1 ns it is dropped. */
static bool take_fraction(const char **text, char digits[static 20])
{
	size_t kept = 0;
	const char *p = *text;

	for (; isdigit((unsigned char)*p); p++)
		if (kept < 19)
			digits[kept++] = *p;
	digits[kept] = '\0';
	bool any = p != *text;
	*text = p;
	return any;
}

/* One "1.5h" of "1.5h30m", in nanoseconds; *text moves behind it. */
static int take_term(const char **text, uint64_t *ns_out)
{
	char fraction[20] = "";
	uint64_t whole = 0;
	bool has_whole = isdigit((unsigned char)**text), has_fraction = false;

	if (has_whole && take_digits(text, INT64_MAX, &whole))
		return -ERANGE;
	if (**text == '.') {
		++*text;
		has_fraction = take_fraction(text, fraction);
	}
	size_t len = strcspn(*text, ".0123456789");
	uint64_t unit = unit_ns(*text, len);
	if ((!has_whole && !has_fraction) || !unit || whole > INT64_MAX / unit)
		return -EINVAL;
	*text += len;
	*ns_out = whole * unit;
	for (const char *d = fraction; *d; d++) {
		unit /= 10;
		*ns_out += (uint64_t)(*d - '0') * unit;
	}
	return 0;
}

int config_parse_duration(const char *text, uint64_t *ns_out)
{
	uint64_t total = 0, term;

	if (!config_parse_uint(text, INT64_MAX / NS_PER_S, &total)) {
		*ns_out = total * NS_PER_S;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	for (total = 0; *text; total += term)
		if (take_term(&text, &term) || term > INT64_MAX - total)
			return -EINVAL;
	*ns_out = total;
	return 0;
}

int config_parse_duration_field(const char *text, uint64_t *ns_out)
{
	uint64_t ns;

	if (config_parse_uint(text, INT64_MAX, &ns))
		return config_parse_duration(text, ns_out);
	if (ns && ns < NS_PER_MS)
		return -ERANGE;
	*ns_out = ns;
	return 0;
}

/* "1.5" for 1500 with unit 1000: a number in units, without needless zeros. */
static void print_in_unit(char *out, size_t cap, uint64_t ns, uint64_t unit, const char *name)
{
	int len = snprintf(out, cap, "%" PRIu64, ns / unit);
	uint64_t rest = ns % unit;

	if (rest) {
		out[len++] = '.';
		for (unit /= 10; rest; rest %= unit, unit /= 10)
			out[len++] = (char)('0' + rest / unit);
	}
	snprintf(out + len, cap - (size_t)len, "%s", name);
}

static void print_below_second(uint64_t ns, char out[static CONFIG_DURATION_MAX])
{
	if (ns >= NS_PER_MS)
		print_in_unit(out, CONFIG_DURATION_MAX, ns, NS_PER_MS, "ms");
	else if (ns >= 1000)
		print_in_unit(out, CONFIG_DURATION_MAX, ns, 1000, "\u00b5s");
	else
		print_in_unit(out, CONFIG_DURATION_MAX, ns, 1, "ns");
}

const char *config_format_duration(uint64_t ns, char out[static CONFIG_DURATION_MAX])
{
	uint64_t minutes = ns / (60 * NS_PER_S), hours = minutes / 60;
	int len = 0;

	if (ns && ns < NS_PER_S) {
		print_below_second(ns, out);
		return out;
	}
	if (hours)
		len = snprintf(out, CONFIG_DURATION_MAX, "%" PRIu64 "h", hours);
	if (minutes)
		len += snprintf(out + len, CONFIG_DURATION_MAX - (size_t)len, "%" PRIu64 "m", minutes % 60);
	print_in_unit(out + len, CONFIG_DURATION_MAX - (size_t)len, ns % (60 * NS_PER_S), NS_PER_S, "s");
	return out;
}

/* --- sizes ------------------------------------------------------------------------------------- */

static int unit_shift(const char *unit, unsigned *shift_out)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {
		{"", 0},     {"b", 0},	{"k", 10},  {"kb", 10},	 {"kib", 10}, {"m", 20},  {"mb", 20},
		{"mib", 20}, {"g", 30}, {"gb", 30}, {"gib", 30}, {"t", 40},   {"tb", 40}, {"tib", 40},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(unit, units[i].name))
			continue;
		*shift_out = units[i].shift;
		return 0;
	}
	return -EINVAL;
}

int config_parse_size(const char *text, uint64_t *bytes_out)
{
	uint64_t value;
	unsigned shift;

	if (take_digits(&text, INT64_MAX, &value) || unit_shift(text, &shift))
		return -EINVAL;
	if (value > (uint64_t)INT64_MAX >> shift)
		return -EINVAL;
	*bytes_out = value << shift;
	return 0;
}

/* --- enumerations ------------------------------------------------------------------------------ */

static const char *const engine_names[] = {"auto", "sockmap", "splice", "copy"};
_Static_assert(ENGINE_COPY + 1 == sizeof(engine_names) / sizeof(engine_names[0]), "one name per engine");

static const char *const strategy_names[] = {"round", "random", "fifo", "hash", "parallel"};
_Static_assert(SELECTOR_PARALLEL + 1 == sizeof(strategy_names) / sizeof(strategy_names[0]),
	       "one name per strategy");

const char *const config_log_levels[] = {"trace", "debug", "info", "warn", "warning", "error", "fatal", NULL};

int config_parse_engine(const char *text, enum engine_kind *out)
{
	for (int i = ENGINE_AUTO; i <= ENGINE_COPY; i++) {
		if (strcasecmp(text, engine_names[i]))
			continue;
		*out = (enum engine_kind)i;
		return 0;
	}
	return -EINVAL;
}

const char *config_engine_name(enum engine_kind kind)
{
	return kind <= ENGINE_COPY ? engine_names[kind] : "?";
}

int config_parse_strategy(const char *text, enum selector_strategy *out)
{
	static const char *const aliases[] = {"rr", "rand", "ha", "hash", "parallel"}; /* GOST's second names */

	for (int i = SELECTOR_ROUND; i <= SELECTOR_PARALLEL; i++) {
		if (strcasecmp(text, strategy_names[i]) && strcasecmp(text, aliases[i]))
			continue;
		*out = (enum selector_strategy)i;
		return 0;
	}
	return -EINVAL;
}

const char *config_strategy_name(enum selector_strategy strategy)
{
	return strategy <= SELECTOR_PARALLEL ? strategy_names[strategy] : "?";
}

bool config_is_log_level(const char *text)
{
	return config_list_has(config_log_levels, text);
}

/* --- text -------------------------------------------------------------------------------------- */

/* How many bytes the first character has; 0: it is none (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *p)
{
	static const struct {
		unsigned char from, to, low, high; /* first byte, second byte */
		size_t len;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	if (*p < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (*p < forms[i].from || *p > forms[i].to || p[1] < forms[i].low || p[1] > forms[i].high)
			continue;
		for (size_t n = 2; n < forms[i].len; n++)
			if ((p[n] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

bool config_is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		size_t len = utf8_length(p);
		if (!len)
			return false;
		p += len;
	}
	return true;
}
