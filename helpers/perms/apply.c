#include "perms/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/dircache.h"
#include "okv/labels.h"
#include "perms/entry.h"

static struct perms_record directed(const struct perms_record *record, enum perms_direction direction)
{
	struct perms_record turned = *record;

	if (direction == PERMS_BACK) {
		turned.from = record->to;
		turned.to = record->from;
	}
	return turned;
}

static void result_report(const struct perms_output *output, const struct perms_record *record, int dir,
			  const char *leaf, enum perms_result result, int errnum, struct perms_tally *tally)
{
	switch (result) {
	case PERMS_CHANGED:
		tally->changed++;
		if (output->change != NULL)
			output->change(output->context, record);
		return;
	case PERMS_UNCHANGED:
		return;
	case PERMS_ABSENT:
		report_say(output->report, REPORT_DETAIL, "'%s' is not there any more", SHOWN(record->path));
		return;
	case PERMS_REPLACED:
		tally->exchanged++;
		report_say(output->report, REPORT_WARNING, "'%s' was changed meanwhile by somebody else; left alone",
			   SHOWN(record->path));
		return;
	case PERMS_LINKED:
		tally->refused++;
		report_say(output->report, REPORT_WARNING,
			   "'%s' has a second name (hard link); left alone, repair it by hand", SHOWN(record->path));
		return;
	case PERMS_DENIED: {
		TEXT_AUTO why = { 0 };
		tally->failed++;
		perms_entry_denial(dir, leaf, record->path, errnum, &why);
		report_say(output->report, REPORT_WARNING, "%s", text_string(&why));
		return;
	}
	}
}

/* The three rounds through a journal. */
enum round { ROUND_NARROW_DIRECTORIES, ROUND_FILES, ROUND_DIRECTORIES };

/* Has narrowing anything to take away, and is it all there is to do? */
static void narrowing(const struct perms_record *record, bool *ret_any, bool *ret_all)
{
	const mode_t between = perms_entry_narrowed(&record->from, &record->to, record->type);

	*ret_any = record->from.mode != between;
	*ret_all = perms_same_owner(&record->from, &record->to) && record->to.mode == between;
}

/* Is the record's turn in that round?  *ret_last: no later round will have a word about it. */
static bool has_turn(const struct perms_record *record, enum round round, bool *ret_last)
{
	bool any = false, all = false;

	if (record->type == S_IFDIR)
		narrowing(record, &any, &all);
	*ret_last = true;
	switch (round) {
	case ROUND_NARROW_DIRECTORIES:
		*ret_last = all;
		return any;
	case ROUND_FILES:
		return record->type != S_IFDIR;
	case ROUND_DIRECTORIES:
		return record->type == S_IFDIR && !all;
	}
	return false;
}

static int record_set(struct fs_dircache *cache, const struct perms_record *record, enum round round,
		      const struct perms_output *output, struct perms_tally *tally, struct fault *f)
{
	struct fault trouble;
	const char *leaf;
	bool open_to_others, last;
	int dir, errnum = 0;

	if (!has_turn(record, round, &last))
		return 0;
	if (fs_dircache_parent(cache, record->path, &dir, &leaf, &open_to_others, &trouble) < 0) {
		if (trouble.errnum == ENOMEM) {
			*f = trouble;
			return -1;
		}
		if (last && trouble.kind != FAULT_ABSENT) {
			tally->failed++;
			report_say(output->report, REPORT_WARNING, "%s", trouble.text);
		}
		return 0;
	}
	const enum perms_result result =
		perms_entry_set(dir, leaf, open_to_others, record,
				round == ROUND_NARROW_DIRECTORIES ? PERMS_NARROW : PERMS_FINISH, &errnum);
	if (last)
		result_report(output, record, dir, leaf, result, errnum, tally);
	return 0;
}

