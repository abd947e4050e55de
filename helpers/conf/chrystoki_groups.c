#include "conf/chrystoki_groups.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"

/* HOST_MAX: RFC 1035, 3.1; LABEL_MAX: the label in CK_TOKEN_INFO. */
enum { NUMBER_MAX = CHRYSTOKI_NUMBERS - 1, KEY_SIZE = 48, HOST_MAX = 253, LABEL_MAX = 32 };

/* The keys of each part: "ServerName07", "VirtualToken07Label". */
static const struct {
	const char *section;
	const char *stems[CHRYSTOKI_PARTS], *suffixes[CHRYSTOKI_PARTS];
} families[] = {
	[CHRYSTOKI_SERVERS] = { CHRYSTOKI_CLIENT_SECTION, { "ServerName", "ServerPort", "ServerHtl" }, { "", "", "" } },
	[CHRYSTOKI_GROUPS] = { "VirtualToken",
			       { "VirtualToken", "VirtualToken", "VirtualToken" },
			       { "Label", "SN", "Members" } },
	[CHRYSTOKI_CLUSTER] = { CHRYSTOKI_CLIENT_SECTION,
				{ "LNHServer", "LNHServerClientCert", "LNHServerClientKey" },
				{ "", "", "" } },
};

static void key_make(char key[KEY_SIZE], enum chrystoki_family_kind kind, size_t part, unsigned number)
{
	(void)snprintf(key, KEY_SIZE, "%s%02u%s", families[kind].stems[part], number % CHRYSTOKI_NUMBERS,
		       families[kind].suffixes[part]);
}

/* Is it zero, in any spelling: 0, 00, -0, 0x0? */
static bool is_zero(const char *value, size_t length)
{
	size_t at = length > 0 && strchr("+-", value[0]) != NULL;

	if (length - at > 2 && value[at] == '0' && (value[at + 1] | 0x20) == 'x')
		at += 2;
	const size_t zeros = strspn(value + at, "0");
	return zeros > 0 && at + zeros >= length;
}

