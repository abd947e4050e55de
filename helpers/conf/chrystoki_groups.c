#include "conf/chrystoki_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"

/* RFC 1035 3.1; a PKCS#11 token's label. */
enum { NUMBER_MAX = CHRYSTOKI_NUMBERS - 1, KEY_SIZE = 48, HOST_MAX = 253, LABEL_MAX = 32 };

/* The keys of a number's parts: "ServerName07", "VirtualToken07Label". */
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

/* A number that is 0, however it is spelt: 0, 00, -0, 0x0. */
static bool is_zero(const char *bytes, size_t length)
{
	size_t at = length > 0 && strchr("+-", bytes[0]) != NULL;

	if (length - at > 2 && bytes[at] == '0' && (bytes[at + 1] | 0x20) == 'x')
		at += 2;
	const size_t digits = at;
	while (at < length && bytes[at] == '0')
		at++;
	return at > digits && at == length;
}

bool chrystoki_value_is_off(const struct chrystoki_value *value)
{
	static const char *const words[] = { "", "n", "no", "off", "false", "disabled", "disable" };
	const char *bytes = value->bytes;
	size_t length = value->length;

	/* That it stands in quotes is a finding of its own. */
	if (length > 1 && text_is_quote(bytes[0]) && bytes[length - 1] == bytes[0]) {
		bytes++;
		length -= 2;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (length == strlen(words[i]) && strncasecmp(bytes, words[i], length) == 0)
			return true;
	return is_zero(bytes, length);
}

/* Digits only, 1 to 9 of them. */
static bool value_number(const struct chrystoki_value *value, unsigned *ret_number)
{
	uint64_t number;

	if (value->bytes == NULL || value->length > 9 ||
	    !number_digits(value->bytes, value->length, 10, UINT32_MAX, &number))
		return false;
	*ret_number = (unsigned)number;
	return true;
}

/* Whether the entry is that part of some number. */
static bool entry_is(const struct chrystoki_line *line, enum chrystoki_family_kind kind, size_t part,
		     unsigned *ret_number)
{
	const size_t head = strlen(families[kind].stems[part]);
	const char *name = line->bytes + line->name_start;
	const struct chrystoki_value digits = { name + head, 2 };
	char key[KEY_SIZE];

	if (line->name_length < head + 2 || !value_number(&digits, ret_number))
		return false;
	key_make(key, kind, part, *ret_number);
	return line->name_length == strlen(key) && strncasecmp(name, key, strlen(key)) == 0;
}

void chrystoki_family_read(const struct chrystoki *c, enum chrystoki_family_kind kind,
			   struct chrystoki_family *ret_family)
{
	struct chrystoki_numbered *items = ret_family->items;
	unsigned number;

	memset(ret_family, 0, sizeof(*ret_family));
	for (size_t i = 0; i < CHRYSTOKI_NUMBERS; i++)
		items[i] = (struct chrystoki_numbered){ .number = (unsigned)i, .line = CHRYSTOKI_NO_LINE };
	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		const struct chrystoki_line *open = &c->lines[line->section == CHRYSTOKI_NO_LINE ? 0 : line->section];

		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE ||
		    !chrystoki_is_named(open, families[kind].section))
			continue;
		for (size_t part = 0; part < CHRYSTOKI_PARTS; part++) {
			if (!entry_is(line, kind, part, &number) || items[number].parts[part].bytes != NULL)
				continue;
			items[number].parts[part] = chrystoki_value_at(c, (ptrdiff_t)i);
			if (items[number].line == CHRYSTOKI_NO_LINE)
				items[number].line = (ptrdiff_t)i;
		}
	}
	for (size_t i = 0; i < CHRYSTOKI_NUMBERS; i++)
		if (items[i].line != CHRYSTOKI_NO_LINE)
			items[ret_family->count++] = items[i];
}

/* The one whose name or label it is, or NULL. */
static const struct chrystoki_numbered *family_find(const struct chrystoki_family *family, const char *name)
{
	for (size_t i = 0; i < family->count; i++)
		if (chrystoki_value_is(&family->items[i].parts[0], name))
			return &family->items[i];
	return NULL;
}

