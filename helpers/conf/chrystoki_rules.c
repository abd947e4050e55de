#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "conf/chrystoki_groups.h"

#define COMMAND "okv-luna config chrystoki "

/* --- whether it all adds up ------------------------------------------------------------------------------------ */

static const char make_group[] =
	"give the group all its members with okv-luna config chrystoki ha, or take its entries out";

/* In the order of enum chrystoki_rule.  A remedy that depends on the case is made where the finding is. */
static const struct {
	const char *word;
	bool wrong, hides;
	const char *effect, *remedy;
} rules[] = {
	{ "server-none", true, true, "the library has nobody to ask: zero slots, without an error",
	  "register the HSM's server: okv-luna config chrystoki server-add HOST, and its certificate in ServerCAFile" },
	{ "server-gap", true, true, "the library may stop at the gap: servers behind it, and their slots, do not show",
	  "number the servers from 00 without gaps" },
	{ "server-empty", false, false, "there is a server less", NULL },
	{ "server-port", false, false, "the library may not reach that server", NULL },
	{ "chrystoki-misplaced", true, true, "the library does not look for it there", NULL },
	{ "ha-gap", true, true, "the library may stop at the gap and not show the groups behind it",
	  "number the groups from 00 without gaps" },
	{ "ha-entry-missing", true, true, "the group does not show", make_group },
	{ "ha-serial", false, true, "it may be from a tool of the clients 5.1 to 5.3, which gave any number", NULL },
	{ "ha-synchronize", false, true, "a key made on one member is not copied to the others", NULL },
	{ "ha-no-members", true, true, "the group shows no slot", make_group },
	{ "ha-member-number", true, true, "the group has a member less", make_group },
	{ "ha-member-twice", false, false, "there is less redundancy than it seems", make_group },
	{ "ha-member-single", false, false, "there is no failover", make_group },
	{ "ha-only", true, false,
	  "OKV sees the members beside the group and may hold on to one of them: no failover, no return",
	  COMMAND "ha-only on" },
	{ "ha-only-alone", true, true, "the members are hidden and there is no group to show: zero slots",
	  COMMAND "ha-only off" },
	{ "ha-recovery", false, false, "a member that was away does not come back by itself",
	  COMMAND "set HAConfiguration reconnAtt -1" },
	{ "ha-interval", false, false, "the library takes another value",
	  COMMAND "set HAConfiguration AutoReconnectInterval 60" },
	{ "ha-recovery-mode", false, false, "the library takes its default",
	  COMMAND "set VirtualToken VirtualTokenActiveRecovery activeEnhanced" },
};

struct evaluation {
	const struct chrystoki *conf;
	struct chrystoki_findings findings;
	struct chrystoki_finding spare; /* takes what is said where there is no memory for a finding */
	bool failed;
};

/* The first entry of that key; *ret_line is CHRYSTOKI_NO_LINE where there is none. */
static struct chrystoki_value value_of(const struct chrystoki *c, const char *section, const char *key,
				       ptrdiff_t *ret_line)
{
	(void)chrystoki_entries(c, section, key, ret_line);
	return chrystoki_value_at(c, *ret_line);
}

static void finding_done(struct chrystoki_finding *finding)
{
	text_done(&finding->what);
	text_done(&finding->remedy);
}

void chrystoki_findings_done(struct chrystoki_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_done(&findings->items[i]);
	free(findings->items);
	*findings = (struct chrystoki_findings){ .items = NULL };
}

