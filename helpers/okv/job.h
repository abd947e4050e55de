/*
 * okv/job: the input and the outcome that all operations of this room share.
 *
 * Wiring means: OKV's generic HSM files name the Luna client and its library, list what must survive an OS major
 * upgrade, and call our mid-upgrade hook; and a few links point to our programs.
 *
 * Promise of the room: OKV's files are edited, never created and never owned.  What we do not understand stays byte for
 * byte; owner, mode, ACL and SELinux label stay as found.  A new version is written beside the file, synced and
 * renamed; the previous bytes are backed up once below SETTINGS_VAR "/backup"; if somebody else changes the file
 * between reading and renaming, it is read again.  Nothing here takes the product's lock: the caller holds it
 * (cmd_lock) during every operation with OKV_APPLY.
 */
#ifndef OKV_OKV_JOB_H
#define OKV_OKV_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/report.h"
#include "base/text.h"
#include "conf/assign.h"
#include "conf/settings.h"

#define OKV_CONF         SETTINGS_GENERIC "/okv_hsm.conf"
#define OKV_ENV          SETTINGS_GENERIC "/okv_hsm_env"
#define OKV_MID          SETTINGS_GENERIC "/okv_hsm_mid_upgrade"
#define OKV_BACKUP       SETTINGS_VAR "/backup"
#define OKV_RECORD       SETTINGS_VAR "/wiring"
#define OKV_RECORD_LINKS OKV_RECORD "/links"

enum okv_vendor { OKV_KEEP_VENDOR, OKV_REPLACE_VENDOR };

enum okv_mode {
	OKV_PLAN, /* only show what would be done */
	OKV_APPLY,
};

struct okv_job {
	int root;
	const struct settings *settings;
	enum okv_mode mode;
	struct report *report;  /* one REPORT_RESULT per change, one REPORT_WARNING per problem left; may be NULL */
	enum okv_vendor vendor; /* whether wiring may replace another vendor's working library */
	unsigned tool_ms;       /* time limit of each account tool (okv/group.h); 0: none */
};

/* Does OKV's generic interface apply to this node?  (OKV 21.3 or later, with a client other than v6.x.) */
enum okv_scope {
	OKV_SCOPE_GENERIC,      /* yes, also where the directory is missing on an OKV known to be 21.3 or later */
	OKV_SCOPE_NO_INTERFACE, /* no generic directory: OKV 21.2 or earlier */
	OKV_SCOPE_CLIENT_V6,    /* a v6.x client needs no generic files, no group and no modes of ours */
};

struct okv_outcome {
	enum okv_scope scope;
	unsigned files; /* files changed, or with OKV_PLAN to be changed */
	unsigned links; /* links made or removed, or with OKV_PLAN to be */
	unsigned left;  /* problems that could not be fixed, each reported as a warning */
};

#define OKV_OUTCOME_INIT \
	{ \
		.scope = OKV_SCOPE_GENERIC, .files = 0, .links = 0, .left = 0 \
	}

/* Reports one change as REPORT_RESULT; with OKV_PLAN the line begins with "would: ". */
void okv_job_report(const struct okv_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reads okv_hsm.conf or okv_hsm_env; a missing file is FAULT_ABSENT. */
int okv_lines_read(int root, const char *path, struct assign *ret_lines, struct fault *f);

/* What undoing needs to know, kept in OKV_RECORD (0700); removing a record that does not exist is success. */
int okv_record_write(int root, const char *path, const struct text *bytes, struct fault *f);
int okv_record_remove(int root, const char *path, struct fault *f);

/*
 * The installed client's version, MAJOR * 100 + MINOR (1004 is 10.4): from the name of its library, else from the
 * record of okv-luna extract; 0 if both are silent.
 */
int okv_client_version(int root, const struct settings *settings, unsigned *ret_version, struct fault *f);
/* Converts "10.4", "21.5" or "10.4.0-417" to such a number; 0 for anything else. */
unsigned okv_version_parse(const char *version);
/* FAULT_SYSTEM if it cannot find out: a wrong OKV_SCOPE_NO_INTERFACE would mean that nothing is done. */
int okv_scope_find(int root, const struct settings *settings, enum okv_scope *ret_scope, struct fault *f);
/* One sentence for people: what applies here and why. */
const char *okv_scope_text(enum okv_scope scope);
/* Members "scope", "scope_text", "files", "links" and "left" of the object that is open. */
void okv_outcome_json(const struct okv_outcome *outcome, struct json *j);
/* For programs: "generic", "no-interface" or "client-v6". */
const char *okv_scope_word(enum okv_scope scope);

#endif
