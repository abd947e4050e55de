/* hsm/verdict: one answer, one verdict. */
#include "hsm/verdict.c"
#include "unit.h"

static struct hsm_slot usable(uint64_t id, const char *label, const char *serial)
{
	struct hsm_slot slot = { .id = id, .present = true, .usable = true };

	strcpy(slot.label, label);
	strcpy(slot.serial, serial);
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

static bool matches(struct hsm_slot slot, struct hsm_requirements required)
{
	const struct hsm_answer answer = whole(&slot, 1);
	struct fault f = { 0 };

	return evaluate(&answer, &required, &f) == 0;
}

static void a_token_matches_in_all_that_is_required_and_nothing_else(void **state)
{
	const struct hsm_slot slot = usable(3, "okv", "111"), blank = { .id = 3, .present = true };

	(void)state;
	assert_true(matches(slot, (struct hsm_requirements){ .label = NULL }));
	assert_true(matches(slot, (struct hsm_requirements){ .label = "okv", .serial = "111" }));
	assert_false(matches(slot, (struct hsm_requirements){ .label = "ok" }));
	assert_false(matches(slot, (struct hsm_requirements){ .label = "okv", .serial = "112" }));
	/* A free slot has an empty label, and is not meant by one. */
	assert_false(matches(blank, (struct hsm_requirements){ .label = "" }));
}

static void the_sentence_says_how_the_answer_falls_short(void **state)
{
	struct hsm_slot slots[] = { usable(0, "okv", "111"), { .id = 1, .present = true } };
	struct hsm_answer none = whole(NULL, 0), one = whole(slots, 1), blank = whole(slots + 1, 1),
			  both = whole(slots, 2);
	struct fault f = { 0 };

	(void)state;
	const struct hsm_requirements any = { .least = 1 };
	MUST_FAIL(evaluate(&none, &any, &f), FAULT_NEGATIVE, "user 'oracle' sees no slot");
	MUST_FAIL(evaluate(&blank, &any, &f), FAULT_NEGATIVE, "none of 1 has an initialised token");
	MUST(evaluate(&both, &any, &f));
	MUST_FAIL(evaluate(&both, &(struct hsm_requirements){ .label = "x" }, &f), FAULT_NEGATIVE,
		  "no token with label 'x'");
	MUST_FAIL(evaluate(&both, &(struct hsm_requirements){ .least = 2 }, &f), FAULT_NEGATIVE, "and 2 are required");
	/* A key that nobody has looked for is none. */
	MUST_FAIL(evaluate(&one, &(struct hsm_requirements){ .key = true }, &f), FAULT_NEGATIVE,
		  "the key was looked for on 0 of 1 tokens only");
	/* Zero counts as one: no slots are never enough. */
	MUST_FAIL(evaluate(&none, &(struct hsm_requirements){ .least = 0 }, &f), FAULT_NEGATIVE, "sees no slot");
}

static void a_conversation_that_was_not_whole_keeps_its_fault_whatever_was_seen(void **state)
{
	struct hsm_slot slots[] = { usable(0, "okv", "111") };
	struct hsm_answer answer = whole(slots, 1);
	struct fault f = { 0 };

	(void)state;
	answer.end = HSM_END_LATE;
	(void)fault_late(&answer.fault, "C_Finalize did not return");
	MUST_FAIL(evaluate(&answer, &(struct hsm_requirements){ .least = 1 }, &f), FAULT_LATE,
		  "C_Finalize did not return");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_matches_in_all_that_is_required_and_nothing_else),
		cmocka_unit_test(the_sentence_says_how_the_answer_falls_short),
		cmocka_unit_test(a_conversation_that_was_not_whole_keeps_its_fault_whatever_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
