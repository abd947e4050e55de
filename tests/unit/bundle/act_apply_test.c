/* bundle/act: from which node, and of which age, a bundle is accepted. */
#include "okv_tree.h"

#include "bundle/header.h"

/* A file with this header and as many bytes as the header says, which are not a sealed bundle. */
static void sealed_write(const struct unit_place *place, const char *origin, int64_t created)
{
	struct bundle_header h = {
		.created = created, .size = 1, .iterations = BUNDLE_ITERATIONS_LEAST, .salt_length = BUNDLE_SALT_LEAST
	};
	TEXT_AUTO file = { 0 };
	struct fault f = { 0 };

	strcpy(h.origin, origin);
	MUST(bundle_header_print(&h, &file, &f));
	text_add_string(&file, "1234567890abcdef+");
	MUST(text_check(&file, &f));
	unit_write(place->dir, "sealed", text_string(&file), 0600);
}

/* If origin and age are accepted, the wrong bytes are refused. */
static void age_and_origin_are_judged(void **state)
{
	static const char genuine[] = "the passphrase is wrong, or the file was changed";
	static const char future[] = "made in the future", old[] = "too old", own[] = "sealed on this very node";
	static const struct {
		const char *origin;
		int64_t age; /* seconds */
		const char *expected;
	} cases[] = {
		{ "okv1", 0, genuine },  { "okv1", 100, genuine },  { "okv1", 101, old },
		{ "okv1", 100000, old }, { "okv1", -300, genuine }, { "okv1", -301, future },
		{ "okv2", 0, own },      { "OKV2", 0, own },        { "okv22", 100, genuine },
	};
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	struct tree_act t;
	char path[128];

	tree_make(place->dir);
	tree_act_init(&t, place);
	(void)snprintf(path, sizeof(path), "%s/sealed", place->path);
	t.operand = path;
	t.options.max_age = 100;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sealed_write(place, cases[i].origin, t.act.now - cases[i].age);
		MUST_FAIL(bundle_act_apply(&t.act, &f), FAULT_REFUSED, cases[i].expected);
		assert_true(unit_there(place->dir, "sealed"));
		assert_false(unit_there(place->dir, TREE_BUNDLE));
	}
	/* Verify accepts any origin and, without --max-age, any age. */
	sealed_write(place, "okv2", 0);
	MUST_FAIL(bundle_act_verify(&t.act, &f), FAULT_REFUSED, old);
	t.options.max_age = 0;
	MUST_FAIL(bundle_act_verify(&t.act, &f), FAULT_REFUSED, genuine);
	/* Apply accepts a day. */
	sealed_write(place, "okv1", t.act.now - 24 * 60 * 60 - 1);
	MUST_FAIL(bundle_act_apply(&t.act, &f), FAULT_REFUSED, old);
	tree_act_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(age_and_origin_are_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
