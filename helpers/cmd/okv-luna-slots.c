#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "cmd/tool.h"
#include "proc/secret.h"
#include "hsm/diagnosis.h"
#include "hsm/judge.h"
#include "hsm/monitor.h"
#include "hsm/probe.h"
#include "hsm/table.h"
#include "hsm/tree.h"
#include "hsm/uri.h"
#include "hsm/vtl.h"

enum { PIN_SIZE = 255, TIMEOUT_MOST = 3600, DESCRIPTOR_MOST = 1023, DESCRIPTOR_NONE = DESCRIPTOR_MOST + 1 };

static struct {
	const char *module, *user, *label, *serial, *uri, *key, *pin_file;
	uint64_t least, timeout, pin_fd;
	bool all, mechanisms, encrypt, vtl, monitor;
} asked = { .pin_fd = DESCRIPTOR_NONE };

static const struct option options[] = {
	{ .name = "module",
	  .kind = OPTION_TEXT,
	  .argument = "FILE",
	  .target = &asked.module,
	  .help = "PKCS#11 library (default: PKCS11_LIB_LOC of okv_hsm.conf)" },
	{ .name = "user",
	  .kind = OPTION_TEXT,
	  .argument = "NAME",
	  .target = &asked.user,
	  .help = "ask as this user (default OKV_USER)" },
	{ .name = "label",
	  .kind = OPTION_TEXT,
	  .argument = "LABEL",
	  .target = &asked.label,
	  .help = "a token with this label must be there (default TOKEN_LABEL)" },
	{ .name = "serial",
	  .kind = OPTION_TEXT,
	  .argument = "SERIAL",
	  .target = &asked.serial,
	  .help = "a token with this serial number must be there" },
	{ .name = "uri",
	  .kind = OPTION_TEXT,
	  .argument = "URI",
	  .target = &asked.uri,
	  .help = "the same as a PKCS#11 URI: pkcs11:token=...;serial=..." },
	{ .name = "min",
	  .kind = OPTION_NUMBER,
	  .argument = "N",
	  .least = 1,
	  .most = HSM_SLOTS_MAX,
	  .target = &asked.least,
	  .help = "so many of them must be there (default MIN_SLOTS)" },
	{ .name = "timeout",
	  .kind = OPTION_NUMBER,
	  .argument = "SECONDS",
	  .least = 1,
	  .most = TIMEOUT_MOST,
	  .target = &asked.timeout,
	  .help = "give up after so long (default SLOT_TIMEOUT)" },
	{ .name = "all", .target = &asked.all, .help = "list slots without a token too" },
	{ .name = "mechanisms", .target = &asked.mechanisms, .help = "each of them must offer what OKV needs" },
	{ .name = "key",
	  .kind = OPTION_TEXT,
	  .argument = "LABEL",
	  .target = &asked.key,
	  .help = "log in; exactly one secret key must bear this label, and never leave" },
	{ .name = "pin-file",
	  .kind = OPTION_TEXT,
	  .argument = "FILE",
	  .target = &asked.pin_file,
	  .help = "the PIN is in FILE, or comes from standard input with -" },
	{ .name = "pin-fd",
	  .kind = OPTION_NUMBER,
	  .argument = "N",
	  .least = 0,
	  .most = DESCRIPTOR_MOST,
	  .target = &asked.pin_fd,
	  .help = "the PIN comes from descriptor N (default: the terminal asks)" },
	{ .name = "encrypt-test", .target = &asked.encrypt, .help = "with --key: encrypt and decrypt random bytes" },
	{ .name = "vtl", .target = &asked.vtl, .help = "run the vendor's vtl too, and tell where it differs" },
	{ .name = "monitor", .target = &asked.monitor, .help = "one line and exit 0 to 3 for a monitoring system" },
	OPTION_END,
};

/* What one run holds. */
static struct {
	struct hsm_uri uri;
	struct hsm_question question;
	struct hsm_key_question key;
	struct hsm_wish wish;
	char pin[PIN_SIZE];
	struct hsm_monitor monitor;
	struct hsm_answer answer;
	struct hsm_vtl vtl;
	struct hsm_causes causes;
} one = { .uri = { 0 }, .answer = HSM_ANSWER_INIT, .vtl = HSM_VTL_INIT, .causes = { 0 } };

static void one_done(void)
{
	text_wipe(one.pin, sizeof(one.pin));
	hsm_uri_done(&one.uri);
	hsm_answer_done(&one.answer);
	hsm_vtl_done(&one.vtl);
	hsm_causes_done(&one.causes);
}

