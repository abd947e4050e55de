#include "wire/check.h"

#include <stdlib.h>
#include <string.h>

#include "wire/checking.h"

void wire_findings_done(struct wire_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->items[i].file);
		free(findings->items[i].what);
		free(findings->items[i].effect);
		free(findings->items[i].remedy);
	}
	free(findings->items);
	*findings = (struct wire_findings)WIRE_FINDINGS_INIT;
}

size_t wire_findings_count(const struct wire_findings *findings, enum wire_grade grade)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].grade == grade;
	return count;
}

const char *wire_grade_name(enum wire_grade grade)
{
	switch (grade) {
	case WIRE_NOTE:
		return "NOTE";
	case WIRE_WARN:
		return "WARN";
	case WIRE_FAIL:
		return "FAIL";
	}
	return "FAIL";
}

static void scope_note(struct checking *c, enum wire_scope scope)
{
	switch (scope) {
	case WIRE_SCOPE_GENERIC:
		return;
	case WIRE_SCOPE_NO_INTERFACE:
		wire_found(c, WIRE_NOTE, "scope", SETTINGS_GENERIC, 0, NEEDS_A_PERSON, wire_scope_text(scope),
			   "there is nothing to wire, and nothing is created",
			   "after an upgrade to OKV 21.3 or later: okv-luna config wire");
		return;
	case WIRE_SCOPE_CLIENT_V6:
		wire_found(c, WIRE_NOTE, "scope", c->job->settings->client_dir, 0, NEEDS_A_PERSON,
			   wire_scope_text(scope), "the generic files are left as they are",
			   "after an upgrade to Luna client 7 or later: okv-luna config wire");
		return;
	}
}

int wire_check(const struct wire_job *job, struct wire_findings *ret_findings, struct fault *f)
{
	WIRE_FINDINGS_AUTO findings = WIRE_FINDINGS_INIT;
	__attribute__((cleanup(wire_checking_done))) struct checking c = { .job = job, .findings = &findings };
	enum wire_scope scope;

	if (wire_scope_find(job->root, job->settings, &scope, f) < 0)
		return -1;
	scope_note(&c, scope);
	if (scope == WIRE_SCOPE_GENERIC && (wire_check_conf(&c, f) < 0 || wire_check_env(&c, f) < 0 ||
					    wire_check_mid(&c, f) < 0 || wire_check_surroundings(&c, f) < 0))
		return -1;
	if (wire_check_chrystoki(&c, f) < 0)
		return -1;
	if (c.failed)
		return fault_memory(f);
	*ret_findings = findings;
	findings = (struct wire_findings)WIRE_FINDINGS_INIT;
	return 0;
}
