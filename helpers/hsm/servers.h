/*
 * hsm/servers: the servers that Chrystoki.conf names, with the certificates and keys for them.
 *
 * Promise: ServerNameNN, then LNHServerNN (of an appliance cluster, each with its own files) of "LunaSA Client", then
 * ServerName of REST (the cloud service, to which the client presents no certificate), which newer clients have in
 * PartitionData00.  Empty names are skipped.  The default port is 1792, for REST 443.
 */
#ifndef OKV_HSM_SERVERS_H
#define OKV_HSM_SERVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "conf/chrystoki.h"
#include "hsm/peer.h"

/* Remedies for a client's certificate that is not valid today; the first is a format for the client's directory. */
#define HSM_RENEW_CERTIFICATE "make a new one with %s/bin/vtl createCert -n NAME, and register the client with it"
#define HSM_CORRECT_CLOCK     "correct this machine's clock, or make a new certificate"

struct hsm_server {
	char *entry; /* "ServerName00"; owned, like the other strings */
	char *name, *port;
	char *certificate, *key, *authorities; /* paths; "": none */
	bool web;                              /* it speaks HTTP */
	struct hsm_peer peer;                  /* result of its handshake (hsm/network.h) */
};

/* Starts as { 0 }. */
struct hsm_servers {
	struct hsm_server *items; /* owned */
	size_t count;
};

#define HSM_SERVERS_AUTO __attribute__((cleanup(hsm_servers_done))) struct hsm_servers

void hsm_servers_done(struct hsm_servers *servers);
/* Fails only without memory.  Call chrystoki_split_partition first: PartitionData00 itself is not searched. */
int hsm_servers_find(const struct chrystoki *conf, struct hsm_servers *ret_servers, struct fault *f);

#endif
