/*
 * What unit tests share: cmocka with what it wants before it, calls that must succeed or fail in a named way, and a
 * place of their own on disk.
 */
#ifndef OKV_TESTS_UNIT_H
#define OKV_TESTS_UNIT_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "fs/root.h"
#include "fs/walk.h"

/* The call returns 0; it uses a `struct fault f` of the test. */
#define MUST(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s", f.text); \
	} while (0)

/* The call returns -1 with a fault of that kind whose text holds the words. */
#define MUST_FAIL(call, expected, words) \
	do { \
		f = (struct fault){ 0 }; \
		assert_int_equal((call), -1); \
		if (strstr(f.text, (words)) == NULL) \
			fail_msg("'%s' is not in '%s'", (words), f.text); \
		assert_string_equal(fault_kind_name(f.kind), fault_kind_name(expected)); \
	} while (0)

/* A directory of the test's own; setup and teardown of a test. */
struct unit_place {
	char path[64];
	int dir;
};

static inline int unit_place_make(void **state)
{
	struct unit_place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	strcpy(place->path, "/tmp/okv-luna-unit-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->dir >= 0);
	*state = place;
	return 0;
}

static inline int unit_place_remove(void **state)
{
	struct unit_place *place = *state;
	struct fault f = { 0 };

	MUST(fs_tree_remove(AT_FDCWD, place->path, &f));
	fs_close(&place->dir);
	free(place);
	return 0;
}

#define UNIT_IN_PLACE(test) cmocka_unit_test_setup_teardown(test, unit_place_make, unit_place_remove)

/* Writes a file with that mode, whatever the umask. */
static inline void unit_write(int dir, const char *path, const char *bytes, mode_t mode)
{
	FS_AUTO int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
	assert_int_equal(fchmod(fd, mode), 0);
}

static inline void unit_dir(int dir, const char *path, mode_t mode)
{
	assert_int_equal(mkdirat(dir, path, 0700), 0);
	assert_int_equal(fchmodat(dir, path, mode, 0), 0);
}

/* What is under the name has exactly these bytes. */
static inline void unit_holds(int dir, const char *path, const char *expected)
{
	FS_AUTO int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	char bytes[4096];

	assert_true(fd >= 0);
	const ssize_t length = read(fd, bytes, sizeof(bytes) - 1);
	assert_true(length >= 0);
	bytes[length] = '\0';
	assert_string_equal(bytes, expected);
}

static inline bool unit_there(int dir, const char *path)
{
	struct stat status;

	return fstatat(dir, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A reproducible stream of numbers (xorshift); the same on every machine. */
static inline uint32_t unit_random(uint32_t *seed)
{
	uint32_t x = *seed;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *seed = x;
}

#endif
