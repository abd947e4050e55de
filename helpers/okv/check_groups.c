#include <stdlib.h>
#include <string.h>

#include "conf/chrystoki.h"
#include "conf/luna.h"
#include "okv/checking.h"

struct groups_checking {
	struct checking *c;
	const char *file;
	const struct chrystoki *conf;
};

static void tell(const struct groups_checking *g, enum okv_grade grade, const char *rule, ptrdiff_t line,
		 const char *what, const char *effect, const char *remedy)
{
	okv_found(g->c, grade, rule, g->file, line >= 0 ? (size_t)line + 1 : 0, NEEDS_A_PERSON, what, effect, remedy);
}

/* The first entry's value and place; NULL where there is none.  Freed by the caller. */
static char *value_read(const struct groups_checking *g, const char *section, const char *key, ptrdiff_t *ret_line)
{
	struct fault ignored = { 0 };
	char *value = NULL;

	(void)chrystoki_entries(g->conf, section, key, ret_line);
	if (chrystoki_get(g->conf, section, key, &value, &ignored) < 0)
		g->c->failed = true;
	return value;
}

/* Two digits each, counted from 00: the library stops at the first one that is missing. */
static bool number_used(const unsigned *numbers, size_t count, unsigned number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static void members_check(const struct groups_checking *g, const struct luna_group *group)
{
	struct checking *c = g->c;
	const char *member, *other;
	size_t length, count = 0;

	for (; (length = luna_member(group->members, count, &member)) > 0; count++) {
		for (size_t i = 0; i < length; i++) {
			if (member[i] >= '0' && member[i] <= '9')
				continue;
			tell(g, OKV_FAIL, "ha-member-number", group->line,
			     okv_words(c, "member '%s' of group %02u is no serial number", SHOWN_BYTES(member, length),
				       group->number),
			     "the group has a member less", "okv-luna config chrystoki ha LABEL SERIAL,SERIAL");
			break;
		}
		for (size_t i = 0; i < count; i++) {
			const size_t n = luna_member(group->members, i, &other);
			if (n == length && memcmp(member, other, n) == 0)
				tell(g, OKV_WARN, "ha-member-twice", group->line,
				     okv_words(c, "member %s of group %02u stands twice", SHOWN_BYTES(member, length),
					       group->number),
				     "there is less redundancy than it seems",
				     "okv-luna config chrystoki ha LABEL SERIAL,SERIAL");
		}
	}
	if (count == 1)
		tell(g, OKV_WARN, "ha-member-single", group->line,
		     okv_words(c, "group %02u has one member only", group->number), "there is no failover",
		     "okv-luna config chrystoki ha LABEL SERIAL,SERIAL");
	length = luna_member(group->members, 0, &member);
	if (length == 0)
		tell(g, OKV_FAIL, "ha-no-members", group->line,
		     okv_words(c, "group %02u has no members", group->number), "the group shows no slot",
		     "okv-luna config chrystoki ha LABEL SERIAL,SERIAL");
	else if (group->serial != NULL && (group->serial[0] != '1' || !text_equal(member, length, group->serial + 1)))
		tell(g, OKV_FAIL, "ha-serial", group->line,
		     okv_words(c, "group %02u has serial number '%s', not '1' and its first member's", group->number,
			       SHOWN(group->serial)),
		     "the library and this file do not mean the same group",
		     okv_words(c, "okv-luna config chrystoki set VirtualToken VirtualToken%02uSN 1%s", group->number,
			       SHOWN_BYTES(member, length)));
}

static void group_check(const struct groups_checking *g, const struct luna_group *group)
{
	struct checking *c = g->c;
	const char *const parts[] = { group->label, group->serial, group->members };
	static const char *const names[] = { "Label", "SN", "Members" };
	ptrdiff_t line;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i] == NULL)
			tell(g, OKV_FAIL, "ha-entry-missing", group->line,
			     okv_words(c, "group %02u has no VirtualToken%02u%s", group->number, group->number,
				       names[i]),
			     "the group does not show", "okv-luna config chrystoki ha LABEL SERIAL,SERIAL");
	if (group->label != NULL) {
		char *synchronize = value_read(g, "HASynchronize", group->label, &line);
		if (synchronize == NULL || strcmp(synchronize, "1") != 0)
			tell(g, OKV_WARN, "ha-synchronize", synchronize != NULL ? line : group->line,
			     okv_words(c, "section HASynchronize has no '%s = 1'", SHOWN(group->label)),
			     "a key made on one member is not copied to the others",
			     okv_words(c, "okv-luna config chrystoki set HASynchronize '%s' 1", SHOWN(group->label)));
		free(synchronize);
	}
	if (group->members != NULL)
		members_check(g, group);
}

