#include "conf/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hex.h"

/* mtree(5) has no type for "other"; its type is never compared, so "socket" will do. */
static const char *const type_names[] = { "file", "dir", "link", "socket" };

void manifest_done(struct manifest *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->entries[i].path);
		free(m->entries[i].target);
	}
	free(m->entries);
	*m = (struct manifest){ 0 };
}

struct manifest_entry *manifest_add(struct manifest *m, const char *path, const char *target, struct fault *f)
{
	if (!ARRAY_GROW(m->entries, m->count)) {
		(void)fault_memory(f);
		return NULL;
	}
	struct manifest_entry entry = { .path = strdup(path), .target = target != NULL ? strdup(target) : NULL };
	if (entry.path == NULL || (target != NULL && entry.target == NULL)) {
		free(entry.path);
		free(entry.target);
		(void)fault_memory(f);
		return NULL;
	}
	m->entries[m->count] = entry;
	return &m->entries[m->count++];
}

static int entry_compare(const void *a, const void *b)
{
	const struct manifest_entry *left = a, *right = b;

	return text_path_compare(left->path, right->path);
}

int manifest_sort(struct manifest *m, struct fault *f)
{
	/* A manifest that we wrote is sorted already. */
	bool sorted = true;
	for (size_t i = 1; sorted && i < m->count; i++)
		sorted = entry_compare(&m->entries[i - 1], &m->entries[i]) < 0;
	if (sorted)
		return 0;

	qsort(m->entries, m->count, sizeof(m->entries[0]), entry_compare);
	for (size_t i = 1; i < m->count; i++)
		if (entry_compare(&m->entries[i - 1], &m->entries[i]) == 0)
			return fault_refused(f, "'%s' is named twice", SHOWN(m->entries[i].path));
	return 0;
}

const struct manifest_entry *manifest_find(const struct manifest *m, const char *path)
{
	const struct manifest_entry wanted = { .path = (char *)(uintptr_t)path };

	return m->count > 0 ? bsearch(&wanted, m->entries, m->count, sizeof(m->entries[0]), entry_compare) : NULL;
}

static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && strchr("#\\*?[]=", c) == NULL;
}

void manifest_name_add(struct text *out, const char *name)
{
	while (*name != '\0') {
		size_t plain = 0;
		while (is_plain((unsigned char)name[plain]))
			plain++;
		text_add(out, name, plain);
		name += plain;
		if (*name == '\0')
			return;
		const unsigned c = (unsigned char)*name++;
		const char octal[4] = { '\\', (char)('0' + (c >> 6)), (char)('0' + ((c >> 3) & 7)),
					(char)('0' + (c & 7)) };
		text_add(out, octal, sizeof(octal));
	}
}

bool manifest_name_read(struct text *ret_name, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length;) {
		if (bytes[i] != '\\') {
			if (!is_plain((unsigned char)bytes[i]))
				return false;
			text_add_char(ret_name, bytes[i++]);
			continue;
		}
		if (length - i < 4)
			return false;
		unsigned c = 0;
		for (size_t digit = 1; digit < 4; digit++) {
			if (bytes[i + digit] < '0' || bytes[i + digit] > '7')
				return false;
			c = c * 8 + (unsigned)(bytes[i + digit] - '0');
		}
		/* One spelling for each name: a plain character is not accepted in octal. */
		if (c == 0 || c > 0xff || is_plain((unsigned char)c))
			return false;
		text_add_char(ret_name, (char)c);
		i += 4;
	}
	return true;
}

void manifest_head_print(const char *comment, struct text *out)
{
	struct text_line line;

	text_add_string(out, "#mtree\n");
	for (size_t at = 0; comment != NULL && text_line_next(comment, strlen(comment), &at, &line);) {
		text_add_string(out, "# ");
		text_add(out, line.bytes, line.length);
		text_add_char(out, '\n');
	}
}

void manifest_entry_print(const struct manifest_entry *entry, struct text *out)
{
	text_add_string(out, entry->path[0] != '\0' ? "./" : ".");
	manifest_name_add(out, entry->path);
	text_add_format(out, " type=%s", type_names[entry->type]);
	if (entry->has_attributes) {
		text_add_format(out, " uid=%lu gid=%lu", (unsigned long)entry->uid, (unsigned long)entry->gid);
		/* On Linux a link has no mode of its own. */
		if (entry->type != MANIFEST_LINK)
			text_add_format(out, " mode=%04o", (unsigned)entry->mode);
		if (entry->type == MANIFEST_FILE)
			text_add_format(out, " size=%llu", (unsigned long long)entry->size);
	}
	if (entry->has_digest) {
		char hex[HEX_SIZE(MANIFEST_DIGEST_SIZE)];
		hex_encode(entry->digest, MANIFEST_DIGEST_SIZE, hex);
		text_add_format(out, " sha256=%s", hex);
	}
	if (entry->target != NULL) {
		text_add_string(out, " link=");
		manifest_name_add(out, entry->target);
	}
	text_add_char(out, '\n');
}

