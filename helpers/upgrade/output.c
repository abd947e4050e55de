#include "upgrade/output.h"

#include <stdio.h>
#include <string.h>

#include "base/time.h"

static const char red[] = "\033[1;31m", green[] = "\033[32m", yellow[] = "\033[33m", plain[] = "\033[0m";

static void coloured(struct text *out, enum output_colour colour, const char *code, const char *word, int width)
{
	text_add_format(out, "%s%-*s%s", colour == OUTPUT_COLOUR ? code : "", width, word,
			colour == OUTPUT_COLOUR ? plain : "");
}

/* "412 ms", "12.3 s" */
static void duration_add(struct text *out, unsigned ms)
{
	if (ms < 10000)
		text_add_format(out, "%5u ms", ms);
	else
		text_add_format(out, "%5u.%u s", ms / 1000, ms % 1000 / 100);
}

/* Each line of the text behind that indentation. */
static void lines_add(struct text *out, const char *indent, const char *lines)
{
	while (*lines != '\0') {
		const size_t length = strcspn(lines, "\n");
		text_add_string(out, indent);
		text_add(out, lines, length);
		text_add_char(out, '\n');
		lines += length + (lines[length] == '\n');
	}
}

static void outcome_add(struct text *out, enum output_colour colour, const struct step_result *result, bool dry_run)
{
	switch (result->outcome) {
	case STEP_UNCHANGED:
		coloured(out, colour, green, "ok", 8);
		return;
	case STEP_CHANGED:
		coloured(out, colour, green, dry_run ? "to do" : "done", 8);
		return;
	case STEP_SKIPPED:
		coloured(out, colour, "", "-", 8);
		return;
	case STEP_FAILED:
		coloured(out, colour, red, "FAILED", 8);
		return;
	}
}

static void finding_add(struct text *out, enum output_colour colour, const struct step_finding *finding,
			enum output_detail detail)
{
	static const char indent[] = "            ";

	if (finding->severity == STEP_INFO && detail == OUTPUT_BRIEF)
		return;
	text_add_string(out, "          ");
	if (finding->severity == STEP_HIGH)
		coloured(out, colour, red, "! ", 0);
	else if (finding->severity == STEP_MEDIUM)
		coloured(out, colour, yellow, "! ", 0);
	else
		text_add_string(out, "- ");
	text_add_format(out, "%s\n", finding->title);
	if (detail == OUTPUT_VERBOSE || finding->severity >= STEP_MEDIUM)
		lines_add(out, indent, finding->detail);
	if (finding->remedy[0] != '\0' && finding->severity > STEP_INFO)
		text_add_format(out, "%sfix: %s\n", indent, finding->remedy);
}

