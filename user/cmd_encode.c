/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_encode.c - `gostbpf encode`: a PROXY header as bytes, for tests and captures.
 *
 * Never: writes a header that `gostbpf decode` would not accept.
 * See: cmd_header.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_header.h"
#include "commands.h"
#include "hex.h"

struct encode {
	struct cmd_header header;
	bool hex;
};

static const struct cmd_flag flags[] = {
	{"v", CMD_TEXT, offsetof(struct encode, header.version), "1|2",
	 "version (default 1; 2 for what only it can say)"},
	CMD_HEADER_FLAGS(struct encode),
	{"dgram", CMD_SWITCH, offsetof(struct encode, header.dgram), NULL, "UDP instead of TCP (version 2)"},
	{"x", CMD_SWITCH, offsetof(struct encode, hex), NULL,
	 "write hexadecimal and a line end instead of bytes"},
	{0},
};

static const struct cmd_spec spec = {
	.name = "encode",
	.synopsis = "[-v 1|2] -src IP:PORT -dst IP:PORT [-dgram] [-tlv TYPE=VALUE ...] [-crc] [-x]",
	.notes = "Writes a PROXY protocol header to standard output.\n" CMD_HEADER_NOTES "\n"
		 "exit status: 0; 1 when there is no such header; 64 wrong usage\n"
		 "\n"
		 "examples\n"
		 "  gostbpf encode -v 1 -src 192.0.2.7:40001 -dst 198.51.100.9:443\n"
		 "  gostbpf encode -v 2 -src 192.0.2.7:40001 -dst 198.51.100.9:443 -tlv authority=a.example "
		 "-crc -x\n",
	.flags = flags,
};

static int write_out(const uint8_t *header, size_t len, bool hex)
{
	if (!hex) {
		fwrite(header, 1, len, stdout);
	} else {
		char *text = malloc(2 * len + 1);
		if (!text)
			return cmd_fail(&spec, CMD_FAILED, "out of memory");
		puts(hex_encode(header, len, text));
		free(text);
	}
	return fflush(stdout) || ferror(stdout)
		       ? cmd_fail(&spec, CMD_FAILED, "cannot write: %s", strerror(errno))
		       : CMD_OK;
}

static int encode(const struct encode *e)
{
	uint8_t *header = malloc(PROXY_HEADER_MAX);
	struct cmd_error err;

	if (!header)
		return cmd_fail(&spec, CMD_FAILED, "out of memory");
	ssize_t len = cmd_header_build(&e->header, NULL, NULL, header, PROXY_HEADER_MAX, &err);
	int status = len < 0 ? cmd_fail(&spec, CMD_FAILED, "%s", err.text)
			     : write_out(header, (size_t)len, e->hex);
	free(header);
	return status;
}

int cmd_encode(int argc, char **argv)
{
	struct encode e = {.hex = false};
	int status = cmd_parse(&spec, argc, argv, &e);

	if (status == CMD_RUN)
		status = encode(&e);
	cmd_list_free(&e.header.tlvs);
	return status;
}
