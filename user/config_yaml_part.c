/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml_part.c - the pieces that services, hops, nodes and lists have in common: types, names, auth, tls.
 *
 * Why: GOST spells them alike wherever they stand.
 * Never: prints a password.
 * See: config_yaml.h.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "config_yaml.h"

int yaml_read_type(struct yaml_reader *r, const struct tree_node *value, char **out)
{
	int rc = yaml_read_text(r, value, out);

	for (char *p = rc ? NULL : *out; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return rc;
}

int yaml_read_reference(struct yaml_reader *r, const struct tree_node *value, char **out)
{
	int rc = yaml_read_text(r, value, out);

	return !rc && !(*out)[0] ? yaml_fail(r, value, "expected a name") : rc;
}

static int read_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	if (value->kind != TREE_SCALAR || config_tree_is_empty(value))
		return yaml_fail(r, value, "expected a name");
	return config_names_add(target, value->text) ? config_no_memory(r->err) : 0;
}

int yaml_read_names(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return value->kind == TREE_LIST ? yaml_read_list(r, value, read_name, target) : read_name(r, value, target);
}

int yaml_set_origin(struct yaml_reader *r, const struct tree_node *value, char **out)
{
	if (asprintf(out, "%.*s:%u:%u", 200, r->name, value->line, value->column) >= 0)
		return 0;
	*out = NULL;
	return config_no_memory(r->err);
}

/* An explicit 0 is GOST's "not given". */
int yaml_read_selector(struct yaml_reader *r, const struct tree_node *value, struct selector_config *out)
{
	struct selector_config presets = {0};

	config_key_presets(SCOPE_SELECTOR, &presets);
	*out = presets;
	out->present = true;
	int rc = yaml_read_keys(r, value, SCOPE_SELECTOR, config_gost_selector_fields, out);
	if (!out->max_fails)
		out->max_fails = presets.max_fails;
	if (!out->fail_timeout_ns)
		out->fail_timeout_ns = presets.fail_timeout_ns;
	return rc;
}

/* --- auth -------------------------------------------------------------------------------------- */

static int read_user(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_text(r, value, &((struct auth_config *)target)->user);
}

static int read_password(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_text(r, value, &((struct auth_config *)target)->password);
}

/* Half of it given, the other is empty: "both NULL" must mean none. */
static int fill_auth(struct auth_config *auth)
{
	if (!auth->user)
		auth->user = strdup("");
	if (!auth->password)
		auth->password = strdup("");
	return auth->user && auth->password ? 0 : -ENOMEM;
}

/* An empty auth would be an open service whose owner thinks otherwise. */
int yaml_read_auth(struct yaml_reader *r, const struct tree_node *value, struct auth_config *out)
{
	static const struct yaml_field fields[] = {{"username", read_user}, {"password", read_password}, {0}};
	static const char *const later[] = {"file", NULL};
	int rc = yaml_read_mapping(r, value, fields, later, "key", out);

	if (rc)
		return rc;
	if (!(out->user && out->user[0]) && !(out->password && out->password[0]))
		return yaml_fail(r, value, "there are neither username nor password in it");
	return fill_auth(out) ? config_no_memory(r->err) : 0;
}

/* --- tls --------------------------------------------------------------------------------------- */

static int read_cert(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct tls_config *)target)->cert_file);
}

static int read_key(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct tls_config *)target)->key_file);
}

static int read_ca(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct tls_config *)target)->ca_file);
}

static int read_server_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct tls_config *)target)->server_name);
}

static int read_secure(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct tls_config *tls = target;

	tls->secure_given = true;
	if (value->kind != TREE_SCALAR || config_parse_bool(value->text, &tls->secure))
		return yaml_fail(r, value, "key \"secure\": expected true or false");
	return 0;
}

int yaml_read_tls(struct yaml_reader *r, const struct tree_node *value, struct tls_config *out)
{
	static const struct yaml_field fields[] = {
		{"certFile", read_cert}, {"keyFile", read_key},		  {"caFile", read_ca},
		{"secure", read_secure}, {"serverName", read_server_name}, {0},
	};
	static const char *const later[] = {"options", "validity", "commonName", "organization", "rejectUnknownSNI",
					    "serverNames", NULL};

	out->present = true;
	int rc = yaml_read_mapping(r, value, fields, later, "key", out);
	if (!rc && !out->cert_file != !out->key_file)
		rc = yaml_fail(r, value, "a certificate needs certFile and keyFile");
	return rc;
}
