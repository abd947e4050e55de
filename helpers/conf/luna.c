#include "conf/luna.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_SECTION       "VirtualToken"
#define SYNCHRONIZE_SECTION "HASynchronize"

enum { KEY_SIZE = 48 };

/* "ServerName07" is stem "ServerName", number 7, suffix "". */
static bool numbered(const struct chrystoki_line *line, const char *stem, const char *suffix, unsigned *ret_number)
{
	const char *name = line->bytes + line->name_start;
	const size_t head = strlen(stem), tail = strlen(suffix);

	if (line->name_length != head + 2 + tail || memcmp(name, stem, head) != 0 ||
	    memcmp(name + head + 2, suffix, tail) != 0)
		return false;
	const char tens = name[head], ones = name[head + 1];
	if (tens < '0' || tens > '9' || ones < '0' || ones > '9')
		return false;
	*ret_number = (unsigned)(tens - '0') * 10 + (unsigned)(ones - '0');
	return true;
}

static bool entry_of(const struct chrystoki *c, const struct chrystoki_line *line, const char *section)
{
	if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE)
		return false;
	const struct chrystoki_line *open = &c->lines[line->section];
	return text_equal(open->bytes + open->name_start, open->name_length, section);
}

static void key_make(char key[KEY_SIZE], const char *stem, unsigned number, const char *suffix)
{
	(void)snprintf(key, KEY_SIZE, "%s%02u%s", stem, number % 100, suffix);
}

void luna_servers_done(struct luna_servers *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].name);
		free(s->items[i].port);
	}
	free(s->items);
	*s = (struct luna_servers){ .items = NULL };
}

int luna_servers_read(const struct chrystoki *c, struct luna_servers *ret_servers, struct fault *f)
{
	__attribute__((cleanup(luna_servers_done))) struct luna_servers s = { .items = NULL };

	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		struct luna_server server = { .line = (ptrdiff_t)i };
		char key[KEY_SIZE];

		if (!entry_of(c, line, LUNA_CLIENT_SECTION) || !numbered(line, "ServerName", "", &server.number))
			continue;
		struct luna_server *grown = realloc(s.items, (s.count + 1) * sizeof(*grown));
		if (grown == NULL)
			return fault_memory(f);
		s.items = grown;
		server.name = strndup(line->bytes + line->value_start, line->value_length);
		s.items[s.count++] = server;
		key_make(key, "ServerPort", server.number, "");
		if (server.name == NULL)
			return fault_memory(f);
		if (chrystoki_get(c, LUNA_CLIENT_SECTION, key, &s.items[s.count - 1].port, f) < 0)
			return -1;
	}
	*ret_servers = s;
	s = (struct luna_servers){ .items = NULL };
	return 0;
}

int luna_server_add(struct chrystoki *c, const char *name, unsigned port, bool *ret_changed, struct fault *f)
{
	__attribute__((cleanup(luna_servers_done))) struct luna_servers s = { .items = NULL };
	char key[KEY_SIZE], number[12];
	unsigned at = 0;
	bool first, second;

	if (name[0] == '\0' || strpbrk(name, " ,=\"'") != NULL)
		return fault_refused(f, "'%s' is no host name or address", SHOWN(name));
	if (luna_servers_read(c, &s, f) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++)
		if (s.items[i].number >= at)
			at = s.items[i].number + 1;
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.items[i].name, name) == 0)
			at = s.items[i].number;
	if (at > LUNA_NUMBER_MAX)
		return fault_refused(f, "there is no number left for another server");
	key_make(key, "ServerName", at, "");
	if (chrystoki_set(c, LUNA_CLIENT_SECTION, key, name, &first, f) < 0)
		return -1;
	key_make(key, "ServerPort", at, "");
	(void)snprintf(number, sizeof(number), "%u", port);
	if (chrystoki_set(c, LUNA_CLIENT_SECTION, key, number, &second, f) < 0)
		return -1;
	*ret_changed = first || second;
	return 0;
}

static const char *const server_stems[] = { "ServerName", "ServerPort", "ServerHtl" };
enum { SERVER_STEMS = sizeof(server_stems) / sizeof(server_stems[0]) };

/* The entries of one server number take another number, or go. */
static int server_move(struct chrystoki *c, unsigned from, unsigned to, struct fault *f)
{
	for (size_t i = 0; i < SERVER_STEMS; i++) {
		char old[KEY_SIZE], key[KEY_SIZE];
		char *value = NULL;
		bool changed;

		key_make(old, server_stems[i], from, "");
		key_make(key, server_stems[i], to, "");
		if (chrystoki_get(c, LUNA_CLIENT_SECTION, old, &value, f) < 0)
			return -1;
		int r = chrystoki_unset(c, LUNA_CLIENT_SECTION, key, &changed, f);
		if (r == 0 && value != NULL && from != to)
			r = chrystoki_set(c, LUNA_CLIENT_SECTION, key, value, &changed, f);
		free(value);
		if (r < 0)
			return -1;
	}
	return 0;
}