/* Sets the first `count` parts of the one with that name or label, or of the number behind the last. */
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

static bool is_host(const struct chrystoki_value *value)
{
	size_t colons = 0;

	for (size_t i = 0; i < value->length; i++) {
		const char c = value->bytes[i];
		colons += c == ':';
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c != '\0' && strchr("-._:%", c) != NULL)))
			return false;
	}
	/* An IPv6 address has two colons at least. */
	return value->length > 0 && value->length <= HOST_MAX && colons != 1;
}

static bool is_port(const struct chrystoki_value *value)
{
	unsigned number;

	return value_number(value, &number) && number > 0 && number <= 65535;
}

int chrystoki_address_check(const char *host, const char *port, struct fault *f)
{
	if (!is_host(&(struct chrystoki_value){ host, strlen(host) }))
		return fault_refused(f, "'%s' is not a host name or address", SHOWN(host));
	if (!is_port(&(struct chrystoki_value){ port, strlen(port) }))
		return fault_refused(f, "'%s' is not a port number", SHOWN(port));
	return 0;
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

/* The entries of one server number take another number, or go. */
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

static bool is_same(const struct chrystoki_value *a, const struct chrystoki_value *b)
{
	return a->bytes != NULL && b->bytes != NULL && a->length == b->length &&
	       memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* The next one's name. */
static bool name_next(const struct chrystoki_value *members, size_t *at, struct chrystoki_value *ret_name)
{
	size_t start = *at;

	if (members->bytes == NULL || start > members->length)
		return false;
	const char *comma = memchr(members->bytes + start, ',', members->length - start);
	size_t end = comma != NULL ? (size_t)(comma - members->bytes) : members->length;
	*at = end + 1;
	while (start < end && members->bytes[start] == ' ')
		start++;
	while (end > start && members->bytes[end - 1] == ' ')
		end--;
	*ret_name = (struct chrystoki_value){ members->bytes + start, end - start };
	return true;
}

bool chrystoki_member_next(const struct chrystoki_value *members, size_t *at, struct chrystoki_member *ret_member)
{
	struct chrystoki_value name, earlier;
	bool digits = true, repeated = false;

	if (!name_next(members, at, &name))
		return false;
	for (size_t i = 0; i < name.length; i++)
		digits = digits && name.bytes[i] >= '0' && name.bytes[i] <= '9';
	for (size_t before = 0; name_next(members, &before, &earlier) && earlier.bytes < name.bytes;)
		repeated = repeated || is_same(&earlier, &name);
	*ret_member = (struct chrystoki_member){ name, digits && name.length > 0, repeated };
	return true;
}

static int members_check(const struct chrystoki_value *members, struct fault *f)
{
	struct chrystoki_member member;

	if (strspn(members->bytes, "0123456789,") != members->length)
		return fault_refused(f, "members are serial numbers joined by ',', not '%s'", SHOWN(members->bytes));
	for (size_t at = 0; chrystoki_member_next(members, &at, &member);) {
		if (member.name.length == 0)
			return fault_refused(f, "there is an empty member in '%s'", SHOWN(members->bytes));
		if (member.is_repeated)
			return fault_refused(f, "member %s is listed twice",
					     SHOWN_BYTES(member.name.bytes, member.name.length));
	}
	return 0;
}

int chrystoki_group_set(struct chrystoki *c, const char *label, const char *members, struct fault *f)
{
	const struct chrystoki_value list = { members, strlen(members) };
	TEXT_AUTO serial = { 0 };

	if (label[0] == '\0' || strlen(label) > LABEL_MAX)
		return fault_refused(f, "a group's label has 1 to 32 characters");
	if (members_check(&list, f) < 0)
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

/* --- whether it all adds up ------------------------------------------------------------------------------------ */

static const char make_group[] =
	"give the group all its members with okv-luna config chrystoki ha, or remove its entries";
static const char may_not_reach[] = "the library may not reach that server";
static const char no_server[] = "the library then shows no slots and reports no error";

/* The first entry of that key; *ret_line counts from 1 and is 0 where there is none. */
static struct chrystoki_value value_of(const struct chrystoki *c, const char *section, const char *key,
				       size_t *ret_line)
{
	ptrdiff_t line;

	(void)chrystoki_entries(c, section, key, &line);
	*ret_line = (size_t)(line + 1);
	return chrystoki_value_at(c, line);
}

static size_t line_of(const struct chrystoki_numbered *numbered)
{
	return (size_t)(numbered->line + 1);
}

/* Entries that decide what shows, each by its section; groups' and servers' keys are the families'. */
static const struct {
	const char *key, *section;
} homes[] = { { "ServerName", CHRYSTOKI_CLIENT_SECTION },
	      { "LNHServer", CHRYSTOKI_CLIENT_SECTION },
	      { "HAOnly", "HAConfiguration" },
	      { "reconnAtt", "HAConfiguration" } };

/* Whether the entry belongs into another section; *ret_home is that one. */
static bool is_misplaced(const struct chrystoki *c, const struct chrystoki_line *line, const char **ret_home)
{
	const char *known =
		line->kind == CHRYSTOKI_ENTRY && line->section != CHRYSTOKI_NO_LINE ? chrystoki_spelling(line) : NULL;

	*ret_home = NULL;
	for (size_t i = 0; known != NULL && i < sizeof(homes) / sizeof(homes[0]); i++)
		if (strcmp(known, homes[i].key) == 0)
			*ret_home = homes[i].section;
	/* REST has a ServerName of its own. */
	return *ret_home != NULL && !chrystoki_is_named(&c->lines[line->section], *ret_home) &&
	       !chrystoki_is_named(&c->lines[line->section], "REST");
}

/* One finding for each section; whether there is any. */
static bool misplaced_evaluate(const struct chrystoki *c, struct finding_list *found)
{
	ptrdiff_t told = CHRYSTOKI_NO_LINE;
	const char *home;

	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		if (!is_misplaced(c, line, &home) || line->section == told)
			continue;
		const struct chrystoki_line *open = &c->lines[line->section];
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "chrystoki-misplaced", "the library does not look for it there",
					 .hides = true),
			    i + 1, "'%s' is in section '%s', not in '%s'",
			    SHOWN_BYTES(line->bytes + line->name_start, line->name_length),
			    SHOWN_BYTES(open->bytes + open->name_start, open->name_length), home);
		finding_set_remedy(found, "move the line into section '%s'", home);
		told = line->section;
	}
	return told != CHRYSTOKI_NO_LINE;
}

