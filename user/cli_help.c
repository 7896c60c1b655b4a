/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_help.c - what -h, -V and a bad command line print.
 *
 * Why: flags and keys come from their tables, so help cannot miss one.
 * See: cli_flags.h, config_print_keys().
 */
#include <string.h>
#include <sys/utsname.h>

#include "cli_flags.h"

static void print_examples(FILE *out)
{
	fputs("examples\n"
	      "  gostbpf -L tcp://:8080/192.168.1.1:80\n"
	      "      forward port 8080 to one target\n"
	      "  gostbpf -L tcp://:8000/:8080 -L tcp://:8080/example.com:80?proxyProtocol=1\n"
	      "      the second service accepts PROXY headers\n"
	      "  gostbpf -L tcp://:8080/:8000?handler.proxyProtocol=1\n"
	      "      tell the target who the client is (2: the binary version)\n"
	      "  gostbpf -L \"tcp://:8080/a:80,b:80?strategy=fifo&maxFails=3&failTimeout=60s\"\n"
	      "      two targets, the second when the first fails\n"
	      "  gostbpf -L tcp://:8000-8002/:9000-9002\n"
	      "      three ports to three ports\n"
	      "  gostbpf -L \"udp://:53/10.0.0.1:53?handler.proxyProtocol=2\"\n"
	      "      datagrams, each with a header that tells the target who the client is\n"
	      "  gostbpf -L :8080 -F http://10.0.0.1:8000?proxyProtocol=1\n"
	      "      HTTP and SOCKS proxy that goes through another, and tells it who the client is\n"
	      "  gostbpf -L http://user:pass@:8080 -F relay+tls://a:443 -F socks5://b:1080\n"
	      "      two hops, for those who know the password\n"
	      "  gostbpf check -C gost.yml; gostbpf explain -C gost.yml\n"
	      "      would it start; what would it do, and why\n",
	      out);
}

static void print_flag(FILE *out, const struct cli_flag *flag)
{
	char left[40];

	snprintf(left, sizeof(left), "-%s%s%s", flag->name, flag->arg ? " " : "", flag->arg ? flag->arg : "");
	fprintf(out, "  %-18s %s\n", left, flag->doc);
}

static void print_flags(FILE *out)
{
	const char *group = "";

	for (const struct cli_flag *flag = cli_flags; flag->name; flag++) {
		if (!flag->doc)
			continue;
		if (strcmp(group, flag->group))
			fprintf(out, "%s\n", group = flag->group);
		print_flag(out, flag);
	}
}

void cli_print_usage(FILE *out)
{
	fputs("usage: gostbpf -L scheme://[host]:port[/target][?key=value] [-L ...] [-F hop ...] [-C file] [flags]\n"
	      "       gostbpf -h lists all flags and keys\n",
	      out);
}

void cli_print_help(FILE *out, const struct cli_command *commands)
{
	cli_print_usage(out);
	fputc('\n', out);
	print_flags(out);
	fputs("commands\n", out);
	for (const struct cli_mode *mode = cli_modes; mode->name; mode++)
		fprintf(out, "  %-18s %s\n", mode->name, mode->doc);
	for (const struct cli_command *command = commands; command && command->name; command++)
		fprintf(out, "  %-18s %s\n", command->name, command->doc);
	fputc('\n', out);
	print_examples(out);
	fputs("\nkeys, by scope (default) [kind]\n", out);
	config_print_keys(out);
}

void cli_print_version(FILE *out)
{
	struct utsname host;

	if (uname(&host))
		strcpy(host.machine, "unknown");
	fprintf(out, "gostbpf %s (linux/%s)\n", GOSTBPF_VERSION, host.machine);
}
