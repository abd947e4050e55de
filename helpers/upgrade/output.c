#include "upgrade/output.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "conf/finding.h"
#include "upgrade/hook.h"

enum { FINDING_INDENT = 10, STATUS_INDENT = 20 /* the column where a check's text begins */ };

static const char *const severity_names[] = { "info", "low", "medium", "high" };
static const char *const outcome_names[] = { "unchanged", "changed", "partial", "skipped", "failed" };

/* --- the answer of a hook ----------------------------------------------------------------------------------------- */

void output_done(struct output *output)
{
	text_done(&output->sentence);
	text_done(&output->lines);
}

static bool failed(const struct upgrade_run *run)
{
	return run->verdict.kind != FAULT_NONE;
}

static bool is_without_interface(const struct upgrade_run *run)
{
	struct fault ignored = { 0 };
	enum okv_scope scope;

	return okv_scope_find(run->root, run->settings, &scope, &ignored) == 0 && scope == OKV_SCOPE_NO_INTERFACE;
}

/* Each of these adds the sentence and the advice, and returns the "answer" of the JSON. */

static const char *pre_answer(const struct upgrade_run *run, struct text *sentence, struct text *advice)
{
	if (failed(run)) {
		text_add_format(sentence, "Do not upgrade: %s", run->verdict.text);
		if (!run->dry_run)
			text_add_format(advice, "Fix it and run okv-luna %s again%s\n",
					run->called ? "upgrade" : "pre-upgrade",
					run->unbegun ? "." : ", or put everything back: okv-luna pre-upgrade --abort");
		return "no";
	}
	const char *but = is_without_interface(run)
				  ? ", but this OKV (21.2 or earlier) has no generic HSM interface, and nothing of the "
				    "HSM client will be preserved by it"
				  : "";
	if (run->dry_run) {
		text_add_format(sentence, "This would go%s: nothing prevents an upgrade (nothing was changed)", but);
		return "go";
	}
	text_add_format(sentence, "Go%s: the HSM answers, the snapshot is taken and everything is ready (%u s)", but,
			(run->elapsed_ms + 500) / 1000);
	if (but[0] != '\0')
		text_add_string(advice, "After an upgrade to another operating system bring the client back: okv-luna "
					"extract, its certificates and key, okv-luna config wire.\n");
	if (!run->called)
		text_add_string(advice, "Start OKV's upgrade now: okv-luna upgrade\n"
					"Not today? okv-luna pre-upgrade --abort puts everything back.\n");
	return "go";
}

static const char *abort_answer(const struct upgrade_run *run, struct text *sentence)
{
	if (failed(run)) {
		text_add_format(sentence, "Not everything could be put back: %s", run->verdict.text);
		return "no";
	}
	if (run->result_count == 0) {
		text_add_string(sentence, "Nothing to put back: no pre-upgrade is open");
		return "nothing";
	}
	text_add_string(sentence, run->dry_run ? "This would put everything back as it was before pre-upgrade"
					       : "Everything is as it was before pre-upgrade");
	return "back";
}

static const char *mid_answer(const struct upgrade_run *run, struct text *sentence)
{
	if (failed(run)) {
		text_add_format(sentence, "mid-upgrade failed: %s; post-upgrade will try again", run->verdict.text);
		return "failed";
	}
	if (run->dry_run)
		text_add_format(sentence, "This would change %s", run->changed ? "something" : "nothing");
	else
		text_add_format(sentence, "mid-upgrade is done: %s",
				run->changed ? "something was changed" : "nothing had to be changed");
	return run->changed ? "changed" : "unchanged";
}

/* True if no step failed, but there was no snapshot to compare with. */
static bool is_unproven(const struct upgrade_run *run)
{
	return !failed(run) && upgrade_outcome_of(run, step_compare) == STEP_PARTIAL;
}

/* The first finding of the highest severity, or NULL. */
static const struct step_finding *worst_of(const struct step_result *result)
{
	const struct step_finding *worst = NULL;

	for (size_t i = 0; i < result->finding_count; i++)
		if (worst == NULL || result->findings[i].severity > worst->severity)
			worst = &result->findings[i];
	return worst;
}