bool chrystoki_is_networked(const struct chrystoki *c)
{
	static const enum chrystoki_family_kind kinds[] = { CHRYSTOKI_SERVERS, CHRYSTOKI_CLUSTER };
	struct chrystoki_family family;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		chrystoki_family_read(c, kinds[k], &family);
		for (size_t i = 0; i < family.count; i++)
			if (family.items[i].parts[CHRYSTOKI_NAME].length > 0)
				return true;
	}
	return false;
}

/* Does section REST name a cloud service? */
static bool names_service(const struct chrystoki *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		const char *name = line->bytes + line->name_start;
		if (line->kind == CHRYSTOKI_ENTRY && line->section != CHRYSTOKI_NO_LINE && line->value_length > 0 &&
		    chrystoki_is_named(&c->lines[line->section], "REST") &&
		    ((line->name_length >= 10 && memcmp(name, "ServerName", 10) == 0) ||
		     (line->name_length >= 13 && memcmp(name, "PartitionData", 13) == 0)))
			return true;
	}
	return false;
}

/* Whether `key` names something that can be asked. */
static void host_evaluate(const char *key, const struct chrystoki_value *host, size_t line, struct finding_list *found)
{
	if (host->length > 0 && !is_host(host))
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "server-name",
					 "the library cannot reach that server, and does not show its slots",
					 "write the server's name or address there, and nothing else", .hides = true),
			    line, "%s is '%s', which is neither a host name nor an address", key,
			    SHOWN_BYTES(host->bytes, host->length));
}