static int round_go(int root, struct perms_journal *journal, enum perms_direction direction, enum round round,
		    const struct perms_output *output, struct perms_tally *tally, struct fault *f)
{
	/* A new cache for each round: what it knows of directories was true before the last one changed them. */
	FS_DIRCACHE_AUTO cache = { .root = root };
	struct perms_record record;
	int r;

	if (perms_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = perms_journal_next(journal, &record, f)) > 0) {
		const struct perms_record turned = directed(&record, direction);
		if (record_set(&cache, &turned, round, output, tally, f) < 0)
			return -1;
	}
	return r;
}

/* The paths of the journal, each ended by NUL, in a file without a name. */
static int paths_write(struct perms_journal *journal, int *ret_fd, struct fault *f)
{
	enum { BLOCK_SIZE = 64 * 1024 };
	static const char name[] = "labels.new";
	TEXT_AUTO block = { 0 };
	struct perms_record record;
	int r;

	FS_AUTO int fd = openat(journal->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(journal->dir, name, 0) < 0)
		return fault_errno(f, errno, "cannot write the list of what to label");
	if (perms_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = perms_journal_next(journal, &record, f)) > 0) {
		text_add(&block, record.path, strlen(record.path) + 1);
		if (block.length < BLOCK_SIZE)
			continue;
		if (text_check(&block, f) < 0 || fs_write(fd, name, block.bytes, block.length, f) < 0)
			return -1;
		text_cut(&block, 0);
	}
	if (r < 0 || text_check(&block, f) < 0 || fs_write(fd, name, text_string(&block), block.length, f) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read the list of what to label");
	*ret_fd = fs_take(&fd);
	return 0;
}

/* Where SELinux is enabled for the tree (its selinuxfs is mounted), exactly the entries of the journal. */
static int labels_restore(int root, struct perms_journal *journal, struct report *report, struct perms_tally *tally,
			  struct fault *f)
{
	FS_AUTO int list = -1;
	struct fault trouble = { 0 };
	bool enabled;

	if (fs_existence(root, "/sys/fs/selinux/enforce", &enabled, f) < 0)
		return -1;
	if (!enabled)
		return 0;
	if (paths_write(journal, &list, f) < 0)
		return -1;
	if (okv_labels_restore(root, list, &trouble) < 0) {
		tally->failed++;
		report_say(report, REPORT_WARNING, "SELinux is enabled, but %s: labels stay as they are", trouble.text);
	}
	return 0;
}

int perms_apply(int root, struct perms_journal *journal, enum perms_direction direction,
		const struct perms_output *output, struct perms_tally *tally, struct fault *f)
{
	for (enum round round = ROUND_NARROW_DIRECTORIES; round <= ROUND_DIRECTORIES; round++)
		if (round_go(root, journal, direction, round, output, tally, f) < 0)
			return -1;
	return labels_restore(root, journal, output->report, tally, f);
}

/* Is the entry the recorded one, and not as it is to be? */
static bool would_change(struct fs_dircache *cache, const struct perms_record *record)
{
	struct fault ignored = { 0 };
	struct stat status;
	const char *leaf;
	bool open_to_others;
	int dir;

	if (fs_dircache_parent(cache, record->path, &dir, &leaf, &open_to_others, &ignored) < 0 ||
	    fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	const struct perms_owned now = perms_owned_of(&status);
	return status.st_dev == record->device && status.st_ino == record->inode &&
	       (!perms_same_owner(&now, &record->to) || now.mode != record->to.mode);
}

int perms_foresee(int root, struct perms_journal *journal, enum perms_direction direction,
		  const struct perms_output *output, struct perms_tally *tally, struct fault *f)
{
	FS_DIRCACHE_AUTO cache = { .root = root };
	struct perms_record record;
	int r;

	if (perms_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = perms_journal_next(journal, &record, f)) > 0) {
		const struct perms_record turned = directed(&record, direction);
		if (!would_change(&cache, &turned))
			continue;
		tally->changed++;
		if (output->change != NULL)
			output->change(output->context, &turned);
	}
	return r;
}
