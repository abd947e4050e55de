/*
 * upgrade/guide: the procedures of Thales' integration guide as a checklist for one server.
 *
 * Promise: each procedure is a table of steps (guide_steps), in the guide's order.  OKV's release, the client and the
 * kind of system decide which steps a server needs.  A step is done if a sign of it is found on the server, mostly by
 * the checks of status (guide_look); one that leaves no sign is done when the administrator has marked it (guide_mark).
 * The first step that is needed and not done is the next one.  Only marks are ever written.  A step that asks the HSM
 * comes before each step that restarts the server, so no restart is the next step while the HSM does not answer.
 *
 * A version that is not known is a range, and a step that depends on the unknown part says so.
 * Sources: the guide's sections on the client, the set-up of OKV, upgrade, backup and restore, and the cluster.
 */
#ifndef OKV_UPGRADE_GUIDE_H
#define OKV_UPGRADE_GUIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "conf/settings.h"
#include "upgrade/step.h"

enum guide_procedure { GUIDE_INSTALL, GUIDE_UPGRADE, GUIDE_RESTORE, GUIDE_CLUSTER };
/* Their names, in that order; ends with NULL. */
extern const char *const guide_procedures[];

/* --- the server --------------------------------------------------------------------------------------------------- */

/* A version is MAJOR * 100 + MINOR (okv_version_parse).  It is known if both ends of the range are the same. */
enum { GUIDE_ANY = 1000000 };
struct guide_range {
	unsigned least, most;
};

/* The guide's kinds of systems, as bits; 0: not known. */
enum {
	GUIDE_NETWORK = 1 << 0,
	GUIDE_CLOUD_MIN = 1 << 1,
	GUIDE_CLOUD_FULL = 1 << 2,
	GUIDE_HYBRID = 1 << 3,
};

struct guide_node {
	const struct settings *settings; /* borrowed */
	struct guide_range okv, client;
	unsigned kind;         /* one of the kinds, or 0 */
	bool ha;               /* an HA group of several HSMs */
	bool cluster;          /* upgrade: this server is a node of a cluster */
	bool bundle;           /* cluster: an existing one of several nodes, by hsmbundle */
	char host[65];         /* the host name, or the placeholder CLIENT */
	struct text options;   /* the administrator's options, to be typed again: " --okv 21.5 --ha" */
	struct text described; /* "OKV 21.5 (--okv), Luna client 10.4 (detected), network (detected)" */
	struct text notes;     /* what is unknown or contradictory, one line each */
};
#define GUIDE_NODE_AUTO __attribute__((cleanup(guide_node_done))) struct guide_node
void guide_node_done(struct guide_node *node);
bool guide_is_v6(const struct guide_node *node);

/* The administrator's options, which override what is detected; NULL, false: not given. */
struct guide_overrides {
	const char *okv, *client, *kind;
	bool ha, cluster, bundle;
};
/* FAULT_USAGE: an option is not a version. */
int guide_node_find(int root, const struct settings *settings, const struct guide_overrides *overrides,
		    struct guide_node *ret_node, struct fault *f);

/* --- signs -------------------------------------------------------------------------------------------------------- */

/* Signs that a step is done, as bits. */
enum {
	GUIDE_CLIENT_THERE = 1 << 0, /* the client, its library and Chrystoki.conf exist */
	GUIDE_KEY = 1 << 1,          /* there is a client key in cert/client */
	GUIDE_SERVERS = 1 << 2,      /* an HSM is registered; with HA: two */
	GUIDE_SECTIONS = 1 << 3,     /* Chrystoki.conf has the sections XTC and REST */
	GUIDE_INSIDE = 1 << 4,       /* and their certificates are in the client's directory */
	GUIDE_SERVICE = 1 << 5,      /* the service's client was extracted, or its sections are merged already */
	GUIDE_SERVICE_GONE = 1 << 6, /* the sections are merged, and the extracted client was deleted */
	GUIDE_HA_GROUP = 1 << 7,
	GUIDE_HA_ONLY = 1 << 8,
	GUIDE_SEEN = 1 << 9,     /* root sees a partition through the library */
	GUIDE_REACHED = 1 << 10, /* OKV's user sees the partition through the settings' library */
	GUIDE_SLOTS = 1 << 11,   /* OKV's user sees it through the library that OKV's files name */
	GUIDE_MODES = 1 << 12,   /* group, membership, owners and modes are right */
	GUIDE_RUNNING = 1 << 13, /* all processes of OKV's user have the group */
	GUIDE_LACKING = 1 << 14, /* one does not */
	GUIDE_WIRED = 1 << 15,
	GUIDE_BOOTED = 1 << 16,      /* the system was booted after the last change to OKV's files */
	GUIDE_INITIALIZED = 1 << 17, /* a trace file of OKV says that it found its root key */
	GUIDE_IMAGE = 1 << 18,       /* the upgrade command exists */
	GUIDE_PREPARED = 1 << 19,    /* pre-upgrade said go, and the upgrade is not proven yet */
	GUIDE_BEGUN = 1 << 20,       /* and has begun (upgrade_has_begun) */
	GUIDE_PROVEN = 1 << 21,      /* pre-upgrade said go, and post-upgrade proved the upgrade */
	GUIDE_CLEAN = 1 << 22,       /* no bundle is left over */
	GUIDE_WELL = 1 << 23,        /* no check of status fails */
};
/*
 * Asks the HSM.  What cannot be checked gives no sign.  Signs of an upgrade count only if its pre-upgrade began after
 * `since`.
 */
