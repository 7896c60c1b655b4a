/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_error.c - error sentences, and the place put before them.
 *
 * Why: what finds a mistake rarely knows where the text came from; the two meet here.
 * Never: prints; main does.
 * See: config_parts.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "config_parts.h"

/* A message quotes what the user wrote; escape sequences in it must not reach a terminal. */
static void hide_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int config_fail(struct config_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	hide_controls(err->text);
	return -EINVAL;
}

int config_fail_at(struct config_error *err, int rc, const char *fmt, ...)
{
	char where[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	size_t sentence = strlen(err->text), place = strlen(where), most = sizeof(err->text) - 3;
	if (place > most)
		place = most;
	if (sentence > most - place)
		sentence = most - place;
	memmove(err->text + place + 2, err->text, sentence);
	memcpy(err->text, where, place);
	memcpy(err->text + place, ": ", 2);
	err->text[place + 2 + sentence] = '\0';
	hide_controls(err->text);
	return rc;
}

int config_no_memory(struct config_error *err)
{
	config_fail(err, "out of memory");
	return -ENOMEM;
}