static const char *post_answer(const struct upgrade_run *run, struct text *sentence, struct text *advice)
{
	if (is_unproven(run)) {
		const struct step_finding *worst = worst_of(upgrade_result_of(run, step_compare));
		text_add_format(sentence, "%s: OKV's user reaches the HSM, but %s",
				run->accept ? "Accepted" : "Not proven", worst != NULL ? worst->title : "");
		if (!run->accept)
			text_add_string(advice, "If you know that nothing is missing: okv-luna post-upgrade "
						"--accept\n");
		return run->accept ? "accepted" : "unproven";
	}
	if (!failed(run)) {
		text_add_format(sentence,
				"%s: OKV's user reaches the HSM, and what was to be preserved is there (%u s)",
				run->dry_run ? "This would be proven" : "Proven", (run->elapsed_ms + 500) / 1000);
		return "proven";
	}
	text_add_format(sentence, "%s: do not restart this server", run->verdict.text);
	text_add_string(
		advice,
		"OKV keeps its open wallet in memory: as long as it runs, nothing is lost; a restart needs the HSM.\n"
		"Fix what is marked below and run okv-luna post-upgrade again.\n"
		"For support (it holds no secrets): okv-luna post-upgrade --collect /root/okv-luna-support\n");
	return "failed";
}

static const char *answer(const struct upgrade_run *run, struct text *sentence, struct text *advice)
{
	switch (run->kind) {
	case UPGRADE_PRE:
		return run->abort ? abort_answer(run, sentence) : pre_answer(run, sentence, advice);
	case UPGRADE_MID:
		return mid_answer(run, sentence);
	case UPGRADE_POST:
		break;
	}
	return post_answer(run, sentence, advice);
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static const char red[] = "\033[1;31m", green[] = "\033[32m", yellow[] = "\033[33m", plain[] = "\033[0m";

static void coloured(struct output *o, const char *code, const char *word, int width)
{
	text_add_format(&o->lines, "%s%-*s%s", o->coloured ? code : "", width, word, o->coloured ? plain : "");
}

/* "412 ms", "12.3 s" */
static void duration_add(struct text *out, unsigned ms)
{
	if (ms < 10000)
		text_add_format(out, "%5u ms", ms);
	else
		text_add_format(out, "%5u.%u s", ms / 1000, ms % 1000 / 100);
}

static void lines_add(struct text *out, int indent, const char *lines)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(lines, strlen(lines), &at, &line);)
		text_add_format(out, "%*s%.*s\n", indent, "", (int)line.length, line.bytes);
}

static void remedy_add(struct text *out, int indent, const char *remedy)
{
	if (remedy != NULL && remedy[0] != '\0')
		text_add_format(out, "%*s%s%s\n", indent, "", finding_remedy_is_command(remedy) ? "fix: " : "", remedy);
}

/* A remedy that several findings share is printed once, below the last of them. */
static bool is_last_with(const struct step_result *result, size_t from, const struct step_finding *except,
			 const char *remedy)
{
	for (size_t i = from; remedy != NULL && i < result->finding_count; i++) {
		const struct step_finding *finding = &result->findings[i];
		if (finding != except && finding->severity > STEP_INFO && strcmp(finding->remedy, remedy) == 0)
			return false;
	}
	return true;
}

static void outcome_add(struct output *o, const struct step_result *result, bool dry_run)
{
	const struct {
		const char *code, *word;
	} words[] = {
		[STEP_UNCHANGED] = { green, "ok" },    [STEP_CHANGED] = { green, dry_run ? "to do" : "done" },
		[STEP_PARTIAL] = { yellow, "partly" }, [STEP_SKIPPED] = { "", "-" },
		[STEP_FAILED] = { red, "FAILED" },
	};

	coloured(o, words[result->outcome].code, words[result->outcome].word, 8);
}

static void finding_text_add(struct output *o, const struct step_result *result, size_t index)
{
	const struct step_finding *finding = &result->findings[index];
	struct text *out = &o->lines;

	if (finding->severity == STEP_INFO && !o->verbose)
		return;
	text_add_format(out, "%*s", FINDING_INDENT, "");
	if (finding->severity >= STEP_MEDIUM)
		coloured(o, finding->severity == STEP_HIGH ? red : yellow, "! ", 0);
	else
		text_add_string(out, "- ");
	text_add_format(out, "%s\n", finding->title);
	if (o->verbose || finding->severity >= STEP_MEDIUM)
		lines_add(out, FINDING_INDENT + 2, finding->detail);
	if (finding->severity > STEP_INFO && is_last_with(result, index + 1, NULL, finding->remedy))
		remedy_add(out, FINDING_INDENT + 2, finding->remedy);
}

