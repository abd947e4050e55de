/*
 * hsm/servers: the servers that Chrystoki.conf names, and the files by which the client and they know each other.
 *
 * Promise: ServerNameNN, then LNHServerNN (an appliance cluster's, each with files of its own) of "LunaSA Client", then
 * ServerName of REST (the cloud service, to which the client shows no certificate); also where the cloud's newer files
 * have it in PartitionData00.  An empty name is none.  Where the file has no port it is 1792, and 443 of REST.
 */
#ifndef OKV_HSM_SERVERS_H
#define OKV_HSM_SERVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "conf/chrystoki.h"
#include "hsm/peer.h"

/* What a client's certificate asks for that does not hold today; the first with the client's directory. */
#define HSM_RENEW_CERTIFICATE "make a new one with %s/bin/vtl createCert -n NAME, and register the client with it"
#define HSM_CORRECT_CLOCK     "correct this machine's clock, or make a new certificate"

struct hsm_server {
	char *entry; /* owned, as what follows: "ServerName00" */
	char *name, *port;
	char *certificate, *key, *authorities; /* paths; "" where there is none */
	bool web;                              /* it speaks HTTP */
	struct hsm_peer peer;                  /* what its handshake came to (hsm/network.h) */
};

/* Starts as { 0 }. */
struct hsm_servers {
	struct hsm_server *items; /* owned */
	size_t count;
};

#define HSM_SERVERS_AUTO __attribute__((cleanup(hsm_servers_done))) struct hsm_servers

void hsm_servers_done(struct hsm_servers *servers);
/* Fails for lack of memory only.  What is not split (chrystoki_split_partition) names no server. */
int hsm_servers_find(const struct chrystoki *conf, struct hsm_servers *ret_servers, struct fault *f);

#endif