int luna_server_remove(struct chrystoki *c, const char *name, bool *ret_changed, struct fault *f)
{
	__attribute__((cleanup(luna_servers_done))) struct luna_servers s = { .items = NULL };
	size_t which = 0;
	unsigned last = 0;

	if (luna_servers_read(c, &s, f) < 0)
		return -1;
	while (which < s.count && strcmp(s.items[which].name, name) != 0)
		which++;
	if (which == s.count) {
		*ret_changed = false;
		return 0;
	}
	for (size_t i = 0; i < s.count; i++)
		if (s.items[i].number > last)
			last = s.items[i].number;
	for (unsigned number = s.items[which].number; number < last; number++)
		if (server_move(c, number + 1, number, f) < 0)
			return -1;
	if (server_move(c, last, last, f) < 0)
		return -1;
	*ret_changed = true;
	return 0;
}

void luna_groups_done(struct luna_groups *g)
{
	for (size_t i = 0; i < g->count; i++) {
		free(g->items[i].label);
		free(g->items[i].serial);
		free(g->items[i].members);
	}
	free(g->items);
	*g = (struct luna_groups){ .items = NULL };
}

static const char *const group_suffixes[] = { "Label", "SN", "Members" };
enum { GROUP_SUFFIXES = sizeof(group_suffixes) / sizeof(group_suffixes[0]) };

int luna_groups_read(const struct chrystoki *c, struct luna_groups *ret_groups, struct fault *f)
{
	__attribute__((cleanup(luna_groups_done))) struct luna_groups g = { .items = NULL };

	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		unsigned number = 0;
		size_t suffix = 0, at = 0;

		if (!entry_of(c, line, GROUP_SECTION))
			continue;
		while (suffix < GROUP_SUFFIXES && !numbered(line, GROUP_SECTION, group_suffixes[suffix], &number))
			suffix++;
		if (suffix == GROUP_SUFFIXES)
			continue;
		while (at < g.count && g.items[at].number != number)
			at++;
		if (at == g.count) {
			struct luna_group *grown = realloc(g.items, (g.count + 1) * sizeof(*grown));
			if (grown == NULL)
				return fault_memory(f);
			g.items = grown;
			g.items[g.count++] = (struct luna_group){ .number = number, .line = (ptrdiff_t)i };
		}
		char **const places[] = { &g.items[at].label, &g.items[at].serial, &g.items[at].members };
		if (*places[suffix] != NULL)
			continue;
		*places[suffix] = strndup(line->bytes + line->value_start, line->value_length);
		if (*places[suffix] == NULL)
			return fault_memory(f);
	}
	*ret_groups = g;
	g = (struct luna_groups){ .items = NULL };
	return 0;
}

size_t luna_member(const char *members, size_t index, const char **ret_member)
{
	for (;;) {
		members += strspn(members, " ");
		size_t length = strcspn(members, ",");
		const char *comma = members + length;
		while (length > 0 && members[length - 1] == ' ')
			length--;
		if (index-- == 0) {
			*ret_member = members;
			return length;
		}
		if (*comma == '\0')
			return 0;
		members = comma + 1;
	}
}

static int members_check(const char *members, struct fault *f)
{
	const char *member, *other;
	size_t length, n;

	if (strspn(members, "0123456789,") != strlen(members))
		return fault_refused(f, "members are serial numbers joined by ',', not '%s'", SHOWN(members));
	for (size_t i = 0;; i++) {
		length = luna_member(members, i, &member);
		if (length == 0)
			return fault_refused(f, "there is an empty member in '%s'", SHOWN(members));
		for (size_t j = 0; j < i; j++) {
			n = luna_member(members, j, &other);
			if (n == length && memcmp(member, other, n) == 0)
				return fault_refused(f, "member %s stands twice", SHOWN_BYTES(member, length));
		}
		if (member[length] == '\0')
			return 0;
	}
}

int luna_group_set(struct chrystoki *c, const char *label, const char *members, bool *ret_changed, struct fault *f)
{
	__attribute__((cleanup(luna_groups_done))) struct luna_groups g = { .items = NULL };
	unsigned at = 0;
	bool changed = false;

	if (label[0] == '\0' || strlen(label) > 32)
		return fault_refused(f, "a group's label has 1 to 32 characters");
	if (members_check(members, f) < 0 || luna_groups_read(c, &g, f) < 0)
		return -1;
	for (size_t i = 0; i < g.count; i++)
		if (g.items[i].number >= at)
			at = g.items[i].number + 1;
	for (size_t i = 0; i < g.count; i++)
		if (g.items[i].label != NULL && strcmp(g.items[i].label, label) == 0)
			at = g.items[i].number;
	if (at > LUNA_NUMBER_MAX)
		return fault_refused(f, "there is no number left for another group");

	const char *first;
	const size_t length = luna_member(members, 0, &first);
	TEXT_AUTO serial = { 0 };
	text_add_char(&serial, '1');
	text_add(&serial, first, length);
	if (text_check(&serial, f) < 0)
		return -1;
	const char *const values[] = { label, text_string(&serial), members };
	for (size_t i = 0; i < GROUP_SUFFIXES; i++) {
		char key[KEY_SIZE];
		bool one;

		key_make(key, GROUP_SECTION, at, group_suffixes[i]);
		if (chrystoki_set(c, GROUP_SECTION, key, values[i], &one, f) < 0)
			return -1;
		changed = changed || one;
	}
	bool one;
	if (chrystoki_set(c, SYNCHRONIZE_SECTION, label, "1", &one, f) < 0)
		return -1;
	*ret_changed = changed || one;
	return 0;
}
