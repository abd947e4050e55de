#include <string.h>

#include "fs/each.h"
#include "fs/handle.h"
#include "fs/root.h"
#include "okv/checking.h"
#include "okv/links.h"

static const char wire_it[] = "okv-luna config wire";

/* Names in OKV's generic directory that look like one of the three files and are read by nobody. */
static void stray_check(struct checking *c, const char *name)
{
	static const char *const known[] = { "okv_hsm.conf", "okv_hsm_env", "okv_hsm_mid_upgrade",
					     "okv_hsm_pre_upgrade", "okv_hsm_post_upgrade" };
	static const char *const wrong[] = { "okv_hsm_conf", "okv_hsm.env", "okv_hsm.mid_upgrade", "okv_hsm_env.conf",
					     "okv_hsm_mid-upgrade" };
	const char *path = okv_words(c, SETTINGS_GENERIC "/%s", name);

	if (!text_starts(name, "okv_hsm"))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i]) == 0)
			return;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (strcmp(name, wrong[i]) != 0)
			continue;
		okv_found(
			c, OKV_FAIL, "wrong-name", path, 0, NEEDS_A_PERSON,
			"OKV's files are okv_hsm.conf, okv_hsm_env and okv_hsm_mid_upgrade; this one has a wrong name",
			"OKV never reads it; settings made in it have no effect",
			"bring its settings into the right file, then remove it");
		return;
	}
	okv_found(c, OKV_NOTE, "stray-file", path, 0, NEEDS_A_PERSON, "a file beside OKV's three, perhaps a copy",
		  "OKV does not read it", "remove it when it is not needed any more");
}

static int strays_check(struct checking *c, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;

	if (fs_dir_open(c->job->root, SETTINGS_GENERIC, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	int more = fs_each_open(dir, SETTINGS_GENERIC, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		stray_check(c, entry.name);
	return more;
}

static void helper_check(struct checking *c)
{
	static const char *const programs[] = { SETTINGS_PREFIX "/hooks/mid-upgrade",
						SETTINGS_PREFIX "/libexec/okv-luna-mid-upgrade" };
	struct fault absent = { 0 };
	struct stat status;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (fs_status(c->job->root, programs[i], FS_FOLLOW_TRUSTED, &status, &absent) < 0 ||
		    !S_ISREG(status.st_mode) || (status.st_mode & 0100) == 0)
			okv_found(c, OKV_FAIL, "helper-missing", programs[i], 0, NEEDS_A_PERSON,
				  "it is not there, or not executable",
				  "the block in okv_hsm_mid_upgrade goes on without it, and the HSM group does not "
				  "come back",
				  "reinstall the package okv-luna-hooks");
}

/* What wiring would say about the links, as findings. */
static void link_hear(struct report *self, enum report_level level, const char *line)
{
	struct checking *c = self->context;

	if (level == REPORT_DETAIL)
		return;
	okv_found(c, OKV_WARN, level == REPORT_WARNING ? "link-blocked" : "link-missing", SETTINGS_PREFIX, 0,
		  NEEDS_A_PERSON, level == REPORT_WARNING ? line : okv_words(c, "a link is missing: %s", line),
		  "people and systemd do not find this product by that name", wire_it);
}

int okv_check_surroundings(struct checking *c, struct fault *f)
{
	struct report report = { .hear = link_hear, .context = c };
	struct okv_job job = *c->job;
	struct okv_outcome outcome = OKV_OUTCOME_INIT;

	if (strays_check(c, f) < 0)
		return -1;
	helper_check(c);
	job.mode = OKV_PLAN;
	job.report = &report;
	if (okv_links_make(&job, &outcome, f) < 0)
		return -1;

	const char *command = c->job->settings->upgrade_command;
	for (const char *at = command; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x80)
			continue;
		okv_found(c, OKV_FAIL, "upgrade-command", SETTINGS_FILE, 0, NEEDS_A_PERSON,
			  okv_words(c,
				    "UPGRADE_COMMAND holds characters that are no ASCII, as '\xe2\x80\x93"
				    "confirm' in the guide's text: '%s'",
				    SHOWN(command)),
			  "OKV's upgrade does not know the option and does not start, or asks",
			  "write --confirm with plain '-' characters");
		break;
	}
	return 0;
}
