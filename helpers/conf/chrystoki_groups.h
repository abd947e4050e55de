/*
 * conf/chrystoki_groups: the numbered entries of Chrystoki.conf, servers and high-availability groups, and whether they
 * are consistent.
 *
 * Promise: works on conf/chrystoki's model, so the rest of the file stays.  Servers are ServerNameNN, ServerPortNN and
 * ServerHtlNN of section "LunaSA Client"; groups are VirtualTokenNNLabel, -SN and -Members of section "VirtualToken",
 * each with an entry LABEL = 1 in "HASynchronize".  NN has two digits and counts from 00 without gaps: the library may
 * stop at the first missing number.  lunacm makes a group's serial number by putting '1' before that of its first
 * member.
 *
 * No other part knows these rules.  `okv-luna config check` prints every finding; `okv-luna slots` prints those that
 * can hide a slot or a key, and compares the members with the visible slots.
 */
#ifndef OKV_CONF_CHRYSTOKI_GROUPS_H
#define OKV_CONF_CHRYSTOKI_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/chrystoki.h"
#include "conf/finding.h"

enum { CHRYSTOKI_NUMBERS = 100, CHRYSTOKI_PORT_DEFAULT = 1792, CHRYSTOKI_WEB_PORT_DEFAULT = 443 };

#define CHRYSTOKI_CLIENT_SECTION "LunaSA Client"

/* Adds a server with the next number, or sets the port of an existing one. */
int chrystoki_server_add(struct chrystoki *c, const char *name, unsigned port, struct fault *f);
/* Removes the server and renumbers those after it, so that there is no gap. */
int chrystoki_server_remove(struct chrystoki *c, const char *name, struct fault *f);
/* Sets the members (serial numbers joined by ',') of the group with that label, or adds it with the next number. */
int chrystoki_group_set(struct chrystoki *c, const char *label, const char *members, struct fault *f);

/* Does it mean "off": empty, 0 (00, 0x0), no, n, off, false, disabled; also in quotes, which are their own finding? */
bool chrystoki_value_is_off(const char *value);
/* FAULT_REFUSED for what cannot be a host name or address ("<HSM>", "a:1792", "a/b") or a port (0, 70000). */
int chrystoki_address_check(const char *host, const char *port, struct fault *f);

/* Servers, high-availability groups, and the servers of an appliance cluster (LNHServerNN). */
enum chrystoki_family_kind { CHRYSTOKI_SERVERS, CHRYSTOKI_GROUPS, CHRYSTOKI_CLUSTER };
/* Indices of `parts`, for a server and for a group. */
enum { CHRYSTOKI_NAME, CHRYSTOKI_PORT, CHRYSTOKI_HTL };
enum { CHRYSTOKI_LABEL, CHRYSTOKI_SERIAL, CHRYSTOKI_MEMBERS, CHRYSTOKI_PARTS };

struct chrystoki_numbered {
	unsigned number;
	size_t line;                        /* of its first entry, from 1 */
	const char *parts[CHRYSTOKI_PARTS]; /* values; NULL if missing */
};
struct chrystoki_family {
	struct chrystoki_numbered items[CHRYSTOKI_NUMBERS];
	size_t count; /* ordered by number */
};
/* Valid until the model is edited.  If an entry exists more than once, the first counts. */
void chrystoki_family_read(const struct chrystoki *c, enum chrystoki_family_kind kind,
			   struct chrystoki_family *ret_family);
struct chrystoki_member {
	const char *name; /* points into the list, without surrounding blanks; may be empty */
	size_t length;
	bool is_serial;   /* digits only */
	bool is_repeated; /* same as an earlier member */
};
/* Iterates over the members "sn, sn": start with *at = 0.  `members` may be NULL. */
bool chrystoki_member_next(const char *members, size_t *at, struct chrystoki_member *ret_member);

/* Is the value present and not empty? */
static inline bool chrystoki_is_given(const char *value)
{
	return value != NULL && value[0] != '\0';
}
/* Does the file name a network server or one of an appliance cluster? */
bool chrystoki_is_networked(const struct chrystoki *c);

/* The rule for a group without members; okv-luna slots reports it in its own words. */
#define CHRYSTOKI_HA_NO_MEMBERS "ha-no-members"
/*
 * Adds findings about inconsistencies to `found`, about found->file: servers first, then groups by number, then what
 * concerns all groups.  A file without groups breaks no rule about them.
 */
void chrystoki_groups_evaluate(const struct chrystoki *c, struct finding_list *found);

#endif
