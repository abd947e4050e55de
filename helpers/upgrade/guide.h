/*
 * upgrade/guide: the procedures of Thales' integration guide as a checklist for one server.
 *
 * Promise: each procedure is a table of steps (guide_steps), in the guide's order.  Which of them this server needs
 * follows from its release of OKV, its client and its kind of system alone; whether one is done is looked at on the
 * server where it can be seen, through the checks of status (guide_look); what cannot be seen from here counts as done
 * when the administrator has said so (guide_mark), with the date.  The first step that is needed and not done is the
 * next one.  Nothing but a mark is ever written.  While the HSM does not answer, no step that restarts the server is
 * the next one: a step that asks the HSM stands before each of them.
 *
 * What is not known is said: a version is a range, and a step that hangs on the unknown part says on what it depends.
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

/* Versions are MAJOR * 100 + MINOR (okv_version_parse); known where both ends are the same. */
enum { GUIDE_ANY = 1000000 };
struct guide_range {
	unsigned least, most;
};

/* The systems of the guide, as bits; 0: not known. */
enum {
	GUIDE_NETWORK = 1 << 0,
	GUIDE_CLOUD_MIN = 1 << 1,
	GUIDE_CLOUD_FULL = 1 << 2,
	GUIDE_HYBRID = 1 << 3,
};

struct guide_node {
	const struct settings *settings; /* borrowed */
	struct guide_range okv, client;
	unsigned kind;         /* one of the systems, or 0 */
	bool ha;               /* an HA group of several HSMs */
	bool cluster;          /* upgrade: this server is a node of a cluster */
	bool bundle;           /* cluster: an existing one of several nodes, by hsmbundle */
	char host[65];         /* its host name, or CLIENT */
	struct text options;   /* what was said about this server, as it is typed: " --okv 21.5 --ha" */
	struct text described; /* "OKV 21.5 (--okv), Luna client 10.4 (detected), network (detected)" */
	struct text notes;     /* what is unknown or contradicts, one line each */
};
#define GUIDE_NODE_AUTO __attribute__((cleanup(guide_node_done))) struct guide_node
void guide_node_done(struct guide_node *node);
bool guide_is_v6(const struct guide_node *node);

/* What the administrator says about it; NULL, false: not said. */
struct guide_said {
	const char *okv, *client, *kind;
	bool ha, cluster, bundle;
};
/* FAULT_USAGE for a version that is none. */
int guide_node_find(int root, const struct settings *settings, const struct guide_said *said,
		    struct guide_node *ret_node, struct fault *f);

/* --- what can be seen of it --------------------------------------------------------------------------------------- */

/* Signs that a step is done, as bits. */
enum {
	GUIDE_CLIENT_THERE = 1 << 0, /* the client, its library and Chrystoki.conf */
	GUIDE_KEY = 1 << 1,          /* a client key in cert/client */
	GUIDE_SERVERS = 1 << 2,      /* an HSM is registered; two where this is HA */
	GUIDE_SECTIONS = 1 << 3,     /* XTC and REST in Chrystoki.conf */
	GUIDE_INSIDE = 1 << 4,       /* ... whose certificates lie in the client */
	GUIDE_SERVICE = 1 << 5,      /* the service's client was extracted, or its sections are merged already */
	GUIDE_SERVICE_GONE = 1 << 6, /* ... and what was extracted is deleted */
	GUIDE_HA_GROUP = 1 << 7,
	GUIDE_HA_ONLY = 1 << 8,
	GUIDE_SEEN = 1 << 9,     /* the library shows a partition to root */
	GUIDE_REACHED = 1 << 10, /* ... to OKV's user, whatever OKV's files say */
	GUIDE_SLOTS = 1 << 11,   /* ... by OKV's own rules */
	GUIDE_MODES = 1 << 12,   /* group, membership, owners and modes */
	GUIDE_RUNNING = 1 << 13, /* no process of OKV's user runs without the group */
	GUIDE_LACKING = 1 << 14, /* one does */
	GUIDE_WIRED = 1 << 15,
	GUIDE_BOOTED = 1 << 16,      /* the system was started after OKV's files were changed last */
	GUIDE_INITIALIZED = 1 << 17, /* a trace of OKV's says that it found its root key */
	GUIDE_IMAGE = 1 << 18,       /* the upgrade command is there */
	GUIDE_PREPARED = 1 << 19,    /* pre-upgrade has said go; then the upgrade has begun; then it is proven */
	GUIDE_BEGUN = 1 << 20,
	GUIDE_PROVEN = 1 << 21,
	GUIDE_CLEAN = 1 << 22, /* no bundle is left over */
	GUIDE_WELL = 1 << 23,  /* no check of status fails */
};
/* Asks the HSM; of what cannot be looked at there is no sign.  Of an upgrade counts what came after `since`. */
int guide_look(struct upgrade_run *run, const struct guide_node *node, int64_t since, unsigned *ret_signs,
	       struct fault *f);