/* `alone`: nothing else in the file says whom to ask. */
static void server_evaluate(const struct chrystoki_numbered *server, bool alone, struct finding_list *found)
{
	const struct chrystoki_value *name = &server->parts[CHRYSTOKI_NAME], *port = &server->parts[CHRYSTOKI_PORT];
	char key[KEY_SIZE];

	key_make(key, CHRYSTOKI_SERVERS, CHRYSTOKI_NAME, server->number);
	if (name->length == 0)
		finding_add(found,
			    FINDING_RULE(alone ? FINDING_FAIL : FINDING_WARN, "server-empty",
					 alone ? no_server : "there is one server fewer",
					 "write the server's name or address there", .hides = alone),
			    line_of(server), "%s is empty", key);
	else
		host_evaluate(key, name, line_of(server), found);
	if (is_port(port))
		return;
	finding_add(found, FINDING_RULE(FINDING_WARN, "server-port", may_not_reach), line_of(server),
		    "ServerPort%02u is %s", server->number, port->bytes == NULL ? "missing" : "not a port number");
	finding_set_remedy(found, COMMAND "set '%s' ServerPort%02u %d", CHRYSTOKI_CLIENT_SECTION, server->number,
			   CHRYSTOKI_PORT_DEFAULT);
}

/* The servers of an appliance cluster, and the cloud service's. */
static void others_evaluate(const struct chrystoki *c, struct finding_list *found)
{
	struct chrystoki_family cluster;
	char key[KEY_SIZE];
	ptrdiff_t at;

	chrystoki_family_read(c, CHRYSTOKI_CLUSTER, &cluster);
	for (size_t i = 0; i < cluster.count; i++) {
		key_make(key, CHRYSTOKI_CLUSTER, CHRYSTOKI_NAME, cluster.items[i].number);
		host_evaluate(key, &cluster.items[i].parts[CHRYSTOKI_NAME], line_of(&cluster.items[i]), found);
	}
	if (chrystoki_entries(c, "REST", "ServerName", &at) > 0) {
		const struct chrystoki_value host = chrystoki_value_at(c, at);
		host_evaluate("ServerName", &host, (size_t)(at + 1), found);
	}
	if (chrystoki_entries(c, "REST", "ServerPort", &at) > 0) {
		const struct chrystoki_value port = chrystoki_value_at(c, at);
		if (port.length > 0 && !is_port(&port)) {
			finding_add(found, FINDING_RULE(FINDING_WARN, "server-port", may_not_reach), (size_t)(at + 1),
				    "ServerPort is not a port number");
			finding_set_remedy(found, COMMAND "set REST ServerPort %d", CHRYSTOKI_WEB_PORT_DEFAULT);
		}
	}
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

		if (server->parts[CHRYSTOKI_NAME].bytes == NULL)
			continue; /* a port without a server hides nothing */
		if (server->number != next)
			finding_add(found,
				    FINDING_RULE(FINDING_FAIL, "server-gap",
						 "the library may stop at the gap, and not show the servers after it "
						 "nor their slots",
						 "number the servers from 00 without gaps", .hides = true),
				    line_of(server), "there is a ServerName%02u and no ServerName%02u", server->number,
				    server->number - 1);
		server_evaluate(server, alone, found);
		empty = empty || server->parts[CHRYSTOKI_NAME].length == 0;
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
	const struct chrystoki_value *serial = &group->parts[CHRYSTOKI_SERIAL];
	struct chrystoki_member first;
	size_t at = 0;

	if (serial->bytes == NULL || !chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &first) ||
	    !first.is_serial ||
	    (serial->length == first.name.length + 1 && serial->bytes[0] == '1' &&
	     memcmp(serial->bytes + 1, first.name.bytes, first.name.length) == 0))
		return;
	finding_add(found,
		    FINDING_RULE(FINDING_WARN, "ha-serial",
				 "it may be from a tool of the clients 5.1 to 5.3, which gave any number",
				 .hides = true),
		    line_of(group), "HA group %02u has serial number '%s', not '1' and its first member's",
		    group->number, SHOWN_BYTES(serial->bytes, serial->length));
	finding_set_remedy(found, COMMAND "set VirtualToken VirtualToken%02uSN 1%s", group->number,
			   SHOWN_BYTES(first.name.bytes, first.name.length));
}

