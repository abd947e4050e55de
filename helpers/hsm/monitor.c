#include "hsm/monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void hear(struct report *self, enum report_level level, const char *line)
{
	struct hsm_monitor *monitor = self->context;

	if (level == REPORT_WARNING && monitor->warnings++ == 0)
		(void)snprintf(monitor->first, sizeof(monitor->first), "%s", line);
	report_say(monitor->next, level, "%s", line);
}

void hsm_monitor_init(struct hsm_monitor *monitor, struct report *next)
{
	*monitor = (struct hsm_monitor){ .report = { .hear = hear, .context = monitor }, .next = next };
}

static const struct hsm_slot *pin_in_danger(const struct hsm_answer *answer, const struct hsm_wish *wish)
{
	const uint64_t danger = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

	for (size_t i = 0; i < answer->slot_count; i++)
		if (hsm_matches(&answer->slots[i], wish) && (answer->slots[i].flags & danger) != 0)
			return &answer->slots[i];
	return NULL;
}

static enum hsm_state state_of(const struct hsm_monitor *monitor, const struct hsm_answer *answer,
			       const struct hsm_wish *wish, const struct fault *verdict, uint64_t timeout_ms,
			       struct text *why)
{
	const struct hsm_slot *slot = pin_in_danger(answer, wish);

	switch (verdict->kind) {
	case FAULT_NONE:
		break;
	case FAULT_USAGE:
	case FAULT_INCOMPLETE:
		text_add_string(why, verdict->text);
		return HSM_STATE_UNKNOWN;
	case FAULT_NEGATIVE:
	case FAULT_REFUSED:
	case FAULT_SYSTEM:
	case FAULT_ABSENT:
	case FAULT_LATE:
		text_add_string(why, verdict->text);
		return HSM_STATE_CRITICAL;
	}
	if (slot != NULL) {
		text_add_format(why, "the PIN of slot %" PRIu64 " is locked or near its last try", slot->id);
		return HSM_STATE_WARNING;
	}
	if (monitor->warnings > 0) {
		text_add_string(why, monitor->first);
		return HSM_STATE_WARNING;
	}
	if (answer->elapsed_ms * 2 > timeout_ms) {
		text_add_format(why, "the library took more than half of the %" PRIu64 " s it has", timeout_ms / 1000);
		return HSM_STATE_WARNING;
	}
	return HSM_STATE_OK;
}

static uint64_t matching(const struct hsm_answer *answer, const struct hsm_wish *wish)
{
	uint64_t count = 0;

	for (size_t i = 0; i < answer->slot_count; i++)
		count += hsm_matches(&answer->slots[i], wish);
	return count;
}

enum hsm_state hsm_monitor_line(const struct hsm_monitor *monitor, const struct hsm_answer *answer,
				const struct hsm_wish *wish, const struct fault *verdict, uint64_t timeout_ms,
				struct text *out)
{
	static const char *const names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	TEXT_AUTO why = { 0 };
	const uint64_t least = wish->least > 0 ? wish->least : 1, there = matching(answer, wish);
	const enum hsm_state state = state_of(monitor, answer, wish, verdict, timeout_ms, &why);

	if (why.length == 0)
		text_add_format(&why, "user '%s' can use %" PRIu64 " slot%s", answer->user, there,
				there == 1 ? "" : "s");
	for (char *at = why.bytes; at != NULL && (at = strchr(at, '|')) != NULL;)
		*at = '/';
	text_add_format(out, "OKV-LUNA-SLOTS %s: %s | usable=%" PRIu64 ";;%" PRIu64 ":;0 ", names[state],
			text_string(&why), there, least);
	text_add_format(out, "time=%" PRIu64 ".%03" PRIu64 "s;%" PRIu64 ";%" PRIu64 ";0\n", answer->elapsed_ms / 1000,
			answer->elapsed_ms % 1000, timeout_ms / 2000, timeout_ms / 1000);
	return state;
}
