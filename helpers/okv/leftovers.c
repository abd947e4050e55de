#include "okv/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/number.h"
#include "base/time.h"
#include "conf/accounts.h"
#include "fs/each.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "proc/interrupt.h"

struct search {
	int root;
	int bundle; /* the one in its place, or -1 */
	struct stat bundle_status;
	struct stat *places; /* directories that have been looked at */
	size_t place_count;
	struct okv_leftovers found;
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* `leaf` is NULL for the directory itself. */
static int item_add(struct search *s, const char *directory, const char *leaf, const struct okv_leftover *item,
		    struct fault *f)
{
	if (!ARRAY_GROW(s->found.items, s->found.count))
		return fault_memory(f);
	struct okv_leftover *added = &s->found.items[s->found.count];
	*added = *item;
	if (asprintf(&added->path, "%s%s%s", directory, leaf != NULL ? "/" : "", leaf != NULL ? leaf : "") < 0)
		return fault_memory(f);
	s->found.count++;
	return 0;
}

static int unseen_add(struct search *s, const char *directory, const char *leaf, const struct fault *failure,
		      struct fault *f)
{
	struct okv_leftover item = { .kind = OKV_LEFTOVER_UNSEEN };

	/* What went between two looks is no copy any more, and not every node has every directory. */
	if (failure->kind == FAULT_ABSENT)
		return 0;
	(void)snprintf(item.why, sizeof(item.why), "could not be looked at: %.200s",
		       failure->errnum != 0 ? fault_errno_text(failure->errnum) : failure->text);
	return item_add(s, directory, leaf, &item, f);
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

/* The value of "origin" in the header's line, where it is written without escapes. */
static void origin_find(const char *header, char ret_origin[OKV_LEFTOVER_TEXT_SIZE])
{
	const char *name = strstr(header, "\"origin\"");
	char value[OKV_LEFTOVER_TEXT_SIZE], quote;

	if (name != NULL && sscanf(name, "\"origin\" : \"%255[] !#-[^-~]%c", value, &quote) == 2 && quote == '"')
		memcpy(ret_origin, value, sizeof(value));
}

/* -1 where either cannot be read. */
static int content_compare(int a, int b, off_t size, bool *ret_same)
{
	enum { BLOCK = 16 * 1024 };
	char left[BLOCK], right[BLOCK];
	off_t at = 0;

	while (at < size) {
		const ssize_t got = pread(a, left, sizeof(left), at), other = pread(b, right, sizeof(right), at);
		if (got < 0 || other < 0)
			return -1;
		if (got == 0 || got != other || memcmp(left, right, (size_t)got) != 0)
			break;
		at += got;
	}
	*ret_same = at == size;
	return 0;
}

/* What its content makes of it; -1 where that cannot be read. */
static int content_look(const struct search *s, int dir, const char *leaf, struct okv_leftover *item, struct fault *f)
{
	static const char magic[] = SETTINGS_SEALED_MAGIC;
	const bool comparable = s->bundle >= 0 && item->status.st_size == s->bundle_status.st_size;
	char header[sizeof(magic) + 4096] = "";
	bool same = false;
	FS_AUTO int fd = -1;

	if (item->status.st_size < (off_t)sizeof(magic) - 1 && !comparable)
		return 0;
	if (fs_file_open_at(dir, leaf, O_RDONLY, &fd, NULL, f) < 0)
		return -1;
	if (pread(fd, header, sizeof(header) - 1, 0) < 0 ||
	    (comparable && content_compare(fd, s->bundle, item->status.st_size, &same) < 0))
		return fault_system(f, errno, "cannot read '%s'", SHOWN(leaf));
	if (text_starts(header, magic)) {
		item->kind = OKV_LEFTOVER_SEALED;
		origin_find(header, item->origin);
	} else if (same) {
		item->kind = OKV_LEFTOVER_PLAIN;
	}
	return 0;
}

static bool is_stage(const char *directory, const char *leaf)
{
	/* Our own directory has stages of other files, and one file that is made for a bundle. */
	return strcmp(directory, SETTINGS_VAR) == 0 ? strcmp(leaf, SETTINGS_OUTGOING) == 0 : fs_stage_named(leaf, NULL);
}

static int file_look(struct search *s, int dir, const char *directory, const char *leaf, struct fault *f)
{
	const bool named = strcmp(leaf, "hsmbundle") == 0;
	struct okv_leftover item = { .kind = named ? OKV_LEFTOVER_PLAIN : OKV_LEFTOVER_NONE };
	struct fault failure = { 0 };
	int r = 0;

	if (fstatat(dir, leaf, &item.status, AT_SYMLINK_NOFOLLOW) < 0)
		r = fault_errno(&failure, errno, "cannot look at '%s'", SHOWN(leaf));
	else if (!S_ISREG(item.status.st_mode))
		return 0;
	else if (named && strcmp(directory, SETTINGS_OKV_HSM) == 0)
		item.kind = OKV_LEFTOVER_BUNDLE;
	else if (is_stage(directory, leaf))
		item.kind = OKV_LEFTOVER_STAGE;
	else
		r = content_look(s, dir, leaf, &item, &failure);
	if (item.kind != OKV_LEFTOVER_NONE)
		return item_add(s, directory, leaf, &item, f);
	return r < 0 ? unseen_add(s, directory, leaf, &failure, f) : 0;
}

/* --- where they lie ----------------------------------------------------------------------------------------------- */

enum reach { REACH_FILES, REACH_HOMES };

static int directory_look(struct search *s, const char *directory, enum reach reach, struct fault *f);

/* Two users may share a home, and a home may be /tmp. */
static int place_is_new(struct search *s, int dir, bool *ret_new, struct fault *f)
{
	struct stat status;

	if (fstat(dir, &status) < 0)
		return fault_system(f, errno, "cannot look at a directory");
	*ret_new = true;
	for (size_t i = 0; i < s->place_count; i++)
		if (same_file(&s->places[i], &status))
			*ret_new = false;
	if (!ARRAY_GROW(s->places, s->place_count))
		return fault_memory(f);
	s->places[s->place_count++] = status;
	return 0;
}

static int entry_look(struct search *s, int dir, const char *directory, enum reach reach,
		      const struct fs_each_entry *entry, struct fault *f)
{
	char home[PATH_MAX];

	if (proc_interrupt_check(f) < 0)
		return -1;
	if (reach == REACH_FILES)
		return entry->type == DT_REG || entry->type == DT_UNKNOWN ? file_look(s, dir, directory, entry->name, f)
									  : 0;
	(void)snprintf(home, sizeof(home), "%s/%s", directory, entry->name);
	return directory_look(s, home, REACH_FILES, f);
}

static int directory_look(struct search *s, const char *directory, enum reach reach, struct fault *f)
{
	struct fault failure = { 0 };
	FS_EACH_AUTO each = { 0 };
	FS_AUTO int dir = -1;
	struct fs_each_entry entry;
	bool new = false;

	if (fs_dir_open(s->root, directory, FS_FOLLOW_TRUSTED, &dir, &failure) < 0)
		return unseen_add(s, directory, NULL, &failure, f);
	if (place_is_new(s, dir, &new, f) < 0)
		return -1;
	if (!new)
		return 0;
	int more = fs_each_open(dir, directory, &each, &failure) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, &failure)) > 0)
		if (entry_look(s, dir, directory, reach, &entry, f) < 0)
			return -1;
	return more < 0 ? unseen_add(s, directory, NULL, &failure, f) : 0;
}