bool chrystoki_value_is_off(const char *value)
{
	static const char *const words[] = { "", "n", "no", "off", "false", "disabled", "disable" };
	size_t length = strlen(value);

	/* Quotes are a finding of their own. */
	if (length > 1 && text_is_quote(value[0]) && value[length - 1] == value[0]) {
		value++;
		length -= 2;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (length == strlen(words[i]) && strncasecmp(value, words[i], length) == 0)
			return true;
	return is_zero(value, length);
}

/* 1 to 9 digits. */
static bool is_number(const char *value, unsigned *ret_number)
{
	uint64_t number;

	if (value == NULL || strlen(value) > 9 || !number_digits(value, strlen(value), 10, UINT32_MAX, &number))
		return false;
	*ret_number = (unsigned)number;
	return true;
}

/* Is the entry that part, of any number? */
static bool entry_is(const struct chrystoki_line *line, enum chrystoki_family_kind kind, size_t part,
		     unsigned *ret_number)
{
	const size_t head = strlen(families[kind].stems[part]);
	uint64_t number;
	char key[KEY_SIZE];

	if (strlen(line->name) < head + 2 || !number_digits(line->name + head, 2, 10, NUMBER_MAX, &number))
		return false;
	*ret_number = (unsigned)number;
	key_make(key, kind, part, *ret_number);
	return strcasecmp(line->name, key) == 0;
}

void chrystoki_family_read(const struct chrystoki *c, enum chrystoki_family_kind kind,
			   struct chrystoki_family *ret_family)
{
	struct chrystoki_numbered *items = ret_family->items;
	const struct chrystoki_line *line;
	unsigned number;

	memset(ret_family, 0, sizeof(*ret_family));
	for (size_t i = 0; i < CHRYSTOKI_NUMBERS; i++)
		items[i].number = (unsigned)i;
	for (size_t at = 0; (line = chrystoki_entry_next(c, &at)) != NULL;) {
		for (size_t part = 0; part < CHRYSTOKI_PARTS && chrystoki_is_in(c, line, families[kind].section);
		     part++) {
			if (!entry_is(line, kind, part, &number) || items[number].parts[part] != NULL)
				continue;
			items[number].parts[part] = line->value;
			if (items[number].line == 0)
				items[number].line = at;
		}
	}
	for (size_t i = 0; i < CHRYSTOKI_NUMBERS; i++)
		if (items[i].line > 0)
			items[ret_family->count++] = items[i];
}

/* Finds an item by its name or label. */
static const struct chrystoki_numbered *family_find(const struct chrystoki_family *family, const char *name)
{
	for (size_t i = 0; i < family->count; i++)
		if (family->items[i].parts[0] != NULL && strcmp(family->items[i].parts[0], name) == 0)
			return &family->items[i];
	return NULL;
}

/* Sets the first `count` parts of the item with that name or label, or of a new one with the next number. */
static int family_set(struct chrystoki *c, enum chrystoki_family_kind kind, const char *const *values, size_t count,
		      struct fault *f)
{
	struct chrystoki_family family;
	unsigned at = 0;

	chrystoki_family_read(c, kind, &family);
	const struct chrystoki_numbered *there = family_find(&family, values[0]);
	if (there != NULL)
		at = there->number;
	else if (family.count > 0)
		at = family.items[family.count - 1].number + 1;
	if (at > NUMBER_MAX)
		return fault_refused(f, "there is no number left for another %s",
				     kind == CHRYSTOKI_SERVERS ? "server" : "group");
	for (size_t part = 0; part < count; part++) {
		char key[KEY_SIZE];

		key_make(key, kind, part, at);
		if (chrystoki_set(c, families[kind].section, key, values[part], f) < 0)
			return -1;
	}
	return 0;
}

/* Perhaps with the interface: fe80::1%eth0. */
static bool is_ipv6(const char *value)
{
	char address[INET6_ADDRSTRLEN] = "";
	struct in6_addr ignored;
	const size_t length = strcspn(value, "%");

	if (length >= sizeof(address))
		return false;
	memcpy(address, value, length);
	return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* What ends in a number is an address to every resolver, so 10.0.0.256 is the name of no host. */
static bool is_host(const char *value)
{
	const size_t length = strlen(value);
	const char *last = strrchr(value, '.');
	const char *label = last != NULL ? last + 1 : value;
	struct in_addr ignored;

	if (length == 0 || length > HOST_MAX)
		return false;
	if (strchr(value, ':') != NULL)
		return is_ipv6(value);
	if (label[0] != '\0' && label[strspn(label, "0123456789")] == '\0')
		return inet_aton(value, &ignored) != 0;
	return value[0] != '.' && strstr(value, "..") == NULL &&
	       strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") == length;
}

static bool is_port(const char *value)
{
	unsigned number;

	return is_number(value, &number) && number > 0 && number <= 65535;
}

int chrystoki_address_check(const char *host, const char *port, struct fault *f)
{
	if (!is_host(host))
		return fault_refused(f, "'%s' is not a host name or address", SHOWN(host));
	return is_port(port) ? 0 : fault_refused(f, "'%s' is not a port number", SHOWN(port));
}

int chrystoki_server_add(struct chrystoki *c, const char *name, unsigned port, struct fault *f)
{
	char number[12];
	const char *const values[] = { name, number };

	(void)snprintf(number, sizeof(number), "%u", port);
	if (chrystoki_address_check(name, number, f) < 0)
		return -1;
	return family_set(c, CHRYSTOKI_SERVERS, values, 2, f);
}

/* Gives a server's entries another number; from == to removes them. */
static int server_move(struct chrystoki *c, unsigned from, unsigned to, struct fault *f)
{
	for (size_t part = 0; part < CHRYSTOKI_PARTS; part++) {
		char old[KEY_SIZE], key[KEY_SIZE];
		char *value = NULL;

		key_make(old, CHRYSTOKI_SERVERS, part, from);
		key_make(key, CHRYSTOKI_SERVERS, part, to);
		if (chrystoki_get(c, CHRYSTOKI_CLIENT_SECTION, old, &value, f) < 0)
			return -1;
		int r = chrystoki_unset(c, CHRYSTOKI_CLIENT_SECTION, key, f);
		if (r == 0 && value != NULL && from != to)
			r = chrystoki_set(c, CHRYSTOKI_CLIENT_SECTION, key, value, f);
		free(value);
		if (r < 0)
			return -1;
	}
	return 0;
}

int chrystoki_server_remove(struct chrystoki *c, const char *name, struct fault *f)
{
	struct chrystoki_family servers;

	chrystoki_family_read(c, CHRYSTOKI_SERVERS, &servers);
	const struct chrystoki_numbered *server = family_find(&servers, name);
	if (server == NULL)
		return 0;
	const unsigned last = servers.items[servers.count - 1].number;
	for (unsigned number = server->number; number < last; number++)
		if (server_move(c, number + 1, number, f) < 0)
			return -1;
	return server_move(c, last, last, f);
}

static bool is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool name_next(const char *members, size_t *at, struct chrystoki_member *ret_name)
{
	if (members == NULL || *at > strlen(members))
		return false;
	const char *name = members + *at;
	size_t length = strcspn(name, ",");
	*at += length + 1;
	for (; length > 0 && name[0] == ' '; name++)
		length--;
	while (length > 0 && name[length - 1] == ' ')
		length--;
	*ret_name = (struct chrystoki_member){ .name = name, .length = length };
	return true;
}

/* Does the list have a member of that name, before `end` if that is not NULL? */
static bool has_member(const char *members, const struct chrystoki_member *name, const char *end)
{
	struct chrystoki_member other;

	for (size_t at = 0; name_next(members, &at, &other) && (end == NULL || other.name < end);)
		if (other.length == name->length && memcmp(other.name, name->name, name->length) == 0)
			return true;
	return false;
}

bool chrystoki_member_next(const char *members, size_t *at, struct chrystoki_member *ret_member)
{
	if (!name_next(members, at, ret_member))
		return false;
	ret_member->is_serial = ret_member->length > 0 && strspn(ret_member->name, "0123456789") >= ret_member->length;
	ret_member->is_repeated = has_member(members, ret_member, ret_member->name);
	return true;
}

static int members_check(const char *members, struct fault *f)
{
	struct chrystoki_member member;

	if (members[strspn(members, "0123456789,")] != '\0')
		return fault_refused(f, "members are serial numbers joined by ',', not '%s'", SHOWN(members));
	for (size_t at = 0; chrystoki_member_next(members, &at, &member);) {
		if (member.length == 0)
			return fault_refused(f, "there is an empty member in '%s'", SHOWN(members));
		if (member.is_repeated)
			return fault_refused(f, "member %s is listed twice", SHOWN_BYTES(member.name, member.length));
	}
	return 0;
}

/* Refuses a member of another group: it would not be known which group is used. */
static int others_check(const struct chrystoki *c, const char *label, const char *members, struct fault *f)
{
	struct chrystoki_family groups;
	struct chrystoki_member member;

	chrystoki_family_read(c, CHRYSTOKI_GROUPS, &groups);
	for (size_t i = 0; i < groups.count; i++) {
		const char *const *other = groups.items[i].parts;

		for (size_t at = 0;
		     !is_same(other[CHRYSTOKI_LABEL], label) && chrystoki_member_next(members, &at, &member);)
			if (has_member(other[CHRYSTOKI_MEMBERS], &member, NULL))
				return fault_refused(
					f,
					"%s is a member of HA group '%s' already; give that group other members first, "
					"or remove all groups: okv-luna config chrystoki remove VirtualToken",
					SHOWN_BYTES(member.name, member.length), SHOWN(other[CHRYSTOKI_LABEL]));
	}
	return 0;
}

int chrystoki_group_set(struct chrystoki *c, const char *label, const char *members, struct fault *f)
{
	TEXT_AUTO serial = { 0 };

	if (label[0] == '\0' || strlen(label) > LABEL_MAX)
		return fault_refused(f, "a group's label has 1 to 32 characters");
	if (members_check(members, f) < 0 || others_check(c, label, members, f) < 0)
		return -1;
	text_add_char(&serial, '1');
	text_add(&serial, members, strcspn(members, ","));
	if (text_check(&serial, f) < 0)
		return -1;
	const char *const values[] = { label, text_string(&serial), members };
	return family_set(c, CHRYSTOKI_GROUPS, values, CHRYSTOKI_PARTS, f) < 0
		       ? -1
		       : chrystoki_set(c, "HASynchronize", label, "1", f);
}

#define COMMAND "okv-luna config chrystoki "

/* --- evaluation ------------------------------------------------------------------------------------------------ */

static const char make_group[] =
	"give the group all its members with okv-luna config chrystoki ha, or remove its entries";
static const char may_not_reach[] = "the library may not reach that server";
static const char no_server[] = "the library then shows no slots and reports no error";

/* Keys that decide what shows, and their sections.  Those of groups and servers are in `families`. */
static const struct {
	const char *key, *section;
} placements[] = { { "ServerName", CHRYSTOKI_CLIENT_SECTION },
		   { "LNHServer", CHRYSTOKI_CLIENT_SECTION },
		   { "HAOnly", "HAConfiguration" },
		   { "reconnAtt", "HAConfiguration" } };

/* The section that the entry should be in, if it is in another one; else NULL. */
static const char *expected_section(const struct chrystoki *c, const struct chrystoki_line *line)
{
	const char *known = chrystoki_spelling(line);

	for (size_t i = 0; known != NULL && i < sizeof(placements) / sizeof(placements[0]); i++)
		if (strcmp(known, placements[i].key) == 0)
			/* REST has its own ServerName. */
			return chrystoki_is_in(c, line, placements[i].section) || chrystoki_is_in(c, line, "REST")
				       ? NULL
				       : placements[i].section;
	return NULL;
}

/* Adds one finding for each section with misplaced entries; true if there is any. */
static bool misplaced_evaluate(const struct chrystoki *c, struct finding_list *found)
{
	const struct chrystoki_line *line;
	ptrdiff_t reported = CHRYSTOKI_NO_LINE;

	for (size_t at = 0; (line = chrystoki_entry_next(c, &at)) != NULL;) {
		const char *expected = expected_section(c, line);
		if (expected == NULL || line->section == reported)
			continue;
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "chrystoki-misplaced", "the library does not look for it there",
					 .hides = true),
			    at, "'%s' is in section '%s', not in '%s'", SHOWN(line->name), SHOWN(line->within),
			    expected);
		finding_set_remedy(found, "move the line into section '%s'", expected);
		reported = line->section;
	}
	return reported != CHRYSTOKI_NO_LINE;
}

