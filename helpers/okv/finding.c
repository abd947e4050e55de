#include "okv/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static void finding_done(struct okv_finding *finding)
{
	free(finding->file);
	free(finding->what);
	free(finding->effect);
	free(finding->remedy);
}

void okv_findings_drop(struct okv_findings *findings, const char *remedy)
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->count; i++) {
		if (findings->items[i].remedy != NULL && strcmp(findings->items[i].remedy, remedy) == 0)
			finding_done(&findings->items[i]);
		else
			findings->items[kept++] = findings->items[i];
	}
	findings->count = kept;
}

int okv_findings_change(struct okv_findings *findings, const char *from, const char *to, struct fault *f)
{
	for (size_t i = 0; i < findings->count; i++) {
		char **remedy = &findings->items[i].remedy;
		if (*remedy == NULL || strcmp(*remedy, from) != 0)
			continue;
		char *other = strdup(to);
		if (other == NULL)
			return fault_memory(f);
		free(*remedy);
		*remedy = other;
	}
	return 0;
}

void okv_findings_done(struct okv_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_done(&findings->items[i]);
	free(findings->items);
	*findings = (struct okv_findings){ 0 };
}

size_t okv_findings_count(const struct okv_findings *findings, enum okv_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].severity == severity;
	return count;
}

void okv_finding_add(struct okv_findings *found, const struct okv_rule *rule, size_t line, const char *what, ...)
{
	struct okv_finding finding = {
		.severity = rule->severity,
		.rule = rule->word,
		.line = line,
		.safe = strcmp(rule->remedy, OKV_FIX_IT) == 0,
	};
	va_list arguments;

	if (!ARRAY_GROW(found->items, found->count)) {
		found->failed = true;
		return;
	}
	va_start(arguments, what);
	if (vasprintf(&finding.what, what, arguments) < 0)
		finding.what = NULL;
	va_end(arguments);
	finding.file = strdup(found->file);
	finding.effect = strdup(rule->effect);
	finding.remedy = strdup(rule->remedy);
	found->failed = found->failed || finding.what == NULL || finding.file == NULL || finding.effect == NULL ||
			finding.remedy == NULL;
	found->items[found->count++] = finding;
}

void okv_finding_set_moot(struct okv_findings *found)
{
	if (found->count > 0)
		found->items[found->count - 1].moot = true;
}

void okv_lines_add(struct okv_lines *lines, size_t line)
{
	enum { SHOWN_LINES = 8 };

	lines->count++;
	if (lines->count > 1 && lines->count <= SHOWN_LINES)
		text_add_format(&lines->more, "%s %zu", lines->count > 2 ? "," : "; also on line", line);
	else if (lines->count == SHOWN_LINES + 1)
		text_add_string(&lines->more, " and others");
}

void okv_lines_done(struct okv_lines *lines)
{
	text_done(&lines->more);
}

bool okv_remedy_is_command(const char *remedy)
{
	return text_starts(remedy, "okv-luna ");
}

static const char *severity_name(enum okv_severity severity)
{
	static const char *const names[] = { [OKV_NOTE] = "NOTE", [OKV_WARN] = "WARN", [OKV_FAIL] = "FAIL" };

	return names[severity];
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
	text_add_format(out, "%s%s%s  %s%s: %s [%s]\n      %s\n      %s%s\n", colour, severity_name(finding->severity),
			colour[0] != '\0' ? "\033[0m" : "", SHOWN(finding->file), line, finding->what, finding->rule,
			finding->effect, okv_remedy_is_command(finding->remedy) ? "fix: " : "", finding->remedy);
}

void okv_findings_format(const struct okv_findings *findings, enum okv_colour colour, struct text *out)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_format(&findings->items[i], colour, out);
	text_add_format(out, "%s%zu to fix, %zu to look at\n", findings->count > 0 ? "\n" : "",
			okv_findings_count(findings, OKV_FAIL), okv_findings_count(findings, OKV_WARN));
}

static void finding_json(struct json *j, const struct okv_finding *finding)
{
	json_object_begin(j, NULL);
	json_string(j, "grade", severity_name(finding->severity));
	json_string(j, "rule", finding->rule);
	json_string(j, "file", finding->file);
	json_unsigned(j, "line", finding->line);
	json_string(j, "what", finding->what);
	json_string(j, "effect", finding->effect);
	json_string(j, "remedy", finding->remedy);
	json_bool(j, "safe", finding->safe);
	json_object_end(j);
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
