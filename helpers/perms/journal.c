#include "perms/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "conf/settings.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"

#define JOURNAL_DIR  SETTINGS_VAR "/repair"
#define JOURNAL_HEAD "okv-luna repair journal 1"

enum { BLOCK_SIZE = 64 * 1024, LINE_LIMIT = 1024 * 1024 };

static const char *const endings[] = {
	[PERMS_JOURNAL_BEGUN] = ".begun", [PERMS_JOURNAL_DONE] = ".done", [PERMS_JOURNAL_BACK] = ".back"
};

enum { STATE_COUNT = sizeof(endings) / sizeof(endings[0]) };

void perms_journal_done(struct perms_journal *j)
{
	fs_close(&j->fd);
	fs_close(&j->dir);
	text_done(&j->block);
}

static void name_of(uint64_t number, enum perms_journal_state state, char ret_name[PERMS_JOURNAL_NAME_MAX])
{
	(void)snprintf(ret_name, PERMS_JOURNAL_NAME_MAX, "%08" PRIu64 "%s", number, endings[state]);
}

/* "00000012.done" to number and state. */
static bool name_parse(const char *name, uint64_t *ret_number, enum perms_journal_state *ret_state)
{
	struct fault ignored = { 0 };
	char digits[16];
	const size_t length = strspn(name, "0123456789");

	if (length < 8 || length >= sizeof(digits))
		return false;
	memcpy(digits, name, length);
	digits[length] = '\0';
	for (size_t state = 0; state < STATE_COUNT; state++) {
		if (strcmp(name + length, endings[state]) == 0) {
			*ret_state = (enum perms_journal_state)state;
			return number_parse(digits, "journal", 0, UINT64_MAX / 2, ret_number, &ignored) == 0;
		}
	}
	return false;
}

/*
 * Looks through the directory for the journal with the highest number below `below` whose state is in the bit set
 * `states`; *ret_count says how many there are.
 */
static int newest_find(int dir, unsigned states, uint64_t below, uint64_t *ret_number,
		       enum perms_journal_state *ret_state, size_t *ret_count, struct fault *f)
{
	FS_AUTO int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again >= 0 ? fdopendir(again) : NULL;
	if (stream == NULL)
		return fault_system(f, errno, "cannot read directory '%s'", JOURNAL_DIR);
	(void)fs_take(&again);

	*ret_count = 0;
	*ret_number = 0;
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		uint64_t number;
		enum perms_journal_state state;
		if (!name_parse(entry->d_name, &number, &state) || (states & 1U << state) == 0 || number >= below)
			continue;
		(*ret_count)++;
		if (number >= *ret_number) {
			*ret_number = number;
			*ret_state = state;
		}
	}
	(void)closedir(stream);
	return 0;
}

enum {
	STATES_ALL = (1U << STATE_COUNT) - 1,
	STATES_UNFINISHED = 1U << PERMS_JOURNAL_BEGUN | 1U << PERMS_JOURNAL_BACK,
};

/* --- writing ------------------------------------------------------------------------------------------------------ */

