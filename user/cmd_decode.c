/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_decode.c - `gostbpf decode`: header bytes in, one JSON object out.
 *
 * Why: raw input is judged after every read, as a receiver would, so a pipe that stays open is answered as soon as the
 * verdict is certain; the exit status is the verdict, for scripts.
 * Owns: its input. Never: reads more raw bytes than the largest header has.
 * See: proxy_json.h for the object, cmd_decode_listen.c for -listen.
 */
#include "cmd_decode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "hex.h"
#include "proxy_json.h"

#define HEX_TEXT_MAX (1 << 20) /* the largest header as "0x0d\n0x0a..." is a third of it */

const struct proxy_limits cmd_decode_limits = {
	.max_size = PROXY_HEADER_MAX, .allow_v1 = true, .allow_v2 = true};

struct decode {
	const char *file, *hex, *listen;
	bool lines;
};

static const struct cmd_flag flags[] = {
	{"x", CMD_OPTIONAL, offsetof(struct decode, hex), "[HEX]",
	 "the input is hexadecimal text; or the bytes themselves"},
	{"lines", CMD_SWITCH, offsetof(struct decode, lines), NULL,
	 "one header a line, in hexadecimal; one object for each"},
	{"listen", CMD_TEXT, offsetof(struct decode, listen), "ADDR",
	 "accept connections and show what arrives, until SIGINT"},
	{0},
};

static const struct cmd_spec spec = {
	.name = "decode",
	.synopsis = "[-x] [-lines] [FILE]  |  decode -x HEX  |  decode -listen ADDR",
	.notes = "Reads a PROXY protocol header from FILE or standard input and prints one JSON object.\n"
		 "Hexadecimal text may have white space, colons and 0x between the bytes. The word after -x\n"
		 "is the text itself when it is hexadecimal and no file has that name.\n"
		 "With -listen nothing is answered; what follows the header until 100 ms are silent is its "
		 "payload.\n"
		 "\n"
		 "exit status: 0 accept, 1 reject, 2 need-more, 3 not-proxy; 64 wrong usage or unreadable "
		 "input;\n"
		 "-lines and -listen: 0\n"
		 "\n"
		 "examples\n"
		 "  printf 'PROXY TCP4 192.0.2.7 198.51.100.9 40001 443\\r\\n' | gostbpf decode\n"
		 "  gostbpf decode -x 0d0a0d0a000d0a515549540a2111000cc0000207c63364099c4101bb\n"
		 "  gostbpf decode -listen 127.0.0.1:8080\n",
	.flags = flags,
	.word = "FILE",
	.word_offset = offsetof(struct decode, file),
};

int cmd_decode_print(const struct cmd_spec *from, json_t *object)
{
	if (!object)
		return cmd_fail(from, CMD_USAGE, "out of memory");
	json_dumpf(object, stdout, JSON_COMPACT); /* what stdio could not write, fflush() or ferror() tells */
	json_decref(object);
	putchar('\n');
	if (fflush(stdout) || ferror(stdout))
		return cmd_fail(from, CMD_USAGE, "cannot print: %s", strerror(errno));
	return CMD_OK;
}

/* The exit status, which is the verdict. */
static int decode_bytes(const uint8_t *bytes, size_t len)
{
	static const int statuses[] = {
		[PROXY_ACCEPT] = 0,
		[PROXY_REJECT] = 1,
		[PROXY_NEED_MORE] = 2,
		[PROXY_NOT_PROXY] = 3,
	};
	struct proxy_header header;
	struct proxy_fault fault;
	enum proxy_result r = proxy_parse(bytes, len, &cmd_decode_limits, &header, &fault);
	int rc = cmd_decode_print(&spec, proxy_json(r, &header, &fault));

	return rc ? rc : statuses[r];
}

/* --- input ------------------------------------------------------------------------------------- */

static int open_input(const char *file)
{
	if (!file || !strcmp(file, "-"))
		return STDIN_FILENO;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		cmd_fail(&spec, CMD_USAGE, "%s: %s", file, strerror(errno));
	return fd;
}

static void close_input(int fd)
{
	if (fd != STDIN_FILENO)
		close(fd);
}

/* As read(), over signals. */
static ssize_t read_some(int fd, void *buf, size_t cap)
{
	ssize_t n;

	do
		n = read(fd, buf, cap);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		cmd_fail(&spec, CMD_USAGE, "cannot read: %s", strerror(errno));
	return n;
}

