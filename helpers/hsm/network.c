#include "hsm/network.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"
#include "conf/chrystoki.h"
#include "conf/finding.h"
#include "conf/pem.h"
#include "fs/read.h"
#include "proc/child.h"

enum { DAY_S = 86400, CLOCK_MOST_S = 300 };

/* The state of one run. */
struct asking {
	const struct hsm_network_question *question;
	struct chrystoki conf;
	struct hsm_network network;
	struct hsm_network_line spare; /* written to if there is no memory for a line */
	bool failed;                   /* out of memory; reported at the end */
	int64_t now;
};

static void line_done(struct hsm_network_line *line)
{
	text_done(&line->subject);
	text_done(&line->sentence);
	text_done(&line->remedy);
}

void hsm_network_done(struct hsm_network *network)
{
	hsm_servers_done(&network->servers);
	for (size_t i = 0; i < network->line_count; i++)
		line_done(&network->lines[i]);
	free(network->lines);
	*network = (struct hsm_network){ 0 };
}

static void asking_done(struct asking *a)
{
	chrystoki_done(&a->conf);
	hsm_network_done(&a->network);
	line_done(&a->spare);
}
#define ASKING_AUTO __attribute__((cleanup(asking_done))) struct asking

/* --- the servers to ask ------------------------------------------------------------------------------------------- */