static void step_add(struct output *o, const struct upgrade_run *run, const struct step_result *result)
{
	struct text *out = &o->lines;

	text_add_string(out, "  ");
	outcome_add(o, result, run->dry_run);
	if (result->outcome == STEP_SKIPPED) {
		text_add_string(out, result->row->title);
	} else {
		text_add_format(out, "%-54s", result->row->title);
		duration_add(out, result->elapsed_ms);
	}
	text_add_char(out, '\n');
	if (result->outcome == STEP_FAILED) {
		lines_add(out, FINDING_INDENT, result->fault.text);
		if (is_last_with(result, 0, NULL, result->remedy))
			remedy_add(out, FINDING_INDENT + 2, result->remedy);
	}
	for (size_t i = 0; i < result->finding_count; i++)
		finding_text_add(o, result, i);
	if (o->verbose || run->dry_run)
		lines_add(out, FINDING_INDENT, text_string(&result->changes));
}

static void steps_add(struct output *o, const struct upgrade_run *run)
{
	struct text *out = &o->lines;

	if (run->result_count == 0)
		return;
	text_add_char(out, '\n');
	for (size_t i = 0; i < run->result_count; i++)
		step_add(o, run, &run->results[i]);
	text_add_format(out, "  %-62s", "");
	duration_add(out, run->elapsed_ms);
	text_add_char(out, '\n');
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void finding_json(struct json *j, const struct step_finding *finding, const char *detail, const char *step)
{
	json_object_begin(j, NULL);
	json_string(j, "severity", severity_names[finding->severity]);
	json_string(j, "title", finding->title);
	json_string(j, "detail", detail);
	json_string(j, "step", step);
	if (finding->remedy != NULL && finding->remedy[0] != '\0') {
		const char *type = finding_remedy_is_command(finding->remedy) ? "command" : "hint";
		json_object_begin(j, "remediation");
		json_string(j, "type", type);
		json_string(j, type, finding->remedy);
		json_object_end(j);
	}
	json_object_end(j);
}

static void result_findings_json(struct json *j, const struct step_result *result)
{
	for (size_t i = 0; i < result->finding_count; i++)
		finding_json(j, &result->findings[i], result->findings[i].detail, result->row->name);
}

static void entries_json(const struct upgrade_run *run, struct json *j)
{
	json_array_begin(j, "entries");
	for (size_t i = 0; i < run->result_count; i++) {
		struct step_result *result = &run->results[i];
		const struct step_finding failure = { .severity = STEP_HIGH,
						      .title = result->fault.text,
						      .remedy = result->remedy };
		if (result->outcome == STEP_FAILED)
			finding_json(j, &failure, result->row->title, result->row->name);
		result_findings_json(j, result);
	}
	json_array_end(j);
}

static void step_json(const struct step_result *result, struct json *j)
{
	json_object_begin(j, NULL);
	json_string(j, "name", result->row->name);
	json_string(j, "title", result->row->title);
	json_string(j, "outcome", outcome_names[result->outcome]);
	json_unsigned(j, "elapsed_ms", result->elapsed_ms);
	if (result->outcome == STEP_FAILED)
		json_fault(j, "error", &result->fault);
	json_unsigned(j, "change_count", result->change_count);
	json_lines(j, "changes", &result->changes);
	json_object_end(j);
}

static void head_json(const struct upgrade_run *run, int exit, struct json *j)
{
	char stamp[TIME_STAMP_SIZE];

	time_format(run->started, stamp);
	json_string(j, "version", OKV_LUNA_VERSION);
	json_number(j, "exit", exit);
	json_string(j, "root", run->root_path);
	json_string(j, "started", stamp);
	json_unsigned(j, "elapsed_ms", run->elapsed_ms);
}

static void hook_json(const struct upgrade_run *run, const char *word, const char *sentence, int exit, struct json *j)
{
	head_json(run, exit, j);
	json_bool(j, "dry_run", run->dry_run);
	json_string(j, "answer", word);
	json_string(j, "sentence", sentence);
	json_array_begin(j, "steps");
	for (size_t i = 0; i < run->result_count; i++)
		step_json(&run->results[i], j);
	json_array_end(j);
	entries_json(run, j);
	json_object_end(j);
}

int output_hook(const struct upgrade_run *run, struct output *output, struct json *j, struct fault *f)
{
	TEXT_AUTO advice = { 0 };
	struct fault why = run->verdict;
	const char *word = answer(run, &output->sentence, &advice);

	/* No step failed, but the answer is not a plain yes. */
	if (is_unproven(run) && !run->accept)
		why.kind = FAULT_NEGATIVE;
	else if (!failed(run) && run->kind == UPGRADE_POST && upgrade_outcome_of(run, step_repair) == STEP_PARTIAL)
		why.kind = FAULT_INCOMPLETE;
	/* The exit status 1 of mid-upgrade means "no change needed", so a no must not be 1. */
	if (run->kind == UPGRADE_MID && why.kind == FAULT_NEGATIVE)
		why.kind = FAULT_INCOMPLETE;
	const bool unchanged = run->kind == UPGRADE_MID && !failed(run) && !run->changed;
	hook_json(run, word, text_string(&output->sentence), unchanged ? 1 : (int)why.kind, j);
	lines_add(&output->lines, 0, text_string(&advice));
	steps_add(output, run);
	if (text_check(&output->sentence, f) < 0 || text_check(&output->lines, f) < 0)
		return -1;
	if (why.kind == FAULT_NONE)
		return 0;
	*f = why;
	(void)snprintf(f->text, sizeof(f->text), "%s", text_string(&output->sentence));
	return -1;
}

/* --- status ------------------------------------------------------------------------------------------------------- */

enum state { OK, WARN, FAIL, STATES };

/* What status shows first of a check: its fault, else its worst finding, else its title. */
struct check {
	enum state state;
	const char *text;
	const char *remedy;               /* or NULL */
	const struct step_finding *worst; /* whose title `text` is, or NULL */
};

static struct check check_of(const struct step_result *result)
{
	const struct step_finding *worst = worst_of(result);

	if (result->outcome == STEP_FAILED)
		return (struct check){ .state = FAIL, .text = result->fault.text, .remedy = result->remedy };
	if (worst == NULL)
		return (struct check){ .state = OK, .text = result->row->title };
	return (struct check){ .state = worst->severity == STEP_HIGH   ? FAIL
					: worst->severity == STEP_INFO ? OK
								       : WARN,
			       .text = worst->title,
			       .remedy = worst->severity > STEP_INFO ? worst->remedy : NULL,
			       .worst = worst };
}

static void check_add(struct output *o, const struct step_result *result, const struct check *check)
{
	struct text *out = &o->lines;

	text_add_format(out, "%-*s  %s\n", STATUS_INDENT - 8, result->row->name, check->text);
	if (is_last_with(result, 0, check->worst, check->remedy))
		remedy_add(out, STATUS_INDENT, check->remedy);
	/* The other findings; STEP_INFO only with -v. */
	for (size_t i = 0; i < result->finding_count; i++) {
		const struct step_finding *finding = &result->findings[i];
		if (finding == check->worst || (finding->severity == STEP_INFO && !o->verbose))
			continue;
		text_add_format(out, "%*s%s\n", STATUS_INDENT, "", finding->title);
		if (finding->severity > STEP_INFO && is_last_with(result, i + 1, check->worst, finding->remedy))
			remedy_add(out, STATUS_INDENT, finding->remedy);
	}
}

static void check_json(struct json *j, const struct step_result *result, const struct check *check, const char *word)
{
	json_object_begin(j, NULL);
	json_string(j, "name", result->row->name);
	json_string(j, "state", word);
	json_string(j, "text", check->text);
	json_unsigned(j, "elapsed_ms", result->elapsed_ms);
	if (check->remedy != NULL && check->remedy[0] != '\0')
		json_string(j, "mend", check->remedy);
	json_array_begin(j, "findings");
	result_findings_json(j, result);
	json_array_end(j);
	json_object_end(j);
}

int output_status(const struct upgrade_run *run, struct output *output, struct json *j, struct fault *f)
{
	static const struct {
		const char *word, *code, *json;
	} states[] = { { "OK", green, "ok" }, { "WARN", yellow, "warn" }, { "FAIL", red, "fail" } };
	size_t counts[STATES] = { 0 };

	for (size_t i = 0; i < run->result_count; i++)
		counts[check_of(&run->results[i]).state]++;
	head_json(run, counts[FAIL] > 0 ? 1 : 0, j);
	json_object_begin(j, "summary");
	for (int state = FAIL; state >= OK; state--)
		json_unsigned(j, states[state].json, counts[state]);
	json_object_end(j);
	json_array_begin(j, "checks");
	for (int state = FAIL; state >= OK; state--) {
		for (size_t i = 0; i < run->result_count; i++) {
			const struct check check = check_of(&run->results[i]);
			if ((int)check.state != state)
				continue;
			coloured(output, states[state].code, states[state].word, 6);
			check_add(output, &run->results[i], &check);
			check_json(j, &run->results[i], &check, states[state].json);
		}
	}
	json_array_end(j);
	json_object_end(j);
	return counts[FAIL] > 0 ? fault_negative(f, "%zu of %zu checks fail", counts[FAIL], run->result_count) : 0;
}
