#include "client/archive/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/read.h"

enum { DIRECTORY_MODE = 0755, SECRET_MODE = 0600 };
/* Files of that size are sent to the disk as they end, so that the one sync at the end has less to wait for. */
enum { WRITEBACK_EARLY = 256 * 1024, LOOK_MAX = 1024 * 1024 };

/* --- secrets ------------------------------------------------------------------------------------------------------ */

static bool holds_secret(const char *bytes, size_t length)
{
	static const char *const words[] = { "PRIVATE KEY-----", "AuthTokenClientSecret" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(bytes, length, words[i], strlen(words[i])) != NULL)
			return true;
	return false;
}

static void secret_look(struct place_secret *s, const void *bytes, size_t length)
{
	char seam[2 * PLACE_SECRET_TAIL];
	const size_t first = length < PLACE_SECRET_TAIL ? length : PLACE_SECRET_TAIL, together = s->tail_length + first;

	if (s->passed == 0)
		s->is_program = length >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
	s->passed += length;
	if (s->found || s->is_program || s->passed > LOOK_MAX)
		return;
	memcpy(seam, s->tail, s->tail_length);
	memcpy(seam + s->tail_length, bytes, first);
	s->found = holds_secret(seam, together) || holds_secret(bytes, length);
	/* What the next piece may continue: the end of both together. */
	s->tail_length = together < PLACE_SECRET_TAIL ? together : PLACE_SECRET_TAIL;
	memcpy(s->tail,
	       length >= PLACE_SECRET_TAIL ? (const char *)bytes + length - PLACE_SECRET_TAIL
					   : seam + together - s->tail_length,
	       s->tail_length);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* elf(5): the machine of a 64-bit shared library. */
static uint16_t machine_of(const Elf64_Ehdr *head, size_t filled)
{
	const bool library = filled == sizeof(*head) && memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
			     head->e_ident[EI_CLASS] == ELFCLASS64 && head->e_type == ET_DYN;

	return library ? head->e_machine : EM_NONE;
}

void place_done(struct place *p)
{
	fs_close(&p->fd);
	fs_sha256_done(&p->digest);
}

mode_t place_mode(mode_t mode, bool secret)
{
	return secret ? SECRET_MODE : mode;
}

int place_directory(struct place *p, const char *path, struct fault *f)
{
	char part[LIMITS_PATH + 1];

	if (p->tree < 0 || path[0] == '\0' || mkdirat(p->tree, path, DIRECTORY_MODE) == 0 || errno == EEXIST)
		return 0;
	for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
		const size_t length = slash != NULL ? (size_t)(slash - path) : strlen(path);
		memcpy(part, path, length);
		part[length] = '\0';
		if (mkdirat(p->tree, part, DIRECTORY_MODE) < 0 && errno != EEXIST)
			return fault_system(f, errno, "cannot make directory '%s'", SHOWN(part));
		if (slash == NULL)
			return 0;
	}
}

/* The directory that is to hold it, where it was not named before what lies in it. */
static int parent_make(struct place *p, const char *path, struct fault *f)
{
	char parent[LIMITS_PATH + 1] = "";
	const char *slash = strrchr(path, '/');

	if (slash != NULL)
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return place_directory(p, parent, f);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

int place_file_begin(struct place *p, const char *path, mode_t mode, struct fault *f)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	fs_close(&p->fd);
	p->mode = mode;
	p->head_filled = 0;
	p->secret = (struct place_secret){ 0 };
	if (fs_sha256_start(&p->digest, f) < 0)
		return -1;
	if (p->tree < 0 || path == NULL)
		return 0;
	p->fd = openat(p->tree, path, flags, mode);
	if (p->fd < 0 && errno == ENOENT) {
		if (parent_make(p, path, f) < 0)
			return -1;
		p->fd = openat(p->tree, path, flags, mode);
	}
	return p->fd < 0 ? fault_system(f, errno, "cannot make '%s'", SHOWN(path)) : 0;
}

int place_file_add(struct place *p, const char *path, const void *bytes, size_t length, struct fault *f)
{
	const size_t wanted = sizeof(p->head) - p->head_filled, head = length < wanted ? length : wanted;

	memcpy((unsigned char *)&p->head + p->head_filled, bytes, head);
	p->head_filled += head;
	secret_look(&p->secret, bytes, length);
	if (fs_sha256_add(&p->digest, bytes, length, f) < 0)
		return -1;
	return p->fd >= 0 ? fs_write(p->fd, path, bytes, length, f) : 0;
}

int place_file_end(struct place *p, const char *path, struct place_seen *ret_seen, struct fault *f)
{
	struct place_seen seen = { .machine = machine_of(&p->head, p->head_filled), .secret = p->secret.found };

	seen.mode = place_mode(p->mode, seen.secret);

	if (fs_sha256_finish(&p->digest, seen.sha256, f) < 0)
		return -1;
	if (p->fd >= 0) {
		if (seen.mode != p->mode && fchmod(p->fd, seen.mode) < 0)
			return fault_system(f, errno, "cannot set the mode of '%s'", SHOWN(path));
		if (p->secret.passed >= WRITEBACK_EARLY)
			(void)sync_file_range(p->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		fs_close(&p->fd);
	}
	*ret_seen = seen;
	return 0;
}

/* --- links -------------------------------------------------------------------------------------------------------- */

int place_copy(struct place *p, const char *path, const char *from, mode_t mode, struct fault *f)
{
	FS_AUTO int source = -1;

	if (p->tree < 0)
		return 0;
	source = openat(p->tree, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (source < 0)
		return fault_system(f, errno, "cannot open '%s'", SHOWN(from));
	return place_file_begin(p, path, mode, f) < 0 || fs_copy(source, p->fd, path, f) < 0 ? -1 : 0;
}

int place_link(struct place *p, const char *path, const char *target, struct fault *f)
{
	if (p->tree < 0)
		return 0;
	if (parent_make(p, path, f) < 0)
		return -1;
	return symlinkat(target, p->tree, path) < 0 ? fault_errno(f, errno, "cannot make link '%s'", SHOWN(path)) : 0;
}
