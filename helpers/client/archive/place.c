#include "client/archive/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/read.h"

enum { DIRECTORY_MODE = 0755, SECRET_MODE = 0600 };
/* Files of that size are sent to the disk as they end, so that the one sync at the end has less to wait for. */
enum { WRITEBACK_EARLY = 256 * 1024, COPY_SIZE = 64 * 1024, LOOK_MAX = 1024 * 1024 };

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
	const char *piece = bytes;
	char seam[2 * PLACE_SECRET_TAIL];
	const size_t first = length < PLACE_SECRET_TAIL ? length : PLACE_SECRET_TAIL;

	if (s->passed == 0)
		s->is_program = length >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
	s->passed += length;
	if (s->found || s->is_program || s->passed > LOOK_MAX)
		return;
	memcpy(seam, s->tail, s->tail_length);
	memcpy(seam + s->tail_length, piece, first);
	s->found = holds_secret(seam, s->tail_length + first) || holds_secret(piece, length);
	/* What the next piece may continue: the end of both together. */
	const size_t together = s->tail_length + first,
		     kept = together < PLACE_SECRET_TAIL ? together : PLACE_SECRET_TAIL;
	if (length >= PLACE_SECRET_TAIL)
		memcpy(s->tail, piece + length - PLACE_SECRET_TAIL, PLACE_SECRET_TAIL);
	else
		memmove(s->tail, seam + together - kept, kept);
	s->tail_length = length >= PLACE_SECRET_TAIL ? PLACE_SECRET_TAIL : kept;
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
	fs_close(&p->directory);
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

/* The open directory that holds a path, made where it is missing; its last name in *ret_leaf. */
static int parent_open(struct place *p, const char *path, int *ret_directory, const char **ret_leaf, struct fault *f)
{
	const char *slash = strrchr(path, '/');
	const size_t length = slash != NULL ? (size_t)(slash - path) : 0;
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	*ret_leaf = slash != NULL ? slash + 1 : path;
	if (length == 0) {
		*ret_directory = p->tree;
		return 0;
	}
	if (p->directory < 0 || strncmp(p->directory_path, path, length) != 0 || p->directory_path[length] != '\0') {
		fs_close(&p->directory);
		memcpy(p->directory_path, path, length);
		p->directory_path[length] = '\0';
		p->directory = openat(p->tree, p->directory_path, flags);
		if (p->directory < 0 && errno == ENOENT) {
			if (place_directory(p, p->directory_path, f) < 0)
				return -1;
			p->directory = openat(p->tree, p->directory_path, flags);
		}
		if (p->directory < 0)
			return fault_system(f, errno, "cannot open directory '%s'", SHOWN(p->directory_path));
	}
	*ret_directory = p->directory;
	return 0;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

int place_digest_begin(struct place *p, struct fault *f)
{
	fs_close(&p->fd);
	p->head_filled = 0;
	p->secret = (struct place_secret){ 0 };
	return fs_sha256_start(&p->digest, f);
}

int place_file_begin(struct place *p, const char *path, mode_t mode, struct fault *f)
{
	const char *leaf;
	int directory;

	if (place_digest_begin(p, f) < 0)
		return -1;
	p->mode = mode;
	if (p->tree < 0)
		return 0;
	if (parent_open(p, path, &directory, &leaf, f) < 0)
		return -1;
	p->fd = openat(directory, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
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

int place_remove(struct place *p, const char *path, struct fault *f)
{
	if (p->tree >= 0 && unlinkat(p->tree, path, 0) < 0)
		return fault_system(f, errno, "cannot replace '%s'", SHOWN(path));
	return 0;
}

/* --- links -------------------------------------------------------------------------------------------------------- */

int place_copy(struct place *p, const char *path, const char *from, mode_t mode, struct fault *f)
{
	FS_AUTO int source = -1;
	char block[COPY_SIZE];
	ssize_t got = 0;

	if (p->tree < 0)
		return 0;
	source = openat(p->tree, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (source < 0)
		return fault_system(f, errno, "cannot open '%s'", SHOWN(from));
	if (place_file_begin(p, path, mode, f) < 0)
		return -1;
	while ((got = read(source, block, sizeof(block))) > 0 || (got < 0 && errno == EINTR))
		if (got > 0 && fs_write(p->fd, path, block, (size_t)got, f) < 0)
			return -1;
	fs_close(&p->fd);
	return got < 0 ? fault_system(f, errno, "cannot read '%s'", SHOWN(from)) : 0;
}

int place_link(struct place *p, const char *path, const char *target, struct fault *f)
{
	const char *leaf;
	int directory;

	if (p->tree < 0)
		return 0;
	if (parent_open(p, path, &directory, &leaf, f) < 0)
		return -1;
	return symlinkat(target, directory, leaf) < 0 ? fault_errno(f, errno, "cannot make link '%s'", SHOWN(path)) : 0;
}