static void members_evaluate(const struct chrystoki_numbered *group, struct finding_list *found)
{
	struct chrystoki_member member;
	size_t count = 0;

	if (group->parts[CHRYSTOKI_MEMBERS].length == 0) {
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, CHRYSTOKI_HA_NO_MEMBERS, "the group shows no slot", make_group,
					 .hides = true),
			    line_of(group), "HA group %02u has no members", group->number);
		return;
	}
	for (size_t at = 0; chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &member); count++) {
		if (!member.is_serial)
			finding_add(found,
				    FINDING_RULE(FINDING_FAIL, "ha-member-number", "the group has one member fewer",
						 make_group, .hides = true),
				    line_of(group), "member '%s' of HA group %02u is not a serial number",
				    SHOWN_BYTES(member.name.bytes, member.name.length), group->number);
		else if (member.is_repeated)
			finding_add(found,
				    FINDING_RULE(FINDING_WARN, "ha-member-twice",
						 "there is less redundancy than it seems", make_group),
				    line_of(group), "member %s of HA group %02u is listed twice",
				    SHOWN_BYTES(member.name.bytes, member.name.length), group->number);
	}
	if (count == 1)
		finding_add(found, FINDING_RULE(FINDING_WARN, "ha-member-single", "there is no failover", make_group),
			    line_of(group), "HA group %02u has one member only", group->number);
}

static void synchronize_evaluate(const struct chrystoki *c, const struct chrystoki_numbered *group,
				 struct finding_list *found)
{
	TEXT_AUTO label = { 0 };
	size_t line;

	text_add(&label, group->parts[CHRYSTOKI_LABEL].bytes, group->parts[CHRYSTOKI_LABEL].length);
	found->failed = found->failed || label.failed;
	const struct chrystoki_value value = value_of(c, "HASynchronize", text_string(&label), &line);
	if (chrystoki_value_is(&value, "1"))
		return;
	finding_add(found,
		    FINDING_RULE(FINDING_WARN, "ha-synchronize", "a key made on one member is not copied to the others",
				 .hides = true),
		    line > 0 ? line : line_of(group), "section HASynchronize has no '%s = 1'",
		    SHOWN(text_string(&label)));
	finding_set_remedy(found, COMMAND "set HASynchronize '%s' 1", SHOWN(text_string(&label)));
}

/* Does the other list have that member, too? */
static bool is_member(const struct chrystoki_value *members, const struct chrystoki_value *name)
{
	struct chrystoki_value other;

	for (size_t at = 0; name_next(members, &at, &other);)
		if (is_same(&other, name))
			return true;
	return false;
}

/* What two groups may not have in common; one finding for a pair. */
static void pair_evaluate(const struct chrystoki_numbered *a, const struct chrystoki_numbered *b,
			  struct finding_list *found)
{
	const char *what = is_same(&a->parts[CHRYSTOKI_LABEL], &b->parts[CHRYSTOKI_LABEL])     ? "label"
			   : is_same(&a->parts[CHRYSTOKI_SERIAL], &b->parts[CHRYSTOKI_SERIAL]) ? "serial number"
											       : NULL;
	struct chrystoki_member member;

	for (size_t at = 0; what == NULL && chrystoki_member_next(&b->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (member.is_serial && is_member(&a->parts[CHRYSTOKI_MEMBERS], &member.name))
			what = "member";
	if (what != NULL)
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-twice", "it is not known which of the two is used",
					 "give each group a label and members of its own with okv-luna config "
					 "chrystoki ha, or remove one's entries"),
			    line_of(b), "HA groups %02u and %02u have the same %s", a->number, b->number, what);
}