bool chrystoki_is_networked(const struct chrystoki *c)
{
	static const enum chrystoki_family_kind kinds[] = { CHRYSTOKI_SERVERS, CHRYSTOKI_CLUSTER };
	struct chrystoki_family family;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		chrystoki_family_read(c, kinds[k], &family);
		for (size_t i = 0; i < family.count; i++)
			if (chrystoki_is_given(family.items[i].parts[CHRYSTOKI_NAME]))
				return true;
	}
	return false;
}

/* Does section REST name a cloud service? */
static bool names_service(const struct chrystoki *c)
{
	const struct chrystoki_line *line;

	for (size_t at = 0; (line = chrystoki_entry_next(c, &at)) != NULL;)
		if (line->value[0] != '\0' && chrystoki_is_in(c, line, "REST") &&
		    (text_starts(line->name, "ServerName") || text_starts(line->name, "PartitionData")))
			return true;
	return false;
}

/* Checks that the value of `key` can be a host. */
static void host_evaluate(const char *key, const char *host, size_t line, struct finding_list *found)
{
	if (chrystoki_is_given(host) && !is_host(host))
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "server-name",
					 "the library cannot reach that server, and does not show its slots",
					 "write the server's name or address there, and nothing else", .hides = true),
			    line, "%s is '%s', which is neither a host name nor an address", key, SHOWN(host));
}

