#include "conf/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hex.h"
#include "base/number.h"

static const char *const type_names[] = { "file", "dir", "link", "other" };

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
	/* What was read from a file of ours is in order already. */
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
		/* One spelling for each name: what could stand plainly is not accepted in octal. */
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
	/* mtree(5) has no word for "something else": a socket is as good as any that we never compare by. */
	text_add_format(out, " type=%s", entry->type == MANIFEST_OTHER ? "socket" : type_names[entry->type]);
	if (entry->has_attributes) {
		text_add_format(out, " uid=%lu gid=%lu", (unsigned long)entry->uid, (unsigned long)entry->gid);
		/* Links have no mode of their own on Linux. */
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

struct word {
	const char *bytes;
	size_t length;
};

/* The next word of the line, words being parted by exactly one blank. */
static bool word_next(struct word *line, struct word *ret_word)
{
	if (line->length == 0)
		return false;
	const char *blank = memchr(line->bytes, ' ', line->length);
	ret_word->bytes = line->bytes;
	ret_word->length = blank != NULL ? (size_t)(blank - line->bytes) : line->length;
	const size_t used = ret_word->length + (blank != NULL);
	line->bytes += used;
	line->length -= used;
	return ret_word->length > 0;
}

/* "key=" at the start of the word: the rest is the value. */
static bool word_value(const struct word *word, const char *key, struct word *ret_value)
{
	const size_t length = strlen(key);

	if (word->length <= length || memcmp(word->bytes, key, length) != 0 || word->bytes[length] != '=')
		return false;
	ret_value->bytes = word->bytes + length + 1;
	ret_value->length = word->length - length - 1;
	return true;
}

static bool value_number(const struct word *value, unsigned base, uint64_t most, uint64_t *ret_number)
{
	/* One spelling for each number; octal ones are padded, decimal ones are not. */
	const bool padded = base == 10 && value->length > 1 && value->bytes[0] == '0';

	return !padded && value->length <= 20 && number_digits(value->bytes, value->length, base, most, ret_number);
}

static bool type_read(const struct word *value, enum manifest_type *ret_type)
{
	if (text_equal(value->bytes, value->length, "socket")) {
		*ret_type = MANIFEST_OTHER;
		return true;
	}
	for (enum manifest_type type = MANIFEST_FILE; type <= MANIFEST_LINK; type++) {
		if (text_equal(value->bytes, value->length, type_names[type])) {
			*ret_type = type;
			return true;
		}
	}
	return false;
}

/* The next word of the line, "key=VALUE". */
static bool value_next(struct word *line, const char *key, struct word *ret_value)
{
	struct word word;

	return word_next(line, &word) && word_value(&word, key, ret_value);
}

static bool number_next(struct word *line, const char *key, unsigned base, uint64_t most, uint64_t *ret_number)
{
	struct word value;

	return value_next(line, key, &value) && (base == 10 || value.length == 4) &&
	       value_number(&value, base, most, ret_number);
}

static bool attributes_read(struct word *line, struct manifest_entry *entry)
{
	uint64_t uid, gid, mode = 0, size = 0;

	if (!number_next(line, "uid", 10, UINT32_MAX, &uid) || !number_next(line, "gid", 10, UINT32_MAX, &gid) ||
	    (entry->type != MANIFEST_LINK && !number_next(line, "mode", 8, 07777, &mode)) ||
	    (entry->type == MANIFEST_FILE && !number_next(line, "size", 10, INT64_MAX, &size)))
		return false;
	entry->has_attributes = true;
	entry->uid = (uid_t)uid;
	entry->gid = (gid_t)gid;
	entry->mode = (mode_t)mode;
	entry->size = size;
	return true;
}

/* The keywords after the path, in the order in which they are written. */
static bool keywords_read(struct word line, struct manifest_entry *entry, struct text *ret_target, bool *ret_has_target)
{
	struct word value;

	if (!value_next(&line, "type", &value) || !type_read(&value, &entry->type))
		return false;
	if (line.length >= 4 && memcmp(line.bytes, "uid=", 4) == 0 && !attributes_read(&line, entry))
		return false;
	if (entry->type == MANIFEST_FILE && line.length > 0) {
		if (!value_next(&line, "sha256", &value) ||
		    !hex_decode(value.bytes, value.length, entry->digest, MANIFEST_DIGEST_SIZE))
			return false;
		entry->has_digest = true;
	}
	*ret_has_target = entry->type == MANIFEST_LINK;
	if (*ret_has_target && (!value_next(&line, "link", &value) || value.length == 0 ||
				!manifest_name_read(ret_target, value.bytes, value.length)))
		return false;
	return line.length == 0;
}

static bool line_read(struct manifest *m, const char *bytes, size_t length, struct fault *f)
{
	TEXT_AUTO path = { 0 };
	TEXT_AUTO target = { 0 };
	struct word line = { .bytes = bytes, .length = length }, word;
	struct manifest_entry read = { .path = NULL };
	bool has_target = false;

	if (bytes[length - 1] == ' ' || !word_next(&line, &word))
		return false;
	if (!text_equal(word.bytes, word.length, ".") &&
	    (word.length < 3 || memcmp(word.bytes, "./", 2) != 0 ||
	     !manifest_name_read(&path, word.bytes + 2, word.length - 2) || !text_path_is_plain(text_string(&path))))
		return false;
	if (!keywords_read(line, &read, &target, &has_target))
		return false;

	struct manifest_entry *entry = manifest_add(m, text_string(&path), has_target ? text_string(&target) : NULL, f);
	if (entry == NULL)
		return false;
	read.path = entry->path;
	read.target = entry->target;
	*entry = read;
	return true;
}

int manifest_parse(struct manifest *ret_manifest, const char *name, const char *bytes, size_t length, struct fault *f)
{
	MANIFEST_AUTO m = { 0 };
	struct text_line line;
	size_t number = 1;

	for (size_t at = 0; text_line_next(bytes, length, &at, &line); number++) {
		/* A file that ends in the middle of a line was cut. */
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
