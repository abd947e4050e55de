#include "client/archive/place.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/archive/limits.h"
#include "base/text.h"
#include "fs/read.h"

enum { DIRECTORY_MODE = 0755 };
/* The kernel is told to write files of this size back at once, so that the final sync takes less time. */
enum { WRITEBACK_EARLY = 256 * 1024, LOOK_MAX = 1024 * 1024 };

/* --- what a file is ----------------------------------------------------------------------------------------------- */

static bool holds_secret(const struct text *look)
{
	static const char *const words[] = { "PRIVATE KEY-----", "AuthTokenClientSecret" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(text_string(look), look->length, words[i], strlen(words[i])) != NULL)
			return true;
	return false;
}

static bool is_program(const struct text *look)
{
	return look->length >= SELFMAG && memcmp(look->bytes, ELFMAG, SELFMAG) == 0;
}

/* The e_machine of a 64-bit shared library (elf(5)). */
static uint16_t machine_of(const struct text *look)
{
	Elf64_Ehdr head;

	if (!is_program(look) || look->length < sizeof(head))
		return EM_NONE;
	memcpy(&head, look->bytes, sizeof(head));
	return head.e_ident[EI_CLASS] == ELFCLASS64 && head.e_type == ET_DYN ? head.e_machine : EM_NONE;
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

void place_done(struct place *p)
{
	fs_close(&p->fd);
	fs_sha256_done(&p->digest);
	text_done_secret(&p->look);
}

/* Creates the missing directories among the first `length` bytes of the path. */
static int directories_make(struct place *p, const char *path, size_t length, struct fault *f)
{
	char part[LIMITS_PATH + 1];

	for (size_t at = 0; p->tree >= 0 && at < length; at++) {
		at += strcspn(path + at, "/");
		memcpy(part, path, at);
		part[at] = '\0';
		if (mkdirat(p->tree, part, DIRECTORY_MODE) < 0 && errno != EEXIST)
			return fault_system(f, errno, "cannot make directory '%s'", SHOWN(part));
	}
	return 0;
}

int place_directory(struct place *p, const char *path, struct fault *f)
{
	return directories_make(p, path, strlen(path), f);
}

static int parent_make(struct place *p, const char *path, struct fault *f)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? directories_make(p, path, (size_t)(slash - path), f) : 0;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

int place_file_begin(struct place *p, const char *path, mode_t mode, struct fault *f)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	fs_close(&p->fd);
	p->mode = mode;
	p->size = 0;
	text_cut(&p->look, 0);
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
	/* For a program the ELF header is enough. */
	const size_t most = is_program(&p->look) ? sizeof(Elf64_Ehdr) : LOOK_MAX,
		     room = p->look.length < most ? most - p->look.length : 0;

	p->size += length;
	text_add(&p->look, bytes, length < room ? length : room);
	if (fs_sha256_add(&p->digest, bytes, length, f) < 0)
		return -1;
	return p->fd >= 0 ? fs_write(p->fd, path, bytes, length, f) : 0;
}

int place_file_end(struct place *p, const char *path, struct place_seen *ret_seen, struct fault *f)
{
	struct place_seen seen = { .machine = machine_of(&p->look),
				   .secret = !is_program(&p->look) && holds_secret(&p->look) };

	seen.mode = seen.secret ? PLACE_SECRET_MODE : p->mode;
	if (text_check(&p->look, f) < 0 || fs_sha256_finish(&p->digest, seen.sha256, f) < 0)
		return -1;
	if (p->fd >= 0) {
		if (seen.mode != p->mode && fchmod(p->fd, seen.mode) < 0)
			return fault_system(f, errno, "cannot set the mode of '%s'", SHOWN(path));
		if (p->size >= WRITEBACK_EARLY)
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