/* An option and the URI may not name the same thing. */
static int merge(const char *option, const char *name, const char *from_uri, const char **ret_value, struct fault *f)
{
	if (option != NULL && from_uri != NULL)
		return fault_usage(f, "%s is named by an option and by the URI; once is enough", name);
	*ret_value = option != NULL ? option : from_uri;
	return 0;
}

static int key_question(struct cmd_context *context, const char *key, const char *pin_file, struct fault *f)
{
	struct proc_secret secret = { .what = "PIN", .file = pin_file, .fd = -1, .advice = "--pin-file or --pin-fd" };

	if (key == NULL) {
		if (pin_file != NULL || asked.pin_fd != DESCRIPTOR_NONE || asked.encrypt)
			return fault_usage(f, "--pin-file, --pin-fd and --encrypt-test want --key too");
		return 0;
	}
	if (pin_file != NULL && asked.pin_fd != DESCRIPTOR_NONE)
		return fault_usage(f, "--pin-file and --pin-fd exclude each other");
	if (asked.pin_fd != DESCRIPTOR_NONE)
		secret.fd = (int)asked.pin_fd;
	/* RFC 7512 writes a file as "file:/path" too. */
	if (secret.file != NULL && asked.pin_file == NULL && text_starts(secret.file, "file:"))
		secret.file += strlen("file:");
	one.key = (struct hsm_key_question){ .label = key, .pin = one.pin, .encrypt = asked.encrypt };
	one.question.key = &one.key;
	one.question.key_token = one.wish.label;
	one.question.key_serial = one.wish.serial;
	return proc_secret_read(&secret, context->report, one.pin, sizeof(one.pin), &one.key.pin_length, f);
}

static int question_build(struct cmd_context *context, struct fault *f)
{
	const struct settings *settings = &context->settings;
	const char *key = NULL, *pin_file = NULL;

	one.question.root = context->root;
	one.question.settings = settings;
	if (asked.monitor && context->json)
		return fault_usage(f, "--monitor and --json exclude each other");
	if (asked.uri != NULL && hsm_uri_parse(asked.uri, &one.uri, f) < 0)
		return -1;
	if (merge(asked.label, "the label", one.uri.token, &one.wish.label, f) < 0 ||
	    merge(asked.serial, "the serial number", one.uri.serial, &one.wish.serial, f) < 0 ||
	    merge(asked.module, "the library", one.uri.module_path, &one.question.module, f) < 0 ||
	    merge(asked.key, "the key", one.uri.object, &key, f) < 0 ||
	    merge(asked.pin_file, "the PIN's file", one.uri.pin_source, &pin_file, f) < 0)
		return -1;
	/* Whoever names a token by its number or its make means that one, whatever label the settings have. */
	if (one.wish.label == NULL && one.wish.serial == NULL && asked.uri == NULL && settings->token_label[0] != '\0')
		one.wish.label = settings->token_label;
	one.wish.model = one.uri.model;
	one.wish.manufacturer = one.uri.manufacturer;
	one.wish.slot_id_set = one.uri.slot_id_set;
	one.wish.slot_id = one.uri.slot_id;
	one.wish.least = asked.least > 0 ? asked.least : settings->min_slots;
	one.wish.mechanisms = asked.mechanisms;

	one.question.report = asked.monitor ? &one.monitor.report : context->report;
	one.question.user = asked.user;
	one.question.timeout_ms = asked.timeout * 1000;
	one.question.all = asked.all;
	one.question.mechanisms = asked.mechanisms;
	one.question.interfaces = context->json;
	return key_question(context, key, pin_file, f);
}

/* 0, or -1 and the verdict; what was learnt is in `one`. */
static int ask(struct fault *f)
{
	struct fault verdict = { 0 };

	if (hsm_probe(&one.question, &one.answer, f) < 0)
		return -1;
	const int r = hsm_judge(&one.answer, &one.wish, &verdict);
	if (asked.vtl && hsm_vtl_run(&one.question, &one.answer, &one.vtl, f) < 0)
		return -1;
	if (r < 0)
		*f = verdict;
	return r;
}

static void lines_say(struct report *report, const char *lines)
{
	for (; *lines != '\0'; lines += strcspn(lines, "\n") + 1)
		report_say(report, REPORT_WARNING, "%.*s", (int)strcspn(lines, "\n"), lines);
}

