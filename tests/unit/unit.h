/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - the few lines every CUnit program needs: run a table of cases, print one closing line.
 *
 * Why: one program per module, so that its link line proves what the module depends on.
 * A case that cannot run here calls unit_skip("why"): counted apart, never as passed.
 */
#pragma once

#include <CUnit/CUnit.h>
#include <stddef.h>

struct unit_case {
	const char *name;
	void (*fn)(void);
};

/* Runs all cases; prints each failure and "unit NAME: N passed, N failed, N skipped". 0 when none failed. */
int unit_run(const char *suite, const struct unit_case *cases, size_t count);
/* Marks the running case as skipped, with the reason printed. */
void unit_skip(const char *reason);

#define UNIT_MAIN(suite, cases) \
	int main(void) { return unit_run(suite, cases, sizeof(cases) / sizeof((cases)[0])); }
