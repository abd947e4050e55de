#include "conf/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static void finding_done(struct finding *finding)
{
	free(finding->file);
	free(finding->what);
	free(finding->effect);
	free(finding->remedy);
}

void finding_list_done(struct finding_list *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_done(&findings->items[i]);
	free(findings->items);
	*findings = (struct finding_list){ 0 };
}

size_t finding_list_count(const struct finding_list *findings, enum finding_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].severity == severity;
	return count;
}

static __attribute__((format(printf, 2, 0))) char *string_format(struct finding_list *found, const char *format,
								 va_list arguments)
{
	char *string;

	if (vasprintf(&string, format, arguments) >= 0)
		return string;
	found->failed = true;
	return NULL;
}

static char *string_copy(struct finding_list *found, const char *string)
{
	char *copy = strdup(string);

	found->failed = found->failed || copy == NULL;
	return copy;
}

void finding_add(struct finding_list *found, const struct finding_rule *rule, size_t line, const char *what, ...)
{
	va_list arguments;

	if (!ARRAY_GROW(found->items, found->count)) {
		found->failed = true;
		return;
	}
	va_start(arguments, what);
	found->items[found->count++] = (struct finding){
		.severity = rule->severity,
		.rule = rule->word,
		.file = string_copy(found, found->file),
		.line = line,
		.what = string_format(found, what, arguments),
		.effect = string_copy(found, rule->effect),
		.remedy = rule->remedy != NULL ? string_copy(found, rule->remedy) : NULL,
		.moot = rule->moot,
		.hides = rule->hides,
	};
	va_end(arguments);
}

void finding_set_remedy(struct finding_list *found, const char *remedy, ...)
{
	va_list arguments;

	if (found->count == 0)
		return;
	va_start(arguments, remedy);
	free(found->items[found->count - 1].remedy);
	found->items[found->count - 1].remedy = string_format(found, remedy, arguments);
	va_end(arguments);
}

void finding_list_drop(struct finding_list *findings, bool (*should_drop)(const struct finding *finding))
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->count; i++) {
		if (should_drop(&findings->items[i]))
			finding_done(&findings->items[i]);
		else
			findings->items[kept++] = findings->items[i];
	}
	findings->count = kept;
}

void finding_lines_add(struct finding_lines *lines, size_t line)
{
	enum { SHOWN_LINES = 8 };

	lines->count++;
	if (lines->count == 2) {
		text_add_format(&lines->more, "; also on line %zu", line);
		lines->second = line;
	} else if (lines->count == 3) {
		text_cut(&lines->more, 0);
		text_add_format(&lines->more, "; also on lines %zu, %zu", lines->second, line);
	} else if (lines->count > 3 && lines->count <= SHOWN_LINES)
		text_add_format(&lines->more, ", %zu", line);
	else if (lines->count == SHOWN_LINES + 1)
		text_add_string(&lines->more, " and others");
}

void finding_lines_done(struct finding_lines *lines)
{
	text_done(&lines->more);
}

bool finding_is_safe(const struct finding *finding)
{
	return strcmp(finding->remedy, FINDING_FIX_IT) == 0;
}

bool finding_remedy_is_command(const char *remedy)
{
	static const char *const programs[] = {
		"chattr", "chmod", "chown", "gpasswd", "groupadd", "mount", "okv-luna", "rm", "setfacl",
	};
	const size_t length = strcspn(remedy, " ");

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (text_equal(remedy, length, programs[i]))
			return true;
	return false;
}

static const char *severity_name(enum finding_severity severity)
{
	static const char *const names[] = {
		[FINDING_NOTE] = "NOTE", [FINDING_WARN] = "WARN", [FINDING_FAIL] = "FAIL"
	};

	return names[severity];
}

static void finding_format(const struct finding *finding, enum finding_colour wish, struct text *out)
{
	const char *colour = wish != FINDING_COLOURED            ? ""
			     : finding->severity == FINDING_FAIL ? "\033[31m"
			     : finding->severity == FINDING_WARN ? "\033[33m"
								 : "";
	char line[24] = "";

	if (finding->line > 0)
		(void)snprintf(line, sizeof(line), ":%zu", finding->line);
	text_add_format(out, "%s%s%s  %s%s: %s [%s]\n      %s\n      %s%s\n", colour, severity_name(finding->severity),
			colour[0] != '\0' ? "\033[0m" : "", SHOWN(finding->file), line, finding->what, finding->rule,
			finding->effect, finding_remedy_is_command(finding->remedy) ? "fix: " : "", finding->remedy);
}

void finding_list_format(const struct finding_list *findings, enum finding_colour colour, struct text *out)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_format(&findings->items[i], colour, out);
	text_add_format(out, "%s%zu to fix, %zu to look at\n", findings->count > 0 ? "\n" : "",
			finding_list_count(findings, FINDING_FAIL), finding_list_count(findings, FINDING_WARN));
}

static void finding_json(struct json *j, const struct finding *finding)
{
	json_object_begin(j, NULL);
	json_string(j, "grade", severity_name(finding->severity));
	json_string(j, "rule", finding->rule);
	json_string(j, "file", finding->file);
	json_unsigned(j, "line", finding->line);
	json_string(j, "what", finding->what);
	json_string(j, "effect", finding->effect);
	json_string(j, "remedy", finding->remedy);
	json_bool(j, "safe", finding_is_safe(finding));
	json_object_end(j);
}

void finding_list_json(const struct finding_list *findings, struct json *j)
{
	json_unsigned(j, "fail", finding_list_count(findings, FINDING_FAIL));
	json_unsigned(j, "warn", finding_list_count(findings, FINDING_WARN));
	json_array_begin(j, "findings");
	for (size_t i = 0; i < findings->count; i++)
		finding_json(j, &findings->items[i]);
	json_array_end(j);
}
