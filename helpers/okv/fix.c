#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/fix.h"
#include "conf/midupgrade.h"
#include "conf/preserved.h"
#include "okv/check.h"
#include "okv/edit.h"
#include "okv/shell.h"

static int assign_fix(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO flawed = { 0 };
	ASSIGN_AUTO a = { 0 };
	TEXT_AUTO fixed = { 0 };
	TEXT_AUTO value = { 0 };
	PRESERVED_AUTO p = { 0 };
	bool changed;

	(void)context;
	if (assign_parse(&flawed, text_string(now), now->length, f) < 0 || fix_assign(&flawed, &fixed, f) < 0 ||
	    assign_parse(&a, text_string(&fixed), fixed.length, f) < 0)
		return -1;
	const struct assign_line *line = assign_find(&a, "PRESERVED_FILES");
	if (line != NULL && assign_count(&a, "PRESERVED_FILES") == 1) {
		if (preserved_parse(&p, line->bytes + line->value_start, line->value_length, f) < 0)
			return -1;
		const size_t count = p.count;
		preserved_reduce(&p);
		preserved_print(&p, &value);
		if (text_check(&value, f) < 0 ||
		    (p.count != count && assign_set(&a, "PRESERVED_FILES", text_string(&value), &changed, f) < 0))
			return -1;
	}
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

struct script_fix {
	enum okv_handmade handmade;
	const char *group;
};

static int script_fix(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct script_fix *fix = context;
	TEXT_AUTO fixed = { 0 };
	TEXT_AUTO next = { 0 };
	struct okv_shell before, after;

	if (fix_script(text_string(now), now->length, &fixed, f) < 0)
		return -1;
	if (fix->handmade == OKV_DROP_HANDMADE) {
		if (midupgrade_clear(text_string(&fixed), fixed.length, fix->group, &next, f) < 0)
			return -1;
	} else {
		text_add(&next, text_string(&fixed), fixed.length);
	}
	if (text_check(&next, f) < 0)
		return -1;
	if (!text_same(&next, now)) {
		if (okv_shell_ask(now, &before, f) < 0 || okv_shell_ask(&next, &after, f) < 0)
			return -1;
		if (after.asked != 0 && (after.agreed == 0 || (before.agreed & ~after.agreed) != 0)) {
			text_add(ret_text, text_string(now), now->length);
			return text_check(ret_text, f);
		}
	}
	text_add(ret_text, text_string(&next), next.length);
	return text_check(ret_text, f);
}

static int chrystoki_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	CHRYSTOKI_AUTO conf = { 0 };
	bool changed;

	(void)context;
	if (chrystoki_parse(&conf, text_string(now), now->length, f) < 0 || chrystoki_fix(&conf, &changed, f) < 0)
		return -1;
	chrystoki_print(&conf, ret_text);
	return text_check(ret_text, f);
}

int okv_fix(const struct okv_job *job, enum okv_handmade handmade, unsigned *ret_fixed, struct fault *f)
{
	struct script_fix script = { .handmade = handmade, .group = job->settings->hsm_group };
	const struct okv_edit edits[] = {
		{ .path = OKV_CONF, .change = assign_fix },
		{ .path = OKV_ENV, .change = assign_fix },
		{ .path = OKV_MID, .change = script_fix, .context = &script },
		{ .path = job->settings->chrystoki_conf, .change = chrystoki_change },
	};
	unsigned fixed = 0;

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct fault now = { 0 };
		bool changed = false;

		if (okv_edit(job, &edits[i], &changed, &now) < 0 && now.kind != FAULT_ABSENT) {
			*f = now;
			return -1;
		}
		fixed += changed;
		if (changed)
			report_say(job->report, REPORT_RESULT, "%s: fixed", edits[i].path);
	}
	*ret_fixed = fixed;
	return 0;
}