static int find(struct asking *a, struct fault *f)
{
	const char *path = a->question->settings->chrystoki_conf, *wanted = a->question->server;
	struct hsm_servers *servers = &a->network.servers;
	TEXT_SECRET_AUTO bytes = { 0 };
	TEXT_AUTO names = { 0 };
	struct fault ignored = { 0 };
	size_t which = 0;

	a->now = time_now();
	if (fs_read_config(a->question->root, path, &bytes, f) < 0 ||
	    chrystoki_parse(&a->conf, text_string(&bytes), bytes.length, f) < 0)
		return -1;
	(void)chrystoki_split_partition(&a->conf, &ignored);
	if (hsm_servers_find(&a->conf, servers, f) < 0)
		return -1;
	if (servers->count == 0)
		return fault_negative(f, "'%s' names no server: no ServerName00, no LNHServer00, no ServerName in REST",
				      SHOWN(path));
	for (; wanted != NULL && which < servers->count && strcmp(servers->items[which].name, wanted) != 0; which++)
		text_add_format(&names, "%s%s", which > 0 ? ", " : "", servers->items[which].name);
	if (which == servers->count)
		return fault_usage(f, "'%s' is not a server of '%s', which names: %s", SHOWN(wanted), SHOWN(path),
				   SHOWN(text_string(&names)));
	a->network.asked = &servers->items[which];
	a->network.asked_count = wanted != NULL ? 1 : servers->count;
	return 0;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static struct hsm_network_line *line_add(struct asking *a)
{
	struct hsm_network *n = &a->network;
	struct hsm_network_line *line = &a->spare;

	line_done(line);
	if (ARRAY_GROW(n->lines, n->line_count))
		line = &n->lines[n->line_count++];
	else
		a->failed = true;
	*line = (struct hsm_network_line){ .level = HSM_NETWORK_OK, .word = "ok" };
	return line;
}

static struct text *line_set(struct hsm_network_line *line, enum hsm_network_level level, const char *word)
{
	line->level = level;
	line->word = word;
	return &line->sentence;
}

/* Set a line's level, word and sentence, once; and its remedy.  Formats as printf(3). */
#define SAY(line, level_, word_, ...) text_add_format(line_set((line), (level_), (word_)), __VA_ARGS__)
#define FIX(line, ...)                text_add_format(&(line)->remedy, __VA_ARGS__)

/* --- the result of a handshake ------------------------------------------------------------------------------------ */

#define ASK_FOR_LOG      "ask the HSM's administrator for its log"
#define TAKE_CLOUD_FILES "download the service client of the cloud console again, and take its files"

/* What to do at the server: nobody but its operator can do anything at a cloud service. */
static const char *at_server(const struct hsm_server *server, const char *at_hsm)
{
	return server->web ? "ask the operator of the service, or of the proxy in front of it" : at_hsm;
}

enum alert_remedy { ALERT_ASK, ALERT_REGISTER, ALERT_RENEW, ALERT_CLOCK };

static const struct alert {
	int number;
	const char *name, *means;
	enum alert_remedy remedy;
} alerts[] = {
	{ 40, "handshake failure", "it found no TLS settings in common, or requires a certificate that it knows",
	  ALERT_ASK },
	{ 42, "bad certificate", "it does not accept this client's certificate", ALERT_REGISTER },
	{ 43, "unsupported certificate", "it does not support this client's certificate", ALERT_RENEW },
	{ 44, "certificate revoked", "this client's certificate was revoked there", ALERT_RENEW },
	{ 45, "certificate expired", "this client's certificate has expired by its clock", ALERT_CLOCK },
	{ 46, "certificate unknown", "it does not accept this client's certificate", ALERT_REGISTER },
	{ 48, "unknown ca", "this client is not registered there", ALERT_REGISTER },
	{ 49, "access denied", "it knows this client, but denies it access", ALERT_REGISTER },
	{ 51, "decrypt error", "it says that this client's key and certificate do not match", ALERT_ASK },
	{ 70, "protocol version", "it supports no version of TLS that this system's OpenSSL supports", ALERT_ASK },
	{ 71, "insufficient security", "it requires stronger ciphers than this system's OpenSSL offers", ALERT_ASK },
	{ 80, "internal error", "it has an internal error", ALERT_ASK },
	{ 112, "unrecognized name", "it does not answer to that name", ALERT_ASK },
	{ 116, "certificate required", "it requires a client certificate", ALERT_ASK },
};

static void alert_fix(struct hsm_network_line *line, const struct asking *a, const struct hsm_server *server,
		      enum alert_remedy remedy)
{
	const char *client = a->question->settings->client_dir;

	if (server->web || remedy == ALERT_ASK)
		FIX(line, "%s", at_server(server, ASK_FOR_LOG));
	else if (remedy == ALERT_REGISTER)
		FIX(line,
		    "on the HSM: client register with this client's certificate '%s', then client assignPartition",
		    SHOWN(server->certificate));
	else
		FIX(line, "%s" HSM_RENEW_CERTIFICATE,
		    remedy == ALERT_CLOCK ? "correct the HSM's clock; if it is right, " : "", client);
}

static void alert_report(struct hsm_network_line *line, const struct asking *a, const struct hsm_server *server)
{
	const int number = server->peer.alert;
	const struct alert *alert = alerts;

	/* With an encrypted key we send no certificate, and a server that requires one ends the handshake. */
	if (server->certificate[0] != '\0' && server->peer.presented == 0 &&
	    (number == 40 || number == 116 || number == 42))
		return;
	while (alert < alerts + sizeof(alerts) / sizeof(alerts[0]) && alert->number != number)
		alert++;
	if (alert == alerts + sizeof(alerts) / sizeof(alerts[0])) {
		SAY(line, HSM_NETWORK_FAIL, "alert", "it ended the handshake with alert %d", number);
		alert_fix(line, a, server, ALERT_ASK);
		return;
	}
	SAY(line, HSM_NETWORK_FAIL, number == 48 ? "not-registered" : "alert",
	    "it ended the handshake with alert '%s': %s", alert->name, alert->means);
	alert_fix(line, a, server, alert->remedy);
}

/* Reports a failure before the end of the handshake, except a missing certificate of ours (see alert_report). */
static void failure_report(struct hsm_network_line *line, const struct asking *a, const struct hsm_server *server)
{
	const struct hsm_peer *peer = &server->peer;
	const char *name = SHOWN(server->name), *port = SHOWN(server->port), *address = SHOWN(peer->address);
	const enum hsm_peer_stage stage = peer->stage;

	switch (stage) {
	case HSM_PEER_RESOLVING:
	case HSM_PEER_UNRESOLVED:
		SAY(line, HSM_NETWORK_FAIL, "unresolved", "its name has no address%s%s",
		    stage == HSM_PEER_UNRESOLVED ? ": " : ": no DNS server answered in time", SHOWN(peer->detail));
		FIX(line,
		    "add '%s' to this machine's DNS server, or to /etc/hosts; to see which server it uses: "
		    "cat /etc/resolv.conf",
		    name);
		return;
	case HSM_PEER_CONNECTING:
	case HSM_PEER_NO_ANSWER:
		SAY(line, HSM_NETWORK_FAIL, "no-answer",
		    "no answer from %s: a firewall drops the packets, or the server is off", address);
		FIX(line, "allow this machine to reach port %s of %s in the firewalls between them; is the server up?",
		    port, address);
		return;
	case HSM_PEER_REFUSED:
		SAY(line, HSM_NETWORK_FAIL, "refused", "%s refuses the connection: nothing listens on port %s there",
		    address, port);
		FIX(line, "%s",
		    at_server(server, "on the HSM: service restart ntls; and compare the port in Chrystoki.conf"));
		return;
	case HSM_PEER_UNREACHABLE:
		SAY(line, HSM_NETWORK_FAIL, "unreachable", "%s cannot be reached: %s", address,
		    fault_errno_text(peer->errnum));
		FIX(line, "repair the route to %s; to see it: ip route get %s", address, address);
		return;
	case HSM_PEER_HANDSHAKE:
		SAY(line, HSM_NETWORK_FAIL, "silent", "port %s is open, and the handshake did not finish in time",
		    port);
		FIX(line, "%s", at_server(server, "on the HSM: service restart ntls"));
		return;
	case HSM_PEER_RESET:
	case HSM_PEER_CLOSED:
		SAY(line, HSM_NETWORK_FAIL, stage == HSM_PEER_RESET ? "reset" : "closed",
		    "it %s the connection during the handshake%s", stage == HSM_PEER_RESET ? "reset" : "closed",
		    server->web ? "" : ": it does not know this client, or the clocks differ");
		FIX(line, "%s",
		    at_server(server, "on the HSM: compare its clock with this machine's, and see with client list "
				      "whether this client is registered"));
		return;
	case HSM_PEER_NOT_TLS:
		SAY(line, HSM_NETWORK_FAIL, "not-tls", "what listens on port %s does not speak TLS", port);
		FIX(line, "compare the port in Chrystoki.conf with the server's");
		return;
	case HSM_PEER_ALERT:
		alert_report(line, a, server);
		return;
	case HSM_PEER_FAULT:
		SAY(line, HSM_NETWORK_FAIL, "not-tried", "not tried: %s", peer->fault.text);
		/* What the user may not read, or what the files and entries are. */
		FIX(line, "to see why: okv-luna %s", peer->fault.kind == FAULT_SYSTEM ? "slots" : "config check");
		return;
	case HSM_PEER_AGREED:
		return;
	case HSM_PEER_FAILED:
	case HSM_PEER_NO_LIBRARY:
		break;
	}
	SAY(line, HSM_NETWORK_FAIL, "handshake", "the handshake failed: %s", SHOWN(peer->detail));
	FIX(line, "%s", at_server(server, ASK_FOR_LOG));
}

/* Reports what is wrong with the server's certificate, even if the handshake failed. */
static void certificate_report(struct hsm_network_line *line, const struct asking *a, const struct hsm_server *server)
{
	const struct hsm_peer *peer = &server->peer;
	const struct pem_certificate *c = &peer->certificate;
	const char *client = a->question->settings->client_dir, *name = SHOWN(server->name);
	const bool agreed = peer->stage == HSM_PEER_AGREED, named = server->authorities[0] != '\0';
	char stamp[TIME_STAMP_SIZE];

	line->ends = c->ends;
	if (c->begins > a->now) {
		SAY(line, HSM_NETWORK_FAIL, "clock",
		    "its certificate is not valid before %s: this machine's clock is behind, or the HSM's was ahead",
		    time_day(c->begins, stamp));
		FIX(line, "correct the clock that is wrong; if it was the HSM's, make its certificate again");
	} else if (c->ends < a->now) {
		SAY(line, HSM_NETWORK_FAIL, "expired", "its certificate expired on %s", time_day(c->ends, stamp));
		FIX(line, server->web ? "ask the operator of the service"
				      : "on the HSM: sysconf regenCert, then add its new server certificate here and "
					"restart NTLS");
	} else if (peer->trust == HSM_PEER_UNTRUSTED) {
		SAY(line, HSM_NETWORK_FAIL, "unknown-server",
		    named ? "its certificate ('%s') is not the one in '%s', nor signed by one there%s%s"
			  : "its certificate ('%s') cannot be checked: %s no file of authorities%s%s",
		    SHOWN(c->name), named ? SHOWN(server->authorities) : "Chrystoki.conf names",
		    peer->detail[0] != '\0' && agreed ? ": " : "", agreed ? SHOWN(peer->detail) : "");
		if (server->web)
			FIX(line, TAKE_CLOUD_FILES);
		else
			FIX(line,
			    "fetch the server's certificate from the HSM as server.pem, then: %s/bin/vtl deleteServer "
			    "-n %s; %s/bin/vtl addServer -n %s -c server.pem",
			    client, name, client, name);
	}
}

/* The line of a server without a failure: a warning, or OK. */
static void agreed_report(struct hsm_network_line *line, const struct asking *a, const struct hsm_server *server)
{
	const struct hsm_peer *peer = &server->peer;
	const struct pem_certificate *c = &peer->certificate;
	const int64_t apart = peer->clock_ahead < 0 ? -peer->clock_ahead : peer->clock_ahead;
	char stamp[TIME_STAMP_SIZE];

	if (peer->clock_known == 1 && apart > CLOCK_MOST_S) {
		SAY(line, HSM_NETWORK_WARN, "clock", "its clock is %lld s %s this machine's", (long long)apart,
		    peer->clock_ahead > 0 ? "ahead of" : "behind");
		FIX(line, "synchronise both clocks with the same time server");
	} else if (server->certificate[0] != '\0' && peer->presented == 0) {
		SAY(line, HSM_NETWORK_WARN, "not-checked",
		    "it answers and its certificate is the right one; whether this client is registered was not "
		    "checked, since its key is encrypted");
		FIX(line, "%s/bin/vtl verify", a->question->settings->client_dir);
	} else if (peer->certified == 1 && c->ends - a->now < (int64_t)a->question->days * DAY_S) {
		SAY(line, HSM_NETWORK_WARN, "expires", "its certificate expires in %lld days, on %s",
		    (long long)((c->ends - a->now) / DAY_S), time_day(c->ends, stamp));
		FIX(line, "%s", at_server(server, "plan its renewal with the HSM's administrator"));
	} else {
		SAY(line, HSM_NETWORK_OK, "ok", "%s, %s, certificate '%s' %s, until %s", SHOWN(peer->address),
		    SHOWN(peer->protocol), SHOWN(c->name),
		    peer->trust == HSM_PEER_SAME ? "as in the file of authorities" : "signed by a known authority",
		    time_day(c->ends, stamp));
	}
}

static void server_line(struct asking *a, const struct hsm_server *server)
{
	struct hsm_network_line *line = line_add(a);

	line->server = server;
	text_add_format(&line->subject, "server %s:%s (%s)", SHOWN(server->name), SHOWN(server->port), server->entry);
	/* The server's complaint about us comes first, then our complaint about its certificate. */
	failure_report(line, a, server);
	if (server->peer.certified == 1 && line->level != HSM_NETWORK_FAIL)
		certificate_report(line, a, server);
	if (line->level != HSM_NETWORK_FAIL)
		agreed_report(line, a, server);
}

/* --- the handshakes ----------------------------------------------------------------------------------------------- */

static enum proc_child_answer on_message(void *listener, const struct proc_message *message)
{
	struct hsm_server *server = listener;
	struct hsm_peer *peer = &server->peer;

	if (message->kind != HSM_PEER_MESSAGE || message->length != sizeof(*peer))
		return PROC_CHILD_GARBLED;
	memcpy(peer, message->bytes, sizeof(*peer));
	peer->address[sizeof(peer->address) - 1] = '\0';
	peer->protocol[sizeof(peer->protocol) - 1] = '\0';
	peer->detail[sizeof(peer->detail) - 1] = '\0';
	peer->certificate.name[sizeof(peer->certificate.name) - 1] = '\0';
	peer->fault.text[sizeof(peer->fault.text) - 1] = '\0';
	return PROC_CHILD_MORE;
}

static int outcome_evaluate(struct hsm_server *server, struct proc_outcome *outcome, struct fault *f)
{
	if (outcome->fault.kind != FAULT_NONE) {
		*f = outcome->fault;
		return -1;
	}
	if (server->peer.stage == HSM_PEER_NO_LIBRARY) {
		*f = server->peer.fault;
		return -1;
	}
	if (!outcome->late && (outcome->status != 0 || outcome->garbled)) {
		server->peer.stage = HSM_PEER_FAULT;
		(void)fault_system(&server->peer.fault, 0, "the process that asks it ended unexpectedly (%d)",
				   outcome->status);
	}
	return 0;
}

/* Asks up to PROC_CHILDREN_MAX servers at the same time. */
static int batch_ask(struct asking *a, struct hsm_server *servers, size_t count, struct fault *f)
{
	struct proc_child children[PROC_CHILDREN_MAX] = { { .pid = 0 } };
	struct proc_child *pointers[PROC_CHILDREN_MAX];
	char program[PATH_MAX], timeout[16];
	int r = 0;

	proc_child_program("okv-luna-handshake", program);
	(void)snprintf(timeout, sizeof(timeout), "%u", a->question->timeout_ms);
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct hsm_server *server = &servers[i];
		const struct proc_child_options options = {
			.argv = (const char *const[]){ program, a->question->settings->okv_user, server->name,
						       server->port, timeout, server->certificate, server->key,
						       server->authorities, server->web ? "web" : "ntls", NULL },
			.what = "okv-luna-handshake",
			.worker = true,
			.on_message = on_message,
			.listener = &servers[i],
			.root = a->question->root,
			.input = -1,
			.deadline_ms = a->question->timeout_ms + HSM_NETWORK_REAP_MS,
		};
		pointers[i] = &children[i];
		r = proc_child_start(&options, &children[i], f);
		count = r == 0 ? count : i;
	}
	for (size_t left = count; r == 0 && left > 0; left--) {
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		size_t which;
		r = proc_child_wait(pointers, count, &which, &outcome, f);
		if (r == 0)
			r = outcome_evaluate(&servers[which], &outcome, f);
		proc_outcome_done(&outcome);
	}
	for (size_t i = 0; i < count; i++)
		proc_child_kill(&children[i]);
	return r;
}

