/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_routes.c - `gostbpf routes apply|show|remove`: what transparent=true needs from the kernel's routing.
 *
 * A server answers to the client's address. Such packets must be delivered to the sockets here that have that address: nft
 * marks what belongs to a transparent socket, ip rule sends the marked to a table in which every address is local. A
 * server on this machine answers from a loopback address: a second rule sends those to the same table.
 * Why programs and not netlink: what is done can be read, and typed again. Each step is looked for before it is done, so
 * that apply twice is apply once, and remove takes away what apply made and nothing else.
 * Owns: nothing that outlives it but the rules. Never: uses a shell; changes a sysctl.
 * See: ip-rule(8), nft(8) "socket expression", user/socket_place.c.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd_flags.h"
#include "cmd_program.h"
#include "commands.h"

enum { STEPS_MAX = 7, WORDS_MAX = 14, NUMBER_MAX = 16, OUTPUT_MAX = 8192 };
#define DEFAULT_NUMBER "26466"

struct routes {
	const char *action, *mark, *table;
	bool dry, only4, only6;
	unsigned mark_value, table_value;
	char mark_text[NUMBER_MAX], table_text[NUMBER_MAX];
};

static const struct cmd_flag flags[] = {
	{"mark", CMD_TEXT, offsetof(struct routes, mark), "N", "mark of packets for transparent sockets (" DEFAULT_NUMBER ")"},
	{"table", CMD_TEXT, offsetof(struct routes, table), "N", "routing table, and priority of the rules (" DEFAULT_NUMBER ")"},
	{"4", CMD_SWITCH, offsetof(struct routes, only4), NULL, "IPv4 only"},
	{"6", CMD_SWITCH, offsetof(struct routes, only6), NULL, "IPv6 only"},
	{"n", CMD_SWITCH, offsetof(struct routes, dry), NULL, "print the commands, run none that changes anything"},
	{0},
};

static const struct cmd_spec spec = {
	.name = "routes",
	.synopsis = "apply|show|remove [-mark N] [-table N] [-4|-6] [-n]",
	.notes = "Sets up, shows or undoes the rules that transparent=true needs, with ip and nft. Commands that change\n"
		 "something are printed before they run. Give remove the flags that apply was given.\n"
		 "The server's way back to the clients must lead through this machine.\n"
		 "\n"
		 "exit status: 0; 1 a command failed, or (show) something is missing; 64 wrong usage\n"
		 "\n"
		 "example\n"
		 "  gostbpf routes apply && gostbpf -L 'tcp://:80/10.0.0.2:80?transparent=true'\n",
	.flags = flags,
	.word = "action",
	.word_offset = offsetof(struct routes, action),
};

/* One thing that apply makes. */
struct step {
	const char *family; /* for show */
	const char *what;
	const char *add[WORDS_MAX], *del[WORDS_MAX], *look[WORDS_MAX]; /* NULL-terminated */
	char ours[64];	/* ends a line, or a word, of what look prints when the thing is there */
	bool exclusive; /* whatever else look prints is in the way */
};

struct plan {
	struct step steps[STEPS_MAX];
	size_t count;
	char nft_add[400];
};

/* --- what there is to do ------------------------------------------------------------------------------------ */

static void plan_rule(struct plan *plan, const struct routes *r, const char *family)
{
	const char *n = r->table_text;
	struct step *s = &plan->steps[plan->count++];

	*s = (struct step){
		.family = family,
		.what = "rule for marked packets",
		.add = {"ip", family, "rule", "add", "pref", n, "fwmark", r->mark_text, "lookup", n},
		.del = {"ip", family, "rule", "del", "pref", n, "fwmark", r->mark_text, "lookup", n},
		.look = {"ip", family, "rule", "show", "pref", n},
	};
	snprintf(s->ours, sizeof(s->ours), "from all fwmark 0x%x lookup %s", r->mark_value, n);
}

