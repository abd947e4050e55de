#include "client/source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/text.h"
#include "fs/sha256.h"
#include "fs/handle.h"
#include "fs/read.h"

void client_source_done(struct client_source *s)
{
	for (size_t i = 0; i < s->count; i++)
		fs_close(&s->fds[i]);
	s->count = 0;
}

int client_source_open(const char *const *paths, size_t count, struct client_source *ret_source, struct fault *f)
{
	CLIENT_SOURCE_AUTO s = { 0 };

	if (count > UNPACK_ARCHIVES)
		return fault_usage(f, "more than %d archives in one run", UNPACK_ARCHIVES);
	for (size_t i = 0; i < count; i++) {
		struct stat status;
		const char *slash = strrchr(paths[i], '/');
		/* The caller names it, so a link on the way is the caller's; a FIFO must not block us. */
		const int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			return fault_errno(f, errno, "cannot open '%s'", SHOWN(paths[i]));
		s.fds[s.count] = fd;
		s.names[s.count++] = slash != NULL && slash[1] != '\0' ? slash + 1 : paths[i];
		if (fstat(fd, &status) < 0)
			return fault_system(f, errno, "cannot look at '%s'", SHOWN(paths[i]));
		if (!S_ISREG(status.st_mode))
			return fault_refused(f, "'%s' is no plain file", SHOWN(paths[i]));
		s.bytes += (uint64_t)status.st_size;
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	*ret_source = s;
	s.count = 0;
	return 0;
}

/* A copy that has no name anywhere: nobody can open it. */
static int private_copy(struct client_source *s, int dir, struct fault *f)
{
	char block[65536];
	FS_AUTO int copy = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (copy < 0)
		return fault_system(f, errno,
				    "'%s' is open for writing elsewhere, and no private copy of it can be made",
				    SHOWN(s->names[0]));
	for (off_t at = 0;;) {
		const ssize_t got = pread(s->fds[0], block, sizeof(block), at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read '%s'", SHOWN(s->names[0]));
		if (got == 0)
			break;
		if (fs_write(copy, s->names[0], block, (size_t)got, f) < 0)
			return -1;
		at += got;
	}
	fs_close(&s->fds[0]);
	s->fds[0] = fs_take(&copy);
	return 0;
}

int client_source_verify(struct client_source *s, const char *hex, int dir, struct fault *f)
{
	unsigned char digest[SHA256_SIZE];

	if (s->count != 1)
		return fault_usage(f, "--sha256 is for one archive");
	/* The break of a lease comes as SIGIO, which would end us; the answer is looked up at the end instead. */
	(void)signal(SIGIO, SIG_IGN);
	s->leased = fcntl(s->fds[0], F_SETLEASE, F_RDLCK) == 0;
	if (!s->leased && dir >= 0 && private_copy(s, dir, f) < 0)
		return -1;
	if (lseek(s->fds[0], 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read '%s'", SHOWN(s->names[0]));
	if (fs_sha256_descriptor(s->fds[0], s->names[0], digest, f) < 0)
		return -1;
	hex_encode(digest, SHA256_SIZE, s->sha256);
	if (strcmp(s->sha256, hex) != 0)
		return fault_refused(f, "%s: its SHA-256 is %s, not %s", SHOWN(s->names[0]), s->sha256, hex);
	return 0;
}

int client_source_unchanged(const struct client_source *s, struct fault *f)
{
	if (s->leased && fcntl(s->fds[0], F_GETLEASE) != F_RDLCK)
		return fault_refused(f, "%s: somebody opened it for writing while it was being read",
				     SHOWN(s->names[0]));
	return 0;
}
