/* bundle/sealed: the pages of the secret; their end, and the memory around them, are looked at from outside (tests/bats/memory.js). */
#include "okv_tree.h"

#include "bundle/sealed.c"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void the_page_is_empty_in_every_child(void **state)
{
	struct fault f = { 0 };
	BUNDLE_SECRET_AUTO *secret = NULL;
	int status;

	(void)state;
	MUST(secret_new(NULL, &secret, &f));
	tree_passphrase(secret);
	memset(secret->key, 'k', sizeof(secret->key));
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(tree_all_zero(secret, sizeof(*secret)) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_false(tree_all_zero(secret, sizeof(*secret)));
}

static void nobody_may_attach_to_the_process_and_it_dumps_no_core(void **state)
{
	struct fault f = { 0 };
	BUNDLE_SECRET_AUTO *secret = NULL;
	struct rlimit cores;

	(void)state;
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	MUST(secret_new(NULL, &secret, &f));
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_CORE, &cores), 0);
	assert_int_equal(cores.rlim_cur, 0);
	assert_int_equal(cores.rlim_max, 0);
}

static void to_seal_it_has_at_least_8_bytes(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	BUNDLE_SECRET_AUTO *secret = NULL;
	char path[128];
	const struct bundle_source source = { .file = path, .fd = -1 };

	(void)snprintf(path, sizeof(path), "%s/pass", place->path);
	unit_write(place->dir, "pass", "seven77\n", 0600);
	MUST_FAIL(bundle_secret_read(&source, BUNDLE_ASK_TWICE, NULL, &secret, &f), FAULT_REFUSED,
		  "fewer than 8 bytes");
	assert_null(secret);
	MUST(bundle_secret_read(&source, BUNDLE_ASK_ONCE, NULL, &secret, &f));
	assert_int_equal(secret->length, 7);
	bundle_secret_free(&secret);
	unit_write(place->dir, "pass", "eight888\n", 0600);
	MUST(bundle_secret_read(&source, BUNDLE_ASK_TWICE, NULL, &secret, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_empty_in_every_child),
		cmocka_unit_test(nobody_may_attach_to_the_process_and_it_dumps_no_core),
		UNIT_IN_PLACE(to_seal_it_has_at_least_8_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
