#include <inttypes.h>

#include "base/json.h"
#include "cmd/tool.h"
#include "conf/finding.h"
#include "hsm/answer.h"
#include "hsm/diagnosis.h"
#include "hsm/verdict.h"
#include "okv/check.h"
#include "okv/group.h"
#include "okv/job.h"

enum { TIMEOUT_MOST = 3600 };

static struct {
	const char *module, *user, *label, *serial;
	struct cmd_key key;
	uint64_t least, timeout;
} asked;

static const struct option options[] = {
	OPTION_ROW(0, "module", OPTION_TEXT, &asked.module, "FILE",
		   "PKCS#11 library (default: the one that OKV loads)"),
	OPTION_ROW(0, "user", OPTION_TEXT, &asked.user, "NAME", "ask as this user (default OKV_USER)"),
	OPTION_ROW(0, "label", OPTION_TEXT, &asked.label, "LABEL",
		   "a token with this label must be there (default TOKEN_LABEL)"),
	OPTION_ROW(0, "serial", OPTION_TEXT, &asked.serial, "SERIAL", "a token with this serial number must be there"),
	OPTION_RANGE(0, "min", OPTION_NUMBER, 1, HSM_SLOTS_MAX, &asked.least, "N",
		     "at least N slots must match (default MIN_SLOTS)"),
	OPTION_RANGE(0, "timeout", OPTION_NUMBER, 1, TIMEOUT_MOST, &asked.timeout, "SECONDS",
		     "give up after this time (default SLOT_TIMEOUT)"),
	OPTION_ROW(0, "key", OPTION_TEXT, &asked.key.label, "LABEL",
		   "log in; exactly one secret key must have this label, not extractable"),
	OPTION_ROW(0, "pin-file", OPTION_TEXT, &asked.key.pin_file, "FILE",
		   "read the PIN from FILE, or standard input with - (default: ask)"),
	OPTION_END,
};

static struct {
	struct hsm_question question;
	struct hsm_key_question key;
	char pin[CMD_PIN_SIZE];
	struct hsm_answer answer;
	struct hsm_causes causes;
} query = { .answer = HSM_ANSWER_INIT, .causes = { 0 } };

static void query_done(void)
{
	text_wipe(query.pin, sizeof(query.pin));
	hsm_answer_done(&query.answer);
	hsm_causes_done(&query.causes);
}

static int key_question(struct cmd_context *context, struct fault *f)
{
	if (asked.key.label != NULL) {
		query.key = (struct hsm_key_question){ .label = asked.key.label, .pin = query.pin };
		query.question.key = &query.key;
	}
	return cmd_pin_read(context, &asked.key, query.pin, &query.key.pin_length, f);
}

static int question_build(struct cmd_context *context, struct fault *f)
{
	const struct settings *settings = &context->settings;

	enum okv_scope scope;

	if (okv_scope_find(context->root, settings, &scope, f) < 0)
		return -1;
	query.question = hsm_question_of(context->root, settings, context->report);
	query.question.source = scope == OKV_SCOPE_GENERIC ? HSM_LIBRARY_OKV_CONF : HSM_LIBRARY_SETTINGS;
	query.question.unmanaged = scope == OKV_SCOPE_CLIENT_V6;
	query.question.module = asked.module;
	query.question.user = asked.user;
	query.question.timeout_ms = asked.timeout * 1000;
	query.question.required.serial = asked.serial;
	/* --serial without --label overrides TOKEN_LABEL: the serial alone identifies the token. */
	if (asked.label != NULL || asked.serial != NULL)
		query.question.required.label = asked.label;
	if (asked.least > 0)
		query.question.required.least = asked.least;
	return key_question(context, f);
}

static const struct hsm_slot *slot_taken(void)
{
	return hsm_answer_taken(&query.answer, query.question.required.label, query.question.required.serial);
}

