#include "perms/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/number.h"
#include "conf/settings.h"
#include "fs/each.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

#define JOURNAL_DIR  SETTINGS_VAR "/repair"
#define JOURNAL_HEAD "okv-luna repair journal 1"

enum { PERMISSION_BITS = 07777, NANOSECONDS = 1000000000, NAME_SIZE = 32, JOURNAL_MAX = 1 << 30 };

static const char *const endings[] = {
	[PERMS_JOURNAL_BEGUN] = ".begun", [PERMS_JOURNAL_DONE] = ".done", [PERMS_JOURNAL_BACK] = ".back"
};

enum { STATE_COUNT = sizeof(endings) / sizeof(endings[0]) };

void perms_journal_done(struct perms_journal *j)
{
	fs_close(&j->dir);
	text_done(&j->text);
	text_done(&j->line);
}

static const char *name_of(uint64_t number, enum perms_journal_state state, char storage[NAME_SIZE])
{
	(void)snprintf(storage, NAME_SIZE, "%08" PRIu64 "%s", number, endings[state]);
	return storage;
}

#define NAME_OF(number, state) name_of((number), (state), (char[NAME_SIZE]){ 0 })

/* Parses "00000012.done". */
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
 * Finds the journal with the highest number below `below` whose state is in the bit set `states`; *ret_count is the
 * number of all such journals.
 */
static int newest_find(int dir, unsigned states, uint64_t below, uint64_t *ret_number,
		       enum perms_journal_state *ret_state, size_t *ret_count, struct fault *f)
{
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int more = fs_each_open(dir, JOURNAL_DIR, &each, f) < 0 ? -1 : 1;

	*ret_count = 0;
	*ret_number = 0;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		uint64_t number;
		enum perms_journal_state state;
		if (!name_parse(entry.name, &number, &state) || (states & 1U << state) == 0 || number >= below)
			continue;
		(*ret_count)++;
		if (number >= *ret_number) {
			*ret_number = number;
			*ret_state = state;
		}
	}
	return more;
}

enum {
	STATES_ALL = (1U << STATE_COUNT) - 1,
	STATES_UNFINISHED = 1U << PERMS_JOURNAL_BEGUN | 1U << PERMS_JOURNAL_BACK,
};

/* --- records ------------------------------------------------------------------------------------------------------ */

static const struct {
	char letter;
	mode_t type;
} types[] = {
	{ 'f', S_IFREG },  { 'd', S_IFDIR }, { 'l', S_IFLNK }, { 'p', S_IFIFO },
	{ 's', S_IFSOCK }, { 'c', S_IFCHR }, { 'b', S_IFBLK },
};

enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

static bool escaped(unsigned char c)
{
	return c < ' ' || c == '\\' || c == 0x7f;
}

static void record_print(const struct perms_record *record, struct text *out)
{
	const struct perms_owned *from = &record->from, *to = &record->to;
	const struct timespec *modified = &record->modified, *changed = &record->changed;
	size_t which = 0;

	while (which < TYPE_COUNT - 1 && types[which].type != record->type)
		which++;
	/* A time before 1970 comes from a wrong clock; it is written as 0. */
	text_add_format(out, "%c %ju %ju %u %u %04o %u %u %04o %jd.%09ld %jd.%09ld ", types[which].letter,
			(uintmax_t)record->device, (uintmax_t)record->inode, from->uid, from->gid, (unsigned)from->mode,
			to->uid, to->gid, (unsigned)to->mode, modified->tv_sec > 0 ? (intmax_t)modified->tv_sec : 0,
			modified->tv_nsec, changed->tv_sec > 0 ? (intmax_t)changed->tv_sec : 0, changed->tv_nsec);
	for (const char *path = record->path; *path != '\0'; path++) {
		char hex[HEX_SIZE(1)];

		if (!escaped((unsigned char)*path)) {
			text_add_char(out, *path);
			continue;
		}
		hex_encode(path, 1, hex);
		text_add_format(out, "\\x%s", hex);
	}
	text_add_char(out, '\n');
}

/* A number up to `end`, which is skipped too. */
static bool number_read(char **at, unsigned base, uint64_t most, char end, uint64_t *ret_value)
{
	char *stop = strchr(*at, end);

	if (stop == NULL || !number_digits(*at, (size_t)(stop - *at), base, most, ret_value))
		return false;
	*at = stop + 1;
	return true;
}