static int servers_ask(struct asking *a, struct fault *f)
{
	struct hsm_server *servers = a->network.asked;

	for (size_t at = 0; at < a->network.asked_count; at += PROC_CHILDREN_MAX) {
		const size_t left = a->network.asked_count - at;
		if (batch_ask(a, servers + at, left < PROC_CHILDREN_MAX ? left : PROC_CHILDREN_MAX, f) < 0)
			return -1;
	}
	for (size_t i = 0; i < a->network.asked_count; i++)
		server_line(a, &servers[i]);
	return 0;
}

/* --- certificates ------------------------------------------------------------------------------------------------- */

/* A file with certificates, and its role. */
struct certificate_file {
	const char *path, *key; /* `key`: path of the private key that belongs to it, or "" */
	const char *entry;
	bool authorities;
	bool is_cloud;
	bool proven; /* every server whose certificate it checks has just passed */
};

static void renewal_fix(struct hsm_network_line *line, const struct asking *a, const struct certificate_file *file)
{
	const char *client = a->question->settings->client_dir;

	if (file->is_cloud)
		FIX(line, TAKE_CLOUD_FILES);
	else if (file->authorities)
		FIX(line,
		    "fetch that server's new certificate from the HSM, then: %s/bin/vtl addServer -n NAME -c FILE",
		    client);
	else
		FIX(line, HSM_RENEW_CERTIFICATE, client);
}