/* `alone`: no other entry of the file names a server. */
static void server_evaluate(const struct chrystoki_numbered *server, bool alone, struct finding_list *found)
{
	const char *name = server->parts[CHRYSTOKI_NAME], *port = server->parts[CHRYSTOKI_PORT];
	char key[KEY_SIZE];

	key_make(key, CHRYSTOKI_SERVERS, CHRYSTOKI_NAME, server->number);
	if (!chrystoki_is_given(name))
		finding_add(found,
			    FINDING_RULE(alone ? FINDING_FAIL : FINDING_WARN, "server-empty",
					 alone ? no_server : "there is one server fewer",
					 "write the server's name or address there", .hides = alone),
			    server->line, "%s is empty", key);
	else
		host_evaluate(key, name, server->line, found);
	if (is_port(port))
		return;
	finding_add(found, FINDING_RULE(FINDING_WARN, "server-port", may_not_reach), server->line,
		    "ServerPort%02u is %s", server->number, port == NULL ? "missing" : "not a port number");
	finding_set_remedy(found, COMMAND "set '%s' ServerPort%02u %d", CHRYSTOKI_CLIENT_SECTION, server->number,
			   CHRYSTOKI_PORT_DEFAULT);
}

/* Checks the servers of an appliance cluster and of the cloud service. */
static void others_evaluate(const struct chrystoki *c, struct finding_list *found)
{
	struct chrystoki_family cluster;
	char key[KEY_SIZE];
	size_t line;

	chrystoki_family_read(c, CHRYSTOKI_CLUSTER, &cluster);
	for (size_t i = 0; i < cluster.count; i++) {
		key_make(key, CHRYSTOKI_CLUSTER, CHRYSTOKI_NAME, cluster.items[i].number);
		host_evaluate(key, cluster.items[i].parts[CHRYSTOKI_NAME], cluster.items[i].line, found);
	}
	const char *host = chrystoki_value(c, "REST", "ServerName", &line);
	host_evaluate("ServerName", host, line, found);
	const char *port = chrystoki_value(c, "REST", "ServerPort", &line);
	if (!chrystoki_is_given(port) || is_port(port))
		return;
	finding_add(found, FINDING_RULE(FINDING_WARN, "server-port", may_not_reach), line,
		    "ServerPort is not a port number");
	finding_set_remedy(found, COMMAND "set REST ServerPort %d", CHRYSTOKI_WEB_PORT_DEFAULT);
}

