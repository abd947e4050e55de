#include "conf/accounts.h"

#include <stdint.h>
#include <string.h>

#include "base/number.h"

enum { FIELDS_MAX = 7 };

struct row {
	const char *field[FIELDS_MAX];
	size_t length[FIELDS_MAX];
	size_t count;
};

/* Splits the next line at its colons; false at the end of the file. */
static bool row_next(const struct text *file, size_t *at, struct row *ret_row)
{
	struct text_line line;

	if (!text_line_next(file->bytes, file->length, at, &line))
		return false;
	const char *start = line.bytes;
	size_t length = line.length;
	ret_row->count = 0;
	while (ret_row->count < FIELDS_MAX) {
		const char *colon = memchr(start, ':', length);
		const size_t size = colon != NULL ? (size_t)(colon - start) : length;
		ret_row->field[ret_row->count] = start;
		ret_row->length[ret_row->count++] = size;
		if (colon == NULL)
			break;
		start += size + 1;
		length -= size + 1;
	}
	return true;
}

static bool id_parse(const struct row *row, size_t field, uint32_t *ret_id)
{
	uint64_t value;

	/* (uid_t)-1 means "no change" to chown(2), so it is not a valid id. */
	if (field >= row->count || row->length[field] > 10 ||
	    !number_digits(row->field[field], row->length[field], 10, UINT32_MAX - 1, &value))
		return false;
	*ret_id = (uint32_t)value;
	return true;
}

/* As glibc: a name that begins with '+' or '-' is a NIS entry. */
static bool row_is_valid(const struct row *row)
{
	return row->count >= 4 && row->length[0] > 0 && row->field[0][0] != '+' && row->field[0][0] != '-';
}

/* The first valid row of that name; `ids` is the number of fields, from the third on, that must be numeric. */
static bool row_by_name(const struct text *file, const char *name, size_t ids, struct row *ret_row)
{
	uint32_t id;

	for (size_t at = 0; row_next(file, &at, ret_row);) {
		if (!row_is_valid(ret_row) || !text_equal(ret_row->field[0], ret_row->length[0], name))
			continue;
		if (ids == 0 || (id_parse(ret_row, 2, &id) && (ids < 2 || id_parse(ret_row, 3, &id))))
			return true;
	}
	return false;
}

/* The first valid row with `id` in `field`. */
static bool row_by_id(const struct text *file, size_t field, uint32_t id, struct row *ret_row)
{
	uint32_t found;

	for (size_t at = 0; row_next(file, &at, ret_row);)
		if (row_is_valid(ret_row) && id_parse(ret_row, field, &found) && found == id)
			return true;
	return false;
}

bool accounts_user_find(const struct text *passwd, const char *name, struct accounts_user *ret_user)
{
	struct row row;
	uint32_t uid, gid;

	if (!row_by_name(passwd, name, 2, &row) || !id_parse(&row, 2, &uid) || !id_parse(&row, 3, &gid))
		return false;
	*ret_user = (struct accounts_user){ .uid = uid, .gid = gid };
	return true;
}

bool accounts_user_home(const struct text *passwd, const char *name, struct text *out)
{
	enum { HOME = 5 };
	struct row row;

	if (!row_by_name(passwd, name, 2, &row) || row.count <= HOME || row.length[HOME] == 0 ||
	    row.field[HOME][0] != '/')
		return false;
	text_add(out, row.field[HOME], row.length[HOME]);
	return true;
}

bool accounts_group_find(const struct text *group, const char *name, gid_t *ret_gid)
{
	struct row row;
	uint32_t gid;

	if (!row_by_name(group, name, 1, &row) || !id_parse(&row, 2, &gid))
		return false;
	*ret_gid = gid;
	return true;
}

static bool row_lists(const struct row *row, const char *user)
{
	const char *at = row->field[3];
	size_t length = row->length[3];

	for (;;) {
		const char *comma = memchr(at, ',', length);
		const size_t size = comma != NULL ? (size_t)(comma - at) : length;
		if (text_equal(at, size, user))
			return true;
		if (comma == NULL)
			return false;
		at += size + 1;
		length -= size + 1;
	}
}

bool accounts_group_lists(const struct text *group, const char *name, const char *user)
{
	struct row row;

	return row_by_name(group, name, 1, &row) && row_lists(&row, user);
}

bool accounts_group_is_malformed(const struct text *group, const char *name, struct text *out)
{
	struct row row;
	size_t rows = 0;
	bool returns = false;

	for (size_t at = 0; row_next(group, &at, &row);)
		if (row_is_valid(&row) && text_equal(row.field[0], row.length[0], name)) {
			rows++;
			returns = returns || memchr(row.field[3], '\r', row.length[3]) != NULL;
		}
	if (rows > 1)
		text_add_format(out, "keep one of the %zu lines of group '%s' in /etc/group: vigr", rows, SHOWN(name));
	else if (returns)
		text_add_format(out, "take the carriage return off the line of group '%s' in /etc/group: vigr",
				SHOWN(name));
	return rows > 1 || returns;
}

void accounts_member_remedy(const struct text *group, const char *name, const char *user, struct text *out)
{
	if (!accounts_group_is_malformed(group, name, out))
		text_add_format(out, "gpasswd --add %s %s", user, name);
}

void accounts_group_members(const struct text *group, const char *name, struct text *out)
{
	struct row row;

	if (row_by_name(group, name, 1, &row))
		text_add(out, row.field[3], row.length[3]);
}

bool accounts_shadow_has(const struct text *gshadow, const char *name, const char *user)
{
	struct row row;

	return row_by_name(gshadow, name, 0, &row) && (user == NULL || row_lists(&row, user));
}

bool accounts_user_name(const struct text *passwd, uid_t uid, struct text *out)
{
	struct row row;

	if (!row_by_id(passwd, 2, uid, &row))
		return false;
	text_add(out, row.field[0], row.length[0]);
	return true;
}

bool accounts_group_name(const struct text *group, gid_t gid, struct text *out)
{
	struct row row;

	if (!row_by_id(group, 2, gid, &row))
		return false;
	text_add(out, row.field[0], row.length[0]);
	return true;
}

bool accounts_primary_uses(const struct text *passwd, gid_t gid)
{
	struct row row;

	return row_by_id(passwd, 3, gid, &row);
}

size_t accounts_groups_of(const struct text *group, const char *user, gid_t primary, gid_t *ret_gids, size_t size)
{
	struct row row;
	size_t count = 0;

	if (size > 0)
		ret_gids[0] = primary;
	count++;
	for (size_t at = 0; row_next(group, &at, &row);) {
		uint32_t gid;
		if (!row_is_valid(&row) || !id_parse(&row, 2, &gid) || !row_lists(&row, user))
			continue;
		bool known = false;
		for (size_t i = 0; i < count && i < size; i++)
			known = known || ret_gids[i] == gid;
		if (known)
			continue;
		if (count < size)
			ret_gids[count] = gid;
		count++;
	}
	return count;
}
