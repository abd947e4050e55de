/* hsm/judge and hsm/monitor: one answer, one verdict. */
#include "hsm/judge.h"
#include "hsm/monitor.h"
#include "unit.h"

static struct hsm_slot usable(uint64_t id, const char *label, const char *serial)
{
	struct hsm_slot slot = { .id = id, .present = true, .usable = true, .flags = CKF_TOKEN_INITIALIZED };

	strcpy(slot.label, label);
	strcpy(slot.serial, serial);
	strcpy(slot.model, "LunaSA 7.7.1");
	strcpy(slot.manufacturer, "SafeNet");
	return slot;
}

static char user[] = "oracle";

static struct hsm_answer whole(struct hsm_slot *slots, size_t count)
{
	return (struct hsm_answer){
		.end = HSM_END_WHOLE,
		.fault = { 0 },
		.call = "",
		.slots = slots,
		.slot_count = count,
		.user = user,
	};
}

static void a_token_matches_in_all_that_is_wished_and_nothing_else(void **state)
{
	struct hsm_slot slot = usable(3, "okv", "111");
	struct hsm_slot blank = { .id = 3, .present = true };

	(void)state;
	assert_true(hsm_matches(&slot, &(struct hsm_wish){ .label = NULL }));
	assert_true(hsm_matches(&slot, &(struct hsm_wish){ .label = "okv", .serial = "111", .model = "LunaSA 7.7.1" }));
	assert_true(hsm_matches(&slot, &(struct hsm_wish){ .slot_id_set = true, .slot_id = 3 }));
	assert_false(hsm_matches(&slot, &(struct hsm_wish){ .slot_id_set = true, .slot_id = 0 }));
	assert_false(hsm_matches(&slot, &(struct hsm_wish){ .label = "ok" }));
	assert_false(hsm_matches(&slot, &(struct hsm_wish){ .label = "okv", .serial = "112" }));
	assert_false(hsm_matches(&slot, &(struct hsm_wish){ .manufacturer = "Thales" }));
	/* A free slot has an empty label, and is not meant by one. */
	assert_false(hsm_matches(&blank, &(struct hsm_wish){ .label = "" }));
}

static void the_sentence_says_how_the_answer_falls_short(void **state)
{
	struct hsm_slot slots[] = { usable(0, "okv", "111"), { .id = 1, .present = true } };
	struct hsm_answer none = whole(NULL, 0), blank = whole(slots + 1, 1), both = whole(slots, 2);
	struct fault f = { 0 };

	(void)state;
	const struct hsm_wish any = { .least = 1 };
	MUST_FAIL(hsm_judge(&none, &any, &f), FAULT_NEGATIVE, "user 'oracle' sees no slot");
	MUST_FAIL(hsm_judge(&blank, &any, &f), FAULT_NEGATIVE, "none of 1 has an initialised token");
	MUST(hsm_judge(&both, &any, &f));
	MUST_FAIL(hsm_judge(&both, &(struct hsm_wish){ .label = "x" }, &f), FAULT_NEGATIVE, "no token with label 'x'");
	MUST_FAIL(hsm_judge(&both, &(struct hsm_wish){ .least = 2 }, &f), FAULT_NEGATIVE, "and 2 are wanted");
	/* Zero counts as one: no slots are never enough. */
	MUST_FAIL(hsm_judge(&none, &(struct hsm_wish){ .least = 0 }, &f), FAULT_NEGATIVE, "sees no slot");
}

static void a_conversation_that_was_not_whole_keeps_its_fault_whatever_was_seen(void **state)
{
	struct hsm_slot slots[] = { usable(0, "okv", "111") };
	struct hsm_answer answer = whole(slots, 1);
	struct fault f = { 0 };

	(void)state;
	answer.end = HSM_END_LATE;
	(void)fault_late(&answer.fault, "C_Finalize did not return");
	MUST_FAIL(hsm_judge(&answer, &(struct hsm_wish){ .least = 1 }, &f), FAULT_LATE, "C_Finalize did not return");
}

