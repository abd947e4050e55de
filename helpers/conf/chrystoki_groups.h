/*
 * conf/chrystoki_groups: the numbered families of Chrystoki.conf, servers and high-availability groups, and whether
 * they add up.
 *
 * Promise: works on conf/chrystoki's model, so all else in the file stays.  Servers are ServerNameNN, ServerPortNN and
 * ServerHtlNN of section "LunaSA Client"; groups are VirtualTokenNNLabel, -SN and -Members of section "VirtualToken",
 * each with an entry LABEL = 1 in "HASynchronize".  NN has two digits and counts from 00 without gaps: the library may
 * stop at the first number that is missing.  A group's serial number is '1' followed by that of its first member, where
 * lunacm gave it.
 *
 * This is the only place that knows the rules.  `okv-luna config check` prints every finding; `okv-luna slots` prints
 * those that may hide a slot or a key, and compares the members with the slots that show.
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

/* Adds a server under the next number, or sets its port where it is there already. */
int chrystoki_server_add(struct chrystoki *c, const char *name, unsigned port, struct fault *f);
/* Removes the server; those behind it move up, so that no number is missing. */
int chrystoki_server_remove(struct chrystoki *c, const char *name, struct fault *f);
/* Makes the group of that label have these members (digits, joined by ','), or adds it under the next number. */
int chrystoki_group_set(struct chrystoki *c, const char *label, const char *members, struct fault *f);

/* What switches off: nothing, 0 (00, 0x0), no, n, off, false, disabled; in quotes, too, which are their own finding. */
bool chrystoki_value_is_off(const char *value);
/* Refuses what can be no host name or address ("<HSM>", "a:1792", "a/b"), and no port (0, 70000). */
int chrystoki_address_check(const char *host, const char *port, struct fault *f);

/* Servers, high-availability groups, and servers of an appliance cluster (LNHServerNN). */
enum chrystoki_family_kind { CHRYSTOKI_SERVERS, CHRYSTOKI_GROUPS, CHRYSTOKI_CLUSTER };
/* The parts of one server, and of one group. */
enum { CHRYSTOKI_NAME, CHRYSTOKI_PORT, CHRYSTOKI_HTL };
enum { CHRYSTOKI_LABEL, CHRYSTOKI_SERIAL, CHRYSTOKI_MEMBERS, CHRYSTOKI_PARTS };

struct chrystoki_numbered {
	unsigned number;
	size_t line;                        /* of the first of its entries, from 1 */
	const char *parts[CHRYSTOKI_PARTS]; /* values; NULL: there is none */
};
struct chrystoki_family {
	struct chrystoki_numbered items[CHRYSTOKI_NUMBERS];
	size_t count; /* in the order of their numbers */
};
/* Holds until the model is edited.  Of entries that stand more than once, the first counts. */
void chrystoki_family_read(const struct chrystoki *c, enum chrystoki_family_kind kind,
			   struct chrystoki_family *ret_family);
struct chrystoki_member {
	const char *name; /* without the blanks around it, in the list; may be empty */
	size_t length;
	bool is_serial;   /* digits only */
	bool is_repeated; /* an earlier one is the same */
};
/* The members "sn, sn" one by one: start from *at = 0.  NULL has none. */
bool chrystoki_member_next(const char *members, size_t *at, struct chrystoki_member *ret_member);

/* Is there a value, and is it not empty? */
static inline bool chrystoki_is_given(const char *value)
{
	return value != NULL && value[0] != '\0';
}
/* Is a server named, of the network or of an appliance cluster? */
bool chrystoki_is_networked(const struct chrystoki *c);

/* The rule about a group without members, which the comparison with what shows tells in its own words. */
#define CHRYSTOKI_HA_NO_MEMBERS "ha-no-members"
/*
 * Adds what does not add up to `found`, about found->file: servers first, then the groups by number, then what is about
 * all groups.  A file without groups breaks no rule about them.
 */
void chrystoki_groups_evaluate(const struct chrystoki *c, struct finding_list *found);

#endif
