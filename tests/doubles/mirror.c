/*
 * tests/doubles/mirror: a token that shows what its process is: who, with which groups, environment, descriptors.
 */
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct cryptoki_token_info;
static void show(struct cryptoki_token_info *info);
#define FILL(info) show(info)
#include "honest.h"

extern char **environ;

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
