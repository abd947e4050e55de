/* The lines of a journal (perms/journal.h). */
#include <string.h>

#include "perms/journal.h"

enum { PERMISSION_BITS = 07777, NANOSECONDS = 1000000000 };

static const struct {
	char letter;
	mode_t type;
} types[] = {
	{ 'f', S_IFREG },  { 'd', S_IFDIR }, { 'l', S_IFLNK }, { 'p', S_IFIFO },
	{ 's', S_IFSOCK }, { 'c', S_IFCHR }, { 'b', S_IFBLK },
};

enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

/* --- printing: by hand, since a tree has many entries and printf(3) is slow at this ------------------------------ */

static char *number_put(char *at, uint64_t value, unsigned base, unsigned width)
{
	char digits[24];
	unsigned count = 0;

	do {
		digits[count++] = (char)('0' + value % base);
		value /= base;
	} while (value > 0 || count < width);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

static char *owned_put(char *at, const struct perms_owned *owned)
{
	at = number_put(at, owned->uid, 10, 1);
	*at++ = ' ';
	at = number_put(at, owned->gid, 10, 1);
	*at++ = ' ';
	at = number_put(at, owned->mode, 8, 4);
	*at++ = ' ';
	return at;
}

static char *time_put(char *at, const struct timespec *time)
{
	/* Before 1970 is a state of a clock, not a time of use to anybody. */
	at = number_put(at, time->tv_sec > 0 ? (uint64_t)time->tv_sec : 0, 10, 1);
	*at++ = '.';
	at = number_put(at, (uint64_t)time->tv_nsec, 10, 9);
	*at++ = ' ';
	return at;
}

static bool escaped(unsigned char c)
{
	return c < ' ' || c == '\\' || c == 0x7f;
}

void perms_record_print(const struct perms_record *record, struct text *out)
{
	char numbers[256], *at = numbers;
	size_t which = 0;

	while (which < TYPE_COUNT - 1 && types[which].type != record->type)
		which++;
	*at++ = types[which].letter;
	*at++ = ' ';
	at = number_put(at, record->device, 10, 1);
	*at++ = ' ';
	at = number_put(at, record->inode, 10, 1);
	*at++ = ' ';
	at = owned_put(at, &record->from);
	at = owned_put(at, &record->to);
	at = time_put(at, &record->modified);
	at = time_put(at, &record->changed);
	text_add(out, numbers, (size_t)(at - numbers));

	const char *path = record->path;
	while (*path != '\0') {
		size_t plain = 0;
		while (path[plain] != '\0' && !escaped((unsigned char)path[plain]))
			plain++;
		text_add(out, path, plain);
		path += plain;
		if (*path != '\0') {
			static const char hex[] = "0123456789abcdef";
			const unsigned char c = (unsigned char)*path++;
			const char shown[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
			text_add(out, shown, sizeof(shown));
		}
	}
	text_add_char(out, '\n');
}

/* --- parsing ------------------------------------------------------------------------------------------------------ */

/* Digits up to `end`, which is passed over too. */
static bool number_take(char **at, unsigned base, uint64_t most, char end, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *start = *at;

	for (; **at != end; (*at)++) {
		const unsigned digit = (unsigned)(unsigned char)**at - '0';
		if (digit >= base || value > (most - digit) / base)
			return false;
		value = value * base + digit;
	}
	if (*at == start)
		return false;
	(*at)++;
	*ret_value = value;
	return true;
}

static bool owned_take(char **at, struct perms_owned *ret_owned)
{
	uint64_t uid, gid, mode;

	/* The last number is "leave it" to chown(2) and nobody's id. */
	if (!number_take(at, 10, UINT32_MAX - 1, ' ', &uid) || !number_take(at, 10, UINT32_MAX - 1, ' ', &gid) ||
	    !number_take(at, 8, PERMISSION_BITS, ' ', &mode))
		return false;
	*ret_owned = (struct perms_owned){ .uid = (uid_t)uid, .gid = (gid_t)gid, .mode = (mode_t)mode };
	return true;
}

static bool time_take(char **at, struct timespec *ret_time)
{
	uint64_t seconds, nanoseconds;

	if (!number_take(at, 10, INT64_MAX, '.', &seconds) || !number_take(at, 10, NANOSECONDS - 1, ' ', &nanoseconds))
		return false;
	*ret_time = (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = (long)nanoseconds };
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Unescapes in place and judges: absolute, no empty component, no "." or "..". */
static bool path_take(char *path)
{
	char *to = path;

	for (const char *at = path; *at != '\0';) {
		if (*at != '\\') {
			if (escaped((unsigned char)*at))
				return false;
			*to++ = *at++;
			continue;
		}
		const int high = at[1] == 'x' ? hex_value(at[2]) : -1;
		const int low = high >= 0 ? hex_value(at[3]) : -1;
		if (low < 0 || !escaped((unsigned char)(high * 16 + low)) || (high == 0 && low == 0))
			return false;
		*to++ = (char)(high * 16 + low);
		at += 4;
	}
	*to = '\0';
	if (path[0] != '/')
		return false;
	for (const char *at = path; *at != '\0';) {
		const size_t length = strcspn(at + 1, "/");
		if (length == 0 || text_equal(at + 1, length, ".") || text_equal(at + 1, length, ".."))
			return false;
		at += length + 1;
	}
	return true;
}

bool perms_record_parse(char *line, struct perms_record *ret_record)
{
	struct perms_record record = { 0 };
	uint64_t device, inode;
	size_t which = 0;

	while (which < TYPE_COUNT && types[which].letter != line[0])
		which++;
	if (which == TYPE_COUNT || line[1] != ' ')
		return false;
	char *at = line + 2;
	if (!number_take(&at, 10, UINT64_MAX, ' ', &device) || !number_take(&at, 10, UINT64_MAX, ' ', &inode) ||
	    !owned_take(&at, &record.from) || !owned_take(&at, &record.to) || !time_take(&at, &record.modified) ||
	    !time_take(&at, &record.changed) || !path_take(at))
		return false;
	record.type = types[which].type;
	record.device = (dev_t)device;
	record.inode = (ino_t)inode;
	record.path = at;
	*ret_record = record;
	return true;
}
