/*
 * hsm/network: can the servers that Chrystoki.conf names be reached, do they know this client and it them, and until
 * when do the certificates hold?
 *
 * Promise: every server (ServerNameNN and LNHServerNN of "LunaSA Client", ServerName of REST) is asked at the same
 * time, each by one handshake in a process of its own that is OKV's user (hsm/peer.h), and each gets a line: what was
 * found, and what to do.  Each certificate of the client, and each that its servers are known by, gets one, too; for
 * those nothing is asked and no library is needed.  No traffic but to those servers.  It is back HSM_NETWORK_REAP_MS
 * after the deadline at the latest.  Nothing is changed.
 *
 * What could not be tried is said, and is no yes.  A client that keeps its key encrypted (10.7.0 and later) cannot be
 * proven to be registered this way: the line says so, and who can tell.
 */
#ifndef OKV_HSM_NETWORK_H
#define OKV_HSM_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "conf/settings.h"
#include "hsm/servers.h"

enum { HSM_NETWORK_REAP_MS = 100, HSM_NETWORK_DAYS = 60, HSM_NETWORK_TIMEOUT_S = 10 };

enum hsm_network_level { HSM_NETWORK_OK, HSM_NETWORK_WARN, HSM_NETWORK_FAIL };

enum hsm_network_part { HSM_NETWORK_SERVERS = 1, HSM_NETWORK_CERTIFICATES = 2 };

struct hsm_network_question {
	int root;
	const struct settings *settings;
	const char *server; /* only this one; NULL: all */
	unsigned timeout_ms;
	unsigned days;  /* a certificate that ends within so many is a warning */
	unsigned parts; /* of enum hsm_network_part; 0: no more than which servers there are */
};

struct hsm_network_line {
	enum hsm_network_level level;
	const char *word;                /* for scripts: "refused" */
	const struct hsm_server *server; /* NULL: a certificate's line */
	struct text subject;             /* "server hsm1:1792 (ServerName00)", made printable */
	struct text sentence;            /* "..." without a full stop */
	struct text remedy;              /* a command, a sentence, or empty */
	int64_t ends;                    /* of a certificate; 0: not known */
};

/* Starts as { 0 }. */
struct hsm_network {
	struct hsm_servers servers;
	struct hsm_server *asked; /* of them: the first, or the one that was named */
	size_t asked_count;
	struct hsm_network_line *lines; /* owned; servers first, then certificates, in the order of the file */
	size_t line_count;
};

#define HSM_NETWORK_AUTO __attribute__((cleanup(hsm_network_done))) struct hsm_network

void hsm_network_done(struct hsm_network *network);
/*
 * 0: a line for each that was asked, whatever it says.  FAULT_ABSENT: no Chrystoki.conf, or no libssl.  FAULT_NEGATIVE:
 * Chrystoki.conf names no server.  FAULT_USAGE: `server` is none of them.  FAULT_SYSTEM: no process is to be had.
 */
int hsm_network_ask(const struct hsm_network_question *question, struct hsm_network *ret_network, struct fault *f);
/* The lines for people, and the arrays "servers" and "certificates" of the object that is open. */
void hsm_network_text(const struct hsm_network *network, struct text *out);
void hsm_network_json(const struct hsm_network *network, struct json *j);
/* Is it about a file of the client, which other checks see too? */
bool hsm_network_is_of_file(const struct hsm_network_line *line);
/* How many lines have that level. */
size_t hsm_network_count(const struct hsm_network *network, enum hsm_network_level level);

#endif