static void servers_evaluate(const struct chrystoki *c, bool misplaced, struct finding_list *found)
{
	const bool alone = !misplaced && !chrystoki_is_networked(c) && !names_service(c);
	struct chrystoki_family servers;
	unsigned next = 0;
	bool empty = false;

	chrystoki_family_read(c, CHRYSTOKI_SERVERS, &servers);
	for (size_t i = 0; i < servers.count; i++) {
		const struct chrystoki_numbered *server = &servers.items[i];

		if (server->parts[CHRYSTOKI_NAME] == NULL)
			continue; /* a port without a server is harmless */
		if (server->number != next)
			finding_add(found,
				    FINDING_RULE(FINDING_FAIL, "server-gap",
						 "the library may stop at the gap, and not show the servers after it "
						 "nor their slots",
						 "number the servers from 00 without gaps", .hides = true),
				    server->line, "there is a ServerName%02u and no ServerName%02u", server->number,
				    server->number - 1);
		server_evaluate(server, alone, found);
		empty = empty || server->parts[CHRYSTOKI_NAME][0] == '\0';
		next = server->number + 1;
	}
	others_evaluate(c, found);
	if (alone && !empty)
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "server-none", no_server,
					 "register the HSM with the client, step by step: okv-luna guide; where the "
					 "client has no vtl: okv-luna config chrystoki server-add HOST, and its "
					 "certificate in ServerCAFile",
					 .moot = true, .hides = true),
			    0, "no server is named: no ServerName00, no LNHServer00, no cloud service in section REST");
}

