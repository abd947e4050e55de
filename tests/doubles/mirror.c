/*
 * tests/doubles/mirror: a token that shows what its process is: who, with which groups, environment, descriptors, and
 * what of other people's secrets its memory holds.
 */
#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct cryptoki_token_info;
static void show(struct cryptoki_token_info *info);
#define FILL(info) show(info)
#include "honest.h"

extern char **environ;

#ifdef SHOW_MEMORY
/* "planted-in-", each letter one further, so that what is searched for is not in our own memory. */
static const char shifted[] = "qmboufe.jo.";
enum { SECRET = sizeof(shifted) - 1 };

/* The letter behind each secret. */
static void secrets_note(const char *bytes, size_t length, char found[128])
{
	for (size_t at = 0; at + SECRET < length; at++) {
		size_t same = 0;
		while (same < SECRET && bytes[at + same] + 1 == shifted[same])
			same++;
		if (same == SECRET)
			found[bytes[at + SECRET] & 127] = 1;
	}
}

static void region_search(unsigned long from, unsigned long to, char found[128])
{
	static char bytes[1 << 20];

	/* Pieces overlap, and what cannot be read is nobody's secret. */
	for (unsigned long at = from; at < to; at += sizeof(bytes) - 4096) {
		struct iovec here = { bytes, to - at < sizeof(bytes) ? to - at : sizeof(bytes) };
		struct iovec there = { (void *)at, here.iov_len };
		const ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
		secrets_note(bytes, got > 0 ? (size_t)got : 0, found);
	}
}

static void file_search(const char *path, char found[128])
{
	char bytes[8192];
	const int fd = open(path, O_RDONLY);
	const ssize_t got = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));

	secrets_note(bytes, got > 0 ? (size_t)got : 0, found);
	if (fd >= 0)
		(void)close(fd);
}

/* All of this process, and what it may see of the one that started it. */
static size_t secrets_show(char *text, size_t size)
{
	char line[512], found[128] = { 0 };
	unsigned long from, to;
	size_t used, regions = 0, open = 0;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL && sscanf(line, "%lx-%lx", &from, &to) == 2) {
		region_search(from, to, found);
		regions++;
	}
	if (maps != NULL)
		(void)fclose(maps);
	file_search("/proc/self/environ", found);
	(void)snprintf(line, sizeof(line), "/proc/%d/environ", (int)getppid());
	file_search(line, found);
	DIR *each = opendir("/proc/self/fd");
	for (struct dirent *entry; each != NULL && (entry = readdir(each)) != NULL;)
		open += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(each);
	if (each != NULL)
		(void)closedir(each);
	used = (size_t)snprintf(text, size, "fd%zu regions%d ", open, regions > 10);
	for (int letter = 0; letter < 128; letter++)
		if (found[letter])
			text[used++] = (char)letter;
	text[used] = '\0';
	return used;
}
#endif

static void show(struct cryptoki_token_info *info)
{
	char text[256] = "";
	size_t used = 0;
	gid_t groups[16];
	struct stat in, out;
	struct rlimit core;

#if defined(SHOW_IDENTITY)
	const int count = getgroups(16, groups);
	used = (size_t)snprintf(text, sizeof(text), "%d:%d", (int)getuid(), (int)getegid());
	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ",%d", (int)groups[i]);
#elif defined(SHOW_ENVIRONMENT)
	for (char **at = environ; *at != NULL; at++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s;", *at);
#elif defined(SHOW_MEMORY)
	used = secrets_show(text, sizeof(text));
#else
	int open = 0;
	const mode_t mask = umask(0);
	(void)umask(mask);
	for (int fd = 0; fd < 1024; fd++)
		open += fcntl(fd, F_GETFD) >= 0;
	(void)fstat(0, &in);
	(void)fstat(1, &out);
	(void)getrlimit(RLIMIT_CORE, &core);
	(void)snprintf(text, sizeof(text), "nnp%d fd%d m%o in%d out%d c%d s%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
		       open, (unsigned)mask, S_ISCHR(in.st_mode) != 0, S_ISFIFO(out.st_mode) != 0, (int)core.rlim_cur,
		       getsid(0) == getpid());
#endif
	(void)groups, (void)in, (void)out, (void)core, (void)used;
	padded(info->label, sizeof(info->label), text);
}
