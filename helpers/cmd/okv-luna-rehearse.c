#include <stdio.h>

#include "base/json.h"
#include "cmd/hook.h"
#include "proc/interrupt.h"
#include "upgrade/rehearse.h"

static uint64_t timeout = REHEARSE_BOUND_MS / 1000;

enum { TIMEOUT_MOST = 3600 };

static const struct option options[] = {
	OPTION_RANGE(0, "timeout", OPTION_NUMBER, 1, TIMEOUT_MOST, &timeout, "SECONDS",
		     "give up after this time (default 120)"),
	CMD_HOOK_KEY_OPTIONS,
	OPTION_END,
};

static const char *answer_word(const struct fault *f)
{
	return f->kind == FAULT_NONE ? "answered" : f->kind == FAULT_NEGATIVE ? "lost" : "not-rehearsed";
}

static void result_write(struct json *j, const struct rehearse_result *result, const char *sentence,
			 const struct fault *f)
{
	json_string(j, "answer", answer_word(f));
	json_string(j, "sentence", sentence);
	json_array_begin(j, "plays");
	for (unsigned i = 0; i < REHEARSE_WAYS; i++) {
		const struct rehearse_play *play = &result->plays[i];
		if (!play->played)
			continue;
		json_object_begin(j, NULL);
		json_string(j, "generic", rehearse_way_word((enum scratch_generic)i));
		json_string(j, "answer", answer_word(&play->fault));
		json_unsigned(j, "slots", play->slots);
		json_unsigned(j, "elapsed_ms", play->elapsed_ms);
		if (play->fault.kind != FAULT_NONE)
			json_string(j, "cause", play->fault.text);
		if (play->remedy != NULL)
			json_string(j, "fix", play->remedy);
		json_object_end(j);
	}
	json_array_end(j);
}

static void remedies_print(const struct cmd_context *context, const struct rehearse_result *result)
{
	for (size_t i = 0; i < REHEARSE_WAYS; i++) {
		const struct rehearse_play *play = &result->plays[i];
		if (play->fault.kind == FAULT_NONE)
			continue;
		cmd_print(context, "%s: %s\n", rehearse_way_text((enum scratch_generic)i), play->fault.text);
		if (play->remedy != NULL)
			cmd_print(context, "  %s%s\n", text_starts(play->remedy, "okv-luna ") ? "fix: " : "",
				  play->remedy);
	}
}

static int run(struct cmd_context *context, struct fault *f)
{
	REHEARSE_RESULT_AUTO result = { .plays = { { .played = false } } };
	char sentence[FAULT_TEXT_MAX];

	struct rehearse_request request = {
		.root = context->root,
		.root_path = context->root_path,
		.settings = &context->settings,
		.bound_ms = (unsigned)timeout * 1000,
		.report = context->report,
	};
	if (cmd_hook_key(context, &request.key, f) < 0)
		return -1;
	const int64_t begun = proc_clock_ms();
	const int r = rehearse_run(&request, &result, f);
	cmd_hook_key_done(&request.key);
	if (r == 0)
		(void)snprintf(sentence, sizeof(sentence), "Rehearsed: the HSM answered from what is preserved (%u s)",
			       (unsigned)((proc_clock_ms() - begun + 500) / 1000));
	else
		(void)snprintf(sentence, sizeof(sentence), "%s", f->text);
	result_write(context->result, &result, sentence, f);
	if (r == 0 || f->kind == FAULT_NEGATIVE)
		cmd_print(context, "%s.\n", sentence);
	if (r < 0 && f->kind == FAULT_NEGATIVE)
		remedies_print(context, &result);
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-rehearse",
	.summary = "Simulate the upgrade of the operating system and check that the HSM answers afterwards",
	.options = options,
	.run = run,
};