static void serial_evaluate(const struct chrystoki_numbered *group, struct finding_list *found)
{
	const char *serial = group->parts[CHRYSTOKI_SERIAL];
	struct chrystoki_member first;
	size_t at = 0;

	if (serial == NULL || !chrystoki_member_next(group->parts[CHRYSTOKI_MEMBERS], &at, &first) ||
	    !first.is_serial || (serial[0] == '1' && text_equal(first.name, first.length, serial + 1)))
		return;
	finding_add(found,
		    FINDING_RULE(FINDING_WARN, "ha-serial",
				 "it may be from a tool of the clients 5.1 to 5.3, which gave any number",
				 .hides = true),
		    group->line, "HA group %02u has serial number '%s', not '1' and its first member's", group->number,
		    SHOWN(serial));
	finding_set_remedy(found, COMMAND "set VirtualToken VirtualToken%02uSN 1%s", group->number,
			   SHOWN_BYTES(first.name, first.length));
}

static void members_evaluate(const struct chrystoki_numbered *group, struct finding_list *found)
{
	struct chrystoki_member member;
	size_t count = 0;

	if (group->parts[CHRYSTOKI_MEMBERS][0] == '\0') {
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, CHRYSTOKI_HA_NO_MEMBERS, "the group shows no slot", make_group,
					 .hides = true),
			    group->line, "HA group %02u has no members", group->number);
		return;
	}
	for (size_t at = 0; chrystoki_member_next(group->parts[CHRYSTOKI_MEMBERS], &at, &member); count++) {
		if (!member.is_serial)
			finding_add(found,
				    FINDING_RULE(FINDING_FAIL, "ha-member-number", "the group has one member fewer",
						 make_group, .hides = true),
				    group->line, "member '%s' of HA group %02u is not a serial number",
				    SHOWN_BYTES(member.name, member.length), group->number);
		else if (member.is_repeated)
			finding_add(found,
				    FINDING_RULE(FINDING_WARN, "ha-member-twice",
						 "there is less redundancy than it seems", make_group),
				    group->line, "member %s of HA group %02u is listed twice",
				    SHOWN_BYTES(member.name, member.length), group->number);
	}
	if (count == 1)
		finding_add(found, FINDING_RULE(FINDING_WARN, "ha-member-single", "there is no failover", make_group),
			    group->line, "HA group %02u has one member only", group->number);
}

static void synchronize_evaluate(const struct chrystoki *c, const struct chrystoki_numbered *group,
				 struct finding_list *found)
{
	const char *label = group->parts[CHRYSTOKI_LABEL];
	size_t line;

	if (is_same(chrystoki_value(c, "HASynchronize", label, &line), "1"))
		return;
	finding_add(found,
		    FINDING_RULE(FINDING_WARN, "ha-synchronize", "a key made on one member is not copied to the others",
				 .hides = true),
		    line > 0 ? line : group->line, "section HASynchronize has no '%s = 1'", SHOWN(label));
	finding_set_remedy(found, COMMAND "set HASynchronize '%s' 1", SHOWN(label));
}

/* Checks what two groups must not share; at most one finding for a pair. */
static void pair_evaluate(const struct chrystoki_numbered *a, const struct chrystoki_numbered *b,
			  struct finding_list *found)
{
	const char *what = is_same(a->parts[CHRYSTOKI_LABEL], b->parts[CHRYSTOKI_LABEL])     ? "label"
			   : is_same(a->parts[CHRYSTOKI_SERIAL], b->parts[CHRYSTOKI_SERIAL]) ? "serial number"
											     : NULL;
	struct chrystoki_member member;

	for (size_t at = 0; what == NULL && chrystoki_member_next(b->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (member.is_serial && has_member(a->parts[CHRYSTOKI_MEMBERS], &member, NULL))
			what = "member";
	if (what != NULL)
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-twice", "it is not known which of the two is used",
					 "give each group a label and members of its own with okv-luna config "
					 "chrystoki ha, or remove one's entries"),
			    b->line, "HA groups %02u and %02u have the same %s", a->number, b->number, what);
}