static void result_write(struct cmd_context *context, const struct fault *verdict)
{
	struct json *j = context->result;

	/* Not left to main(): show() has cleared the fault's text by then. */
	cmd_result_exit(j, verdict);
	if (query.answer.user != NULL) {
		const struct hsm_slot *taken = slot_taken();
		hsm_answer_json(&query.answer, j);
		if (taken != NULL)
			json_unsigned(j, "taken", taken->id);
	}
	json_array_begin(j, "causes");
	for (size_t i = 0; i < query.causes.count; i++) {
		json_object_begin(j, NULL);
		const struct hsm_cause *cause = &query.causes.items[i];
		json_string(j, "sentence", cause->sentence);
		if (cause->remedy != NULL)
			json_string(j, finding_remedy_is_command(cause->remedy) ? "command" : "hint", cause->remedy);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static int table_print(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO out = { 0 };

	hsm_answer_table(&query.answer, &out);
	if (text_check(&out, f) < 0)
		return -1;
	cmd_print(context, "%s", text_string(&out));
	const struct hsm_slot *taken = slot_taken();
	if (taken != NULL)
		report_say(context->report, REPORT_DETAIL,
			   "OKV takes slot %" PRIu64 ", '%s' (%s), the first in its list%s", taken->id,
			   SHOWN(taken->label), SHOWN(taken->serial),
			   query.question.required.label != NULL ? " with that label" : "");
	if (taken != NULL && hsm_slot_pin_warning(taken) != NULL)
		report_say(context->report, REPORT_WARNING, "slot %" PRIu64 ": %s", taken->id,
			   hsm_slot_pin_warning(taken));
	for (size_t i = 0; i < query.answer.key_count; i++)
		if (query.answer.keys[i].call == HSM_CALL_NONE)
			cmd_print(context, "Key: %" PRIu64 " with that label in slot %" PRIu64 "\n",
				  query.answer.keys[i].found, query.answer.keys[i].slot);
	return 0;
}

static int causes_find(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = { .root = context->root, .settings = &context->settings };
	FINDING_LIST_AUTO checked = { 0 };
	size_t without_group;
	const char *user = asked.user != NULL ? asked.user : context->settings.okv_user;

	if (okv_check(&job, &checked, f) < 0 || okv_processes_without_group(&job, user, &without_group, f) < 0)
		return -1;
	query.question.checked = &checked;
	return hsm_diagnose(&query.question, &query.answer, without_group, &query.causes, f);
}

static void causes_print(struct cmd_context *context, const struct fault *verdict)
{
	struct fault why = { 0 };

	report_say(context->report, REPORT_WARNING, "%s", verdict->text);
	if (causes_find(context, &why) < 0 && strcmp(why.text, verdict->text) != 0)
		report_say(context->report, REPORT_WARNING, "the cause could not be looked for: %s", why.text);
	for (size_t i = 0; i < query.causes.count; i++) {
		const struct hsm_cause *cause = &query.causes.items[i];
		const char *mark = cause->remedy == NULL                      ? ""
				   : finding_remedy_is_command(cause->remedy) ? "; fix: "
									      : "; ";
		report_say(context->report, REPORT_WARNING, "%s%s%s", cause->sentence, mark,
			   cause->remedy != NULL ? cause->remedy : "");
	}
}

static int show(struct cmd_context *context, int r, struct fault *f)
{
	const struct fault verdict = *f;
	const bool talked = query.answer.user != NULL;

	if (talked && query.answer.end == HSM_END_WHOLE && table_print(context, f) < 0)
		return -1;
	if (r < 0)
		causes_print(context, &verdict);
	result_write(context, &verdict);
	/* causes_print() printed it; only the kind is still needed, for the exit status. */
	f->text[0] = '\0';
	return r;
}

static int run(struct cmd_context *context, struct fault *f)
{
	int r = question_build(context, f);

	if (r == 0) {
		r = hsm_check(&query.question, &query.answer, f);
		r = show(context, r, f);
	}
	query_done();
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-slots",
	.summary = "Show the HSM's slots as OKV's user sees them, within a time limit",
	.options = options,
	.run = run,
};
