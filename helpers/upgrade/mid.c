#include <string.h>

#include "upgrade/hook.h"

/*
 * Inside OKV's upgrade nobody waits for us and nobody reads us.  The bounds add up to the whole hook's: a step that
 * hangs takes nothing from those after it, except that the last ones share what is left.
 */
static const struct step_row steps[] = {
	{ "group", "the HSM group exists", 12000, STEP_ALWAYS, step_group },
	{ "member", "OKV's user is in the HSM group", 10000, STEP_ALWAYS, step_member },
	{ "reown", "what carried the old group id carries the new one", 20000, STEP_ALWAYS, step_reown },
	{ "wiring", "wire OKV's generic files and our links", 12000, STEP_ALWAYS, step_wire },
	{ "arming", "let post-upgrade run at the next boot", 5000, STEP_ALWAYS, step_autostart },
};

/* Nobody sees our report before the first boot: syslog gets what was done. */
static void tell(const struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++) {
		const struct step_result *result = &run->results[i];
		for (const char *line = text_string(&result->changes); *line != '\0';) {
			const size_t length = strcspn(line, "\n");
			report_say(run->report, REPORT_RESULT, "%s: %.*s", result->row->name, (int)length, line);
			line += length + (line[length] == '\n');
		}
		for (size_t k = 0; k < result->finding_count; k++)
			if (result->findings[k].severity >= STEP_MEDIUM)
				report_say(run->report, REPORT_WARNING, "%s: %s", result->row->name,
					   result->findings[k].title);
		if (result->outcome == STEP_FAILED)
			report_say(run->report, REPORT_WARNING, "%s: %s", result->row->name, result->fault.text);
	}
}

int hook_mid_upgrade(struct upgrade_run *run, struct fault *f)
{
	struct fault why = { 0 };

	run->kind = UPGRADE_MID;
	hook_note(run, "begin " OKV_LUNA_VERSION);
	if (upgrade_run_steps(run, steps, sizeof(steps) / sizeof(steps[0]), f) < 0)
		return -1;
	tell(run);
	if (upgrade_run_verdict(run, &why) < 0)
		hook_note(run, "end failed %s", why.text);
	else
		hook_note(run, "end %s", upgrade_run_changed(run) ? "changed" : "unchanged");
	return 0;
}