static int decode_raw(int fd)
{
	uint8_t *buf = malloc(PROXY_HEADER_MAX);
	size_t len = 0;
	ssize_t n = 1;

	if (!buf)
		return cmd_fail(&spec, CMD_USAGE, "out of memory");
	while (n > 0 && len < PROXY_HEADER_MAX &&
	       proxy_parse(buf, len, &cmd_decode_limits, NULL, NULL) == PROXY_NEED_MORE) {
		n = read_some(fd, buf + len, PROXY_HEADER_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	}
	int status = n < 0 ? CMD_USAGE : decode_bytes(buf, len);
	free(buf);
	return status;
}

/* --- hexadecimal ------------------------------------------------------------------------------- */

static int decode_hex(const char *text, size_t len)
{
	uint8_t *bytes = malloc(len / 2 + 1);
	ssize_t count = bytes ? hex_decode(text, len, bytes, len / 2) : -ENOMEM;
	int status;

	if (count < 0)
		status = cmd_fail(&spec, CMD_USAGE, bytes ? "the input is not hexadecimal" : "out of memory");
	else
		status = decode_bytes(bytes, (size_t)count);
	free(bytes);
	return status;
}

static int decode_hex_file(int fd)
{
	char *text = malloc(HEX_TEXT_MAX);
	size_t len = 0;
	ssize_t n = 1;
	int status = CMD_USAGE;

	while (text && len < HEX_TEXT_MAX && (n = read_some(fd, text + len, HEX_TEXT_MAX - len)) > 0)
		len += (size_t)n;
	if (!text)
		cmd_fail(&spec, CMD_USAGE, "out of memory");
	else if (len == HEX_TEXT_MAX)
		cmd_fail(&spec, CMD_USAGE, "the input is longer than the longest header");
	else if (n == 0)
		status = decode_hex(text, len);
	free(text);
	return status;
}

/* The word after -x: bytes, unless a file has that name. */
static bool is_hex_word(const char *word)
{
	uint8_t *bytes = malloc(strlen(word) / 2 + 1);
	bool hex = bytes && hex_decode(word, strlen(word), bytes, strlen(word) / 2) > 0 && access(word, F_OK);

	free(bytes);
	return hex;
}

/* --- lines ------------------------------------------------------------------------------------- */

/* A line that cannot be read has an object too, so that the n-th object is that of the n-th line. */
static int decode_line(char *line, size_t len)
{
	uint8_t *bytes = (uint8_t *)line; /* bytes are written behind the text that is still to be read */
	ssize_t count = hex_decode(line, len, bytes, len);

	if (count < 0)
		return cmd_decode_print(
			&spec, json_pack("{s:s,s:s}", "result", "bad-input", "error", "not hexadecimal"));
	return decode_bytes(bytes, (size_t)count) == CMD_USAGE ? CMD_USAGE : CMD_OK;
}

static int decode_lines(int fd)
{
	FILE *f = fdopen(dup(fd), "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int status = CMD_OK;

	while (f && status == CMD_OK && (len = getline(&line, &cap, f)) >= 0)
		status = decode_line(line, (size_t)len);
	if (!f || ferror(f))
		status = cmd_fail(&spec, CMD_USAGE, "cannot read: %s", strerror(errno));
	if (f)
		fclose(f);
	free(line);
	return status;
}

/* --- the command ------------------------------------------------------------------------------- */

static int decode_input(const struct decode *d)
{
	int status, fd = open_input(d->file);

	if (fd < 0)
		return CMD_USAGE;
	if (d->lines)
		status = decode_lines(fd);
	else
		status = d->hex ? decode_hex_file(fd) : decode_raw(fd);
	close_input(fd);
	return status;
}

int cmd_decode(int argc, char **argv)
{
	struct decode d = {0};
	int status = cmd_parse(&spec, argc, argv, &d);

	if (status != CMD_RUN)
		return status;
	if (d.listen && (d.file || d.hex || d.lines))
		return cmd_misuse(&spec, "-listen goes with nothing else");
	if (d.hex && *d.hex && (d.file || d.lines))
		return cmd_misuse(&spec, "-x=HEX goes with nothing else");
	if (d.listen)
		return cmd_decode_listen(&spec, d.listen);
	if (d.hex && *d.hex)
		return decode_hex(d.hex, strlen(d.hex));
	if (d.hex && !d.lines && d.file && is_hex_word(d.file))
		return decode_hex(d.file, strlen(d.file));
	return decode_input(&d);
}
