/*
 * Linked into everything of `make asan`: how AddressSanitizer goes about it where a program has a closed environment.
 * A foreign library that crashes is for our tools to tell of, so signals are left to them; a report ends with 99.
 */
/* The linker's line has none of the options that everything else is compiled with. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *__asan_default_options(void);
int __lsan_is_turned_off(void);

const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:exitcode=99";
}

/* The look for leaks traces its own process, which cannot be done twice: none in a program that strace holds. */
int __lsan_is_turned_off(void)
{
	static const char untraced[] = "\nTracerPid:\t0\n";
	char status[4096];
	const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const ssize_t length = fd < 0 ? -1 : read(fd, status, sizeof(status));

	if (fd >= 0)
		(void)close(fd);
	return length < 0 || memmem(status, (size_t)length, untraced, sizeof(untraced) - 1) == NULL;
}