/* The caller says what it is, and the remedy where the rule has none of its own. */
static struct chrystoki_finding *finding_add(struct evaluation *e, enum chrystoki_rule rule, ptrdiff_t line)
{
	if (!ARRAY_GROW(e->findings.items, e->findings.count)) {
		e->failed = true;
		return &e->spare;
	}
	struct chrystoki_finding *finding = &e->findings.items[e->findings.count++];
	*finding = (struct chrystoki_finding){ .rule = rule,
					       .word = rules[rule].word,
					       .wrong = rules[rule].wrong,
					       .hides = rules[rule].hides,
					       .line = line,
					       .effect = rules[rule].effect };
	return finding;
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

/* One finding for each section. */
static void misplaced_evaluate(struct evaluation *e)
{
	ptrdiff_t told = CHRYSTOKI_NO_LINE;
	const char *home;

	for (size_t i = 0; i < e->conf->count; i++) {
		const struct chrystoki_line *line = &e->conf->lines[i];
		if (!is_misplaced(e->conf, line, &home) || line->section == told)
			continue;
		const struct chrystoki_line *open = &e->conf->lines[line->section];
		struct chrystoki_finding *found = finding_add(e, CHRYSTOKI_MISPLACED, (ptrdiff_t)i);
		text_add_format(&found->what, "'%s' stands in section '%s', not in '%s'",
				SHOWN_BYTES(line->bytes + line->name_start, line->name_length),
				SHOWN_BYTES(open->bytes + open->name_start, open->name_length), home);
		text_add_format(&found->remedy, "move the line into section '%s'", home);
		told = line->section;
	}
}

static bool is_told(const struct evaluation *e, enum chrystoki_rule rule)
{
	for (size_t i = 0; i < e->findings.count; i++)
		if (e->findings.items[i].rule == rule)
			return true;
	return false;
}

/* Is there anybody to ask: a server, a cluster's server, the cloud service? */
static bool somebody_is_named(const struct evaluation *e, const struct chrystoki_family *servers)
{
	struct chrystoki_family cluster;

	for (size_t i = 0; i < servers->count; i++)
		if (servers->items[i].parts[CHRYSTOKI_NAME].length > 0)
			return true;
	chrystoki_family_read(e->conf, CHRYSTOKI_CLUSTER, &cluster);
	for (size_t i = 0; i < cluster.count; i++)
		if (cluster.items[i].parts[CHRYSTOKI_NAME].length > 0)
			return true;
	for (size_t i = 0; i < e->conf->count; i++) {
		const struct chrystoki_line *line = &e->conf->lines[i];
		const char *name = line->bytes + line->name_start;
		if (line->kind == CHRYSTOKI_ENTRY && line->section != CHRYSTOKI_NO_LINE && line->value_length > 0 &&
		    chrystoki_is_named(&e->conf->lines[line->section], "REST") &&
		    ((line->name_length >= 10 && memcmp(name, "ServerName", 10) == 0) ||
		     (line->name_length >= 13 && memcmp(name, "PartitionData", 13) == 0)))
			return true;
	}
	return false;
}

/* Nobody is: said at the empty names where there are some. */
static void nobody_evaluate(struct evaluation *e, const struct chrystoki_family *servers)
{
	if (somebody_is_named(e, servers) || is_told(e, CHRYSTOKI_MISPLACED))
		return;
	if (!is_told(e, CHRYSTOKI_SERVER_EMPTY)) {
		text_add_string(
			&finding_add(e, CHRYSTOKI_SERVER_NONE, CHRYSTOKI_NO_LINE)->what,
			"no server is named: no ServerName00, no LNHServer00, no cloud service in section REST");
		return;
	}
	for (size_t i = 0; i < e->findings.count; i++) {
		struct chrystoki_finding *finding = &e->findings.items[i];
		if (finding->rule != CHRYSTOKI_SERVER_EMPTY)
			continue;
		finding->wrong = finding->hides = true;
		finding->effect = rules[CHRYSTOKI_SERVER_NONE].effect;
	}
}

static void server_evaluate(struct evaluation *e, const struct chrystoki_numbered *server)
{
	const struct chrystoki_value *port = &server->parts[CHRYSTOKI_PORT];
	struct chrystoki_finding *found;
	unsigned value;

	if (server->parts[CHRYSTOKI_NAME].length == 0) {
		found = finding_add(e, CHRYSTOKI_SERVER_EMPTY, server->line);
		text_add_format(&found->what, "ServerName%02u is empty", server->number);
		text_add_format(&found->remedy, "write the server's name or address there");
	}
	if (!chrystoki_value_number(port, &value) || value > 65535) {
		found = finding_add(e, CHRYSTOKI_SERVER_PORT, server->line);
		text_add_format(&found->what, "ServerPort%02u is %s", server->number,
				port->bytes == NULL ? "missing" : "no port number");
		text_add_format(&found->remedy, COMMAND "set '%s' ServerPort%02u %d", CHRYSTOKI_CLIENT_SECTION,
				server->number, CHRYSTOKI_PORT_DEFAULT);
	}
}

static void servers_evaluate(struct evaluation *e)
{
	struct chrystoki_family servers;
	unsigned next = 0;

	chrystoki_family_read(e->conf, CHRYSTOKI_SERVERS, &servers);
	for (size_t i = 0; i < servers.count; i++) {
		const struct chrystoki_numbered *server = &servers.items[i];

		if (server->parts[CHRYSTOKI_NAME].bytes == NULL)
			continue; /* a port without a server hides nothing */
		if (server->number != next)
			text_add_format(&finding_add(e, CHRYSTOKI_SERVER_GAP, server->line)->what,
					"there is a ServerName%02u and no ServerName%02u", server->number,
					server->number - 1);
		server_evaluate(e, server);
		next = server->number + 1;
	}
	nobody_evaluate(e, &servers);
}

static void serial_evaluate(struct evaluation *e, const struct chrystoki_numbered *group)
{
	const struct chrystoki_value *serial = &group->parts[CHRYSTOKI_SERIAL];
	struct chrystoki_member first;
	size_t at = 0;

	if (serial->bytes == NULL || !chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &first) ||
	    !first.is_serial ||
	    (serial->length == first.name.length + 1 && serial->bytes[0] == '1' &&
	     memcmp(serial->bytes + 1, first.name.bytes, first.name.length) == 0))
		return;
	struct chrystoki_finding *found = finding_add(e, CHRYSTOKI_HA_SERIAL, group->line);
	text_add_format(&found->what, "HA group %02u has serial number '%s', not '1' and its first member's",
			group->number, SHOWN_BYTES(serial->bytes, serial->length));
	text_add_format(&found->remedy, COMMAND "set VirtualToken VirtualToken%02uSN 1%s", group->number,
			SHOWN_BYTES(first.name.bytes, first.name.length));
}