/* The homes of who carries bundles, as the tree's password file has them. */
static int users_look(struct search *s, const char *okv_user, struct fault *f)
{
	static const char path[] = "/etc/passwd";
	const char *const users[] = { "root", SETTINGS_SUPPORT_USER, okv_user };
	struct fault failure = { 0 };
	TEXT_AUTO passwd = { 0 };

	if (fs_read_file(s->root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &passwd, NULL, &failure) < 0)
		return unseen_add(s, path, NULL, &failure, f);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		TEXT_AUTO home = { 0 };
		const bool known = accounts_user_home(&passwd, users[i], &home);
		if (text_check(&home, f) < 0)
			return -1;
		/* The top of the tree is the home of accounts that have none. */
		if (known && strcmp(text_string(&home), "/") != 0 &&
		    directory_look(s, text_string(&home), REACH_FILES, f) < 0)
			return -1;
	}
	return 0;
}

static int places_look(struct search *s, const struct settings *settings, struct fault *f)
{
	static const char *const places[] = { SETTINGS_OKV_HSM, SETTINGS_VAR, "/tmp", "/var/tmp", "/root" };
	struct fault failure = { 0 };

	/* A link in its place is no bundle. */
	if (fs_file_open(s->root, SETTINGS_BUNDLE, FS_FOLLOW_TRUSTED, O_RDONLY, &s->bundle, &s->bundle_status,
			 &failure) < 0 &&
	    failure.kind != FAULT_REFUSED && unseen_add(s, SETTINGS_BUNDLE, NULL, &failure, f) < 0)
		return -1;
	/* Nothing is no secret: every empty file would be a copy of an empty bundle. */
	if (s->bundle >= 0 && s->bundle_status.st_size == 0)
		fs_close(&s->bundle);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (directory_look(s, places[i], REACH_FILES, f) < 0)
			return -1;
	return directory_look(s, "/home", REACH_HOMES, f) < 0 ? -1 : users_look(s, settings->okv_user, f);
}

