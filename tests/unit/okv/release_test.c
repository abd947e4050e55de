#include "unit.h"

#include "fs/root.h"
#include "okv/release.h"

static void becomes(void **state, const char *file, const char *bytes, const char *os, const char *okv)
{
	const int root = ((const struct unit_place *)*state)->dir;
	TEXT_AUTO seen_os = { 0 };
	TEXT_AUTO seen_okv = { 0 };

	unit_write(root, file, bytes, 0644);
	okv_release_find(root, &seen_os, &seen_okv);
	assert_string_equal(text_string(&seen_os), os);
	assert_string_equal(text_string(&seen_okv), okv);
}

static void system_and_okv_name_themselves(void **state)
{
	const int root = ((const struct unit_place *)*state)->dir;
	struct fault f = { 0 };

	MUST(fs_dirs_make(root, "/etc", 0755, FS_NOFOLLOW, &f));
	MUST(fs_dirs_make(root, "/usr/lib", 0755, FS_NOFOLLOW, &f));
	becomes(state, "etc/other", "", "", "");
	becomes(state, "etc/issue", "\n\\S\nOracle Key Vault 21.8\n", "", "Oracle Key Vault 21.8");
	becomes(state, "etc/redhat-release", "Oracle Linux 7.9\nmore\n", "Oracle Linux 7.9", "Oracle Key Vault 21.8");
	becomes(state, "usr/lib/os-release", "ID=x\nPRETTY_NAME='An OS'\n", "An OS", "Oracle Key Vault 21.8");
	becomes(state, "etc/os-release", "PRETTY_NAME=\"Oracle \\\"8\\\"\"", "Oracle \\\"8\\\"",
		"Oracle Key Vault 21.8");
	becomes(state, "etc/okv-release", "Oracle Key Vault Server 21.9\n", "Oracle \\\"8\\\"",
		"Oracle Key Vault Server 21.9");
	becomes(state, "etc/os-release", "NAME=x\nPRETTY_NAME=\"\n", "\"", "Oracle Key Vault Server 21.9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(system_and_okv_name_themselves, unit_place_make, unit_place_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