static void plan_loopback(struct plan *plan, const struct routes *r, const char *family)
{
	const char *n = r->table_text, *from = family[1] == '4' ? "127.0.0.0/8" : "::1";
	struct step *s = &plan->steps[plan->count++];

	*s = (struct step){
		.family = family,
		.what = "rule for servers on this machine",
		.add = {"ip", family, "rule", "add", "pref", n, "from", from, "iif", "lo", "lookup", n},
		.del = {"ip", family, "rule", "del", "pref", n, "from", from, "iif", "lo", "lookup", n},
		.look = {"ip", family, "rule", "show", "pref", n},
	};
	snprintf(s->ours, sizeof(s->ours), "from %s iif lo lookup %s", from, n);
}

static void plan_route(struct plan *plan, const struct routes *r, const char *family)
{
	const char *n = r->table_text;

	plan->steps[plan->count++] = (struct step){
		.family = family,
		.what = "table in which every address is local",
		.add = {"ip", family, "route", "add", "local", "default", "dev", "lo", "table", n},
		.del = {"ip", family, "route", "del", "local", "default", "dev", "lo", "table", n},
		.look = {"ip", family, "route", "show", "table", n},
		.ours = "local default dev lo",
		.exclusive = true,
	};
}

static void plan_mark(struct plan *plan, const struct routes *r)
{
	struct step *s = &plan->steps[plan->count++];

	snprintf(plan->nft_add, sizeof(plan->nft_add),
		 "add table inet gostbpf; add chain inet gostbpf divert { type filter hook prerouting priority mangle; }; "
		 "add rule inet gostbpf divert meta l4proto { tcp, udp } socket transparent 1 meta mark set %s",
		 r->mark_text);
	*s = (struct step){
		.family = "",
		.what = "mark of packets for transparent sockets",
		.add = {"nft", plan->nft_add},
		.del = {"nft", "delete table inet gostbpf"},
		.look = {"nft", "list table inet gostbpf"},
		.exclusive = true,
	};
	snprintf(s->ours, sizeof(s->ours), "socket transparent 1 meta mark set 0x%08x", r->mark_value);
}

static void plan_family(struct plan *plan, const struct routes *r, const char *family)
{
	plan_route(plan, r, family);
	plan_rule(plan, r, family);
	plan_loopback(plan, r, family);
}

/* The mark comes last: until then nothing changes for any packet. */
static void make_plan(struct plan *plan, const struct routes *r)
{
	bool has_ipv6 = access("/proc/net/if_inet6", F_OK) == 0;

	plan->count = 0;
	if (!r->only6)
		plan_family(plan, r, "-4");
	if (r->only6 || (!r->only4 && has_ipv6))
		plan_family(plan, r, "-6");
	plan_mark(plan, r);
}

/* --- looking -------------------------------------------------------------------------------------------------- */

enum presence { ABSENT, PRESENT, IN_THE_WAY };

static bool prints(const char *text, const char *ours)
{
	for (const char *at = text; (at = strstr(at, ours)); at++) {
		const char *end = at + strlen(ours);
		if (!*end || *end == ' ' || *end == '\n')
			return true;
	}
	return false;
}

static enum presence look(const struct step *s)
{
	char out[OUTPUT_MAX] = "";
	int status = cmd_program_run(s->look, out, sizeof(out));

	if (status) /* no such table; or no such program, which adding will find out */
		return ABSENT;
	if (prints(out, s->ours))
		return PRESENT;
	return s->exclusive && out[strspn(out, " \n")] ? IN_THE_WAY : ABSENT;
}

/* --- doing ---------------------------------------------------------------------------------------------------- */

static int run_step(const struct routes *r, const char *const *argv)
{
	cmd_program_print(argv);
	int status = r->dry ? 0 : cmd_program_run(argv, NULL, 0);

	if (status < 0)
		return cmd_fail(&spec, CMD_FAILED, "cannot run %s: %s", argv[0], strerror(-status));
	if (status)
		return cmd_fail(&spec, CMD_FAILED, "%s has failed with exit status %d", argv[0], status);
	return CMD_OK;
}

static int in_the_way(const struct step *s)
{
	if (s->family[0])
		return cmd_fail(&spec, CMD_FAILED, "routing table %s holds other routes: choose another with -table",
				s->look[5]);
	return cmd_fail(&spec, CMD_FAILED, "nft table inet gostbpf has another mark: remove it with the flags it was made with");
}