void manifest_print(const struct manifest *m, const char *comment, struct text *out)
{
	manifest_head_print(comment, out);
	for (size_t i = 0; i < m->count; i++)
		manifest_entry_print(&m->entries[i], out);
}

/* --- reading --------------------------------------------------------------------------------------------------- */

static bool type_read(const char *value, enum manifest_type *ret_type)
{
	for (enum manifest_type type = MANIFEST_FILE; type <= MANIFEST_OTHER; type++) {
		if (strcmp(value, type_names[type]) == 0) {
			*ret_type = type;
			return true;
		}
	}
	return false;
}

/* Reads "key=value", without checking how the value is spelt; false for an unknown key. */
static bool keyword_read(char *word, struct manifest_entry *entry, struct text *ret_target)
{
	char *value = strchr(word, '=');

	if (value == NULL)
		return false;
	*value++ = '\0';
	if (strcmp(word, "type") == 0)
		return type_read(value, &entry->type);
	if (strcmp(word, "link") == 0)
		return manifest_name_read(ret_target, value, strlen(value));
	if (strcmp(word, "sha256") == 0)
		return entry->has_digest = hex_decode(value, strlen(value), entry->digest, MANIFEST_DIGEST_SIZE);
	if (strcmp(word, "uid") == 0)
		entry->uid = (uid_t)strtoul(value, NULL, 10);
	else if (strcmp(word, "gid") == 0)
		entry->gid = (gid_t)strtoul(value, NULL, 10);
	else if (strcmp(word, "mode") == 0)
		entry->mode = (mode_t)strtoul(value, NULL, 8) & 07777;
	else if (strcmp(word, "size") == 0)
		entry->size = strtoull(value, NULL, 10);
	else
		return false;
	return entry->has_attributes = true;
}

/* Prints what it has read and compares: only the spelling and the order that we write are accepted. */
static bool line_read(struct manifest *m, const char *bytes, size_t length, struct fault *f)
{
	TEXT_AUTO line = { 0 };
	TEXT_AUTO path = { 0 };
	TEXT_AUTO target = { 0 };
	struct manifest_entry read = { .path = NULL };

	text_add(&line, bytes, length);
	if (text_check(&line, f) < 0)
		return false;
	char *rest = line.bytes;
	const char *name = strsep(&rest, " ");
	if (strcmp(name, ".") != 0 &&
	    (!text_starts(name, "./") || !manifest_name_read(&path, name + 2, strlen(name + 2)) ||
	     !text_path_is_plain(text_string(&path))))
		return false;
	for (char *word; (word = strsep(&rest, " ")) != NULL;)
		if (!keyword_read(word, &read, &target))
			return false;
	if ((read.type == MANIFEST_LINK) != (target.length > 0) || (read.has_digest && read.type != MANIFEST_FILE))
		return false;

	struct manifest_entry *entry =
		manifest_add(m, text_string(&path), target.length > 0 ? text_string(&target) : NULL, f);
	if (entry == NULL)
		return false;
	read.path = entry->path;
	read.target = entry->target;
	*entry = read;
	text_cut(&line, 0);
	manifest_entry_print(entry, &line);
	return text_check(&line, f) == 0 && line.length == length + 1 && memcmp(line.bytes, bytes, length) == 0;
}

int manifest_parse(struct manifest *ret_manifest, const char *name, const char *bytes, size_t length, struct fault *f)
{
	MANIFEST_AUTO m = { 0 };
	struct text_line line;
	size_t number = 1;

	for (size_t at = 0; text_line_next(bytes, length, &at, &line); number++) {
		/* No line feed at the end: the file was truncated. */
		if (!line.ended)
			return fault_refused(f, "%s:%zu: the last line is incomplete; the file was cut off",
					     SHOWN(name), number);
		if (number == 1 && !text_equal(line.bytes, line.length, "#mtree"))
			return fault_refused(f, "%s:1: this is not a manifest of okv-luna", SHOWN(name));
		if (line.length > 0 && line.bytes[0] != '#' && !line_read(&m, line.bytes, line.length, f))
			return f->kind != FAULT_NONE
				       ? -1
				       : fault_refused(f, "%s:%zu: not a line that okv-luna writes: '%s'", SHOWN(name),
						       number, SHOWN_BYTES(line.bytes, line.length));
	}
	if (number == 1)
		return fault_refused(f, "%s: the file is empty", SHOWN(name));
	if (manifest_sort(&m, f) < 0)
		return fault_prefix(f, "%s: ", SHOWN(name));
	*ret_manifest = m;
	m = (struct manifest){ 0 };
	return 0;
}
