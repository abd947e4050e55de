/*
 * conf/luna: the numbered families of Chrystoki.conf: servers and high-availability groups.
 *
 * Promise: works on conf/chrystoki's model, so all else in the file stays.  Servers are ServerNameNN, ServerPortNN and
 * ServerHtlNN of section "LunaSA Client"; groups are VirtualTokenNNLabel, -SN and -Members of section "VirtualToken",
 * each with an entry LABEL = 1 in "HASynchronize".  NN has two digits and counts from 00 without gaps.  A group's
 * serial number is '1' followed by that of its first member.
 */
#ifndef OKV_CONF_LUNA_H
#define OKV_CONF_LUNA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "conf/chrystoki.h"

enum { LUNA_NUMBER_MAX = 99, LUNA_PORT_DEFAULT = 1792 };

#define LUNA_CLIENT_SECTION "LunaSA Client"

struct luna_server {
	unsigned number;
	ptrdiff_t line; /* index of its ServerName */
	char *name;     /* owned */
	char *port;     /* owned; NULL where there is none */
};
struct luna_servers {
	struct luna_server *items;
	size_t count; /* in the order of the file */
};
void luna_servers_done(struct luna_servers *s);
int luna_servers_read(const struct chrystoki *c, struct luna_servers *ret_servers, struct fault *f);
/* Adds a server under the next number, or sets its port where it is there already. */
int luna_server_add(struct chrystoki *c, const char *name, unsigned port, bool *ret_changed, struct fault *f);
/* Removes the server; those behind it move up, so that no number is missing. */
int luna_server_remove(struct chrystoki *c, const char *name, bool *ret_changed, struct fault *f);

struct luna_group {
	unsigned number;
	ptrdiff_t line;                 /* index of the first of its entries */
	char *label, *serial, *members; /* owned; NULL where the entry is missing */
};
struct luna_groups {
	struct luna_group *items;
	size_t count; /* in the order of the file */
};
void luna_groups_done(struct luna_groups *g);
int luna_groups_read(const struct chrystoki *c, struct luna_groups *ret_groups, struct fault *f);
/* The `index`-th member of "sn,sn": its length, 0 behind the last; blanks around it are left out. */
size_t luna_member(const char *members, size_t index, const char **ret_member);
/* Makes the group of that label have these members (digits, joined by ','), or adds it under the next number. */
int luna_group_set(struct chrystoki *c, const char *label, const char *members, bool *ret_changed, struct fault *f);

#endif
