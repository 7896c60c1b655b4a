/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_place.c - see config_place.h.
 *
 * Never: allocates.
 */
#include "config_place.h"

#include <string.h>

#include "interface_list.h"

int config_check_interfaces(const char *text, struct config_error *err)
{
	struct interface_list list;
	char why[128];

	return interface_list_parse(&list, text, why, sizeof(why)) ? config_fail(err, "%s", why) : 0;
}

int config_check_netns(const char *text, struct config_error *err)
{
	if (!*text || (*text != '/' && (strchr(text, '/') || !strcmp(text, ".") || !strcmp(text, ".."))))
		return config_fail(err, "\"%.60s\" is neither a namespace's name nor an absolute path", text);
	return 0;
}

int config_finish_place(const struct service_config *svc, struct config_error *err)
{
	struct interface_list list = {.count = 0};
	char why[128];

	if (!svc->opt.transparent || !svc->opt.interface)
		return 0;
	if (interface_list_parse(&list, svc->opt.interface, why, sizeof(why)))
		return config_fail(err, "%s", why);
	for (size_t i = 0; i < list.count; i++)
		if (!list.entries[i].device[0])
			return config_fail(err, "transparent=true connects from the client's address: interface \"%.60s\" cannot "
						"name another", svc->opt.interface);
	return 0;
}