int guide_look(struct upgrade_run *run, const struct guide_node *node, int64_t since, unsigned *ret_signs,
	       struct fault *f);

/*
 * Records that the administrator has done a step.  The caller holds the lock.  FAULT_USAGE: no such step.
 * FAULT_REFUSED: we look for signs of that step ourselves, or it is not needed here.
 */
int guide_mark(int root, const struct guide_node *node, enum guide_procedure procedure, const char *id,
	       struct fault *f);
/* Deletes the procedure's marks; an upgrade before now no longer counts.  The caller holds the lock. */
int guide_begin(int root, enum guide_procedure procedure, struct fault *f);

/* Where the client of a cloud service is extracted, beside a Luna client, until its sections are merged. */
#define GUIDE_SERVICE_DIR "/root/okv-luna-service"

/* --- the steps ---------------------------------------------------------------------------------------------------- */

enum guide_who { GUIDE_OURS, GUIDE_CLIENT, GUIDE_HSM, GUIDE_CONSOLE, GUIDE_SERVER };
enum guide_v6 { GUIDE_V6_TOO, GUIDE_V6_NOT, GUIDE_V6_ONLY, GUIDE_V6_ALWAYS };
enum guide_when { GUIDE_ALWAYS, GUIDE_IF_HA, GUIDE_IF_CLUSTER, GUIDE_IF_BUNDLE, GUIDE_IF_SINGLE };

struct guide_step {
	const char *id; /* unique in its procedure */
	enum guide_who who;
	const char *title;
	unsigned kinds;     /* 0: all */
	enum guide_v6 v6;   /* V6_ALWAYS: a v6.x client needs it whatever the release */
	unsigned from, to;  /* releases of OKV; 0: open */
	unsigned client_to; /* versions of the client; 0: open */
	enum guide_when when;
	const char *command; /* NULL: there is only the text */
	const char *text;    /* what to do, or what the command's placeholders mean; or NULL */
	/* Why it is not needed for other kinds, and for other releases or clients; NULL: a default sentence. */
	const char *skip_kind, *skip_version;
	unsigned done;      /* signs, each of which means done; 0: there are none, so it must be marked */
	unsigned needed_by; /* signs that it is needed here, even if the guide skips it */
	bool markable;      /* can also be marked, because it may be done without a sign */
	bool last;          /* done only if all steps before it are done, too */
	bool in_turn;       /* useless before all steps before it are done */
};

/* Those of one procedure, in the guide's order. */
struct guide_steps {
	const struct guide_step *items;
	size_t count;
};
/* By enum guide_procedure. */
extern const struct guide_steps guide_steps[];

/* The command's words, each with its NUL, unquoted; those in capitals are placeholders for the administrator. */
void guide_words(const struct guide_node *node, const struct guide_step *step, struct text *out);

enum guide_state { GUIDE_DONE, GUIDE_NEXT, GUIDE_LATER, GUIDE_SKIP };
struct guide_line {
	const struct guide_step *step;
	enum guide_state state;
	int64_t marked;  /* when it was marked; 0: it was not */
	struct text why; /* why it is not needed, or what that depends on; may be empty */
};
struct guide_list {
	enum guide_procedure procedure;
	const struct guide_node *node; /* borrowed */
	struct guide_line *lines;      /* owned */
	size_t count;
	const struct guide_line *next; /* NULL: all are done */
};
#define GUIDE_LIST_AUTO __attribute__((cleanup(guide_list_done))) struct guide_list
void guide_list_done(struct guide_list *list);
/* Checks the server (guide_look) and makes the list. */
int guide_list_find(struct upgrade_run *run, const struct guide_node *node, enum guide_procedure procedure,
		    struct guide_list *ret_list, struct fault *f);

/* "next: ID: TITLE" and what to do, or that all steps are done. */
void guide_format_next(const struct guide_list *list, struct text *out);
/* The checklist, the next step first. */
void guide_format(const struct guide_list *list, struct text *out);
void guide_json(const struct guide_list *list, struct json *j);

#endif
