/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_special.c - see config_special.h.
 *
 * Never: checks a value; who uses it does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_special.h"

static const struct {
	const char *name;
	unsigned sides;
	const char *aliases[3];
} keys[] = {
	{"auth", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {NULL}},
	{"certFile", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {"cert", "tls.certFile", NULL}},
	{"keyFile", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {"key", "tls.keyFile", NULL}},
	{"caFile", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {"ca", "tls.caFile", NULL}},
	{"secure", CONFIG_SIDE_CHAIN, {"tls.secure", NULL}},
	{"serverName", CONFIG_SIDE_CHAIN, {"tls.servername", NULL}},
	{"bypass", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {NULL}},
	{"resolver", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {NULL}},
	{"prefer", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {NULL}},
	{"hosts", CONFIG_SIDE_SERVICE | CONFIG_SIDE_CHAIN, {NULL}},
	{"admission", CONFIG_SIDE_SERVICE, {NULL}},
	{"limiter.in", CONFIG_SIDE_SERVICE, {NULL}},
	{"limiter.out", CONFIG_SIDE_SERVICE, {NULL}},
	{"limiter.conn.in", CONFIG_SIDE_SERVICE, {NULL}},
	{"limiter.conn.out", CONFIG_SIDE_SERVICE, {NULL}},
	{"climiter", CONFIG_SIDE_SERVICE, {NULL}},
	{"rlimiter", CONFIG_SIDE_SERVICE, {NULL}},
};

static const char *canonical(enum config_side side, const char *key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!(keys[i].sides & side))
			continue;
		if (!strcasecmp(keys[i].name, key) || config_list_has(keys[i].aliases, key))
			return keys[i].name;
	}
	return NULL;
}

int config_special_add(struct metadata *special, enum config_side side, const char *key, const char *value,
		       bool *taken, struct config_error *err)
{
	const char *name = canonical(side, key);

	*taken = name != NULL;
	if (!name)
		return 0;
	if (config_metadata_get(special, name))
		return config_fail(err, "key \"%s\" is given twice", name);
	if (!*value)
		return config_fail(err, "key \"%s\" has no value", name);
	return config_metadata_add(special, name, value) ? config_no_memory(err) : 0;
}

static int copy_text(const struct metadata *special, const char *key, struct tls_config *tls, char **out,
		     struct config_error *err)
{
	const char *value = config_metadata_get(special, key);

	if (!value)
		return 0;
	tls->present = true;
	*out = strdup(value);
	return *out ? 0 : config_no_memory(err);
}

int config_special_tls(const struct metadata *special, struct tls_config *out, struct config_error *err)
{
	const char *secure = config_metadata_get(special, "secure");
	int rc = copy_text(special, "certFile", out, &out->cert_file, err);

	if (!rc)
		rc = copy_text(special, "keyFile", out, &out->key_file, err);
	if (!rc)
		rc = copy_text(special, "caFile", out, &out->ca_file, err);
	if (!rc)
		rc = copy_text(special, "serverName", out, &out->server_name, err);
	if (rc || !secure)
		return rc;
	if (config_parse_bool(secure, &out->secure))
		return config_fail(err, "key \"secure\": bad value \"%.100s\": expected true or false", secure);
	out->present = out->secure_given = true;
	return 0;
}