static bool owned_read(char **at, struct perms_owned *ret_owned)
{
	uint64_t uid, gid, mode;

	/* The highest number is not an id: chown(2) takes it for "unchanged". */
	if (!number_read(at, 10, UINT32_MAX - 1, ' ', &uid) || !number_read(at, 10, UINT32_MAX - 1, ' ', &gid) ||
	    !number_read(at, 8, PERMISSION_BITS, ' ', &mode))
		return false;
	*ret_owned = (struct perms_owned){ .uid = (uid_t)uid, .gid = (gid_t)gid, .mode = (mode_t)mode };
	return true;
}

static bool time_read(char **at, struct timespec *ret_time)
{
	uint64_t seconds, nanoseconds;

	if (!number_read(at, 10, INT64_MAX, '.', &seconds) || !number_read(at, 10, NANOSECONDS - 1, ' ', &nanoseconds))
		return false;
	*ret_time = (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = (long)nanoseconds };
	return true;
}

/* Unescapes the path in place; false if it is not a plain absolute path. */
static bool path_unescape(char *path)
{
	char *to = path;

	for (const char *at = path; *at != '\0';) {
		if (*at != '\\') {
			if (escaped((unsigned char)*at))
				return false;
			*to++ = *at++;
			continue;
		}
		const int high = at[1] == 'x' ? hex_digit(at[2]) : -1;
		const int low = high >= 0 ? hex_digit(at[3]) : -1;
		if (low < 0 || !escaped((unsigned char)(high * 16 + low)) || (high == 0 && low == 0))
			return false;
		*to++ = (char)(high * 16 + low);
		at += 4;
	}
	*to = '\0';
	return path[0] == '/' && text_path_is_plain(path + 1);
}