static void group_evaluate(const struct chrystoki *c, const struct chrystoki_numbered *group,
			   struct finding_list *found)
{
	for (size_t i = 0; i < CHRYSTOKI_PARTS; i++)
		if (group->parts[i].bytes == NULL)
			finding_add(found,
				    FINDING_RULE(FINDING_FAIL, "ha-entry-missing", "the group does not show",
						 make_group, .hides = true),
				    line_of(group), "HA group %02u has no VirtualToken%02u%s", group->number,
				    group->number, families[CHRYSTOKI_GROUPS].suffixes[i]);
	const struct chrystoki_value *label = &group->parts[CHRYSTOKI_LABEL];
	if (label->bytes != NULL && (label->length == 0 || label->length > LABEL_MAX))
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-label",
					 "no token can have such a label, and OKV finds its token by it", make_group,
					 .hides = true),
			    line_of(group), "the label of HA group %02u has %zu characters, not 1 to %d", group->number,
			    label->length, LABEL_MAX);
	else if (label->bytes != NULL)
		synchronize_evaluate(c, group, found);
	if (group->parts[CHRYSTOKI_MEMBERS].bytes != NULL)
		members_evaluate(group, found);
	serial_evaluate(group, found);
}

/* What holds for all groups of the file. */
static void configuration_evaluate(const struct chrystoki *c, bool misplaced, struct finding_list *found)
{
	struct chrystoki_value value;
	unsigned seconds;
	size_t line;

	value = value_of(c, "HAConfiguration", "HAOnly", &line);
	if (!chrystoki_value_is(&value, "1") && !misplaced)
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-only",
					 "OKV sees the members beside the group and may keep using one of them: no "
					 "failover, no failback",
					 COMMAND "ha-only on"),
			    line, "HAOnly is not 1");
	value = value_of(c, "HAConfiguration", "reconnAtt", &line);
	if (value.bytes == NULL || chrystoki_value_is_off(&value))
		finding_add(found,
			    FINDING_RULE(FINDING_WARN, "ha-recovery",
					 "a member that was away does not come back by itself",
					 COMMAND "set HAConfiguration reconnAtt -1"),
			    line, "reconnAtt is 0, which is also the default");
	value = value_of(c, "HAConfiguration", "AutoReconnectInterval", &line);
	if (value.bytes != NULL && (!value_number(&value, &seconds) || seconds < 60 || seconds > 1200))
		finding_add(found,
			    FINDING_RULE(FINDING_WARN, "ha-interval", "the library takes another value",
					 COMMAND "set HAConfiguration AutoReconnectInterval 60"),
			    line, "AutoReconnectInterval is not between 60 and 1200 seconds");
	value = value_of(c, "VirtualToken", "VirtualTokenActiveRecovery", &line);
	if (value.bytes != NULL && !chrystoki_value_is(&value, "activeEnhanced") &&
	    !chrystoki_value_is(&value, "activeBasic"))
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
				    line_of(group), "there is an HA group %02u and no HA group %02u", group->number,
				    group->number - 1);
		group_evaluate(c, group, found);
		for (size_t earlier = 0; earlier < i; earlier++)
			pair_evaluate(&groups.items[earlier], group, found);
		next = group->number + 1;
	}
	const struct chrystoki_value only = value_of(c, "HAConfiguration", "HAOnly", &line);
	if (groups.count > 0)
		configuration_evaluate(c, misplaced, found);
	else if (only.bytes != NULL && !chrystoki_value_is_off(&only))
		finding_add(found,
			    FINDING_RULE(FINDING_FAIL, "ha-only-alone",
					 "the members are hidden and there is no group to show: zero slots",
					 COMMAND "ha-only off", .hides = true),
			    line, "HAOnly is on, and there is no HA group");
}