/* Does the file also hold a valid certificate with the same name?  Then the old one was renewed but not removed. */
static bool is_renewed(const struct text *bytes, const struct pem_certificate *old, int64_t now)
{
	TEXT_AUTO der = { 0 };
	struct pem_certificate c;

	for (size_t at = 0; pem_certificate_next(text_string(bytes), bytes->length, &at, &der);)
		if (pem_certificate_read(der.bytes, der.length, &c) && strcmp(c.name, old->name) == 0 &&
		    c.begins <= now && c.ends > now)
			return true;
	return false;
}

static void validity_line(struct asking *a, const struct certificate_file *file, const struct text *bytes,
			  const struct pem_certificate *c)
{
	struct hsm_network_line *line = line_add(a);
	const int64_t left = c->ends - a->now;
	char stamp[TIME_STAMP_SIZE];

	line->ends = c->ends;
	text_add_format(&line->subject, "certificate '%s' of '%s' (%s)", SHOWN(c->name), SHOWN(file->path),
			file->entry);
	if (left < 0 && file->authorities && (file->proven || is_renewed(bytes, c, a->now))) {
		SAY(line, HSM_NETWORK_WARN, "old", "expired on %s, and no server needs it", time_day(c->ends, stamp));
		FIX(line, "it can be removed from the file");
	} else if (left < 0) {
		SAY(line, HSM_NETWORK_FAIL, file->authorities ? "authority-expired" : "expired", "expired on %s",
		    time_day(c->ends, stamp));
		renewal_fix(line, a, file);
	} else if (c->begins > a->now) {
		SAY(line, HSM_NETWORK_FAIL, "clock", "is not valid before %s", time_day(c->begins, stamp));
		FIX(line, HSM_CORRECT_CLOCK);
	} else if (left < (int64_t)a->question->days * DAY_S) {
		SAY(line, HSM_NETWORK_WARN, "expires", "expires in %lld days, on %s", (long long)(left / DAY_S),
		    time_day(c->ends, stamp));
		renewal_fix(line, a, file);
	} else {
		SAY(line, HSM_NETWORK_OK, "ok", "is valid until %s", time_day(c->ends, stamp));
	}
}