/* Parses a line, which ends with NUL and is changed in place. */
static bool record_parse(char *line, struct perms_record *ret_record)
{
	struct perms_record record = { 0 };
	uint64_t device, inode;
	size_t which = 0;

	while (which < TYPE_COUNT && types[which].letter != line[0])
		which++;
	if (which == TYPE_COUNT || line[1] != ' ')
		return false;
	char *at = line + 2;
	if (!number_read(&at, 10, UINT64_MAX, ' ', &device) || !number_read(&at, 10, UINT64_MAX, ' ', &inode) ||
	    !owned_read(&at, &record.from) || !owned_read(&at, &record.to) || !time_read(&at, &record.modified) ||
	    !time_read(&at, &record.changed) || !path_unescape(at))
		return false;
	record.type = types[which].type;
	record.device = (dev_t)device;
	record.inode = (ino_t)inode;
	record.path = at;
	*ret_record = record;
	return true;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

int perms_journal_drop(struct perms_journal *j, struct fault *f)
{
	const char *name = NAME_OF(j->number, j->state);

	if (unlinkat(j->dir, name, 0) < 0 && errno != ENOENT)
		return fault_system(f, errno, "cannot remove the journal '%s/%s'", JOURNAL_DIR, name);
	return 0;
}

static int journal_new(int root, struct perms_journal *j, struct fault *f)
{
	size_t count;

	if (fs_dirs_make(root, JOURNAL_DIR, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dir_open(root, JOURNAL_DIR, FS_FOLLOW_TRUSTED, &j->dir, f) < 0 ||
	    newest_find(j->dir, STATES_ALL, UINT64_MAX, &j->number, &j->state, &count, f) < 0)
		return -1;
	j->number++;
	j->state = PERMS_JOURNAL_BEGUN;
	text_add_string(&j->text, JOURNAL_HEAD "\n");
	return 0;
}

int perms_journal_add(int root, struct perms_journal *j, const struct perms_record *record, struct fault *f)
{
	if (j->dir < 0 && journal_new(root, j, f) < 0)
		return -1;
	record_print(record, &j->text);
	j->count++;
	return text_check(&j->text, f);
}

int perms_journal_seal(struct perms_journal *j, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);

	text_add_format(&j->text, "end %zu\n", j->count);
	if (text_check(&j->text, f) < 0 ||
	    fs_publish_at(j->dir, NAME_OF(j->number, j->state), text_string(&j->text), j->text.length, &how, f) < 0)
		return fault_prefix(f, "the repair journal: ");
	return 0;
}

/* Removes the oldest journals.  A failure only costs disk space, so it is ignored. */
static void oldest_remove(int dir, uint64_t newest)
{
	const unsigned done = 1U << PERMS_JOURNAL_DONE;
	struct fault ignored = { 0 };
	enum perms_journal_state state;
	uint64_t number = newest;
	size_t count = 0;

	/* The newest itself is the first one kept. */
	for (size_t kept = 1;; kept++) {
		if (newest_find(dir, done, number, &number, &state, &count, &ignored) < 0 || count == 0)
			return;
		if (kept >= PERMS_JOURNALS_KEPT)
			(void)unlinkat(dir, NAME_OF(number, PERMS_JOURNAL_DONE), 0);
	}
}

int perms_journal_mark(struct perms_journal *j, enum perms_journal_state state, struct fault *f)
{
	const char *old = NAME_OF(j->number, j->state);

	if (j->state == state)
		return 0;
	if (renameat(j->dir, old, j->dir, NAME_OF(j->number, state)) < 0)
		return fault_system(f, errno, "cannot rename the journal '%s/%s'", JOURNAL_DIR, old);
	j->state = state;
	if (state == PERMS_JOURNAL_DONE)
		oldest_remove(j->dir, j->number);
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Puts the next line into j->line; false at the end of the text. */
static bool line_next(struct perms_journal *j)
{
	struct text_line line;

	text_cut(&j->line, 0);
	if (!text_line_next(text_string(&j->text), j->text.length, &j->at, &line) || !line.ended)
		return false;
	text_add(&j->line, line.bytes, line.length);
	return true;
}

/* Without an unfinished journal, the next repair makes a new plan.  Nothing else knows what a finished one undoes. */
static int damage_refuse(const struct perms_journal *j, size_t line, struct fault *f)
{
	const char *name = NAME_OF(j->number, j->state);

	if (j->state == PERMS_JOURNAL_DONE)
		return fault_refused(f,
				     "line %zu of '" JOURNAL_DIR "/%s' is damaged, so the last repair cannot be undone",
				     line, name);
	return fault_refused(f, "line %zu of '" JOURNAL_DIR "/%s' is damaged; fix: rm " JOURNAL_DIR "/%s", line, name,
			     name);
}

int perms_journal_rewind(struct perms_journal *j, struct fault *f)
{
	j->at = 0;
	j->count = 0;
	return line_next(j) && strcmp(text_string(&j->line), JOURNAL_HEAD) == 0 ? 0 : damage_refuse(j, 1, f);
}

int perms_journal_next(struct perms_journal *j, struct perms_record *ret_record, struct fault *f)
{
	/* The line's number: the first one is no record. */
	const size_t number = j->count + 2;
	uint64_t count;

	if (!line_next(j))
		return damage_refuse(j, number, f);
	if (text_check(&j->line, f) < 0)
		return -1;
	if (text_starts(text_string(&j->line), "end "))
		return number_digits(j->line.bytes + 4, j->line.length - 4, 10, SIZE_MAX, &count) && count == j->count
			       ? 0
			       : damage_refuse(j, number, f);
	if (j->line.length == 0 || !record_parse(j->line.bytes, ret_record))
		return damage_refuse(j, number, f);
	j->count++;
	return 1;
}

/* Does the journal have its last line? */
static bool is_sealed(const struct text *text)
{
	struct text_line line = { .ended = false };

	for (size_t at = 0; text_line_next(text_string(text), text->length, &at, &line);) {
	}
	return line.ended && line.length > 4 && memcmp(line.bytes, "end ", 4) == 0;
}

int perms_journal_open(int root, bool unfinished_only, struct perms_journal *ret_journal, bool *ret_found,
		       struct fault *f)
{
	PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
	const unsigned states = unfinished_only ? STATES_UNFINISHED : STATES_ALL;
	struct fault why = { 0 };
	size_t count;

	*ret_found = false;
	if (fs_dir_open(root, JOURNAL_DIR, FS_FOLLOW_TRUSTED, &j.dir, &why) < 0) {
		if (why.kind == FAULT_ABSENT)
			return 0;
		*f = why;
		return -1;
	}
	for (uint64_t below = UINT64_MAX; !is_sealed(&j.text); below = j.number) {
		FS_AUTO int fd = -1;
		if (newest_find(j.dir, states, below, &j.number, &j.state, &count, f) < 0)
			return -1;
		if (count == 0)
			return 0;
		const char *name = NAME_OF(j.number, j.state);
		text_cut(&j.text, 0);
		if (fs_name_open(FS_NAME(j.dir, name, name), O_RDONLY, &fd, NULL, f) < 0 ||
		    fs_read(fd, name, JOURNAL_MAX, &j.text, f) < 0)
			return -1;
	}
	if (perms_journal_rewind(&j, f) < 0)
		return -1;
	*ret_found = true;
	*ret_journal = j;
	j = (struct perms_journal)PERMS_JOURNAL_INIT;
	return 0;
}
