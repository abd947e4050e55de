/* base/nearest: the word that was meant. */
#include "unit.h"

#include <string.h>

#include "base/nearest.h"

static const char *const words[] = { "status",      "slots",        "config",  "repair",
				     "pre-upgrade", "post-upgrade", "dry-run", "go" };

static const char *meant(const char *typed)
{
	struct nearest n = { .word = typed, .length = strlen(typed) };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		nearest_offer(&n, words[i]);
	return n.best;
}

static void a_slip_of_the_fingers_is_seen_through(void **state)
{
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{ "staus", "status" },           { "statuss", "status" }, { "sttaus", "status" },
		{ "ststus", "status" },          { "slot", "slots" },     { "sltos", "slots" },
		{ "repiar", "repair" },          { "cfg", NULL },         { "conf", "config" },
		{ "preupgrade", "pre-upgrade" }, { "dryrun", "dry-run" }, { "postupgrad", "post-upgrade" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *best = meant(cases[i].typed);
		if (cases[i].meant == NULL)
			assert_null(best);
		else
			assert_string_equal(best, cases[i].meant);
	}
}

static void what_is_far_from_all_of_them_is_not_guessed_at(void **state)
{
	static const char *const far[] = { "",
					   "s",
					   "x",
					   "frobnicate",
					   "upgrades-all",
					   "stop",
					   "g",
					   "a-word-that-is-longer-than-any-that-we-have-in-a-table" };

	(void)state;
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		assert_null(meant(far[i]));
}

static void the_hint_is_half_a_sentence(void **state)
{
	char hint[NEAREST_HINT_SIZE];
	struct nearest n = { .word = "jsno", .length = 4 };

	(void)state;
	assert_string_equal(nearest_hint(&n, "--", "; see --help", hint), "; see --help");
	nearest_offer(&n, "json");
	assert_string_equal(nearest_hint(&n, "--", "; see --help", hint), "; did you mean '--json'?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_of_the_fingers_is_seen_through),
		cmocka_unit_test(what_is_far_from_all_of_them_is_not_guessed_at),
		cmocka_unit_test(the_hint_is_half_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
