#include "upgrade/autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/each.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "base/text.h"
#include "fs/root.h"

#define UNIT_DIR "/etc/systemd/system"

enum { UNIT_MAX = 64 * 1024, UNITS_MAX = 4096, OKV_UNITS_MAX = 64 };

/* --- order -------------------------------------------------------------------------------------------------------- */

/* True for "KEY=... WORD ...". */
static bool line_lists(const struct text_line *line, const char *key, const char *word)
{
	const size_t name = strlen(key), size = strlen(word);
	const char *end = line->bytes + line->length;

	if (line->length <= name || memcmp(line->bytes, key, name) != 0 || line->bytes[name] != '=')
		return false;
	for (const char *at = line->bytes + name + 1; at + size <= end; at++)
		if (memcmp(at, word, size) == 0 && (at[-1] == '=' || at[-1] == ' ') &&
		    (at + size == end || at[size] == ' '))
			return true;
	return false;
}

/* Not OKV's; OKV's, but an order could cause a cycle; OKV's, and to be ordered after our unit. */
enum order { FOREIGN, LEFT_ALONE, AFTER_OURS };

static enum order order_of(const struct text *unit, const char *okv_user)
{
	static const char *const no[] = { "no", "false", "0", "off" };
	bool okv = false, waits = false, plain = true;
	struct text_line line;

	for (size_t at = 0; text_line_next(unit->bytes, unit->length, &at, &line);) {
		okv = okv || line_lists(&line, "User", okv_user) ||
		      (line.length > 4 && memcmp(line.bytes, "Exec", 4) == 0 &&
		       memmem(line.bytes, line.length, "/usr/local/okv/", 15) != NULL);
		waits = waits || line_lists(&line, "After", "network-online.target");
		for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
			plain = plain && !line_lists(&line, "DefaultDependencies", no[i]);
	}
	if (!okv)
		return FOREIGN;
	return waits && plain ? AFTER_OURS : LEFT_ALONE;
}

static bool order_holds(const struct text *order, const char *name)
{
	const char *found = strstr(text_string(order), name);

	return found != NULL && found[-1] == '=' && found[strlen(name)] == '\n';
}

/* Adds "Before=NAME" and counts it in *found, if the unit is AFTER_OURS. */
static int unit_add(const struct okv_job *job, int dir, const char *name, struct text *order, size_t *found,
		    struct fault *f)
{
	TEXT_AUTO unit = { 0 };
	struct fault why = { 0 };

	if (!text_ends(name, ".service") || strcmp(name, AUTOSTART_UNIT) == 0 || strpbrk(name, " \t\n\"'\\%") != NULL)
		return 0;
	/* An absent file or a link is not OKV's unit; but fail if the file could not be read, as it may be. */
	if (fs_read_file(dir, name, FS_NOFOLLOW, UNIT_MAX, &unit, NULL, &why) < 0)
		return fs_absence(&why, f);
	switch (order_of(&unit, job->settings->okv_user)) {
	case FOREIGN:
		break;
	case LEFT_ALONE:
		report_say(job->report, REPORT_DETAIL,
			   "%s starts before the network, so it does not wait for post-upgrade", SHOWN(name));
		break;
	case AFTER_OURS:
		if (!order_holds(order, name))
			text_add_format(order, "Before=%s\n", name);
		*found += 1;
		break;
	}
	return 0;
}

static int units_add(const struct okv_job *job, const char *directory, struct text *order, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault why = { 0 };
	size_t found = 0;

	if (fs_dir_open(job->root, directory, FS_FOLLOW_TRUSTED, &dir, &why) < 0)
		return fs_absence(&why, f);
	int more = fs_each_open(dir, directory, &each, f) < 0 ? -1 : 1;
	for (size_t looked = 0; more > 0 && looked < UNITS_MAX && found < OKV_UNITS_MAX; looked++) {
		more = fs_each_next(&each, &entry, f);
		if (more > 0 && unit_add(job, dir, entry.name, order, &found, f) < 0)
			return -1;
	}
	return more < 0 ? -1 : 0;
}