/*
 * Writes down that the administrator has done a step.  The caller holds the lock.  FAULT_USAGE: no such step.
 * FAULT_REFUSED: one that is looked at, or not needed here.
 */
int guide_mark(int root, const struct guide_node *node, enum guide_procedure procedure, const char *id,
	       struct fault *f);
/* Forgets the procedure's marks; what lies before now does not count any more.  The caller holds the lock. */
int guide_begin(int root, enum guide_procedure procedure, struct fault *f);

/* Where the client of a cloud service is extracted beside a Luna client, until its sections are brought over. */
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
	const char *command; /* words; NULL: a sentence is all there is */
	const char *text;    /* what to do, or what the command's words stand for; NULL: nothing more */
	/* Why it is not needed for other kinds, and for other releases or clients; NULL: the plain words. */
	const char *skip_kind, *skip_version;
	unsigned done;         /* the signs of it, any of which will do; 0: cannot be seen from here */
	unsigned all_the_same; /* signs that it is needed here, though the guide skips it */
	bool said;             /* may be said to be done, too, where no sign shows */
	bool last;             /* done counts only when all before it is done */
	bool in_turn;          /* of no use before all before it is done, as asking the HSM */
};

/* Those of one procedure, in the guide's order. */
struct guide_steps {
	const struct guide_step *items;
	size_t count;
};
/* By enum guide_procedure. */
extern const struct guide_steps guide_steps[];

/* The command's words one by one, NUL-terminated, without quotes; one in capitals is for a person to fill in. */
void guide_words(const struct guide_node *node, const struct guide_step *step, struct text *out);

enum guide_state { GUIDE_DONE, GUIDE_NEXT, GUIDE_LATER, GUIDE_SKIP };
struct guide_line {
	const struct guide_step *step;
	enum guide_state state;
	int64_t marked;  /* when it was said to be done; 0: it was seen, or is not done */
	struct text why; /* why it is not needed, or what it depends on; may be empty */
};
struct guide_list {
	enum guide_procedure procedure;
	const struct guide_node *node; /* borrowed */
	struct guide_line *lines;      /* owned */
	size_t count;
	const struct guide_line *next; /* NULL: all is done */
};
#define GUIDE_LIST_AUTO __attribute__((cleanup(guide_list_done))) struct guide_list
void guide_list_done(struct guide_list *list);
/* Looks at the server, by the checks of that run. */
int guide_list_find(struct upgrade_run *run, const struct guide_node *node, enum guide_procedure procedure,
		    struct guide_list *ret_list, struct fault *f);

/* "next: ID: TITLE" and what to do there, or that all is done. */
void guide_format_next(const struct guide_list *list, struct text *out);
/* The checklist for people, the next step first, and the members of the JSON object of the command. */
void guide_format(const struct guide_list *list, struct text *out);
void guide_json(const struct guide_list *list, struct json *j);

#endif
