#include "upgrade/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "base/text.h"
#include "fs/read.h"
#include "fs/root.h"
#include "base/time.h"

enum { ROTATE_SIZE = 256 * 1024, READ_MAX = 8 * 1024 * 1024, LINE_MAX_BYTES = 1024 };

static const char *const hook_names[] = { "pre-upgrade", "mid-upgrade", "post-upgrade" };
static const char *const good_ends[] = { "go", "changed", "unchanged", "proven", "accepted", "upgraded", NULL };

const char *upgrade_hook_name(enum upgrade_hook hook)
{
	return hook_names[hook];
}

bool journal_is_open(const struct journal_history *history)
{
	const struct journal_event *post = &history->hooks[UPGRADE_POST];

	return history->hooks[UPGRADE_PRE].began != 0 && !(post->ended != 0 && post->good);
}

static void event_end(struct journal_event *event, int64_t when, const char *rest)
{
	event->ended = when;
	event->good = text_is_one_of(rest, strlen(rest), good_ends);
	(void)snprintf(event->end, sizeof(event->end), "%s", rest);
}

/* Ignores lines of another form. */
static void line_parse(struct journal_history *history, const char *line)
{
	const size_t stamp = strcspn(line, " ");
	int64_t when;

	if (line[stamp] != ' ' || !time_parse(line, stamp, &when))
		return;
	line += stamp + 1;
	const size_t name = strcspn(line, " ");
	size_t hook = 0;
	while (hook < sizeof(hook_names) / sizeof(hook_names[0]) && !text_equal(line, name, hook_names[hook]))
		hook++;
	if (hook == sizeof(hook_names) / sizeof(hook_names[0]) || line[name] != ' ')
		return;
	line += name + 1;
	const size_t word = strcspn(line, " ");
	const char *rest = line + word + (line[word] == ' ');
	struct journal_event *event = &history->hooks[hook];

	if (text_equal(line, word, "begin")) {
		if (hook == UPGRADE_PRE)
			memset(history->hooks, 0, sizeof(history->hooks));
		*event = (struct journal_event){ .began = when };
	} else if (text_equal(line, word, "end")) {
		/* post-upgrade writes no begin. */
		if (event->began == 0)
			event->began = when;
		event_end(event, when, rest);
	} else if (text_equal(line, word, "aborted")) {
		memset(history->hooks, 0, sizeof(history->hooks));
	} else if (text_equal(line, word, "group")) {
		char number[12];
		struct fault ignored = { 0 };
		uint64_t id;
		(void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(rest, " "), rest);
		if (number_parse(number, "group", 0, UINT32_MAX - 1, &id, &ignored) == 0) {
			history->group_known = true;
			history->group_id = (gid_t)id;
		}
	}
}

int journal_read(int root, struct journal_history *ret_history, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct journal_history history = { .group_known = false };

	if (fs_read_file(root, JOURNAL_FILE, FS_FOLLOW_TRUSTED, READ_MAX, &file, NULL, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return -1;
		*f = (struct fault){ 0 };
		*ret_history = history;
		return 0;
	}
	struct text_line line;
	for (size_t at = 0; text_line_next(file.bytes, file.length, &at, &line) && line.ended;) {
		file.bytes[at - 1] = '\0';
		line_parse(&history, line.bytes);
	}
	*ret_history = history;
	return 0;
}

static int journal_open(int root, int *ret_dir, int *ret_fd, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;

	if (fs_dirs_make(root, SETTINGS_PREFIX, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dirs_make(root, SETTINGS_VAR, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dir_open(root, SETTINGS_VAR, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	fd = openat(dir, "journal", O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0)
		return fault_errno(f, errno, "cannot open the journal '%s'", JOURNAL_FILE);
	*ret_dir = fs_take(&dir);
	*ret_fd = fs_take(&fd);
	return 0;
}

int journal_add(int root, enum upgrade_hook hook, struct fault *f, const char *format, ...)
{
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	char line[LINE_MAX_BYTES], stamp[TIME_STAMP_SIZE], last = '\n';
	struct stat status;

	if (journal_open(root, &dir, &fd, f) < 0)
		return -1;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return fault_refused(f, "the journal '%s' is not a regular file", JOURNAL_FILE);
	/* If the last line was cut off, end it first, or it would swallow ours. */
	if (status.st_size > 0 && pread(fd, &last, 1, status.st_size - 1) != 1)
		return fault_system(f, errno, "cannot read the journal '%s'", JOURNAL_FILE);

	time_format(time_now(), stamp);
	size_t used =
		(size_t)snprintf(line, sizeof(line), "%s%s %s ", last == '\n' ? "" : "\n", stamp, hook_names[hook]);
	const size_t text = used;
	va_list arguments;
	va_start(arguments, format);
	const int wrote = vsnprintf(line + used, sizeof(line) - used - 1, format, arguments);
	va_end(arguments);
	if (wrote < 0)
		return fault_memory(f);
	used = strlen(line);
	for (size_t i = text; i < used; i++)
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	line[used++] = '\n';

	const ssize_t written = write(fd, line, used);
	if (written != (ssize_t)used) {
		const int errnum = written < 0 ? errno : ENOSPC;
		/* Take half a line back. */
		if (written > 0 && ftruncate(fd, status.st_size) < 0)
			errno = errnum;
		return fault_system(f, errnum, "cannot write the journal '%s'", JOURNAL_FILE);
	}
	if (fdatasync(fd) < 0)
		return fault_system(f, errno, "cannot sync the journal '%s'", JOURNAL_FILE);
	return 0;
}

int journal_rotate(int root, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	struct stat status;

	if (journal_open(root, &dir, &fd, f) < 0)
		return -1;
	if (fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot look at the journal '%s'", JOURNAL_FILE);
	if (status.st_size > ROTATE_SIZE && renameat(dir, "journal", dir, "journal.1") < 0)
		return fault_system(f, errno, "cannot put the old journal '%s' aside", JOURNAL_FILE);
	return 0;
}
