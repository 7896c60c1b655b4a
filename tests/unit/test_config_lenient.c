/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_lenient.c - -lenient: harmless words become warnings; everything else is refused as without it. */
#include <errno.h>
#include <string.h>

#include "config_model.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SVC	 "services: [{name: s, addr: ':80', handler: {type: http"

static int add(struct config *cfg, bool lenient, const char *text, struct config_error *err)
{
	config_init(cfg);
	cfg->lenient = lenient;
	if (!strncmp(text, "-L ", 3))
		return config_add_url(cfg, text + 3, err);
	if (!strncmp(text, "-F ", 3))
		return config_add_hop(cfg, text + 3, err);
	return config_add_yaml(cfg, "a.yml", text, strlen(text), err);
}

/* Refused without, a warning with the place with it. */
static void test_harmless(void)
{
	static const struct {
		const char *text, *warning;
	} rows[] = {
		{SVC "}}]\nmetrics: {addr: ':9'}", "a.yml:2:1: section \"metrics\" is not supported yet: ignored"},
		{SVC "}}]\napi: {addr: ':9'}", "a.yml:2:1: section \"api\" is not supported yet: ignored"},
		{SVC "}, logger: x}]", "key \"logger\" is not supported yet: ignored"},
		{SVC ", observer: o}}]", "a.yml:1:57: key \"observer\" is not supported yet: ignored"},
		{SVC ", metadata: {sniffing: true}}}]", "key \"sniffing\" is not supported yet: ignored"},
		{SVC ", metadata: {observer.period: 5s}}}]", "key \"observer.period\" is not supported yet: ignored"},
		{"log: {rotation: {maxSize: 3}}", "key \"rotation\" is not supported yet: ignored"},
		{"-L http://u:secret@:1?sniffing=true", "-L \"http://u:***@:1?sniffing=true\": key \"sniffing\""},
		{"-F relay://:1?mux.maxFrameSize=2", "-F \"relay://:1?mux.maxFrameSize=2\": key \"mux.maxFrameSize\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(add(&cfg, false, rows[i].text, &err), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "is not supported yet"));
		CU_ASSERT_EQUAL(cfg.warnings.count, 0);
		config_free(&cfg);
		CU_ASSERT_EQUAL(add(&cfg, true, rows[i].text, &err), 0);
		CU_ASSERT_EQUAL_FATAL(cfg.warnings.count, 1);
		if (!strstr(cfg.warnings.names[0], rows[i].warning)) {
			printf("    %s\n", cfg.warnings.names[0]);
			CU_FAIL("another warning was expected");
		}
		config_free(&cfg);
	}
}

/* Unknown words, and words that authenticate, encrypt, limit or choose a way. */
static void test_refused(void)
{
	static const char *const rows[] = {
		SVC "}}]\nmetrcs: {}",
		SVC "}}]\ntls: {certFile: c}",
		SVC "}}]\nquotas: [{name: q}]",
		SVC ", tls: {certFile: c}}}]",
		SVC ", chainGroup: {chains: [c]}}}]",
		SVC ", auth: {file: f}}}]",
		SVC ", limiter: l}}]",
		SVC ", metadata: {probeResist: 'code:404'}}}]",
		SVC ", metadata: {sniffng: true}}}]",
		SVC "}, listener: {type: tcp, auther: a}}]",
		SVC "}, metadata: {preUp: [nft]}}]",
		SVC "}, quotas: [q]}]",
		"admissions: [{name: a, matchers: [x], file: {path: f}}]",
		"bypasses: [{name: a, matchers: [x], plugin: {addr: f}}]",
		"authers: [{name: a, auths: [{username: u}], file: {path: f}}]",
		"hops: [{name: h, nodes: [{addr: ':1', filter: {host: x}}]}]",
		"hops: [{name: h, nodes: [{addr: ':1', dialer: {type: tcp, auth: {username: u}}}]}]",
		"-L http://:1?skipauth=10.0.0.0/8",
		"-L http://:1?knock=x",
		"-L http://:1?nonsense=1",
		"-F http://:1?header=x",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		if (add(&cfg, true, rows[i], &err) != -EINVAL) {
			printf("    %s\n", rows[i]);
			CU_FAIL("this must be refused");
		}
		CU_ASSERT_EQUAL(cfg.warnings.count, 0);
		config_free(&cfg);
	}
}

static const struct unit_case cases[] = {{"harmless words", test_harmless}, {"words that guard", test_refused}};

UNIT_MAIN("config_lenient", cases)