static const char see_config[] = "to see why: okv-luna config check";

static void file_fail(struct asking *a, const struct certificate_file *file, const char *word, const char *sentence,
		      const char *remedy)
{
	struct hsm_network_line *line = line_add(a);

	text_add_format(&line->subject, "certificate file '%s' (%s)", SHOWN(file->path), file->entry);
	SAY(line, HSM_NETWORK_FAIL, word, "%s", sentence);
	FIX(line, "%s", remedy);
}

static void pair_line(struct asking *a, const struct certificate_file *file, const struct text *bytes)
{
	TEXT_SECRET_AUTO key_bytes = { 0 };
	PEM_AUTO certificate = { .cut = false };
	PEM_AUTO key = { .cut = false };
	struct fault ignored = { 0 };

	/* `config check` and the handshake report what is wrong with the key alone. */
	if (file->key[0] == '\0' || fs_read_linked(a->question->root, file->key, &key_bytes, &ignored) < 0)
		return;
	/* Fails only without memory. */
	if (pem_read(&certificate, text_string(bytes), bytes->length, PEM_CERTIFICATE, &ignored) < 0 ||
	    pem_read(&key, text_string(&key_bytes), key_bytes.length, PEM_KEY, &ignored) < 0)
		a->failed = true;
	else if (key.public_part.length > 0 && certificate.public_part.length > 0 &&
		 !text_same(&key.public_part, &certificate.public_part))
		file_fail(a, file, "pair", "does not belong to the client's private key", see_config);
}

