
#include "base/json.h"
#include "cmd/tool.h"
#include "proc/child.h"
#include "hsm/network.h"

enum { TIMEOUT_MOST = 600, DAYS_MOST = 36500 };

static struct {
	const char *server;
	uint64_t timeout, days;
} asked = { .timeout = HSM_NETWORK_TIMEOUT_S, .days = HSM_NETWORK_DAYS };

static const struct option options[] = {
	OPTION_ROW(0, "server", OPTION_TEXT, &asked.server, "NAME", "check only this server of Chrystoki.conf"),
	OPTION_RANGE(0, "timeout", OPTION_NUMBER, 1, TIMEOUT_MOST, &asked.timeout, "SECONDS",
		     "give up after this time (default 10)"),
	OPTION_RANGE(0, "days", OPTION_NUMBER, 0, DAYS_MOST, &asked.days, "N",
		     "warn of a certificate that expires within N days (60)"),
	OPTION_END,
};

static int ask(struct cmd_context *context, const struct hsm_network_question *question, struct fault *f)
{
	HSM_NETWORK_AUTO network = { 0 };
	TEXT_AUTO out = { 0 };

	if (hsm_network_ask(question, &network, f) < 0)
		return -1;
	for (size_t i = 0; context->dry_run && i < network.asked_count; i++)
		report_say(context->report, REPORT_RESULT, "would ask server %s:%s (%s)", SHOWN(network.asked[i].name),
			   SHOWN(network.asked[i].port), network.asked[i].entry);
	hsm_network_text(&network, &out);
	if (text_check(&out, f) < 0)
		return -1;
	cmd_print(context, "%s", text_string(&out));
	json_bool(context->result, "dry_run", context->dry_run);
	hsm_network_json(&network, context->result);
	const size_t failed = hsm_network_count(&network, HSM_NETWORK_FAIL);
	return failed == 0 ? 0
			   : fault_negative(f, "%zu of %zu servers and certificates fail", failed, network.line_count);
}

static int run(struct cmd_context *context, struct fault *f)
{
	char program[PATH_MAX];

	proc_child_program("okv-luna-handshake", program);
	const struct hsm_network_question question = {
		.root = context->root,
		.settings = &context->settings,
		.server = asked.server,
		.timeout_ms = (unsigned)asked.timeout * 1000,
		.days = (unsigned)asked.days,
		.parts = context->dry_run ? 0 : HSM_NETWORK_SERVERS | HSM_NETWORK_CERTIFICATES
	};
	return ask(context, &question, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-network",
	.summary = "Check that the HSM's servers can be reached and know this client",
	.options = options,
	.run = run,
};
