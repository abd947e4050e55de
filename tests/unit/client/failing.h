/*
 * failing: a file system that cannot tell about one name: every fstatat(2) of it ends in EIO.
 *
 * The C library's fstatat is replaced for all of the test's program, the rooms included.
 */
#ifndef OKV_UNIT_CLIENT_FAILING_H
#define OKV_UNIT_CLIENT_FAILING_H

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A last name; NULL while nothing fails. */
static const char *failing_name;

int fstatat(int dir, const char *path, struct stat *status, int flags)
{
	if (failing_name != NULL && strcmp(path, failing_name) == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_newfstatat, dir, path, status, flags);
}

/* The call is a fault of the system while the name cannot be looked at; it uses a `struct fault f` of the test. */
#define MUST_NOT_GUESS(name, call) \
	do { \
		failing_name = (name); \
		MUST_FAIL(call, FAULT_SYSTEM, ""); \
		assert_int_equal(f.errnum, EIO); \
		failing_name = NULL; \
	} while (0)

#endif