static void file_lines(struct asking *a, const struct certificate_file *file)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO der = { 0 };
	struct pem_certificate c;
	struct fault why = { 0 };
	size_t count = 0;

	if (fs_read_linked(a->question->root, file->path, &bytes, &why) < 0) {
		file_fail(a, file, "unreadable", why.text, see_config);
		return;
	}
	for (size_t at = 0; pem_certificate_next(text_string(&bytes), bytes.length, &at, &der);) {
		if (!pem_certificate_read(der.bytes, der.length, &c))
			continue;
		count++;
		validity_line(a, file, &bytes, &c);
	}
	if (count == 0)
		file_fail(a, file, "no-certificate", "holds no certificate that can be read",
			  "copy it again from where it came from: the HSM, or the archive of the cloud service");
	else if (!file->authorities)
		pair_line(a, file, &bytes);
}

/* Reports each file once, however many entries name it. */
static void file_once(struct asking *a, struct certificate_file file, struct text *seen)
{
	TEXT_AUTO mark = { 0 };

	text_add_format(&mark, "\n%s\n", file.path);
	a->failed = a->failed || mark.failed;
	if (file.path[0] != '/' || strstr(text_string(seen), text_string(&mark)) != NULL)
		return;
	text_add(seen, mark.bytes, mark.length);
	file_lines(a, &file);
}