static void configuration_check(const struct groups_checking *g)
{
	ptrdiff_t line;
	char *only = value_read(g, "HAConfiguration", "HAOnly", &line);
	if (only == NULL || strcmp(only, "1") != 0)
		tell(g, OKV_FAIL, "ha-only", line, "HAOnly is not 1",
		     "OKV sees the members beside the group and may hold on to one of them: no failover, no return",
		     "okv-luna config chrystoki ha-only on");
	free(only);

	char *attempts = value_read(g, "HAConfiguration", "reconnAtt", &line);
	if (attempts == NULL || strcmp(attempts, "0") == 0)
		tell(g, OKV_WARN, "ha-recovery", line, "reconnAtt is 0, which is also the default",
		     "a member that was away does not come back by itself",
		     "okv-luna config chrystoki set HAConfiguration reconnAtt -1");
	free(attempts);

	char *interval = value_read(g, "HAConfiguration", "AutoReconnectInterval", &line);
	if (interval != NULL) {
		const size_t digits = strspn(interval, "0123456789");
		const unsigned long seconds = strtoul(interval, NULL, 10);
		if (digits == 0 || interval[digits] != '\0' || digits > 4 || seconds < 60 || seconds > 1200)
			tell(g, OKV_WARN, "ha-interval", line,
			     "AutoReconnectInterval is not between 60 and 1200 seconds",
			     "the library takes another value",
			     "okv-luna config chrystoki set HAConfiguration AutoReconnectInterval 60");
	}
	free(interval);

	char *mode = value_read(g, "VirtualToken", "VirtualTokenActiveRecovery", &line);
	if (mode != NULL && strcmp(mode, "activeEnhanced") != 0 && strcmp(mode, "activeBasic") != 0)
		tell(g, OKV_WARN, "ha-recovery-mode", line,
		     "VirtualTokenActiveRecovery is neither activeEnhanced nor activeBasic",
		     "the library takes its default",
		     "okv-luna config chrystoki set VirtualToken VirtualTokenActiveRecovery activeEnhanced");
	free(mode);
}

static int servers_check(const struct groups_checking *g, struct fault *f)
{
	__attribute__((cleanup(luna_servers_done))) struct luna_servers s = { .items = NULL };
	unsigned numbers[LUNA_NUMBER_MAX + 1];

	if (luna_servers_read(g->conf, &s, f) < 0)
		return -1;
	const size_t count = s.count < LUNA_NUMBER_MAX ? s.count : LUNA_NUMBER_MAX;
	for (size_t i = 0; i < count; i++)
		numbers[i] = s.items[i].number;
	for (size_t i = 0; i < count; i++) {
		const struct luna_server *server = &s.items[i];
		if (server->number > 0 && !number_used(numbers, count, server->number - 1))
			tell(g, OKV_FAIL, "server-gap", server->line,
			     okv_words(g->c, "there is a ServerName%02u and no ServerName%02u", server->number,
				       server->number - 1),
			     "the library may stop at the gap: servers behind it, and their slots, do not show",
			     "okv-luna config chrystoki server-remove and server-add give numbers without gaps");
		if (server->name[0] == '\0')
			tell(g, OKV_WARN, "server-empty", server->line,
			     okv_words(g->c, "ServerName%02u is empty", server->number), "there is a server less",
			     "okv-luna config chrystoki server-add HOST");
		const size_t digits = server->port != NULL ? strspn(server->port, "0123456789") : 0;
		if (digits == 0 || digits > 5 || server->port[digits] != '\0' ||
		    strtoul(server->port, NULL, 10) > 65535)
			tell(g, OKV_WARN, "server-port", server->line,
			     okv_words(g->c, "ServerPort%02u is %s", server->number,
				       server->port == NULL ? "missing" : "no port number"),
			     "the library may not reach that server",
			     okv_words(g->c, "okv-luna config chrystoki set '%s' ServerPort%02u %d",
				       LUNA_CLIENT_SECTION, server->number, LUNA_PORT_DEFAULT));
	}
	return 0;
}

int okv_check_groups(struct checking *c, const char *file, const struct chrystoki *conf, struct fault *f)
{
	const struct groups_checking g = { .c = c, .file = file, .conf = conf };
	__attribute__((cleanup(luna_groups_done))) struct luna_groups groups = { .items = NULL };
	unsigned numbers[LUNA_NUMBER_MAX + 1];

	if (servers_check(&g, f) < 0 || luna_groups_read(conf, &groups, f) < 0)
		return -1;
	/* Two digits: there are never more of them. */
	for (size_t i = 0; i < groups.count; i++)
		numbers[i] = groups.items[i].number;
	for (size_t i = 0; i < groups.count; i++) {
		const struct luna_group *group = &groups.items[i];
		if (group->number > 0 && !number_used(numbers, groups.count, group->number - 1))
			tell(&g, OKV_FAIL, "ha-gap", group->line,
			     okv_words(c, "there is a group %02u and no group %02u", group->number, group->number - 1),
			     "the library may stop at the gap and not show the groups behind it",
			     "number the groups from 00 without gaps");
		group_check(&g, group);
	}
	if (groups.count > 0)
		configuration_check(&g);
	return 0;
}