static void members_evaluate(struct evaluation *e, const struct chrystoki_numbered *group)
{
	struct chrystoki_finding *found;
	struct chrystoki_member member;
	size_t count = 0;

	if (group->parts[CHRYSTOKI_MEMBERS].length == 0) {
		found = finding_add(e, CHRYSTOKI_HA_NO_MEMBERS, group->line);
		text_add_format(&found->what, "HA group %02u has no members", group->number);
		return;
	}
	for (size_t at = 0; chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &member); count++) {
		if (!member.is_serial) {
			found = finding_add(e, CHRYSTOKI_HA_MEMBER_NUMBER, group->line);
			text_add_format(&found->what, "member '%s' of HA group %02u is no serial number",
					SHOWN_BYTES(member.name.bytes, member.name.length), group->number);
		} else if (member.is_repeated) {
			found = finding_add(e, CHRYSTOKI_HA_MEMBER_TWICE, group->line);
			text_add_format(&found->what, "member %s of HA group %02u stands twice",
					SHOWN_BYTES(member.name.bytes, member.name.length), group->number);
		}
	}
	if (count == 1) {
		found = finding_add(e, CHRYSTOKI_HA_MEMBER_SINGLE, group->line);
		text_add_format(&found->what, "HA group %02u has one member only", group->number);
	}
}

static int synchronize_evaluate(struct evaluation *e, const struct chrystoki_numbered *group, struct fault *f)
{
	char *label = strndup(group->parts[CHRYSTOKI_LABEL].bytes, group->parts[CHRYSTOKI_LABEL].length);
	ptrdiff_t line;

	if (label == NULL)
		return fault_memory(f);
	const struct chrystoki_value value = value_of(e->conf, "HASynchronize", label, &line);
	if (!chrystoki_value_is(&value, "1")) {
		struct chrystoki_finding *found =
			finding_add(e, CHRYSTOKI_HA_SYNCHRONIZE, line != CHRYSTOKI_NO_LINE ? line : group->line);
		text_add_format(&found->what, "section HASynchronize has no '%s = 1'", SHOWN(label));
		text_add_format(&found->remedy, COMMAND "set HASynchronize '%s' 1", SHOWN(label));
	}
	free(label);
	return 0;
}