static bool is_proven(const struct asking *a, const char *authorities)
{
	const struct hsm_servers *servers = &a->network.servers;
	bool proven = false;

	/* Then the other servers were not asked. */
	if (a->question->server != NULL)
		return false;
	for (size_t i = 0; i < servers->count; i++)
		if (strcmp(servers->items[i].authorities, authorities) == 0) {
			if (servers->items[i].peer.trust == HSM_PEER_UNTRUSTED)
				return false;
			proven = true;
		}
	return proven;
}

static int certificates_find(struct asking *a, struct fault *f)
{
	static const char *const cloud[] = { "PartitionCAPath", "PartitionCertPath00" };
	TEXT_AUTO seen = { 0 };

	for (size_t i = 0; i < a->network.asked_count; i++) {
		const struct hsm_server *s = &a->network.asked[i];
		const bool cluster = s->entry[0] == 'L';
		const struct certificate_file ours = { .path = s->certificate,
						       .key = s->key,
						       .entry = cluster ? "LNHServerClientCert" : "ClientCertFile" };
		const struct certificate_file theirs = { .path = s->authorities,
							 .key = "",
							 .entry = s->web    ? "SSLClientSideVerifyFile"
								  : cluster ? "LNHServerCAFile"
									    : "ServerCAFile",
							 .authorities = true,
							 .is_cloud = s->web,
							 .proven = is_proven(a, s->authorities) };
		file_once(a, ours, &seen);
		file_once(a, theirs, &seen);
	}
	for (size_t i = 0; i < sizeof(cloud) / sizeof(cloud[0]); i++) {
		struct certificate_file file = { .key = "", .entry = cloud[i], .is_cloud = true };
		char *path;
		if (chrystoki_get(&a->conf, "XTC", cloud[i], &path, f) < 0)
			return -1;
		file.path = path != NULL ? path : "";
		file_once(a, file, &seen);
		free(path);
	}
	return text_check(&seen, f);
}

