#include "hsm/servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "conf/chrystoki_groups.h"

static void server_done(struct hsm_server *s)
{
	char *const owned[] = { s->entry, s->name, s->port, s->certificate, s->key, s->authorities };

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
}

void hsm_servers_done(struct hsm_servers *servers)
{
	for (size_t i = 0; i < servers->count; i++)
		server_done(&servers->items[i]);
	free(servers->items);
	*servers = (struct hsm_servers){ 0 };
}

static char *value_copy(const char *value)
{
	return strdup(value != NULL ? value : "");
}

/* A copy of the key's first value, "" if there is none; NULL: out of memory. */
static char *entry(const struct chrystoki *conf, const char *section, const char *key)
{
	size_t line;

	return value_copy(chrystoki_value(conf, section, key, &line));
}

/* An entry of "LunaSA Client"; if `numbered`, with the server's number appended to the key. */
static char *client_entry(const struct chrystoki *conf, const char *key, bool numbered, unsigned number)
{
	char own[48];

	(void)snprintf(own, sizeof(own), "%s%02u", key, number);
	return entry(conf, CHRYSTOKI_CLIENT_SECTION, numbered ? own : key);
}

static char *port_of(char *port, unsigned otherwise)
{
	if (port == NULL || port[0] != '\0')
		return port;
	free(port);
	return asprintf(&port, "%u", otherwise) < 0 ? NULL : port;
}

/* Takes ownership of the server; a NULL string means that memory was short. */
static int server_add(struct hsm_servers *servers, struct hsm_server server, struct fault *f)
{
	const bool whole = server.entry != NULL && server.name != NULL && server.port != NULL &&
			   server.certificate != NULL && server.key != NULL && server.authorities != NULL;

	if (whole && server.name[0] == '\0') {
		server_done(&server);
		return 0;
	}
	if (!whole || !ARRAY_GROW(servers->items, servers->count)) {
		server_done(&server);
		return fault_memory(f);
	}
	servers->items[servers->count++] = server;
	return 0;
}

static int family_add(struct hsm_servers *servers, const struct chrystoki *conf, enum chrystoki_family_kind kind,
		      struct fault *f)
{
	const bool own = kind == CHRYSTOKI_CLUSTER; /* each server of a cluster has its own files */
	struct chrystoki_family family;

	chrystoki_family_read(conf, kind, &family);
	for (size_t i = 0; i < family.count; i++) {
		const unsigned number = family.items[i].number;
		struct hsm_server server = {
			.name = value_copy(family.items[i].parts[CHRYSTOKI_NAME]),
			.port = port_of(client_entry(conf, own ? "LNHServerPort" : "ServerPort", true, number),
					CHRYSTOKI_PORT_DEFAULT),
			.certificate = client_entry(conf, own ? "LNHServerClientCert" : "ClientCertFile", own, number),
			.key = client_entry(conf, own ? "LNHServerClientKey" : "ClientPrivKeyFile", own, number),
			.authorities = client_entry(conf, own ? "LNHServerCAFile" : "ServerCAFile", own, number),
		};
		if (asprintf(&server.entry, "%s%02u", own ? "LNHServer" : "ServerName", number) < 0)
			server.entry = NULL;
		if (server_add(servers, server, f) < 0)
			return -1;
	}
	return 0;
}

int hsm_servers_find(const struct chrystoki *conf, struct hsm_servers *ret_servers, struct fault *f)
{
	HSM_SERVERS_AUTO servers = { 0 };

	if (family_add(&servers, conf, CHRYSTOKI_SERVERS, f) < 0 ||
	    family_add(&servers, conf, CHRYSTOKI_CLUSTER, f) < 0)
		return -1;
	const struct hsm_server service = {
		.entry = strdup("REST ServerName"),
		.name = entry(conf, "REST", "ServerName"),
		.port = port_of(entry(conf, "REST", "ServerPort"), CHRYSTOKI_WEB_PORT_DEFAULT),
		.certificate = strdup(""),
		.key = strdup(""),
		.authorities = entry(conf, "REST", "SSLClientSideVerifyFile"),
		.web = true,
	};
	if (server_add(&servers, service, f) < 0)
		return -1;
	*ret_servers = servers;
	servers = (struct hsm_servers){ 0 };
	return 0;
}
