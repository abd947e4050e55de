/* fs/each: every name once, and an error is never taken for the end. */
#include "unit_seccomp.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>

#include "fs/each.h"

static void every_name_comes_once_with_its_type(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	bool met[1000] = { false };
	char name[16];
	size_t count = 0;

	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		unit_write(place->dir, name, "", 0600);
	}
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	MUST(fs_each_open(place->dir, place->path, &each, &f));
	int more;
	while ((more = fs_each_next(&each, &entry, &f)) > 0) {
		const unsigned long number = strtoul(entry.name, NULL, 10);
		assert_true(number < 1000 && !met[number]);
		assert_true(entry.type == DT_REG || entry.type == DT_UNKNOWN);
		met[number] = true;
		count++;
	}
	assert_int_equal(more, 0);
	assert_int_equal(count, 1000);
}

static int read_it(void *context)
{
	const struct unit_place *place = context;
	struct fault f = { 0 };
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry = { .name = "untouched" };

	if (fs_each_open(place->dir, "dir", &each, &f) < 0 || fs_each_next(&each, &entry, &f) != -1)
		return 1;
	return f.errnum == EIO && strstr(f.text, "cannot read directory 'dir' to its end") != NULL &&
			       strcmp(entry.name, "untouched") == 0
		       ? 0
		       : 2;
}

static void an_error_is_a_fault(void **state)
{
	assert_int_equal(unit_with_denied(SYS_getdents64, EIO, read_it, *state), 0);
}

static void what_is_not_a_directory_cannot_be_opened(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	FS_EACH_AUTO each = { 0 };

	unit_write(place->dir, "file", "", 0600);
	FS_AUTO int fd = openat(place->dir, "file", O_RDONLY | O_CLOEXEC);
	MUST_FAIL(fs_each_open(fd, "file", &each, &f), FAULT_ABSENT, "cannot read directory 'file'");
	assert_null(each.stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(every_name_comes_once_with_its_type),
		UNIT_IN_PLACE(an_error_is_a_fault),
		UNIT_IN_PLACE(what_is_not_a_directory_cannot_be_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