void output_text(const struct upgrade_run *run, const struct upgrade_answer *answer, enum output_colour colour,
		 enum output_detail detail, struct text *out)
{
	lines_add(out, "", text_string(&answer->advice));
	if (run->result_count > 0)
		text_add_char(out, '\n');
	for (size_t i = 0; i < run->result_count; i++) {
		const struct step_result *result = &run->results[i];
		text_add_string(out, "  ");
		outcome_add(out, colour, result, run->dry_run);
		if (result->outcome == STEP_SKIPPED) {
			text_add_string(out, result->row->title);
		} else {
			text_add_format(out, "%-54s", result->row->title);
			duration_add(out, result->elapsed_ms);
		}
		text_add_char(out, '\n');
		if (result->outcome == STEP_FAILED) {
			text_add_format(out, "          %s\n", result->fault.text);
			if (result->remedy != NULL)
				text_add_format(out, "            fix: %s\n", result->remedy);
		}
		for (size_t k = 0; k < result->finding_count; k++)
			finding_add(out, colour, &result->findings[k], detail);
		if (detail == OUTPUT_VERBOSE || run->dry_run)
			lines_add(out, "          ", text_string(&result->changes));
	}
	if (run->result_count > 0) {
		text_add_format(out, "  %-62s", "");
		duration_add(out, run->elapsed_ms);
		text_add_char(out, '\n');
	}
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

/* Where no command fixes it, the remedy is a sentence, and no script shall take it for one. */
static bool remedy_is_command(const char *remedy)
{
	static const char *const programs[] = {
		"df", "gpasswd", "groupadd", "journalctl", "mount", "okv-luna", "reboot",
	};
	const size_t length = strcspn(remedy, " ");

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (text_equal(remedy, length, programs[i]))
			return true;
	return false;
}

static void remediation_json(struct json *j, const char *remedy)
{
	if (remedy == NULL || remedy[0] == '\0')
		return;
	const char *type = remedy_is_command(remedy) ? "command" : "hint";
	json_object_begin(j, "remediation");
	json_string(j, "type", type);
	json_string(j, type, remedy);
	json_object_end(j);
}

static void entry_json(struct json *j, const char *severity, const char *title, const char *detail, const char *step,
		       const char *remedy)
{
	json_object_begin(j, NULL);
	json_string(j, "severity", severity);
	json_string(j, "title", title);
	json_string(j, "detail", detail);
	json_string(j, "step", step);
	remediation_json(j, remedy);
	json_object_end(j);
}

static void entries_json(const struct upgrade_run *run, struct json *j)
{
	json_array_begin(j, "entries");
	for (size_t i = 0; i < run->result_count; i++) {
		const struct step_result *result = &run->results[i];
		if (result->outcome == STEP_FAILED)
			entry_json(j, step_severity_name(STEP_HIGH), result->fault.text, result->row->title,
				   result->row->name, result->remedy);
		for (size_t k = 0; k < result->finding_count; k++) {
			const struct step_finding *finding = &result->findings[k];
			entry_json(j, step_severity_name(finding->severity), finding->title, finding->detail,
				   result->row->name, finding->remedy);
		}
	}
	json_array_end(j);
}

static void step_json(const struct step_result *result, struct json *j)
{
	json_object_begin(j, NULL);
	json_string(j, "name", result->row->name);
	json_string(j, "title", result->row->title);
	json_string(j, "outcome", step_outcome_name(result->outcome));
	json_unsigned(j, "elapsed_ms", result->elapsed_ms);
	if (result->outcome == STEP_FAILED) {
		json_object_begin(j, "error");
		json_string(j, "kind", fault_kind_name(result->fault.kind));
		json_string(j, "text", result->fault.text);
		json_object_end(j);
	}
	json_unsigned(j, "change_count", result->change_count);
	json_array_begin(j, "changes");
	for (const char *line = text_string(&result->changes); *line != '\0';) {
		const size_t length = strcspn(line, "\n");
		json_string_bytes(j, NULL, line, length);
		line += length + (line[length] == '\n');
	}
	json_array_end(j);
	json_object_end(j);
}

static void head_json(const struct upgrade_run *run, const char *command, int exit, struct json *j)
{
	char stamp[TIME_STAMP_SIZE];

	time_format(run->started, stamp);
	json_string(j, "command", command);
	json_string(j, "version", OKV_LUNA_VERSION);
	json_number(j, "exit", exit);
	json_string(j, "root", run->root_path);
	json_string(j, "started", stamp);
	json_unsigned(j, "elapsed_ms", run->elapsed_ms);
}

void output_json(const struct upgrade_run *run, const struct upgrade_answer *answer, struct text *out)
{
	struct json j;

	json_init(&j, out);
	json_object_begin(&j, NULL);
	char command[32];
	(void)snprintf(command, sizeof(command), "okv-luna-%s", upgrade_hook_name(run->kind));
	head_json(run, command, answer->exit, &j);
	json_bool(&j, "dry_run", run->dry_run);
	json_string(&j, "answer", answer->word);
	json_string(&j, "sentence", text_string(&answer->sentence));
	json_array_begin(&j, "steps");
	for (size_t i = 0; i < run->result_count; i++)
		step_json(&run->results[i], &j);
	json_array_end(&j);
	entries_json(run, &j);
	json_object_end(&j);
}

/* --- status ------------------------------------------------------------------------------------------------------- */

static const char *const check_words[] = { "OK", "WARN", "FAIL" };
static const char *const check_colours[] = { green, yellow, red };

/* The finding that stands for the check: the worst, and of those the first; NULL where there is none. */
static const struct step_finding *check_finding(const struct step_result *result)
{
	const struct step_finding *worst = NULL;

	for (size_t k = 0; k < result->finding_count; k++)
		if (worst == NULL || result->findings[k].severity > worst->severity)
			worst = &result->findings[k];
	return worst;
}

enum output_state output_status_state(const struct step_result *result)
{
	const struct step_finding *worst = check_finding(result);

