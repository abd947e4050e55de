/*
 * race ROUNDS ROOT COMMAND [ARGUMENT]...: a hostile user races a command that repairs a tree.
 *
 * Everybody may write ROOT/usr/safenet/lunaclient/data, as between the guide's two scripts.  Two attackers work in it
 * without pause: one exchanges a directory with a link that leads out (RENAME_EXCHANGE); the other creates and removes
 * a hard link of a file outside, so that the file's link count is often 1.  Both run as root and so are stronger than
 * any user.  Each round undoes the repair, runs COMMAND and checks the files outside.
 *
 * Prints "ROUNDS rounds, HITS changes outside, FAILED commands failed badly" and exits with 0: the caller decides.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXCHANGE = 2 };

static int data, outside;

static void attacker_start(void (*act)(void))
{
	const pid_t parent = getpid();
	const pid_t pid = fork();

	if (pid < 0)
		err(5, "fork");
	if (pid > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (;;)
		act();
}

static void exchange(void)
{
	(void)syscall(SYS_renameat2, data, "sub", data, "link", EXCHANGE);
}

static void plant(void)
{
	(void)linkat(outside, "victim", data, "planted", 0);
	(void)unlinkat(data, "planted", 0);
	(void)linkat(outside, "victim", data, "deep/planted", 0);
	(void)unlinkat(data, "deep/planted", 0);
}

struct seen {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

static const char *const watched[] = { ".", "victim", "file", "inner", "inner/file" };
enum { WATCHED = sizeof(watched) / sizeof(watched[0]) };

static struct seen look(const char *name)
{
	struct stat status;

	if (fstatat(outside, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		err(5, "%s", name);
	return (struct seen){ .mode = status.st_mode, .uid = status.st_uid, .gid = status.st_gid };
}

static void file_make(int dir, const char *name, mode_t mode)
{
	const int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0 || fchmod(fd, mode) < 0)
		err(5, "%s", name);
	(void)close(fd);
}

static void outside_restore(void)
{
	if (fchmod(outside, 0700) < 0 || fchmodat(outside, "inner", 0700, 0) < 0 ||
	    fchmodat(outside, "victim", 0600, 0) < 0 || fchmodat(outside, "file", 0600, 0) < 0 ||
	    fchmodat(outside, "inner/file", 0600, 0) < 0)
		err(5, "restore");
	for (size_t i = 0; i < WATCHED; i++)
		if (fchownat(outside, watched[i], 0, 0, 0) < 0)
			err(5, "restore");
}

/* Undoes the repair, so that each round has something to do everywhere. */
static void tree_spoil(void)
{
	static const char *const names[] = { "sub", "link", "sub/file", "link/file", "deep", "deep/file" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const int fd = openat(data, names[i], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		struct stat status;
		/* "sub/file" may be outside at this very moment: do not touch those. */
		if (fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == 0 && status.st_size != 7) {
			(void)fchown(fd, 0, 0);
			(void)fchmod(fd, S_ISDIR(status.st_mode) ? 0777 : 0666);
		}
		if (fd >= 0)
			(void)close(fd);
	}
	(void)fchmod(data, 0777);
}

static int command_run(char *const argv[])
{
	const pid_t pid = fork();
	int status;

	if (pid < 0)
		err(5, "fork");
	if (pid == 0) {
		const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		(void)execv(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(5, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char *argv[])
{
	char path[4096];
	unsigned long hits = 0, failed = 0;

	if (argc < 4)
		errx(2, "usage: race ROUNDS ROOT COMMAND [ARGUMENT]...");
	const unsigned long rounds = strtoul(argv[1], NULL, 10);
	(void)snprintf(path, sizeof(path), "%s/usr/safenet/lunaclient/data", argv[2]);
	data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s.outside", argv[2]);
	if (mkdir(path, 0700) < 0)
		err(5, "%s", path);
	outside = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data < 0 || outside < 0 || mkdirat(outside, "inner", 0700) < 0 || mkdirat(data, "sub", 0777) < 0 ||
	    mkdirat(data, "deep", 0777) < 0 || symlinkat(path, data, "link") < 0)
		err(5, "%s", argv[2]);
	file_make(outside, "victim", 0600);
	file_make(outside, "inner/file", 0600);
	file_make(outside, "file", 0600);
	if (fchmod(data, 0777) < 0)
		err(5, "data");
	file_make(data, "sub/file", 0666);
	file_make(data, "deep/file", 0666);
	/* tree_spoil() knows a file outside by its seven bytes. */
	const int fd = openat(outside, "file", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "outside", 7) != 7)
		err(5, "file");
	(void)close(fd);
	outside_restore();

	struct seen before[WATCHED];
	for (size_t i = 0; i < WATCHED; i++)
		before[i] = look(watched[i]);
	attacker_start(exchange);
	attacker_start(plant);
	for (unsigned long round = 0; round < rounds; round++) {
		tree_spoil();
		const int status = command_run(argv + 3);
		if (status != 0 && status != 1 && status != 4)
			failed++;
		bool hit = false;
		for (size_t i = 0; i < WATCHED; i++) {
			const struct seen now = look(watched[i]);
			hit = hit || memcmp(&now, &before[i], sizeof(now)) != 0;
		}
		hits += hit;
		if (hit)
			outside_restore();
	}
	printf("%lu rounds, %lu changes outside, %lu commands failed badly\n", rounds, hits, failed);
	return 0;
}
