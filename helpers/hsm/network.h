/*
 * hsm/network: checks whether the servers in Chrystoki.conf can be reached, whether they and this client accept each
 * other, and when the certificates expire.
 *
 * Promise: makes one TLS handshake with every server (ServerNameNN and LNHServerNN of "LunaSA Client", ServerName of
 * REST), all at the same time, each in its own process as OKV's user (hsm/peer.h); each gets a line with the result and
 * the remedy.  Each certificate of the client and of its servers gets a line, too; that needs neither traffic nor a
 * library.  There is no other traffic.  Returns at most HSM_NETWORK_REAP_MS after the deadline.  Nothing is changed.
 *
 * What could not be tried is reported as such, never as OK.  If the client's key is encrypted (10.7.0 and later) this
 * cannot prove that the client is registered: the line says so, and names the command that can.
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
	unsigned days;  /* warn of certificates that expire within so many days */
	unsigned parts; /* of enum hsm_network_part; 0: only list the servers */
};

struct hsm_network_line {
	enum hsm_network_level level;
	const char *word;                /* for scripts: "refused" */
	const struct hsm_server *server; /* NULL: a certificate's line */
	struct text subject;             /* "server hsm1:1792 (ServerName00)", made printable */
	struct text sentence;            /* without a full stop */
	struct text remedy;              /* a command, a sentence, or empty */
	int64_t ends;                    /* when the certificate expires; 0: unknown */
};

/* Starts as { 0 }. */
struct hsm_network {
	struct hsm_servers servers;
	struct hsm_server *asked; /* the first of them, or the one that question->server names */
	size_t asked_count;
	struct hsm_network_line *lines; /* owned; servers first, then certificates, in the order of the file */
	size_t line_count;
};

#define HSM_NETWORK_AUTO __attribute__((cleanup(hsm_network_done))) struct hsm_network

void hsm_network_done(struct hsm_network *network);
/*
 * 0: there is a line for each server asked, good or bad.  FAULT_ABSENT: no Chrystoki.conf, or no libssl.
 * FAULT_NEGATIVE: Chrystoki.conf names no server.  FAULT_USAGE: `server` is not among them.  FAULT_SYSTEM: cannot start
 * a process.
 */
int hsm_network_ask(const struct hsm_network_question *question, struct hsm_network *ret_network, struct fault *f);
/* The lines as text, and as arrays "servers" and "certificates" of the open object. */
void hsm_network_text(const struct hsm_network *network, struct text *out);
void hsm_network_json(const struct hsm_network *network, struct json *j);
/* Is the line about a file of the client, which other checks report, too? */
bool hsm_network_is_of_file(const struct hsm_network_line *line);
/* The number of lines with that level. */
size_t hsm_network_count(const struct hsm_network *network, enum hsm_network_level level);

#endif