int perms_journal_new(int root, struct perms_journal *ret_journal, struct fault *f)
{
	PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
	enum perms_journal_state state;
	size_t count;

	if (fs_dirs_make(root, JOURNAL_DIR, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dir_open(root, JOURNAL_DIR, FS_FOLLOW_TRUSTED, &j.dir, f) < 0 ||
	    newest_find(j.dir, STATES_ALL, UINT64_MAX, &j.number, &state, &count, f) < 0)
		return -1;
	if (count > 0 && state == PERMS_JOURNAL_BEGUN) {
		/* Unfinished ones are finished before a new one begins, so this one was never sealed. */
		j.state = PERMS_JOURNAL_BEGUN;
		if (perms_journal_drop(&j, f) < 0)
			return -1;
	}
	j.number++;
	j.state = PERMS_JOURNAL_BEGUN;

	char name[PERMS_JOURNAL_NAME_MAX];
	name_of(j.number, j.state, name);
	j.fd = openat(j.dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (j.fd < 0)
		return fault_errno(f, errno, "cannot write the journal '%s/%s'", JOURNAL_DIR, name);
	text_add_string(&j.block, JOURNAL_HEAD "\n");
	*ret_journal = j;
	j = (struct perms_journal)PERMS_JOURNAL_INIT;
	return 0;
}

static int block_write(struct perms_journal *j, struct fault *f)
{
	if (text_check(&j->block, f) < 0 ||
	    fs_write(j->fd, "repair journal", text_string(&j->block), j->block.length, f) < 0)
		return -1;
	text_reset(&j->block);
	return 0;
}

int perms_journal_add(struct perms_journal *j, const struct perms_record *record, struct fault *f)
{
	perms_record_print(record, &j->block);
	j->count++;
	return j->block.length >= BLOCK_SIZE ? block_write(j, f) : 0;
}

int perms_journal_seal(struct perms_journal *j, struct fault *f)
{
	text_add_format(&j->block, "end %zu\n", j->count);
	if (block_write(j, f) < 0)
		return -1;
	if (fsync(j->fd) < 0 || fsync(j->dir) < 0)
		return fault_system(f, errno, "cannot sync the repair journal");
	return 0;
}

int perms_journal_drop(struct perms_journal *j, struct fault *f)
{
	char name[PERMS_JOURNAL_NAME_MAX];

	name_of(j->number, j->state, name);
	if (unlinkat(j->dir, name, 0) < 0 && errno != ENOENT)
		return fault_system(f, errno, "cannot remove the journal '%s/%s'", JOURNAL_DIR, name);
	return 0;
}

/* Removes the oldest journals.  Not being able to costs disk space only, so it is no failure of the repair. */
static void old_remove(int dir, uint64_t newest)
{
	const unsigned done = 1U << PERMS_JOURNAL_DONE;
	struct fault ignored = { 0 };
	enum perms_journal_state state;
	uint64_t number = newest;
	size_t count = 0;

	/* The newest itself is the first that is kept. */
	for (size_t kept = 1;; kept++) {
		if (newest_find(dir, done, number, &number, &state, &count, &ignored) < 0 || count == 0)
			return;
		if (kept < PERMS_JOURNALS_KEPT)
			continue;
		char name[PERMS_JOURNAL_NAME_MAX];
		name_of(number, PERMS_JOURNAL_DONE, name);
		(void)unlinkat(dir, name, 0);
	}
}

int perms_journal_mark(struct perms_journal *j, enum perms_journal_state state, struct fault *f)
{
	char old[PERMS_JOURNAL_NAME_MAX], new[PERMS_JOURNAL_NAME_MAX];

	if (j->state == state)
		return 0;
	name_of(j->number, j->state, old);
	name_of(j->number, state, new);
	if (renameat(j->dir, old, j->dir, new) < 0)
		return fault_system(f, errno, "cannot rename the journal '%s/%s'", JOURNAL_DIR, old);
	j->state = state;
	if (state == PERMS_JOURNAL_DONE)
		old_remove(j->dir, j->number);
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* 1 and the next line, ended by NUL in place of its line feed; 0 at the end of the file. */
static int line_next(struct perms_journal *j, char **ret_line, struct fault *f)
{
	for (;;) {
		char *start = j->block.bytes + j->at;
		char *feed = j->at < j->block.length ? memchr(start, '\n', j->block.length - j->at) : NULL;
		if (feed != NULL) {
			*feed = '\0';
			j->at = (size_t)(feed + 1 - j->block.bytes);
			*ret_line = start;
			return 1;
		}
		/* Keep the half line, read more behind it. */
		const size_t left = j->block.length - j->at;
		if (left > 0 && j->at > 0)
			memmove(j->block.bytes, j->block.bytes + j->at, left);
		j->block.length = left;
		j->at = 0;
		if (left > LINE_LIMIT)
			return fault_refused(f, "a line of the repair journal is too long");
		if (!text_reserve(&j->block, BLOCK_SIZE))
			return fault_memory(f);
		ssize_t got;
		do
			got = read(j->fd, j->block.bytes + left, BLOCK_SIZE);
		while (got < 0 && errno == EINTR);
		if (got < 0)
			return fault_system(f, errno, "cannot read the repair journal");
		if (got == 0)
			return 0;
		j->block.length = left + (size_t)got;
	}
}

int perms_journal_rewind(struct perms_journal *j, struct fault *f)
{
	if (lseek(j->fd, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read the repair journal");
	text_reset(&j->block);
	j->at = 0;
	j->ended = false;
	j->count = 0;
	char *head;
	const int r = line_next(j, &head, f);
	if (r < 0)
		return -1;
	return r == 1 && strcmp(head, JOURNAL_HEAD) == 0 ? 0 : fault_refused(f, "it does not begin as a journal does");
}

int perms_journal_next(struct perms_journal *j, struct perms_record *ret_record, struct fault *f)
{
	if (j->ended)
		return 0;
	char *line;
	const int r = line_next(j, &line, f);
	if (r <= 0)
		return r < 0 ? -1 : fault_refused(f, "the repair journal has no end");
	if (text_starts(line, "end ")) {
		uint64_t count;
		if (number_parse(line + 4, "its count", 0, SIZE_MAX, &count, f) < 0 || count != j->count)
			return fault_refused(f, "the repair journal does not add up");
		j->ended = true;
		return 0;
	}
	j->count++;
	if (!perms_record_parse(line, ret_record))
		return fault_refused(f, "line %zu of the repair journal is damaged", j->count + 1);
	return 1;
}

/* Does it end as a sealed one does?  Only its last bytes are read. */
static bool sealed(int fd)
{
	char tail[64];
	struct stat status;

	if (fstat(fd, &status) < 0)
		return false;
	const off_t start = status.st_size > (off_t)sizeof(tail) - 1 ? status.st_size - (off_t)sizeof(tail) + 1 : 0;
	const ssize_t got = pread(fd, tail, sizeof(tail) - 1, start);
	if (got <= 0 || tail[got - 1] != '\n')
		return false;
	tail[got - 1] = '\0';
	const char *line = strrchr(tail, '\n');
	return line != NULL && text_starts(line + 1, "end ");
}

int perms_journal_open(int root, bool unfinished_only, struct perms_journal *ret_journal, bool *ret_found,
		       struct fault *f)
{
	PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
	const unsigned states = unfinished_only ? STATES_UNFINISHED : STATES_ALL;
	uint64_t below = UINT64_MAX;
	size_t count = 0;

	*ret_found = false;
	if (fs_dir_open(root, JOURNAL_DIR, FS_FOLLOW_TRUSTED, &j.dir, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return -1;
		*f = (struct fault){ 0 };
		return 0;
	}
	for (;;) {
		if (newest_find(j.dir, states, below, &j.number, &j.state, &count, f) < 0)
			return -1;
		if (count == 0)
			return 0;
		char name[PERMS_JOURNAL_NAME_MAX];
		name_of(j.number, j.state, name);
		if (fs_file_open_at(j.dir, name, O_RDONLY, &j.fd, NULL, f) < 0)
			return -1;
		if (sealed(j.fd))
			break;
		fs_close(&j.fd);
		below = j.number;
	}
	if (perms_journal_rewind(&j, f) < 0)
		return fault_prefix(f, "journal %08" PRIu64 ": ", j.number);
	*ret_found = true;
	*ret_journal = j;
	j = (struct perms_journal)PERMS_JOURNAL_INIT;
	return 0;
}