static int group_evaluate(struct evaluation *e, const struct chrystoki_numbered *group, struct fault *f)
{
	static const char *const suffixes[CHRYSTOKI_PARTS] = { "Label", "SN", "Members" };

	for (size_t i = 0; i < CHRYSTOKI_PARTS; i++) {
		if (group->parts[i].bytes != NULL)
			continue;
		struct chrystoki_finding *found = finding_add(e, CHRYSTOKI_HA_ENTRY_MISSING, group->line);
		text_add_format(&found->what, "HA group %02u has no VirtualToken%02u%s", group->number, group->number,
				suffixes[i]);
	}
	if (group->parts[CHRYSTOKI_LABEL].bytes != NULL && synchronize_evaluate(e, group, f) < 0)
		return -1;
	if (group->parts[CHRYSTOKI_MEMBERS].bytes != NULL)
		members_evaluate(e, group);
	serial_evaluate(e, group);
	return 0;
}

/* What holds for all groups of the file. */
static void configuration_evaluate(struct evaluation *e)
{
	struct chrystoki_value value;
	unsigned seconds;
	ptrdiff_t line;

	value = value_of(e->conf, "HAConfiguration", "HAOnly", &line);
	if (!chrystoki_value_is(&value, "1") && !is_told(e, CHRYSTOKI_MISPLACED))
		text_add_string(&finding_add(e, CHRYSTOKI_HA_ONLY, line)->what, "HAOnly is not 1");
	value = value_of(e->conf, "HAConfiguration", "reconnAtt", &line);
	if (value.bytes == NULL || chrystoki_value_is_off(&value))
		text_add_string(&finding_add(e, CHRYSTOKI_HA_RECOVERY, line)->what,
				"reconnAtt is 0, which is also the default");
	value = value_of(e->conf, "HAConfiguration", "AutoReconnectInterval", &line);
	if (value.bytes != NULL && (!chrystoki_value_number(&value, &seconds) || seconds < 60 || seconds > 1200))
		text_add_string(&finding_add(e, CHRYSTOKI_HA_INTERVAL, line)->what,
				"AutoReconnectInterval is not between 60 and 1200 seconds");
	value = value_of(e->conf, "VirtualToken", "VirtualTokenActiveRecovery", &line);
	if (value.bytes != NULL && !chrystoki_value_is(&value, "activeEnhanced") &&
	    !chrystoki_value_is(&value, "activeBasic"))
		text_add_string(&finding_add(e, CHRYSTOKI_HA_RECOVERY_MODE, line)->what,
				"VirtualTokenActiveRecovery is neither activeEnhanced nor activeBasic");
}

static int groups_evaluate(struct evaluation *e, struct fault *f)
{
	struct chrystoki_family groups;
	unsigned next = 0;

	chrystoki_family_read(e->conf, CHRYSTOKI_GROUPS, &groups);
	for (size_t i = 0; i < groups.count; i++) {
		const struct chrystoki_numbered *group = &groups.items[i];

		if (group->number != next)
			text_add_format(&finding_add(e, CHRYSTOKI_HA_GAP, group->line)->what,
					"there is an HA group %02u and no HA group %02u", group->number,
					group->number - 1);
		if (group_evaluate(e, group, f) < 0)
			return -1;
		next = group->number + 1;
	}
	ptrdiff_t line;
	const struct chrystoki_value only = value_of(e->conf, "HAConfiguration", "HAOnly", &line);
	if (groups.count > 0)
		configuration_evaluate(e);
	else if (only.bytes != NULL && !chrystoki_value_is_off(&only))
		text_add_string(&finding_add(e, CHRYSTOKI_HA_ALONE, line)->what,
				"HAOnly is on, and there is no HA group");
	return 0;
}

int chrystoki_groups_evaluate(const struct chrystoki *c, struct chrystoki_findings *ret_findings, struct fault *f)
{
	struct evaluation e = { .conf = c };

	misplaced_evaluate(&e);
	servers_evaluate(&e);
	int r = groups_evaluate(&e, f);
	for (size_t i = 0; r == 0 && i < e.findings.count; i++) {
		struct chrystoki_finding *finding = &e.findings.items[i];

		if (finding->remedy.length == 0 && rules[finding->rule].remedy != NULL)
			text_add_string(&finding->remedy, rules[finding->rule].remedy);
		e.failed = e.failed || finding->what.failed || finding->remedy.failed;
	}
	if (r == 0 && e.failed)
		r = fault_memory(f);
	finding_done(&e.spare);
	if (r < 0)
		chrystoki_findings_done(&e.findings);
	else
		*ret_findings = e.findings;
	return r;
}