	if (result->outcome == STEP_FAILED || (worst != NULL && worst->severity == STEP_HIGH))
		return OUTPUT_FAIL;
	return worst != NULL && worst->severity >= STEP_LOW ? OUTPUT_WARN : OUTPUT_OK;
}

static const char *check_text(const struct step_result *result)
{
	const struct step_finding *worst = check_finding(result);

	if (result->outcome == STEP_FAILED)
		return result->fault.text;
	return worst != NULL ? worst->title : result->row->title;
}

static const char *check_remedy(const struct step_result *result)
{
	const struct step_finding *worst = check_finding(result);

	if (result->outcome == STEP_FAILED)
		return result->remedy != NULL ? result->remedy : "";
	return worst != NULL && worst->severity > STEP_INFO ? worst->remedy : "";
}

void output_status_text(const struct upgrade_run *run, enum output_colour colour, enum output_detail detail,
			struct text *out)
{
	for (int check = OUTPUT_FAIL; check >= OUTPUT_OK; check--) {
		for (size_t i = 0; i < run->result_count; i++) {
			const struct step_result *result = &run->results[i];
			const struct step_finding *worst = check_finding(result);
			if ((int)output_status_state(result) != check)
				continue;
			coloured(out, colour, check_colours[check], check_words[check], 6);
			text_add_format(out, "%-*s  %s\n", STATUS_INDENT - 8, result->row->name, check_text(result));
			const char *remedy = check_remedy(result);
			if (remedy[0] != '\0')
				text_add_format(out, "%*sfix: %s\n", STATUS_INDENT, "", remedy);
			/* The others of the same check; of those worth knowing only, who asks hears. */
			for (size_t k = 0; k < result->finding_count; k++) {
				const struct step_finding *finding = &result->findings[k];
				if (finding == worst && result->outcome != STEP_FAILED)
					continue;
				if (finding->severity == STEP_INFO && detail == OUTPUT_BRIEF)
					continue;
				text_add_format(out, "%*s%s\n", STATUS_INDENT, "", finding->title);
				if (finding->remedy[0] != '\0' && finding->severity > STEP_INFO)
					text_add_format(out, "%*sfix: %s\n", STATUS_INDENT, "", finding->remedy);
			}
		}
	}
}

void output_status_json(const struct upgrade_run *run, int exit, struct text *out)
{
	static const char *const words[] = { "ok", "warn", "fail" };
	struct json j;

	json_init(&j, out);
	json_object_begin(&j, NULL);
	head_json(run, "okv-luna-status", exit, &j);
	size_t counts[OUTPUT_FAIL + 1] = { 0 };
	for (size_t i = 0; i < run->result_count; i++)
		counts[output_status_state(&run->results[i])]++;
	json_object_begin(&j, "summary");
	for (int check = OUTPUT_FAIL; check >= OUTPUT_OK; check--)
		json_unsigned(&j, words[check], counts[check]);
	json_object_end(&j);
	json_array_begin(&j, "checks");
	for (int check = OUTPUT_FAIL; check >= OUTPUT_OK; check--) {
		for (size_t i = 0; i < run->result_count; i++) {
			const struct step_result *result = &run->results[i];
			if ((int)output_status_state(result) != check)
				continue;
			json_object_begin(&j, NULL);
			json_string(&j, "name", result->row->name);
			json_string(&j, "state", words[check]);
			json_string(&j, "text", check_text(result));
			json_unsigned(&j, "elapsed_ms", result->elapsed_ms);
			const char *remedy = check_remedy(result);
			if (remedy[0] != '\0')
				json_string(&j, "mend", remedy);
			json_array_begin(&j, "findings");
			for (size_t k = 0; k < result->finding_count; k++) {
				const struct step_finding *finding = &result->findings[k];
				entry_json(&j, step_severity_name(finding->severity), finding->title, finding->detail,
					   result->row->name, finding->remedy);
			}
			json_array_end(&j);
			json_object_end(&j);
		}
	}
	json_array_end(&j);
	json_object_end(&j);
}