static int order_write(const struct okv_job *job, const struct text *order, bool *changed, struct fault *f)
{
	TEXT_AUTO now = { 0 };
	struct fault ignored = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0644);

	if (text_check(order, f) < 0)
		return -1;
	if (fs_read_file(job->root, AUTOSTART_UNIT_ORDER, FS_FOLLOW_TRUSTED, UNIT_MAX, &now, NULL, &ignored) == 0 &&
	    strcmp(text_string(&now), text_string(order)) == 0)
		return 0;
	okv_job_report(job, "%s: at boot, before OKV's own services", AUTOSTART_UNIT_ORDER);
	*changed = true;
	if (job->mode == OKV_PLAN)
		return 0;
	if (fs_dirs_make(job->root, AUTOSTART_UNIT_ORDER_DIR, 0755, FS_FOLLOW_TRUSTED, f) < 0)
		return -1;
	return fs_publish(job->root, AUTOSTART_UNIT_ORDER, FS_FOLLOW_TRUSTED, order->bytes, order->length, &how, f);
}

/* --- enable and disable ------------------------------------------------------------------------------------------- */

int autostart_enable(const struct okv_job *job, bool *ret_changed, struct fault *f)
{
	static const char *const directories[] = { UNIT_DIR, "/usr/lib/systemd/system", "/lib/systemd/system" };
	const int root = job->root;
	TEXT_AUTO order = { 0 };
	bool changed = false, linked = false, systemd, unit, enabled;

	if (fs_existence(root, UNIT_DIR, &systemd, f) < 0 || fs_existence(root, AUTOSTART_UNIT_FILE, &unit, f) < 0 ||
	    fs_existence(root, AUTOSTART_UNIT_WANTED, &enabled, f) < 0)
		return -1;
	if (!systemd)
		return fault_absent(f, "there is no '%s' here; run okv-luna post-upgrade by hand", UNIT_DIR);
	if (!unit && job->mode == OKV_APPLY)
		return fault_absent(f, "'%s' is not there; okv-luna config wire makes it", AUTOSTART_UNIT_FILE);

	text_add_string(&order, "# Made by okv-luna: OKV's services find the HSM as post-upgrade left it.\n[Unit]\n");
	const size_t empty = order.length;
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (units_add(job, directories[i], &order, f) < 0)
			return -1;
	if (order.length > empty && order_write(job, &order, &changed, f) < 0)
		return -1;

	if (job->mode == OKV_PLAN) {
		linked = !enabled;
	} else if (fs_dirs_make(root, AUTOSTART_UNIT_WANTS_DIR, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
		   fs_link_publish(root, AUTOSTART_UNIT_WANTED, FS_FOLLOW_TRUSTED, AUTOSTART_UNIT_FILE, &linked, f) <
			   0) {
		return -1;
	}
	if (linked)
		okv_job_report(job, "%s: post-upgrade runs at the next boot", AUTOSTART_UNIT_WANTED);
	*ret_changed = changed || linked;
	return 0;
}

/* Also removes temporary files of it that a killed run left. */
static int name_remove(int root, const char *path, int flags, bool *changed, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (fs_parent_open(root, path, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return -1;
		*f = (struct fault){ 0 };
		return 0;
	}
	if (fs_stage_sweep(dir, leaf, f) < 0)
		return -1;
	if (unlinkat(dir, leaf, flags) < 0) {
		/* Keep a directory that has other entries. */
		if (errno == ENOENT || (flags == AT_REMOVEDIR && (errno == ENOTEMPTY || errno == EEXIST)))
			return 0;
		return fault_errno(f, errno, "cannot remove '%s'", path);
	}
	*changed = true;
	if (fsync(dir) < 0)
		return fault_system(f, errno, "cannot sync the directory of '%s'", path);
	return 0;
}

int autostart_disable(const struct okv_job *job, bool *ret_changed, struct fault *f)
{
	const int root = job->root;
	bool changed = false, order = false;

	if (job->mode == OKV_PLAN) {
		if (fs_existence(root, AUTOSTART_UNIT_WANTED, &changed, f) < 0 ||
		    fs_existence(root, AUTOSTART_UNIT_ORDER, &order, f) < 0)
			return -1;
		changed = changed || order;
	} else if (name_remove(root, AUTOSTART_UNIT_ORDER, 0, &order, f) < 0 ||
		   name_remove(root, AUTOSTART_UNIT_ORDER_DIR, AT_REMOVEDIR, &order, f) < 0 ||
		   name_remove(root, AUTOSTART_UNIT_WANTED, 0, &changed, f) < 0 ||
		   name_remove(root, AUTOSTART_UNIT_WANTS_DIR, AT_REMOVEDIR, &order, f) < 0) {
		/* The drop-in goes before the link: after a kill, the enabled unit runs again and disables itself. */
		return -1;
	}
	if (changed)
		okv_job_report(job, "%s: removed, post-upgrade does not run at boot any more", AUTOSTART_UNIT_WANTED);
	*ret_changed = changed || order;
	return 0;
}
