/* SPDX-License-Identifier: BSD-2-Clause */
/* unit.c - see unit.h. Runs each case as a CUnit test of one suite and counts cases, not assertions. */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool skipped;

void unit_skip(const char *reason)
{
	skipped = true;
	printf("    skip: %s\n", reason);
}

static void print_failures(void)
{
	for (CU_pFailureRecord f = CU_get_failure_list(); f; f = f->pNext)
		printf("    %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
}

static bool run_one(CU_pSuite suite, CU_pTest test)
{
	skipped = false;
	if (CU_run_test(suite, test) != CUE_SUCCESS)
		return false;
	return CU_get_number_of_failure_records() == 0;
}

int unit_run(const char *name, const struct unit_case *cases, size_t count)
{
	unsigned passed = 0, failed = 0, skips = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	CU_pSuite suite = CU_add_suite(name, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		CU_pTest test = CU_add_test(suite, cases[i].name, cases[i].fn);
		bool ok = test && run_one(suite, test);
		printf("  %s %s/%s\n", !ok ? "FAIL" : skipped ? "skip" : "ok  ", name, cases[i].name);
		if (!ok)
			print_failures();
		*(!ok ? &failed : skipped ? &skips : &passed) += 1;
	}
	CU_cleanup_registry();
	printf("%s: %u passed, %u failed, %u skipped\n", name, passed, failed, skips);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
