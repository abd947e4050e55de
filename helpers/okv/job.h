/*
 * okv/job: what every act of this room is told, and what it tells back.
 *
 * Wiring means: OKV's generic HSM files name this product's client and library, list what must live through an OS
 * major upgrade, and call our mid-upgrade hook; and a few links lead to our programs.
 *
 * Promise of the room: OKV's files are edited in place of their own bytes only, never created, never owned: what we
 * do not understand stays byte for byte, and owner, mode, ACL and SELinux label stay as found.  Every file is written
 * beside, synced and renamed; the bytes that were there before are kept once below SETTINGS_VAR "/backup"; a file that
 * somebody else changes between reading and renaming is read again.  Nothing here takes the lock of the product: the
 * caller holds it (cmd_lock) around every act with OKV_APPLY.
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
	OKV_PLAN, /* shown only: nothing is written, made or removed */
	OKV_APPLY,
};

struct okv_job {
	int root;
	const struct settings *settings;
	enum okv_mode mode;
	struct report *report;  /* one REPORT_RESULT line per change, REPORT_WARNING per thing left; may be NULL */
	enum okv_vendor vendor; /* whether wiring may take another vendor's working library away */
	unsigned tool_ms;       /* bounds each of the system's account tools (okv/group.h); 0: none */
};

/* Whether OKV's generic interface is there to be wired (facts of OKV 21.3 and of clients other than v6.x). */
enum okv_scope {
	OKV_SCOPE_GENERIC,      /* it is; or its directory is gone, of an OKV that is known to be 21.3 or later */
	OKV_SCOPE_NO_INTERFACE, /* no generic directory: OKV 21.2 or earlier */
	OKV_SCOPE_CLIENT_V6,    /* the Luna client is a v6.x: it wants no generic step, no group and no modes of ours */
};

struct okv_outcome {
	enum okv_scope scope;
	unsigned files; /* files changed; with OKV_PLAN, that would be */
	unsigned links; /* links made or removed; with OKV_PLAN, that would be */
	unsigned left;  /* things that could not be brought into order, each reported as a warning */
};

#define OKV_OUTCOME_INIT \
	{ \
		.scope = OKV_SCOPE_GENERIC, .files = 0, .links = 0, .left = 0 \
	}

/* One REPORT_RESULT line about what was done; with OKV_PLAN it begins with "would: ". */
void okv_job_tell(const struct okv_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* okv_hsm.conf or okv_hsm_env; a file that is not there is a fault, and leaves no lines. */
int okv_lines_read(int root, const char *path, struct assign *ret_lines, struct fault *f);

/* What has to be known for the way back, kept in OKV_RECORD (0700); removing one that is not there is success. */
int okv_record_write(int root, const char *path, const struct text *bytes, struct fault *f);
int okv_record_remove(int root, const char *path, struct fault *f);

/*
 * The installed client's version, MAJOR * 100 + MINOR (1004 is 10.4), by the names of its library, else by the record
 * of okv-luna extract; 0 where neither tells.
 */
int okv_client_version(int root, const struct settings *settings, unsigned *ret_version, struct fault *f);
/* "10.4", "21.5" or "10.4.0-417" as such a number; 0 for what is none. */
unsigned okv_version_parse(const char *version);
/* Looks below the root; FAULT_SYSTEM where it cannot tell, since "no interface" means that nothing is done. */
int okv_scope_find(int root, const struct settings *settings, enum okv_scope *ret_scope, struct fault *f);
/* One sentence for people: what applies here and why. */
const char *okv_scope_text(enum okv_scope scope);
/* Members "scope", "scope_text", "files", "links" and "left" of the object that is open. */
void okv_outcome_json(const struct okv_outcome *outcome, struct json *j);
/* For programs: "generic", "no-interface" or "client-v6". */
const char *okv_scope_word(enum okv_scope scope);

#endif
