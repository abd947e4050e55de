#include "okv/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "okv/checking.h"

void okv_findings_done(struct okv_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->items[i].file);
		free(findings->items[i].what);
		free(findings->items[i].effect);
		free(findings->items[i].remedy);
	}
	free(findings->items);
	*findings = (struct okv_findings)OKV_FINDINGS_INIT;
}

size_t okv_findings_count(const struct okv_findings *findings, enum okv_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].severity == severity;
	return count;
}

const char *okv_severity_name(enum okv_severity severity)
{
	switch (severity) {
	case OKV_NOTE:
		return "NOTE";
	case OKV_WARN:
		return "WARN";
	case OKV_FAIL:
		return "FAIL";
	}
	return "FAIL";
}

static void finding_format(const struct okv_finding *finding, enum okv_colour wish, struct text *out)
{
	const char *colour = wish != OKV_COLOURED            ? ""
			     : finding->severity == OKV_FAIL ? "\033[31m"
			     : finding->severity == OKV_WARN ? "\033[33m"
							     : "";
	char line[24] = "";

	if (finding->line > 0)
		(void)snprintf(line, sizeof(line), ":%zu", finding->line);
	text_add_format(out, "%s%s%s  %s%s: %s [%s]\n      %s\n      fix: %s\n", colour,
			okv_severity_name(finding->severity), colour[0] != '\0' ? "\033[0m" : "", SHOWN(finding->file),
			line, finding->what, finding->rule, finding->effect, finding->remedy);
}

static void finding_json(struct json *j, const struct okv_finding *finding)
{
	json_object_begin(j, NULL);
	json_string(j, "grade", okv_severity_name(finding->severity));
	json_string(j, "rule", finding->rule);
	json_string(j, "file", finding->file);
	json_unsigned(j, "line", finding->line);
	json_string(j, "what", finding->what);
	json_string(j, "effect", finding->effect);
	json_string(j, "remedy", finding->remedy);
	json_bool(j, "safe", finding->safe);
	json_object_end(j);
}

void okv_findings_format(const struct okv_findings *findings, enum okv_colour colour, struct text *out)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_format(&findings->items[i], colour, out);
	text_add_format(out, "%s%zu to fix, %zu to look at\n", findings->count > 0 ? "\n" : "",
			okv_findings_count(findings, OKV_FAIL), okv_findings_count(findings, OKV_WARN));
}

void okv_findings_json(const struct okv_findings *findings, struct json *j)
{
	json_unsigned(j, "fail", okv_findings_count(findings, OKV_FAIL));
	json_unsigned(j, "warn", okv_findings_count(findings, OKV_WARN));
	json_array_begin(j, "findings");
	for (size_t i = 0; i < findings->count; i++)
		finding_json(j, &findings->items[i]);
	json_array_end(j);
}

static void scope_note(struct checking *c, enum okv_scope scope)
{
	switch (scope) {
	case OKV_SCOPE_GENERIC:
		return;
	case OKV_SCOPE_NO_INTERFACE:
		okv_found(c, OKV_NOTE, "scope", SETTINGS_GENERIC, 0, NEEDS_A_PERSON, okv_scope_text(scope),
			  "there is nothing to wire, and nothing is created",
			  "after an upgrade to OKV 21.3 or later: okv-luna config wire");
		return;
	case OKV_SCOPE_CLIENT_V6:
		okv_found(c, OKV_NOTE, "scope", c->job->settings->client_dir, 0, NEEDS_A_PERSON, okv_scope_text(scope),
			  "the generic files are left as they are",
			  "after an upgrade to Luna client 7 or later: okv-luna config wire");
		return;
	}
}

int okv_check(const struct okv_job *job, struct okv_findings *ret_findings, struct fault *f)
{
	OKV_FINDINGS_AUTO findings = OKV_FINDINGS_INIT;
	__attribute__((cleanup(okv_checking_done))) struct checking c = { .job = job, .findings = &findings };
	enum okv_scope scope;

	if (okv_scope_find(job->root, job->settings, &scope, f) < 0)
		return -1;
	scope_note(&c, scope);
	if (scope == OKV_SCOPE_GENERIC && (okv_check_conf(&c, f) < 0 || okv_check_env(&c, f) < 0 ||
					   okv_check_mid(&c, f) < 0 || okv_check_surroundings(&c, f) < 0))
		return -1;
	if (okv_check_chrystoki(&c, f) < 0)
		return -1;
	if (c.failed)
		return fault_memory(f);
	*ret_findings = findings;
	findings = (struct okv_findings)OKV_FINDINGS_INIT;
	return 0;
}
