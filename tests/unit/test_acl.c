/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_acl.c - tests/vectors/acl.tsv: a list, an address ("unix", "none"), yes or no; or what the error must name.
 *
 * Run from the root of the tree, as run-tests does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "unit.h"

static struct addr address_of(const char *text)
{
	struct addr a = {0};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};

	if (!strcmp(text, "unix"))
		addr_from_sockaddr(&a, (struct sockaddr *)&un, sizeof(un));
	else if (strcmp(text, "none"))
		CU_ASSERT_EQUAL_FATAL(addr_parse_ip(&a, text, strlen(text), 80), 0);
	return a;
}

static void check_error(const char *list, const char *named)
{
	struct acl acl = {.count = 77};
	char why[200] = "";

	CU_ASSERT_EQUAL(acl_parse(&acl, list, why, sizeof(why)), -EINVAL);
	CU_ASSERT(strncmp(why, named, strlen(named)) == 0);
	CU_ASSERT(acl.count == 77 && !acl.entries);
}

static void check_match(const char *list, const char *address, const char *verdict)
{
	struct acl acl = {0};
	struct addr a = address_of(address);
	char why[200] = "";
	int rc = acl_parse(&acl, list, why, sizeof(why));

	CU_ASSERT_EQUAL_FATAL(rc, 0);
	if (acl_match(&acl, &a) != !strcmp(verdict, "yes")) {
		printf("    %s %s is not %s\n", list, address, verdict);
		CU_FAIL("another verdict was expected");
	}
	acl_free(&acl);
}

static void test_vectors(void)
{
	FILE *in = fopen("tests/vectors/acl.tsv", "re");
	char line[256];
	unsigned rows = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), in)); /* the columns' names */
	while (fgets(line, sizeof(line), in)) {
		char *rest = line, *list = strsep(&rest, "\t"), *address = strsep(&rest, "\t");
		char *verdict = strsep(&rest, "\n");
		if (!strcmp(verdict, "error"))
			check_error(list, address);
		else
			check_match(list, address, verdict);
		rows++;
	}
	fclose(in);
	CU_ASSERT(rows > 70);
}

/* Every prefix length of both families: the last address inside, the first one outside. */
static void test_every_length(void)
{
	for (unsigned bits = 1; bits <= 128; bits++) {
		uint8_t inside[16] = {0x20}, outside[16] = {0x20};
		char list[32];
		struct acl acl = {0};
		struct addr a;
		for (unsigned i = bits; i < 128; i++)
			inside[i / 8] |= (uint8_t)(1u << (7 - i % 8));
		memcpy(outside, inside, 16);
		outside[(bits - 1) / 8] ^= (uint8_t)(1u << (7 - (bits - 1) % 8));
		snprintf(list, sizeof(list), bits < 3 ? "::/%u" : "2000::/%u", bits);
		CU_ASSERT_EQUAL_FATAL(acl_parse(&acl, list, list, sizeof(list)), 0);
		addr_from_in6(&a, inside, 1);
		CU_ASSERT(acl_match(&acl, &a));
		addr_from_in6(&a, outside, 1);
		CU_ASSERT(!acl_match(&acl, &a));
		acl_free(&acl);
	}
}

static void test_empty(void)
{
	struct acl acl = {0};
	struct addr a = address_of("192.0.2.1");

	CU_ASSERT(!acl_match(&acl, &a));
	acl_free(&acl);
	acl_free(&acl);
}

static const struct unit_case cases[] = {
	{"vectors", test_vectors},
	{"every prefix length", test_every_length},
	{"an empty list", test_empty},
};

UNIT_MAIN("acl", cases)