static void group_evaluate(const struct chrystoki *c, const struct chrystoki_numbered *group,
			   struct finding_list *found)
{
	for (size_t i = 0; i < CHRYSTOKI_PARTS; i++)
		if (group->parts[i] == NULL)
			finding_add(found,
				    FINDING_RULE(FINDING_FAIL, "ha-entry-missing", "the group does not show",
						 make_group, .hides = true),
				    group->line, "HA group %02u has no VirtualToken%02u%s", group->number,
				    group->number, families[CHRYSTOKI_GROUPS].suffixes[i]);
	const char *label = group->parts[CHRYSTOKI_LABEL];
	if (label != NULL && (label[0] == '\0' || strlen(label) > LABEL_MAX))
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-label",
					 "no token can have such a label, and OKV finds its token by it", make_group,
					 .hides = true),
			    group->line, "the label of HA group %02u has %zu characters, not 1 to %d", group->number,
			    strlen(label), LABEL_MAX);
	else if (label != NULL)
		synchronize_evaluate(c, group, found);
	if (group->parts[CHRYSTOKI_MEMBERS] != NULL)
		members_evaluate(group, found);
	serial_evaluate(group, found);
}

/* Checks the settings for all groups. */
static void configuration_evaluate(const struct chrystoki *c, bool misplaced, struct finding_list *found)
{
	unsigned seconds;
	size_t line;

	const char *value = chrystoki_value(c, "HAConfiguration", "HAOnly", &line);
	if (!is_same(value, "1") && !misplaced)
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-only",
					 "OKV sees the members beside the group and may keep using one of them: no "
					 "failover, no failback",
					 COMMAND "ha-only on"),
			    line, "HAOnly is not 1");
	value = chrystoki_value(c, "HAConfiguration", "reconnAtt", &line);
	if (value == NULL || chrystoki_value_is_off(value))
		finding_add(found,
			    FINDING_RULE(FINDING_WARN, "ha-recovery",
					 "a member that was away does not come back by itself",
					 COMMAND "set HAConfiguration reconnAtt -1"),
			    line, "reconnAtt is 0, which is also the default");
	value = chrystoki_value(c, "HAConfiguration", "AutoReconnectInterval", &line);
	if (value != NULL && (!is_number(value, &seconds) || seconds < 60 || seconds > 1200))
		finding_add(found,
			    FINDING_RULE(FINDING_WARN, "ha-interval", "the library takes another value",
					 COMMAND "set HAConfiguration AutoReconnectInterval 60"),
			    line, "AutoReconnectInterval is not between 60 and 1200 seconds");
	value = chrystoki_value(c, "VirtualToken", "VirtualTokenActiveRecovery", &line);
	if (value != NULL && strcmp(value, "activeEnhanced") != 0 && strcmp(value, "activeBasic") != 0)
		finding_add(found,
			    FINDING_RULE(FINDING_WARN, "ha-recovery-mode", "the library takes its default",
					 COMMAND "set VirtualToken VirtualTokenActiveRecovery activeEnhanced"),
			    line, "VirtualTokenActiveRecovery is neither activeEnhanced nor activeBasic");
}

void chrystoki_groups_evaluate(const struct chrystoki *c, struct finding_list *found)
{
	const bool misplaced = misplaced_evaluate(c, found);
	struct chrystoki_family groups;
	unsigned next = 0;
	size_t line;

	servers_evaluate(c, misplaced, found);
	chrystoki_family_read(c, CHRYSTOKI_GROUPS, &groups);
	for (size_t i = 0; i < groups.count; i++) {
		const struct chrystoki_numbered *group = &groups.items[i];

		if (group->number != next)
			finding_add(found,
				    FINDING_RULE(FINDING_FAIL, "ha-gap",
						 "the library may stop at the gap and not show the groups after it",
						 "number the groups from 00 without gaps", .hides = true),
				    group->line, "there is an HA group %02u and no HA group %02u", group->number,
				    group->number - 1);
		group_evaluate(c, group, found);
		for (size_t earlier = 0; earlier < i; earlier++)
			pair_evaluate(&groups.items[earlier], group, found);
		next = group->number + 1;
	}
	const char *only = chrystoki_value(c, "HAConfiguration", "HAOnly", &line);
	if (groups.count > 0)
		configuration_evaluate(c, misplaced, found);
	else if (only != NULL && !chrystoki_value_is_off(only))
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-only-alone",
					 "the members are hidden and there is no group to show: zero slots",
					 COMMAND "ha-only off", .hides = true),
			    line, "HAOnly is on, and there is no HA group");
}