/* --- the whole run ------------------------------------------------------------------------------------------------ */

int hsm_network_ask(const struct hsm_network_question *question, struct hsm_network *ret_network, struct fault *f)
{
	ASKING_AUTO a = { .question = question };

	if (find(&a, f) < 0 || ((question->parts & HSM_NETWORK_SERVERS) != 0 && servers_ask(&a, f) < 0) ||
	    ((question->parts & HSM_NETWORK_CERTIFICATES) != 0 && certificates_find(&a, f) < 0))
		return -1;
	for (size_t i = 0; i < a.network.line_count; i++) {
		const struct hsm_network_line *line = &a.network.lines[i];
		a.failed = a.failed || line->subject.failed || line->sentence.failed || line->remedy.failed;
	}
	if (a.failed)
		return fault_memory(f);
	*ret_network = a.network;
	a.network = (struct hsm_network){ 0 };
	return 0;
}

bool hsm_network_is_of_file(const struct hsm_network_line *line)
{
	static const char *const words[] = { "not-tried", "unreadable", "no-certificate", "pair", NULL };

	return text_is_one_of(line->word, strlen(line->word), words);
}

size_t hsm_network_count(const struct hsm_network *network, enum hsm_network_level level)
{
	size_t count = 0;

	for (size_t i = 0; i < network->line_count; i++)
		count += network->lines[i].level == level;
	return count;
}

static const char *const level_words[] = { "OK", "WARN", "FAIL" };

void hsm_network_text(const struct hsm_network *network, struct text *out)
{
	for (size_t i = 0; i < network->line_count; i++) {
		const struct hsm_network_line *line = &network->lines[i];
		text_add_format(out, "%-4s  %s: %s\n", level_words[line->level], text_string(&line->subject),
				text_string(&line->sentence));
		if (line->remedy.length > 0)
			text_add_format(out, "      %s%s\n",
					finding_remedy_is_command(text_string(&line->remedy)) ? "fix: " : "",
					text_string(&line->remedy));
	}
}

static void line_json(const struct hsm_network_line *line, struct json *j)
{
	static const char *const levels[] = { "ok", "warn", "fail" };
	char stamp[TIME_STAMP_SIZE];

	json_object_begin(j, NULL);
	json_string(j, "state", levels[line->level]);
	json_string(j, "word", line->word);
	json_string(j, "subject", text_string(&line->subject));
	json_string(j, "text", text_string(&line->sentence));
	if (line->remedy.length > 0)
		json_string(j, "fix", text_string(&line->remedy));
	if (line->ends != 0) {
		time_format(line->ends, stamp);
		json_string(j, "ends", stamp);
	}
	if (line->server != NULL) {
		const struct hsm_peer *peer = &line->server->peer;
		json_string(j, "server", line->server->name);
		json_string(j, "port", line->server->port);
		json_string(j, "entry", line->server->entry);
		if (peer->address[0] != '\0')
			json_string(j, "address", peer->address);
		if (peer->protocol[0] != '\0')
			json_string(j, "protocol", peer->protocol);
		if (peer->clock_known == 1)
			json_number(j, "clock_ahead_s", peer->clock_ahead);
	}
	json_object_end(j);
}

void hsm_network_json(const struct hsm_network *network, struct json *j)
{
	for (int certificates = 0; certificates < 2; certificates++) {
		json_array_begin(j, certificates ? "certificates" : "servers");
		for (size_t i = 0; i < network->line_count; i++)
			if ((network->lines[i].server == NULL) == certificates)
				line_json(&network->lines[i], j);
		json_array_end(j);
	}
}
