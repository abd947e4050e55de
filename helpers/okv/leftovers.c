#include "okv/leftovers.h"

#include <dirent.h>
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
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "proc/interrupt.h"

enum {
	PLACES_MAX = 16,
	UNSEEN_MAX = 100,
};

struct place {
	int dir;
	char path[PATH_MAX];
	struct stat status;
};

struct search {
	int root;
	int bundle;  /* the bundle in its place, or -1 */
	bool linked; /* it is a hard link to another user's file */
	struct stat bundle_status;
	struct place places[PLACES_MAX];
	size_t place_count;
	const struct place *at; /* the one being searched */
	size_t unseen;
	size_t known; /* items sorted by file, while their other names are searched for */
	struct okv_leftovers found;
};

static int item_add(struct search *s, const char *path, const struct okv_leftover *item, struct fault *f)
{
	char *copy = strdup(path);

	if (copy == NULL || !ARRAY_GROW(s->found.items, s->found.count)) {
		free(copy);
		return fault_memory(f);
	}
	s->found.items[s->found.count] = *item;
	s->found.items[s->found.count++].path = copy;
	return 0;
}

static int unseen_add(struct search *s, const char *path, const char *why, struct fault *f)
{
	struct okv_leftover item = { .kind = OKV_LEFTOVER_UNSEEN };

	if (s->unseen++ > UNSEEN_MAX)
		return 0;
	(void)snprintf(item.why, sizeof(item.why), "%s%s", why,
		       s->unseen > UNSEEN_MAX ? "; more files, not listed here, could not be looked at either" : "");
	return item_add(s, path, &item, f);
}

