#include "conf/chrystoki_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"

enum { NUMBER_MAX = CHRYSTOKI_NUMBERS - 1, KEY_SIZE = 48 };

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

bool chrystoki_value_is_off(const struct chrystoki_value *value)
{
	static const char *const words[] = { "", "0", "no", "off", "false", "disabled", "disable" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (value->length == strlen(words[i]) && strncasecmp(value->bytes, words[i], value->length) == 0)
			return true;
	return false;
}

bool chrystoki_value_number(const struct chrystoki_value *value, unsigned *ret_number)
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

	if (line->name_length < head + 2 || !chrystoki_value_number(&digits, ret_number))
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
		      bool *ret_changed, struct fault *f)
{
	struct chrystoki_family family;
	bool one, changed = false;
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
		if (chrystoki_set(c, families[kind].section, key, values[part], &one, f) < 0)
			return -1;
		changed = changed || one;
	}
	*ret_changed = changed;
	return 0;
}

int chrystoki_server_add(struct chrystoki *c, const char *name, unsigned port, bool *ret_changed, struct fault *f)
{
	char number[12];
	const char *const values[] = { name, number };

	if (name[0] == '\0' || strpbrk(name, " ,=\"'") != NULL)
		return fault_refused(f, "'%s' is no host name or address", SHOWN(name));
	(void)snprintf(number, sizeof(number), "%u", port);
	return family_set(c, CHRYSTOKI_SERVERS, values, 2, ret_changed, f);
}

/* The entries of one server number take another number, or go. */
static int server_move(struct chrystoki *c, unsigned from, unsigned to, struct fault *f)
{
	for (size_t part = 0; part < CHRYSTOKI_PARTS; part++) {
		char old[KEY_SIZE], key[KEY_SIZE];
		char *value = NULL;
		bool changed;

		key_make(old, CHRYSTOKI_SERVERS, part, from);
		key_make(key, CHRYSTOKI_SERVERS, part, to);
		if (chrystoki_get(c, CHRYSTOKI_CLIENT_SECTION, old, &value, f) < 0)
			return -1;
		int r = chrystoki_unset(c, CHRYSTOKI_CLIENT_SECTION, key, &changed, f);
		if (r == 0 && value != NULL && from != to)
			r = chrystoki_set(c, CHRYSTOKI_CLIENT_SECTION, key, value, &changed, f);
		free(value);
		if (r < 0)
			return -1;
	}
	return 0;
}

int chrystoki_server_remove(struct chrystoki *c, const char *name, bool *ret_changed, struct fault *f)
{
	struct chrystoki_family servers;

	chrystoki_family_read(c, CHRYSTOKI_SERVERS, &servers);
	const struct chrystoki_numbered *server = family_find(&servers, name);
	if (server == NULL) {
		*ret_changed = false;
		return 0;
	}
	const unsigned last = servers.items[servers.count - 1].number;
	for (unsigned number = server->number; number < last; number++)
		if (server_move(c, number + 1, number, f) < 0)
			return -1;
	if (server_move(c, last, last, f) < 0)
		return -1;
	*ret_changed = true;
	return 0;
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
		repeated = repeated ||
			   (earlier.length == name.length && memcmp(earlier.bytes, name.bytes, name.length) == 0);
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
			return fault_refused(f, "member %s stands twice",
					     SHOWN_BYTES(member.name.bytes, member.name.length));
	}
	return 0;
}

int chrystoki_group_set(struct chrystoki *c, const char *label, const char *members, bool *ret_changed, struct fault *f)
{
	const struct chrystoki_value list = { members, strlen(members) };
	TEXT_AUTO serial = { 0 };
	bool one, changed;

	if (label[0] == '\0' || strlen(label) > 32)
		return fault_refused(f, "a group's label has 1 to 32 characters");
	if (members_check(&list, f) < 0)
		return -1;
	text_add_char(&serial, '1');
	text_add(&serial, members, strcspn(members, ","));
	if (text_check(&serial, f) < 0)
		return -1;
	const char *const values[] = { label, text_string(&serial), members };
	if (family_set(c, CHRYSTOKI_GROUPS, values, CHRYSTOKI_PARTS, &changed, f) < 0 ||
	    chrystoki_set(c, "HASynchronize", label, "1", &one, f) < 0)
		return -1;
	*ret_changed = changed || one;
	return 0;
}