/* A file that has more names than were found is there still when all of these are removed. */
static int links_check(struct search *s, struct fault *f)
{
	for (size_t i = 0, count = s->found.count; i < count; i++) {
		const struct stat *status = &s->found.items[i].status;
		struct okv_leftover item = { .kind = OKV_LEFTOVER_UNSEEN, .why = "has more names elsewhere" };
		size_t names = 0;
		for (size_t k = 0; k < count; k++)
			names += same_file(status, &s->found.items[k].status) ? 1 : 0;
		if (status->st_nlink > names && item_add(s, s->found.items[i].path, NULL, &item, f) < 0)
			return -1;
	}
	return 0;
}

/* The bundle in its place first, then by name. */
static int by_name(const void *a, const void *b)
{
	const struct okv_leftover *left = a, *right = b;
	const int in_place = (right->kind == OKV_LEFTOVER_BUNDLE) - (left->kind == OKV_LEFTOVER_BUNDLE);

	return in_place != 0 ? in_place : strcmp(left->path, right->path);
}

int okv_leftovers_find(int root, const struct settings *settings, struct okv_leftovers *ret_leftovers, struct fault *f)
{
	struct search s = { .root = root, .bundle = -1 };
	const int r = places_look(&s, settings, f) < 0 ? -1 : links_check(&s, f);

	fs_close(&s.bundle);
	free(s.places);
	if (r < 0) {
		okv_leftovers_done(&s.found);
		return -1;
	}
	if (s.found.count > 0)
		qsort(s.found.items, s.found.count, sizeof(*s.found.items), by_name);
	*ret_leftovers = s.found;
	return 0;
}

void okv_leftovers_done(struct okv_leftovers *leftovers)
{
	for (size_t i = 0; i < leftovers->count; i++)
		free(leftovers->items[i].path);
	free(leftovers->items);
	*leftovers = (struct okv_leftovers){ 0 };
}

int okv_leftover_remove(int root, const struct okv_leftover *leftover, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (leftover->kind == OKV_LEFTOVER_UNSEEN)
		return fault_incomplete(f, "'%s' %s", SHOWN(leftover->path), leftover->why);
	if (fs_parent_open(root, leftover->path, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0)
		return -1;
	return fs_file_remove_at(dir, leaf, &leftover->status, leftover->path, f);
}

void okv_leftover_describe(const struct okv_leftover *leftover, struct text *out)
{
	static const char *const words[] = {
		[OKV_LEFTOVER_BUNDLE] = "the bundle in its place",
		[OKV_LEFTOVER_PLAIN] = "an unsealed copy",
		[OKV_LEFTOVER_SEALED] = "a sealed copy",
		[OKV_LEFTOVER_STAGE] = "left by a run that was killed",
	};
	char changed[TIME_STAMP_SIZE];

	if (leftover->kind == OKV_LEFTOVER_UNSEEN) {
		text_add_string(out, leftover->why);
		return;
	}
	time_format(leftover->status.st_mtim.tv_sec, changed);
	text_add_format(out, "%s%s%s, %s bytes of %s", words[leftover->kind],
			leftover->origin[0] != '\0' ? " from " : "", SHOWN(leftover->origin),
			NUMBER_GROUPED((uint64_t)leftover->status.st_size), changed);
}