static void what_okv_needs_is_two_mechanisms_with_their_uses(void **state)
{
	struct hsm_mechanism mechanisms[] = {
		{ .type = CKM_AES_KEY_GEN, .flags = CKF_GENERATE },
		{ .type = CKM_AES_CBC_PAD, .flags = CKF_ENCRYPT | CKF_DECRYPT },
	};
	struct hsm_slot slot = usable(2, "okv", "111");
	TEXT_AUTO out = { 0 };

	(void)state;
	slot.mechanisms = mechanisms;
	slot.mechanism_count = 2;
	assert_int_equal(hsm_mechanisms_compare(&slot, &out), 0);
	mechanisms[1].flags = CKF_ENCRYPT;
	assert_int_equal(hsm_mechanisms_compare(&slot, &out), 1);
	assert_string_equal(text_string(&out),
			    "slot 2: no encryption and decryption with AES-CBC-PAD (CKM_AES_CBC_PAD is "
			    "offered for other uses only)\n");
	slot.mechanism_count = 0;
	assert_int_equal(hsm_mechanisms_compare(&slot, &out), 2);
}

static enum hsm_state state_of(struct hsm_answer *answer, const struct fault *verdict, const char *warning,
			       const char *wanted)
{
	const struct hsm_wish wish = { .least = 1 };
	struct hsm_monitor monitor;
	TEXT_AUTO line = { 0 };

	hsm_monitor_init(&monitor, NULL);
	if (warning != NULL)
		report_say(&monitor.report, REPORT_WARNING, "%s", warning);
	report_say(&monitor.report, REPORT_DETAIL, "no warning");
	const enum hsm_state state = hsm_monitor_line(&monitor, answer, &wish, verdict, 10000, &line);
	assert_string_equal(text_string(&line), wanted);
	return state;
}

static void the_monitoring_line_has_state_reason_and_figures(void **state)
{
	struct hsm_slot slots[] = { usable(0, "okv", "111") };
	struct hsm_answer answer = whole(slots, 1);
	struct fault fine = { 0 }, bad = { 0 };

	(void)state;
	answer.elapsed_ms = 1234;
	(void)fault_late(&bad, "a|b did not return");
	assert_int_equal(state_of(&answer, &fine, NULL,
				  "OKV-LUNA-SLOTS OK: user 'oracle' can use 1 slot | "
				  "usable=1;;1:;0 time=1.234s;5;10;0\n"),
			 HSM_STATE_OK);
	assert_int_equal(state_of(&answer, &fine, "look at this",
				  "OKV-LUNA-SLOTS WARNING: look at this | "
				  "usable=1;;1:;0 time=1.234s;5;10;0\n"),
			 HSM_STATE_WARNING);
	/* No bar of ours can be taken for that before the figures. */
	assert_int_equal(state_of(&answer, &bad, NULL,
				  "OKV-LUNA-SLOTS CRITICAL: a/b did not return | "
				  "usable=1;;1:;0 time=1.234s;5;10;0\n"),
			 HSM_STATE_CRITICAL);
	answer.elapsed_ms = 6000;
	assert_int_equal(state_of(&answer, &fine, NULL,
				  "OKV-LUNA-SLOTS WARNING: the library took more than half of the "
				  "10 s it has | usable=1;;1:;0 time=6.000s;5;10;0\n"),
			 HSM_STATE_WARNING);
	slots[0].flags |= CKF_USER_PIN_FINAL_TRY;
	assert_int_equal(state_of(&answer, &fine, NULL,
				  "OKV-LUNA-SLOTS WARNING: the PIN of slot 0 is locked or near its "
				  "last try | usable=1;;1:;0 time=6.000s;5;10;0\n"),
			 HSM_STATE_WARNING);
	(void)fault_usage(&bad, "no such option");
	assert_int_equal(state_of(&answer, &bad, NULL,
				  "OKV-LUNA-SLOTS UNKNOWN: no such option | "
				  "usable=1;;1:;0 time=6.000s;5;10;0\n"),
			 HSM_STATE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_matches_in_all_that_is_wished_and_nothing_else),
		cmocka_unit_test(the_sentence_says_how_the_answer_falls_short),
		cmocka_unit_test(a_conversation_that_was_not_whole_keeps_its_fault_whatever_was_seen),
		cmocka_unit_test(what_okv_needs_is_two_mechanisms_with_their_uses),
		cmocka_unit_test(the_monitoring_line_has_state_reason_and_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