/* False, after a message: nothing is to be changed. */
static bool look_at_all(const struct plan *plan, enum presence found[static STEPS_MAX])
{
	for (size_t i = 0; i < plan->count; i++) {
		found[i] = look(&plan->steps[i]);
		if (found[i] == IN_THE_WAY) {
			in_the_way(&plan->steps[i]);
			return false;
		}
	}
	return true;
}

/* All or nothing: what this call made is taken away when a later step fails. */
static int apply(const struct routes *r, const struct plan *plan)
{
	enum presence found[STEPS_MAX];
	int status = CMD_OK;
	size_t i = 0;

	if (!look_at_all(plan, found))
		return CMD_FAILED;
	for (; i < plan->count && status == CMD_OK; i++)
		if (found[i] == ABSENT)
			status = run_step(r, plan->steps[i].add);
	if (status == CMD_OK)
		return CMD_OK;
	for (i--; i-- > 0;) /* all but the one that failed */
		if (found[i] == ABSENT)
			run_step(r, plan->steps[i].del);
	return status;
}

static int undo(const struct routes *r, const struct plan *plan)
{
	int status = CMD_OK;

	for (size_t i = plan->count; i-- > 0;)
		if (look(&plan->steps[i]) == PRESENT && run_step(r, plan->steps[i].del) != CMD_OK)
			status = CMD_FAILED;
	return status;
}

static int show(const struct plan *plan)
{
	static const char *const words[] = {[ABSENT] = "missing", [PRESENT] = "present", [IN_THE_WAY] = "in the way"};
	int status = CMD_OK;

	for (size_t i = 0; i < plan->count; i++) {
		const struct step *s = &plan->steps[i];
		enum presence there = look(s);
		printf("%-10s  %s: %s\n", words[there], s->family[0] ? s->family[1] == '4' ? "IPv4" : "IPv6" : "both", s->what);
		if (there != PRESENT)
			status = CMD_FAILED;
	}
	return status;
}

/* --- the command line ------------------------------------------------------------------------------------------ */

/* Table 255 is the kernel's own, and so are priorities from 32766 on. */
static bool read_number(const char *text, unsigned min, unsigned max, unsigned *out, char shown[static NUMBER_MAX])
{
	char *end;

	errno = 0;
	unsigned long value = strtoul(text, &end, 0);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < min || value > max)
		return false;
	*out = (unsigned)value;
	snprintf(shown, NUMBER_MAX, "%u", *out);
	return true;
}

static int check(struct routes *r)
{
	if (!r->action)
		return cmd_misuse(&spec, "apply, show or remove is missing");
	if (strcmp(r->action, "apply") && strcmp(r->action, "show") && strcmp(r->action, "remove"))
		return cmd_misuse(&spec, "\"%s\" is not apply, show or remove", r->action);
	if (r->only4 && r->only6)
		return cmd_misuse(&spec, "-4 and -6 exclude each other");
	if (!read_number(r->mark ? r->mark : DEFAULT_NUMBER, 1, UINT32_MAX, &r->mark_value, r->mark_text))
		return cmd_misuse(&spec, "-mark %s: a number from 1 to 4294967295 is expected", r->mark);
	if (!read_number(r->table ? r->table : DEFAULT_NUMBER, 256, 32765, &r->table_value, r->table_text))
		return cmd_misuse(&spec, "-table %s: a number from 256 to 32765 is expected", r->table);
	return CMD_RUN;
}

int cmd_routes(int argc, char **argv)
{
	struct routes r = {.action = NULL};
	struct plan plan;
	int status = cmd_parse(&spec, argc, argv, &r);

	if (status == CMD_RUN)
		status = check(&r);
	if (status != CMD_RUN)
		return status;
	make_plan(&plan, &r);
	if (!strcmp(r.action, "apply"))
		return apply(&r, &plan);
	return !strcmp(r.action, "remove") ? undo(&r, &plan) : show(&plan);
}
