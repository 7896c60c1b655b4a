/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_names.c - words that GOST knows, and how near another word comes to one.
 *
 * Why: "not supported yet" and "unknown, did you mean" are different answers to a user, so the names
 * that GOST accepts are listed here even where nothing implements them. Implementing one means a row in
 * config_keys.c or the registry, which is looked at first.
 * Never: decides what is supported.
 * See: config_keys.c, config_resolve.c, config_yaml.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config_parts.h"

const char *const config_gost_handlers[] = {
	"api",	   "auto",   "dns",   "file",	  "forward", "http",	"http2",  "http3", "masque",
	"metrics", "red",    "redir", "redirect", "redu",    "relay",	"router", "rtcp",  "rudp",
	"runix",   "serial", "sni",   "socks",	  "socks4",  "socks4a", "socks5", "ss",	   "sshd",
	"ssu",	   "tap",    "tcp",   "tun",	  "tungo",   "tunnel",	"udp",	  "unix",  NULL,
};

const char *const config_gost_listeners[] = {
	"dns",	 "dtls",     "ftcp", "grpc",  "h2",   "h2c",   "h3",	 "http2", "http3", "icmp",  "icmp6",
	"kcp",	 "mtcp",     "mtls", "mws",   "mwss", "ohttp", "otls",	 "pht",	  "phts",  "quic",  "red",
	"redir", "redirect", "redu", "rtcp",  "rudp", "runix", "serial", "ssh",	  "sshd",  "stdio", "tap",
	"tcp",	 "tls",	     "tun",  "tungo", "udp",  "unix",  "ws",	 "wss",	  "wt",	   NULL,
};

const char *const config_gost_connectors[] = {
	"direct", "forward", "http",   "http2",	 "masque", "relay", "router", "serial", "sni",	"socks",
	"socks4", "socks4a", "socks5", "ss",	 "sshd",   "ssu",   "tcp",    "tunnel", "unix", "virtual",
	NULL,
};

const char *const config_gost_dialers[] = {
	"direct", "dtls", "ftcp", "grpc",  "h2",    "h2c",  "h3",   "h3-masque", "http2", "http3",
	"icmp",	  "icmp6", "kcp", "mtcp",  "mtls",  "mws",  "mwss", "ohttp",	 "ohttps", "otls",
	"pht",	  "phts", "quic", "serial", "ssh",   "sshd", "tcp",  "tls",	 "udp",	  "unix",
	"utls",	  "virtual", "wg", "ws",   "wss",   "wt",   NULL,
};

const char *const config_gost_keys[] = {
	"admission",	 "auth",	 "auther",	  "authBasicRealm",
	"bind",		 "bufferSize",	 "bypass",	  "ca",
	"caFile",	 "cert",	 "certFile",	  "chain",
	"climiter",	 "comp",	 "compression",	  "connectTimeout",
	"disable4a",	 "dns",		 "enableStats",	  "entrypoint*",
	"header",	 "hosts",	 "http.*",
	"ignoreChain",	 "interface",	 "keepalive.ttl", "key",
	"keyFile",	 "knock",	 "labels",	  "limiter",
	"limiter.*",	 "mitm.*",	 "mptcp",	  "mux.*",
	"netns",	 "netns.out",	 "nodelay",	  "notls",
	"observePeriod", "observer",	 "observer.*",	  "postDown",
	"postUp",	 "preDown",	 "prefer",	  "preUp",
	"probeResist",	 "probe_resist", "readBufferSize",
	"readQueueSize", "recvQueueSize", "relay",
	"resolver",	 "rlimiter",	 "secure",	  "servername",
	"skipauth",	 "sniffing",	 "sniffing.*",	  "socks.publicAddr",
	"publicAddr",	 "so_mark",	 "stateless",	  "timeout",
	"tls.*",	 "tor",		 "ttl",		  "udp",
	"udp.*",	 NULL,
};

const char *const config_gost_sections[] = {
	"ingresses", "routers",	  "sds",     "recorders", "rewriters", "caches",  "quotas",
	"observers", "loggers",	  "tls",     "profiling", "api",       "metrics", NULL,
};

const char *const config_gost_service_fields[] = {
	"quotas",    "logger", "loggers",   "observer", "rewriter",
	"recorders", "cache",  "interface", "sockopts", "status",   NULL,
};

const char *const config_gost_handler_fields[] = {
	"chainGroup", "tls", "limiter", "observer", NULL,
};

const char *const config_gost_listener_fields[] = {
	"chainGroup", "auther", "authers", "auth", NULL,
};

const char *const config_gost_forwarder_fields[] = {"hop", "name", "hopGroup", NULL};

const char *const config_gost_selector_fields[] = {"maxLatency", NULL};

const char *const config_gost_node_fields[] = {
	"network", "bypass", "bypasses", "filter", "host",  "protocol", "path",
	"matcher", "http",   "tls",	 "auth",   "probe", NULL,
};

static bool entry_matches(const char *entry, const char *word)
{
	size_t len = strlen(entry);

	if (len && entry[len - 1] == '*')
		return !strncasecmp(entry, word, len - 1);
	return !strcasecmp(entry, word);
}

bool config_list_has(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (entry_matches(*list, word))
			return true;
	return false;
}

/* --- the nearest word -------------------------------------------------------------------------- */

#define LETTERS_MAX 40

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* One row of the table of edit distances; two letters that changed places count as one edit. */
static void next_row(unsigned *row, const unsigned *above, const unsigned *above2, const char *a, unsigned i,
		     const char *b)
{
	row[0] = i;
	for (unsigned j = 1; b[j - 1]; j++) {
		row[j] = above[j - 1] + !same_letter(a[i - 1], b[j - 1]);
		row[j] = least(row[j], least(above[j], row[j - 1]) + 1);
		if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
			row[j] = least(row[j], above2[j - 2] + 1);
	}
}

/* Words longer than LETTERS_MAX are nobody's typing error. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned rows[3][LETTERS_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > LETTERS_MAX || b_len > LETTERS_MAX)
		return LETTERS_MAX;
	for (unsigned j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_len; i++)
		next_row(rows[i % 3], rows[(i - 1) % 3], rows[(i + 1) % 3], a, i, b);
	return rows[a_len % 3][b_len];
}

void config_nearest_offer(struct config_nearest *near, const char *candidate)
{
	size_t len = strlen(near->word);
	unsigned limit = len < 3 ? 0 : len < 6 ? 1 : 2;
	unsigned distance = edit_distance(near->word, candidate);

	if (distance > limit || (near->best && distance >= near->distance))
		return;
	near->best = candidate;
	near->distance = distance;
}

void config_nearest_offer_list(struct config_nearest *near, const char *const *list)
{
	for (; *list; list++)
		if (!strchr(*list, '*'))
			config_nearest_offer(near, *list);
}

const char *config_nearest_hint(const struct config_nearest *near, char out[static CONFIG_HINT_MAX])
{
	out[0] = '\0';
	if (near->best)
		snprintf(out, CONFIG_HINT_MAX, ", did you mean \"%s\"?", near->best);
	return out;
}
