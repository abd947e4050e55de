/*
 * exchange COUNTER UID GID[,GID...] NAME NAME...: as that user, exchanges each pair of paths without a pause, by
 * renameat2(2).  Counts what was exchanged in the file COUNTER, a number of 8 bytes.  Runs until it is killed.
 */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXCHANGE = 2, GROUPS_MAX = 8 };

int main(int argc, char **argv)
{
	gid_t groups[GROUPS_MAX];
	size_t count = 0;

	if (argc < 6)
		return 2;
	const int fd = open(argv[1], O_RDWR);
	volatile uint64_t *counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counter == MAP_FAILED)
		return 5;
	for (char *at = argv[3]; *at != '\0' && count < GROUPS_MAX; at += *at == ',')
		groups[count++] = (gid_t)strtoul(at, &at, 10);
	if (setgroups(count, groups) < 0 || setgid(groups[0]) < 0 || setuid((uid_t)strtoul(argv[2], NULL, 10)) < 0)
		return 5;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		for (int i = 4; i + 1 < argc; i += 2)
			*counter += syscall(SYS_renameat2, AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], EXCHANGE) == 0;
}