static int failure_add(struct search *s, const char *path, const struct fault *failure, struct fault *f)
{
	char why[OKV_LEFTOVER_TEXT_SIZE];

	/* Removed meanwhile, or a directory that this node does not have. */
	if (failure->kind == FAULT_ABSENT)
		return 0;
	(void)snprintf(why, sizeof(why), "could not be looked at: %.180s",
		       failure->errnum != 0 ? fault_errno_text(failure->errnum) : failure->text);
	return unseen_add(s, path, why, f);
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

/* Reads "origin" from the header; a value with escapes is ignored. */
static void origin_find(const char *header, char ret_origin[OKV_LEFTOVER_TEXT_SIZE])
{
	const char *name = strstr(header, "\"origin\"");
	char value[OKV_LEFTOVER_TEXT_SIZE], quote;

	if (name != NULL && sscanf(name, "\"origin\" : \"%255[] !#-[^-~]%c", value, &quote) == 2 && quote == '"')
		memcpy(ret_origin, value, sizeof(value));
}

/* -1 if either cannot be read. */
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

/* Sets item->kind by the content; -1 if it cannot be read. */
static int content_look(const struct search *s, int dir, const char *leaf, struct okv_leftover *item, struct fault *f)
{
	static const char magic[] = SETTINGS_SEALED_MAGIC;
	const bool comparable = s->bundle >= 0 && item->status.st_size == s->bundle_status.st_size;
	char header[sizeof(magic) + 4096] = "";
	bool same = false;
	FS_AUTO int fd = -1;
	struct stat opened;

	if (item->status.st_size < (off_t)sizeof(magic) - 1 && !comparable)
		return 0;
	if (fs_name_open(FS_NAME(dir, leaf, leaf), O_RDONLY, &fd, &opened, f) < 0)
		return -1;
	if (!fs_same_file(&opened, &item->status))
		return fault_incomplete(f, "it was exchanged meanwhile");
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

static bool is_stage(const char *path, const char *leaf)
{
	/* In our own directory temporary files are of other things, but for the one made for a bundle. */
	return text_starts(path, SETTINGS_VAR "/") ? strcmp(path, SETTINGS_VAR "/" SETTINGS_OUTGOING) == 0
						   : fs_stage_named(leaf, NULL);
}

/*
 * Is it a name that copying makes: "hsmbundle.bak", "hsmbundle (1)", "okv1-hsmbundle"?  An older bundle has other
 * bytes, so only its name shows what it is.  Programs and texts about a bundle are excluded, and what OKV may keep
 * below its own directory.
 */
static bool is_named(const char *path, const char *leaf, mode_t mode)
{
	static const char *const others[] = { ".txt", ".md", ".log", ".sha256", ".md5",  "sum",
					      ".sh",  ".py", ".yml", ".yaml",   ".json", ".conf" };
	static const char okvs[] = SETTINGS_OKV_HSM "/";

	if (text_starts(path, okvs) && strchr(path + strlen(okvs), '/') != NULL)
		return false;
	if (strcmp(leaf, "hsmbundle") == 0)
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (text_ends(leaf, others[i]))
			return false;
	return strcasestr(leaf, "hsmbundle") != NULL && (mode & 0111) == 0;
}

static int file_look(struct search *s, const struct fs_walk_entry *entry, struct fault *f)
{
	struct okv_leftover item = { .kind = OKV_LEFTOVER_NONE, .status = *entry->status };
	struct fault failure = { 0 };
	struct stat holder;
	int r = 0;

	item.named_only = is_stage(entry->path, entry->name);
	if (item.named_only)
		item.kind = OKV_LEFTOVER_STAGE;
	else
		r = content_look(s, entry->dir, entry->name, &item, &failure);
	if (strcmp(entry->path, SETTINGS_BUNDLE) == 0) {
		if (item.kind == OKV_LEFTOVER_SEALED || item.status.st_size == 0)
			strcpy(item.why, item.status.st_size == 0 ? "empty" : "still sealed");
		item.kind = OKV_LEFTOVER_BUNDLE;
		/* A file that took the bundle's place during the search may be anybody's. */
		item.named_only = s->linked || !fs_same_file(&item.status, &s->bundle_status);
	} else if (item.kind == OKV_LEFTOVER_NONE && is_named(entry->path, entry->name, item.status.st_mode)) {
		item.kind = OKV_LEFTOVER_PLAIN;
		item.named_only = true;
		strcpy(item.why, strcmp(entry->name, "hsmbundle") == 0 ? "" : "by its name");
	}
	if (item.kind == OKV_LEFTOVER_NONE)
		return r < 0 ? failure_add(s, entry->path, &failure, f) : 0;
	if (fstat(entry->dir, &holder) < 0)
		return fault_system(f, errno, "cannot look at a directory");
	item.holder = holder.st_ino;
	return item_add(s, entry->path, &item, f);
}

/* --- the places to search ----------------------------------------------------------------------------------------- */

static bool entry_wanted(void *context, const void *state, const char *name, unsigned char type)
{
	(void)context;
	(void)state;
	(void)name;
	return type == DT_REG || type == DT_DIR || type == DT_UNKNOWN;
}

/* Skips other places, which are searched by themselves, and mount points. */
static int directory_look(struct search *s, const struct fs_walk_entry *entry, struct fault *f)
{
	for (size_t i = 0; i < s->place_count; i++)
		if (&s->places[i] != s->at && fs_same_file(&s->places[i].status, entry->status))
			return FS_WALK_PASS;
	if (!entry->mount)
		return FS_WALK_ENTER;
	return unseen_add(s, entry->path, "is a mount point and was not looked into", f) < 0 ? -1 : FS_WALK_PASS;
}

static int entry_look(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct search *s = context;

	(void)state;
	if (proc_interrupt_check(f) < 0)
		return -1;
	if (S_ISDIR(entry->status->st_mode))
		return directory_look(s, entry, f);
	return S_ISREG(entry->status->st_mode) && file_look(s, entry, f) < 0 ? -1 : FS_WALK_PASS;
}

/* Cannot fail, and need not: if memory is short here, the next item_add fails. */
static void entry_miss(void *context, const char *path, const struct fault *trouble)
{
	struct fault ignored = { 0 };

	(void)failure_add(context, path, trouble, &ignored);
}

/* Adds a place once: two users may share a home, and a home may be /tmp. */
static int place_add(struct search *s, const char *path, struct fault *f)
{
	struct fault failure = { 0 };
	struct place *place = &s->places[s->place_count];

	if (s->place_count == PLACES_MAX || strlen(path) >= sizeof(place->path))
		return unseen_add(s, path, "was not looked at", f);
	if (fs_dir_open(s->root, path, FS_FOLLOW_TRUSTED, &place->dir, &failure) < 0)
		return failure_add(s, path, &failure, f);
	strcpy(place->path, path);
	s->place_count++;
	if (fstat(place->dir, &place->status) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SHOWN(path));
	for (size_t i = 0; i + 1 < s->place_count; i++) {
		if (fs_same_file(&s->places[i].status, &place->status)) {
			fs_close(&place->dir);
			s->place_count--;
			break;
		}
	}
	return 0;
}

/* Adds the homes of the users that handle bundles, from the tree's passwd file. */
static int homes_add(struct search *s, const struct text *passwd, const char *okv_user, struct fault *f)
{
	const char *const users[] = { "root", SETTINGS_SUPPORT_USER, okv_user };

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		TEXT_AUTO home = { 0 };
		const bool known = accounts_user_home(passwd, users[i], &home);
		if (text_check(&home, f) < 0)
			return -1;
		/* "/" stands for "no home". */
		if (known && strcmp(text_string(&home), "/") != 0 && place_add(s, text_string(&home), f) < 0)
			return -1;
	}
	return 0;
}

static int places_look(struct search *s, const struct settings *settings, struct fault *f)
{
	static const char *const places[] = { SETTINGS_OKV_HSM, SETTINGS_VAR, "/tmp", "/var/tmp", "/dev/shm",
					      "/root",          "/home",      "/opt", "/srv",     "/images" };
	const struct fs_walk walk = { .context = s, .wants = entry_wanted, .visit = entry_look, .miss = entry_miss };
	static const char accounts[] = "/etc/passwd";
	struct fault failure = { 0 }, unread = { 0 };
	TEXT_AUTO passwd = { 0 };
	struct accounts_user okv;

	if (fs_read_config(s->root, accounts, &passwd, &unread) < 0 && failure_add(s, accounts, &unread, f) < 0)
		return -1;
	/* A link there may lead to a bundle in a place that is not searched. */
	if (fs_file_open(s->root, SETTINGS_BUNDLE, FS_FOLLOW_TRUSTED, O_RDONLY, &s->bundle, &s->bundle_status,
			 &failure) < 0 &&
	    failure_add(s, SETTINGS_BUNDLE, &failure, f) < 0)
		return -1;
	s->linked = s->bundle >= 0 && s->bundle_status.st_nlink > 1 &&
		    !(accounts_user_find(&passwd, settings->okv_user, &okv) && okv.uid == s->bundle_status.st_uid);
	/* Do not compare with an empty bundle: every empty file would be a copy of it. */
	if (s->linked || (s->bundle >= 0 && s->bundle_status.st_size == 0))
		fs_close(&s->bundle);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (place_add(s, places[i], f) < 0)
			return -1;
	if (homes_add(s, &passwd, settings->okv_user, f) < 0)
		return -1;
	for (size_t i = 0; i < s->place_count; i++) {
		s->at = &s->places[i];
		if (fs_walk(s->at->dir, ".", s->at->path, NULL, &walk, f) < 0)
			return -1;
	}
	return 0;
}

/* --- hard links --------------------------------------------------------------------------------------------------- */

static int by_file(const void *a, const void *b)
{
	const struct stat *left = &((const struct okv_leftover *)a)->status,
			  *right = &((const struct okv_leftover *)b)->status;

	return left->st_dev != right->st_dev ? (left->st_dev < right->st_dev ? -1 : 1)
					     : (left->st_ino > right->st_ino) - (left->st_ino < right->st_ino);
}

/* Items are sorted by file: the end of those that name the same file.  *ret_more: it has more hard links than these. */
static size_t names_end(const struct search *s, size_t first, bool *ret_more)
{
	const struct okv_leftover *items = s->found.items;
	size_t end = first + 1;

	while (end < s->found.count && fs_same_file(&items[first].status, &items[end].status))
		end++;
	*ret_more = items[first].status.st_nlink > end - first;
	return end;
}

static bool is_listed(const struct search *s, const struct okv_leftover *of, const struct fs_walk_entry *entry,
		      ino_t holder)
{
	for (; of > s->found.items && fs_same_file(&of[-1].status, &of->status); of--) {
	}
	for (; of < s->found.items + s->known && fs_same_file(&of->status, entry->status); of++)
		if (of->holder == holder && strcmp(strrchr(of->path, '/') + 1, entry->name) == 0)
			return true;
	return false;
}

static int other_name_add(struct search *s, const char *path, const char *bundle, struct fault *f)
{
	char why[OKV_LEFTOVER_TEXT_SIZE];

	(void)snprintf(
		why, sizeof(why),
		"is the same file as '%.100s', which looks like a bundle only by that name; remove it if it is one",
		SHOWN(bundle));
	return unseen_add(s, path, why, f);
}

static int name_look(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct search *s = context;
	const struct okv_leftover key = { .status = *entry->status };
	struct stat holder;

	(void)state;
	if (proc_interrupt_check(f) < 0)
		return -1;
	if (S_ISDIR(key.status.st_mode))
		return FS_WALK_ENTER;
	const struct okv_leftover *of =
		S_ISREG(key.status.st_mode) && key.status.st_nlink > 1
			? bsearch(&key, s->found.items, s->known, sizeof(*s->found.items), by_file)
			: NULL;
	if (of == NULL || fstat(entry->dir, &holder) < 0 || is_listed(s, of, entry, holder.st_ino))
		return FS_WALK_PASS;
	if (of->named_only)
		return other_name_add(s, entry->path, of->path, f) < 0 ? -1 : FS_WALK_PASS;
	struct okv_leftover item = *of;
	if (item.kind == OKV_LEFTOVER_BUNDLE)
		item.kind = OKV_LEFTOVER_PLAIN;
	item.why[0] = '\0';
	item.holder = holder.st_ino;
	return item_add(s, entry->path, &item, f) < 0 ? -1 : FS_WALK_PASS;
}

/* A directory that cannot be read needs no report of its own: names missing from the count are reported. */
static void name_miss(void *context, const char *path, const struct fault *trouble)
{
	(void)context;
	(void)path;
	(void)trouble;
}

/* Searches the file system of this item for names of all items; it starts where the item's path first enters it. */
static int names_find(struct search *s, size_t of, struct fault *f)
{
	const struct fs_walk walk = { .context = s, .visit = name_look, .miss = name_miss };
	const dev_t device = s->found.items[of].status.st_dev;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", s->found.items[of].path);
	for (char *slash = path; slash != NULL; slash = strchr(slash + 1, '/')) {
		struct fault ignored = { 0 };
		struct stat status;
		FS_AUTO int dir = -1;
		char *end = slash == path ? slash + 1 : slash;
		const char kept = *end;
		*end = '\0';
		if (fs_dir_open(s->root, path, FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 && fstat(dir, &status) == 0 &&
		    status.st_dev == device)
			return fs_walk(dir, ".", path, NULL, &walk, f);
		*end = kept;
	}
	return 0;
}

static void items_sort(struct search *s, int (*by)(const void *, const void *))
{
	if (s->found.count > 0)
		qsort(s->found.items, s->found.count, sizeof(*s->found.items), by);
}

/* Finds the other names of all items; a file with more names than that would survive their removal. */
static int names_complete(struct search *s, struct fault *f)
{
	const struct stat *searched = NULL;
	struct stat last;
	bool more;

	items_sort(s, by_file);
	s->known = s->found.count;
	for (size_t i = 0; i < s->known;) {
		const size_t end = names_end(s, i, &more);
		if (more && (searched == NULL || searched->st_dev != s->found.items[i].status.st_dev)) {
			last = s->found.items[i].status;
			searched = &last;
			if (names_find(s, i, f) < 0)
				return -1;
		}
		i = end < s->known ? end : s->known;
	}
	items_sort(s, by_file);
	for (size_t i = 0, count = s->found.count; i < count;) {
		const size_t end = names_end(s, i, &more);
		for (; i < end; i++)
			if (more && unseen_add(s, s->found.items[i].path, "has more hard links elsewhere", f) < 0)
				return -1;
	}
	return 0;
}

/* By path, the bundle in its place first. */
static int by_name(const void *a, const void *b)
{
	const struct okv_leftover *left = a, *right = b;
	const int in_place = (right->kind == OKV_LEFTOVER_BUNDLE) - (left->kind == OKV_LEFTOVER_BUNDLE);

	return in_place != 0 ? in_place : strcmp(left->path, right->path);
}

int okv_leftovers_find(int root, const struct settings *settings, struct okv_leftovers *ret_leftovers, struct fault *f)
{
	struct search s = { .root = root, .bundle = -1 };
	const int r = places_look(&s, settings, f) < 0 ? -1 : names_complete(&s, f);

	fs_close(&s.bundle);
	for (size_t i = 0; i < s.place_count; i++)
		fs_close(&s.places[i].dir);
	if (r < 0) {
		okv_leftovers_done(&s.found);
		return -1;
	}
	items_sort(&s, by_name);
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
	return fs_name_remove(FS_NAME(dir, leaf, leftover->path), &leftover->status, f);
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
	text_add_string(out, words[leftover->kind]);
	if (leftover->why[0] != '\0')
		text_add_format(out, " (%s)", leftover->why);
	text_add_format(out, "%s%s, %s bytes of %s", leftover->origin[0] != '\0' ? " from " : "",
			SHOWN(leftover->origin), NUMBER_GROUPED((uint64_t)leftover->status.st_size), changed);
}