static void result_write(struct cmd_context *context, const struct fault *verdict)
{
	struct json j;

	json_init(&j, context->result);
	json_object_begin(&j, NULL);
	json_string(&j, "command", "okv-luna-slots");
	json_number(&j, "exit", fault_exit_status(verdict));
	if (verdict->kind != FAULT_NONE) {
		json_object_begin(&j, "error");
		json_string(&j, "kind", fault_kind_name(verdict->kind));
		json_string(&j, "text", verdict->text);
		json_object_end(&j);
	}
	if (one.answer.user != NULL)
		hsm_json(&one.answer, &j);
	if (asked.vtl)
		hsm_vtl_json(&one.vtl, &j);
	json_array_begin(&j, "causes");
	for (size_t i = 0; i < one.causes.count; i++) {
		json_object_begin(&j, NULL);
		json_string(&j, "sentence", one.causes.items[i].sentence);
		json_string(&j, "command", one.causes.items[i].command);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
}

static int table_print(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO out = { 0 };

	hsm_table(&one.answer, &out);
	if (asked.mechanisms)
		for (size_t i = 0; i < one.answer.slot_count; i++)
			if (hsm_matches(&one.answer.slots[i], &one.wish))
				(void)hsm_mechanisms_compare(&one.answer.slots[i], &out);
	if (text_check(&out, f) < 0)
		return -1;
	cmd_print(context, "%s", text_string(&out));
	if (one.answer.key.asked && one.answer.key.call == NULL)
		cmd_print(context, "Key: %" PRIu64 " with that label in slot %" PRIu64 "%s\n", one.answer.key.found,
			  one.answer.key.slot, one.answer.key.encrypted ? "; it encrypts and decrypts" : "");
	return 0;
}

static int monitor_print(struct cmd_context *context, const struct fault *verdict, struct fault *f)
{
	TEXT_AUTO line = { 0 };

	lines_say(&one.monitor.report, text_string(&one.vtl.differences));
	context->exit_status = (int)hsm_monitor_line(&one.monitor, &one.answer, &one.wish, verdict,
						     hsm_timeout_ms(&one.question), &line);
	if (text_check(&line, f) < 0)
		return -1;
	cmd_print(context, "%s", text_string(&line));
	return 0;
}

static void vtl_tell(struct cmd_context *context)
{
	if (one.vtl.file == NULL)
		report_say(context->report, REPORT_WARNING, "no vtl is installed in '%s'",
			   SHOWN(context->settings.client_dir));
	lines_say(context->report, text_string(&one.vtl.differences));
}

/* The verdict, then its likely causes. */
static void causes_tell(struct cmd_context *context, const struct fault *verdict)
{
	struct fault why = { 0 };

	report_say(context->report, REPORT_WARNING, "%s", verdict->text);
	if (hsm_diagnose(context->root, &context->settings, asked.user, &one.answer, &one.causes, &why) < 0)
		report_say(context->report, REPORT_WARNING, "the cause was not looked for: %s", why.text);
	for (size_t i = 0; i < one.causes.count; i++)
		report_say(context->report, REPORT_WARNING, "%s; to mend it: %s", one.causes.items[i].sentence,
			   one.causes.items[i].command);
}

static int show(struct cmd_context *context, int r, struct fault *f)
{
	const struct fault verdict = *f;
	const bool talked = one.answer.user != NULL;

	if (asked.monitor)
		return monitor_print(context, &verdict, f);
	if (talked && one.answer.end == HSM_END_WHOLE && table_print(context, f) < 0)
		return -1;
	if (talked && asked.vtl)
		vtl_tell(context);
	if (r < 0)
		causes_tell(context, &verdict);
	if (context->json)
		result_write(context, &verdict);
	/* It has been said, before its causes; the kind is the exit status. */
	f->text[0] = '\0';
	return r;
}

static int run(struct cmd_context *context, struct fault *f)
{
	hsm_monitor_init(&one.monitor, context->report);
	int r = question_build(context, f);
	if (r == 0) {
		r = show(context, ask(f), f);
	} else if (asked.monitor) {
		/* Whatever the matter is, the question was not asked. */
		f->kind = FAULT_USAGE;
		r = show(context, r, f);
	}
	one_done();
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-slots",
	.summary = "Show what the HSM shows to OKV's user, within a deadline",
	.operands = "",
	.options = options,
	.needs = CMD_SUPERUSER | CMD_SETTINGS,
	.run = run,
};
