#include "upgrade/output.h"

#include <stdio.h>

#include "fs/publish.h"
#include "fs/root.h"

void upgrade_answer_done(struct upgrade_answer *answer)
{
	text_done(&answer->sentence);
	text_done(&answer->advice);
}

static unsigned seconds(const struct upgrade_run *run)
{
	return (run->elapsed_ms + 500) / 1000;
}

static void answer_pre(const struct upgrade_run *run, const struct fault *why, struct upgrade_answer *a)
{
	if (why->kind == FAULT_NONE && run->dry_run) {
		a->word = "go";
		text_add_string(&a->sentence, "This would go: nothing stands against an upgrade (nothing was changed)");
	} else if (why->kind == FAULT_NONE) {
		a->word = "go";
		text_add_format(&a->sentence,
				"Go: the HSM answers, the snapshot is taken and everything is ready (%u s)",
				seconds(run));
		text_add_string(&a->advice, "Start OKV's upgrade now: okv-luna upgrade\n"
					    "Not today? okv-luna pre-upgrade --abort puts everything back.\n");
	} else {
		a->word = "no";
		text_add_format(&a->sentence, "Do not upgrade: %s", why->text);
		if (!run->dry_run)
			text_add_string(&a->advice,
					"Fix it and run okv-luna pre-upgrade again, or put everything back: "
					"okv-luna pre-upgrade --abort\n");
	}
}

static void answer_abort(const struct upgrade_run *run, const struct fault *why, struct upgrade_answer *a)
{
	if (why->kind != FAULT_NONE) {
		a->word = "no";
		text_add_format(&a->sentence, "Not everything could be put back: %s", why->text);
	} else if (run->result_count == 0) {
		a->word = "nothing";
		text_add_string(&a->sentence, "Nothing to put back: no pre-upgrade is open");
	} else {
		a->word = "back";
		text_add_string(&a->sentence, run->dry_run
						      ? "This would put everything back as it was before pre-upgrade"
						      : "Everything is as it was before pre-upgrade");
	}
}

static void answer_mid(const struct upgrade_run *run, const struct fault *why, struct upgrade_answer *a)
{
	if (why->kind != FAULT_NONE) {
		a->word = "failed";
		text_add_format(&a->sentence, "mid-upgrade failed: %s; post-upgrade will try again", why->text);
	} else {
		const bool changed = upgrade_run_changed(run);
		a->word = changed ? "changed" : "unchanged";
		text_add_string(&a->sentence, changed ? "mid-upgrade is done: something was changed"
						      : "mid-upgrade is done: nothing had to be changed");
	}
}

static void answer_post(const struct upgrade_run *run, const struct fault *why, struct upgrade_answer *a)
{
	if (why->kind == FAULT_NONE) {
		a->word = "proven";
		text_add_format(&a->sentence,
				"%s: OKV's user reaches the HSM, and what was to be preserved is there (%u s)",
				run->dry_run ? "This would be proven" : "Proven", seconds(run));
		return;
	}
	a->word = "failed";
	text_add_format(&a->sentence, "%s: do not restart this server", why->text);
	text_add_string(
		&a->advice,
		"OKV keeps its open wallet in memory: as long as it runs, nothing is lost; a restart needs the HSM.\n"
		"Fix what is marked below and run okv-luna post-upgrade again.\n"
		"For support (it holds no secrets): okv-luna post-upgrade --collect /root/okv-luna-support\n");
}

int upgrade_answer_make(const struct upgrade_run *run, struct upgrade_answer *ret_answer, struct fault *f)
{
	struct upgrade_answer a = UPGRADE_ANSWER_INIT;
	struct fault why = { 0 };

	(void)upgrade_run_verdict(run, &why);
	/* 1 means "no change needed" there, so a failure has to have another number. */
	if (run->kind == UPGRADE_MID && why.kind == FAULT_NEGATIVE)
		why.kind = FAULT_INCOMPLETE;
	a.exit = fault_exit_status(&why);
	switch (run->kind) {
	case UPGRADE_PRE:
		(run->abort ? answer_abort : answer_pre)(run, &why, &a);
		break;
	case UPGRADE_MID:
		answer_mid(run, &why, &a);
		if (why.kind == FAULT_NONE && !upgrade_run_changed(run))
			a.exit = 1;
		break;
	case UPGRADE_POST:
		answer_post(run, &why, &a);
		break;
	}
	if (text_check(&a.sentence, f) < 0 || text_check(&a.advice, f) < 0) {
		upgrade_answer_done(&a);
		return -1;
	}
	if (why.kind != FAULT_NONE) {
		*f = why;
		(void)snprintf(f->text, sizeof(f->text), "%s", text_string(&a.sentence));
	}
	*ret_answer = a;
	return why.kind != FAULT_NONE ? -1 : 0;
}

int output_keep(const struct upgrade_run *run, const struct text *json, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	char path[128];

	(void)snprintf(path, sizeof(path), SETTINGS_VAR "/%s.json", upgrade_hook_name(run->kind));
	return fs_publish(run->root, path, FS_FOLLOW_TRUSTED, text_string(json), json->length, &how, f);
}
