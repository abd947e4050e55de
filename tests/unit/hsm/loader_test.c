/* hsm/loader: whose refusal it was, as files tell. */
#include <sys/xattr.h>

#include "hsm/loader.h"
#include "unit.h"

static const char denied[] = "/client/lib.so: cannot open shared object file: Permission denied";
static const char distrusted[] = "/client/lib.so: cannot open shared object file: Operation not permitted";

static const char *const directories[] = { "client", "run", "sys", "sys/fs", "sys/fs/selinux" };
static char client[] = "/client";
static const struct settings settings = { .client_dir = client };

/* What is said of it, as the only cause. */
static void expect(int root, const char *said, const char *wanted)
{
	HSM_CAUSES_AUTO causes = { 0 };

	hsm_loader_explain(root, &settings, said, &causes);
	assert_int_equal(causes.count, 1);
	if (strstr(causes.items[0].sentence, wanted) == NULL)
		fail_msg("'%s' does not say '%s'", causes.items[0].sentence, wanted);
}

static void a_policy_is_named_where_its_files_show_it_and_not_before(void **state)
{
	const struct unit_place *place = *state;
	const int root = place->dir;
	static const char label[] = "system_u:object_r:user_tmp_t:s0";

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		unit_dir(root, directories[i], 0755);
	unit_write(root, "client/lib.so", "x", 0644);
	expect(root, denied, "as SELinux does");
	expect(root, distrusted, "as fapolicyd does");
	unit_write(root, "run/fapolicyd.pid", "12\n", 0644);
	expect(root, distrusted, "fapolicyd-cli --file add '/client/' && fapolicyd-cli --update");
	FS_AUTO int fd = openat(root, "client/lib.so", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(fd, "security.selinux", label, sizeof(label), 0) < 0)
		skip();
	unit_write(root, "sys/fs/selinux/enforce", "0", 0644);
	expect(root, denied, "as SELinux does");
	unit_write(root, "sys/fs/selinux/enforce", "1", 0644);
	expect(root, denied,
	       "SELinux is enforcing here and forbids loading '/client/lib.so', whose label is system_u:"
	       "object_r:user_tmp_t:s0");
}

static void what_the_loader_says_has_its_next_step(void **state)
{
	const int root = ((const struct unit_place *)*state)->dir;

	expect(root, "libnsl.so.1: cannot open shared object file: No such file or directory", "in package libnsl");
	expect(root, "libethsm.so: cannot open shared object file: No such file or directory", "is incomplete");
	expect(root, "/lib64/libc.so.6: version `GLIBC_2.99' not found (required by /client/lib.so)",
	       "was made for a newer operating system");
	expect(root, "/client/lib.so: file too short", "the client is damaged");
	expect(root, "libx.so: failed to map segment from shared object", "mounted noexec, or a policy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_policy_is_named_where_its_files_show_it_and_not_before),
		UNIT_IN_PLACE(what_the_loader_says_has_its_next_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
