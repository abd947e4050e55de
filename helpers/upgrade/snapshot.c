#include "upgrade/snapshot.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/array.h"
#include "base/number.h"
#include "base/text.h"
#include "base/time.h"
#include "conf/assign.h"
#include "fs/exchange.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "fs/walk.h"
#include "okv/release.h"

enum {
	MANIFEST_MAX = 256 * 1024 * 1024,
	SLOTS_MAX = 1024 * 1024,
	SMALL_FILE_MAX = 64 * 1024,
	STALE_S = 24 * 3600,
	LINE_MAX_BYTES = 4096
};

static const char manifest_comment[] =
	"What must be there after an upgrade as it is now; made by okv-luna pre-upgrade.\n"
	"Check it with: mtree -e -p / -f manifest.mtree   (owners and modes differ while an upgrade is prepared)\n"
	"List it with:  bsdtar -tvf manifest.mtree";

static const char slots_head[] = "# SHA-256 of what follows: ";

void snapshot_done(struct snapshot *s)
{
	snapshot_machine_done(&s->machine);
	free(s->users);
	free(s->groups);
	free(s->group);
	free(s->members);
	manifest_done(&s->manifest);
	free(s->slots);
	*s = (struct snapshot){ 0 };
}

bool snapshot_is_stale(const struct snapshot *s, int64_t now)
{
	return now - s->taken > STALE_S || s->taken - now > TIME_CLOCK_STEP_S;
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

void snapshot_machine_done(struct machine *m)
{
	free(m->uuid);
	free(m->host);
	free(m->os);
	free(m->okv);
	*m = (struct machine){ 0 };
}

char *snapshot_machine_value(const struct text *t)
{
	char *value = strdup(text_string(t));

	for (char *at = value; at != NULL && *at != '\0'; at++)
		if (*at == '"' || (unsigned char)*at < ' ' || (unsigned char)*at > '~')
			*at = '?';
	return value;
}

/* Adds the first line of a small file, trimmed; nothing if it cannot be read. */
static void line_read(int root, const char *path, struct text *out)
{
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };
	struct text_line line;
	size_t at = 0;

	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, LINE_MAX_BYTES, &file, NULL, &ignored) < 0 ||
	    !text_line_next(file.bytes, file.length, &at, &line))
		return;
	while (line.length > 0 && isspace((unsigned char)line.bytes[line.length - 1]))
		line.length--;
	for (; line.length > 0 && isspace((unsigned char)*line.bytes); line.length--)
		line.bytes++;
	text_add(out, line.bytes, line.length);
}

static void uuid_find(int root, struct text *out)
{
	TEXT_AUTO line = { 0 };
	size_t digits = 0, others = 0;
	int first = 0;

	line_read(root, "/sys/class/dmi/id/product_uuid", &line);
	for (const char *at = text_string(&line); *at != '\0'; at++) {
		const int digit = tolower((unsigned char)*at);
		if (!isxdigit(digit))
			continue;
		first = digits++ == 0 ? digit : first;
		others += digit != first;
		text_add_char(out, (char)digit);
	}
	if (digits != 32 || others == 0)
		text_cut(out, 0);
}

/* uname(2) counts only for the running system, not for another tree. */
static void host_find(int root, struct text *out)
{
	struct stat here, top;
	struct utsname system;

	line_read(root, "/etc/hostname", out);
	if (out->length == 0 && fstat(root, &here) == 0 && stat("/", &top) == 0 && here.st_ino == top.st_ino &&
	    here.st_dev == top.st_dev && uname(&system) == 0)
		text_add_string(out, system.nodename);
}

int snapshot_machine_find(int root, struct machine *ret_machine, struct fault *f)
{
	TEXT_AUTO uuid = { 0 };
	TEXT_AUTO host = { 0 };
	TEXT_AUTO os = { 0 };
	TEXT_AUTO okv = { 0 };
	MACHINE_AUTO m = { 0 };

	uuid_find(root, &uuid);
	host_find(root, &host);
	okv_release_find(root, &os, &okv);
	m.uuid = snapshot_machine_value(&uuid);
	m.host = snapshot_machine_value(&host);
	m.os = snapshot_machine_value(&os);
	m.okv = snapshot_machine_value(&okv);
	if (m.uuid == NULL || m.host == NULL || m.os == NULL || m.okv == NULL)
		return fault_memory(f);
	*ret_machine = m;
	m = (struct machine){ 0 };
	return 0;
}

bool snapshot_machine_same(const struct machine *before, const struct machine *now, struct text *out)
{
	const bool numbered = before->uuid[0] != '\0' && now->uuid[0] != '\0';
	const char *const old = numbered ? before->uuid : before->host, *const here = numbered ? now->uuid : now->host;

	/* Without host names, they are the same only if neither has a UUID. */
	if (strcmp(old, here) == 0 && (old[0] != '\0' || strcmp(before->uuid, now->uuid) == 0))
		return true;
	if (old[0] != '\0' && here[0] != '\0')
		text_add_format(out, "of another machine ('%s'), of which this one may be a copy", before->host);
	else
		text_add_format(out, "perhaps another server's, since %s no host name to compare",
				here[0] == '\0' ? "this server has" : "it has");
	return false;
}

bool snapshot_machine_upgraded(const struct machine *before, const struct machine *now, struct text *out)
{
	const char *const pairs[][2] = { { before->os, now->os }, { before->okv, now->okv } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i][0][0] == '\0' || pairs[i][1][0] == '\0' || strcmp(pairs[i][0], pairs[i][1]) == 0)
			continue;
		text_add_format(out, "this server runs '%s' now, and ran '%s' when pre-upgrade prepared it",
				pairs[i][1], pairs[i][0]);
		return true;
	}
	return false;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static int digest_hex(const void *bytes, size_t length, char ret_hex[SHA256_HEX_SIZE], struct fault *f)
{
	SHA256_AUTO d = SHA256_INIT;
	unsigned char digest[SHA256_SIZE];

	if (fs_sha256_start(&d, f) < 0 || fs_sha256_add(&d, bytes, length, f) < 0 ||
	    fs_sha256_finish(&d, digest, f) < 0)
		return -1;
	hex_encode(digest, SHA256_SIZE, ret_hex);
	return 0;
}

/* The lines of `system` with a text or yes/no, for reading and writing.  The others have formats of their own. */
static const struct field {
	const char *name;
	size_t at; /* offset in struct snapshot */
	enum { FIELD_TEXT, FIELD_FLAG } form;
} fields[] = {
	{ "MACHINE", offsetof(struct snapshot, machine.uuid), FIELD_TEXT },
	{ "HOST", offsetof(struct snapshot, machine.host), FIELD_TEXT },
	{ "OS", offsetof(struct snapshot, machine.os), FIELD_TEXT },
	{ "OKV_RELEASE", offsetof(struct snapshot, machine.okv), FIELD_TEXT },
	{ "GROUP", offsetof(struct snapshot, group), FIELD_TEXT },
	{ "GROUP_MEMBERS", offsetof(struct snapshot, members), FIELD_TEXT },
	{ "OKV_USER_IS_MEMBER", offsetof(struct snapshot, member), FIELD_FLAG },
	{ "USERS", offsetof(struct snapshot, users), FIELD_TEXT },
	{ "GROUPS", offsetof(struct snapshot, groups), FIELD_TEXT },
	{ "WIRED", offsetof(struct snapshot, wired), FIELD_FLAG },
	{ "ARMED", offsetof(struct snapshot, armed), FIELD_FLAG },
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static const char *field_value(const struct field *field, const struct snapshot *s)
{
	const void *at = (const char *)s + field->at;

	return field->form == FIELD_TEXT ? *(char *const *)at : *(const bool *)at ? "yes" : "no";
}

static int system_print(const struct snapshot *s, const char *manifest_hex, struct text *out, struct fault *f)
{
	ASSIGN_AUTO file = { 0 };
	char stamp[TIME_STAMP_SIZE], id[12] = "";
	bool changed;
	static const char head[] =
		"# The system before an upgrade; made by okv-luna pre-upgrade, read by post-upgrade.\n";

	time_format(s->taken, stamp);
	if (s->group_there)
		(void)snprintf(id, sizeof(id), "%lu", (unsigned long)s->group_id);
	if (assign_parse(&file, head, sizeof(head) - 1, f) < 0 || assign_set(&file, "TAKEN", stamp, &changed, f) < 0)
		return -1;
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (assign_set(&file, fields[i].name, field_value(&fields[i], s), &changed, f) < 0)
			return -1;
	if (assign_set(&file, "GROUP_ID", id, &changed, f) < 0 ||
	    assign_set(&file, "MANIFEST_SHA256", manifest_hex, &changed, f) < 0)
		return -1;
	assign_print(&file, out);
	return text_check(out, f);
}

static int slots_print(const struct hsm_slot *slots, size_t count, struct text *out, struct fault *f)
{
	TEXT_AUTO lines = { 0 };
	char hex[SHA256_HEX_SIZE];

	for (const struct hsm_slot *slot = slots; slot < slots + count; slot++) {
		if (!slot->usable)
			continue;
		text_add_format(&lines, "slot=%llu label=", (unsigned long long)slot->id);
		manifest_name_add(&lines, slot->label);
		text_add_string(&lines, " serial=");
		manifest_name_add(&lines, slot->serial);
		text_add_string(&lines, " model=");
		manifest_name_add(&lines, slot->model);
		text_add_char(&lines, '\n');
	}
	if (text_check(&lines, f) < 0 || digest_hex(text_string(&lines), lines.length, hex, f) < 0)
		return -1;
	text_add_format(out, "%s%s\n", slots_head, hex);
	text_add(out, text_string(&lines), lines.length);
	return text_check(out, f);
}

static int parts_write(int dir, const struct snapshot *s, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	TEXT_AUTO manifest = { 0 };
	TEXT_AUTO system = { 0 };
	TEXT_AUTO slots = { 0 };
	char hex[SHA256_HEX_SIZE];

	manifest_print(&s->manifest, manifest_comment, &manifest);
	if (text_check(&manifest, f) < 0 || digest_hex(manifest.bytes, manifest.length, hex, f) < 0 ||
	    fs_publish_at(dir, SNAPSHOT_MANIFEST, manifest.bytes, manifest.length, &how, f) < 0)
		return -1;
	if (s->slots_known && (slots_print(s->slots, s->slot_count, &slots, f) < 0 ||
			       fs_publish_at(dir, "slots", slots.bytes, slots.length, &how, f) < 0))
		return -1;
	if (system_print(s, hex, &system, f) < 0)
		return -1;
	return fs_publish_at(dir, "system", system.bytes, system.length, &how, f);
}

/* The snapshot's name in var/, and its temporary names. */
struct names {
	char now[FS_NAME_SIZE], fresh[FS_NAME_SIZE], old[FS_NAME_SIZE];
};

static int names_open(int root, const char *place, int *ret_dir, struct names *ret_names, struct fault *f)
{
	if (fs_parent_open(root, place, FS_FOLLOW_TRUSTED, ret_dir, ret_names->now, f) < 0)
		return -1;
	(void)snprintf(ret_names->fresh, sizeof(ret_names->fresh), "%.200s.new", ret_names->now);
	(void)snprintf(ret_names->old, sizeof(ret_names->old), "%.200s.old", ret_names->now);
	return 0;
}

/* A run that was killed between the two renames of names_exchange() left the snapshot under its old name. */
static void names_recover(int dir, const struct names *names)
{
	if (faccessat(dir, names->now, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		(void)renameat(dir, names->old, dir, names->now);
}

static int names_exchange(int dir, const struct names *names, const char *place, struct fault *f)
{
	if (renameat(dir, names->fresh, dir, names->now) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return fault_errno(f, errno, "cannot put '%s' in its place", place);
	switch (fs_exchange(dir, names->fresh, dir, names->now)) {
	case FS_EXCHANGED:
		return fs_tree_remove(dir, names->fresh, f);
	case FS_EXCHANGE_FAILED:
		return fault_errno(f, errno, "cannot put '%s' in its place", place);
	case FS_EXCHANGE_MISSING:
		break;
	}
	/* Without RENAME_EXCHANGE: two renames, and names_recover() after a kill between them. */
	if (fs_tree_remove(dir, names->old, f) < 0)
		return -1;
	if (renameat(dir, names->now, dir, names->old) < 0 || renameat(dir, names->fresh, dir, names->now) < 0)
		return fault_errno(f, errno, "cannot put '%s' in its place", place);
	return fs_tree_remove(dir, names->old, f);
}

int snapshot_write(int root, const char *place, const struct snapshot *s, struct fault *f)
{
	FS_AUTO int var = -1;
	FS_AUTO int dir = -1;
	struct names names;

	if (fs_dirs_make(root, SETTINGS_PREFIX, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dirs_make(root, SETTINGS_VAR, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    names_open(root, place, &var, &names, f) < 0)
		return -1;
	names_recover(var, &names);
	if (fs_tree_remove(var, names.fresh, f) < 0)
		return -1;
	if (mkdirat(var, names.fresh, 0700) < 0)
		return fault_errno(f, errno, "cannot make directory '%s'", names.fresh);
	dir = openat(var, names.fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return fault_errno(f, errno, "cannot open directory '%s'", names.fresh);
	if (parts_write(dir, s, f) < 0) {
		struct fault ignored = { 0 };
		/* The disk may be full, so free the space. */
		(void)fs_tree_remove(var, names.fresh, &ignored);
		return fault_prefix(f, "cannot write the snapshot: ");
	}
	if (names_exchange(var, &names, place, f) < 0)
		return -1;
	if (fsync(var) < 0)
		return fault_system(f, errno, "cannot sync the directory of '%s'", place);
	return 0;
}

int snapshot_add_slots(int root, const struct hsm_answer *answer, struct fault *f)
{
	FS_AUTO int dir = -1;
	TEXT_AUTO file = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0600);

	if (slots_print(answer->slots, answer->slot_count, &file, f) < 0 ||
	    fs_dir_open(root, SNAPSHOT_DIR, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	return fs_publish_at(dir, "slots", file.bytes, file.length, &how, f);
}

/* Renames it first: after a kill in fs_tree_remove(), half a snapshot would remain, which every reader refuses. */
int snapshot_remove(int root, const char *place, struct fault *f)
{
	FS_AUTO int var = -1;
	struct names names;

	if (names_open(root, place, &var, &names, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return -1;
		*f = (struct fault){ 0 };
		return 0;
	}
	names_recover(var, &names);
	if (fs_tree_remove(var, names.old, f) < 0 || fs_tree_remove(var, names.fresh, f) < 0)
		return -1;
	if (renameat(var, names.now, var, names.fresh) < 0)
		return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot remove '%s'", place);
	return fs_tree_remove(var, names.fresh, f);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

bool snapshot_name(const char *names, uint32_t id, struct text *ret_name)
{
	char wanted[16];
	const int length = snprintf(wanted, sizeof(wanted), "%lu=", (unsigned long)id);

	for (const char *at = names; *at != '\0';) {
		const size_t size = strcspn(at, ",");
		if (strncmp(at, wanted, (size_t)length) == 0) {
			text_add(ret_name, at + length, size - (size_t)length);
			return true;
		}
		at += size + (at[size] == ',');
	}
	return false;
}

bool snapshot_id(const char *names, const char *name, uint32_t *ret_id)
{
	for (const char *at = names; *at != '\0';) {
		const size_t size = strcspn(at, ","), digits = strspn(at, "0123456789");
		if (at[digits] == '=' && text_equal(at + digits + 1, size - digits - 1, name)) {
			*ret_id = (uint32_t)strtoul(at, NULL, 10);
			return true;
		}
		at += size + (at[size] == ',');
	}
	return false;
}

static int value_get(const struct assign *file, const char *name, const char **ret_value, struct fault *f)
{
	*ret_value = assign_value(file, name);
	return *ret_value != NULL ? 0 : fault_refused(f, "the snapshot's system file lacks %s", name);
}

static int field_get(const struct assign *file, const struct field *field, struct snapshot *s, struct fault *f)
{
	void *at = (char *)s + field->at;
	const char *value;

	if (value_get(file, field->name, &value, f) < 0)
		return -1;
	if (field->form == FIELD_TEXT)
		return (*(char **)at = strdup(value)) != NULL ? 0 : fault_memory(f);
	*(bool *)at = strcmp(value, "yes") == 0;
	return *(bool *)at || strcmp(value, "no") == 0
		       ? 0
		       : fault_refused(f, "the snapshot's %s is neither yes nor no", field->name);
}

/* `ret_hex`: the digest that the manifest must have. */
static int system_parse(const struct text *bytes, struct snapshot *s, char ret_hex[SHA256_HEX_SIZE], struct fault *f)
{
	ASSIGN_AUTO file = { 0 };
	const char *taken, *id, *hex;
	uint64_t number = 0;

	if (assign_parse(&file, text_string(bytes), bytes->length, f) < 0)
		return -1;
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (field_get(&file, &fields[i], s, f) < 0)
			return -1;
	if (value_get(&file, "TAKEN", &taken, f) < 0 || value_get(&file, "GROUP_ID", &id, f) < 0 ||
	    value_get(&file, "MANIFEST_SHA256", &hex, f) < 0)
		return -1;
	if (!time_parse(taken, strlen(taken), &s->taken))
		return fault_refused(f, "the snapshot's TAKEN is not a time: '%s'", SHOWN(taken));
	if (strlen(hex) != SHA256_HEX_SIZE - 1)
		return fault_refused(f, "the snapshot's MANIFEST_SHA256 is not a digest");
	if (id[0] != '\0' && number_parse(id, "the snapshot's GROUP_ID", 0, UINT32_MAX - 1, &number, f) < 0)
		return -1;
	s->group_there = id[0] != '\0';
	s->group_id = (gid_t)number;
	memcpy(ret_hex, hex, SHA256_HEX_SIZE);
	return 0;
}

/* Others could forge a proof, or have --abort give them files. */
static int records_check(int fd, const char *name, struct fault *f)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot look at '%s'", name);
	return (status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0
		       ? fault_refused(f, "others can write '%s'", name)
		       : 0;
}

static int place_open(int root, const char *place, int *ret_dir, struct fault *f)
{
	FS_AUTO int var = -1;
	struct names names;

	if (names_open(root, place, &var, &names, f) < 0)
		return -1;
	FS_AUTO int fd = openat(var, names.now, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		fd = openat(var, names.old, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fault_errno(f, errno, "there is no snapshot '%s'", place);
	if (records_check(var, SETTINGS_VAR, f) < 0 || records_check(fd, place, f) < 0)
		return -1;
	*ret_dir = fs_take(&fd);
	return 0;
}

static int part_read(int dir, const char *leaf, size_t limit, struct text *ret_text, struct fault *f)
{
	FS_AUTO int fd = -1;

	if (fs_name_open(FS_NAME(dir, leaf, leaf), O_RDONLY, &fd, NULL, f) < 0 || records_check(fd, leaf, f) < 0)
		return -1;
	return fs_read(fd, leaf, limit, ret_text, f);
}

/* Parses a line of slots_print(). */
static bool slot_read(const struct text_line *line, struct hsm_slot *ret_slot)
{
	static const char *const keys[] = { "slot=", "label=", "serial=", "model=" };
	char id[21];
	char *const values[] = { id, ret_slot->label, ret_slot->serial, ret_slot->model };
	const size_t sizes[] = { sizeof(id), sizeof(ret_slot->label), sizeof(ret_slot->serial),
				 sizeof(ret_slot->model) };
	const char *at = line->bytes, *const end = line->bytes + line->length;
	struct fault ignored = { 0 };

	for (size_t i = 0; i < 4; i++) {
		TEXT_AUTO value = { 0 };
		const size_t key = strlen(keys[i]);
		const char *stop = i < 3 ? memchr(at, ' ', (size_t)(end - at)) : end;
		if (stop == NULL || (size_t)(stop - at) < key || memcmp(at, keys[i], key) != 0 ||
		    !manifest_name_read(&value, at + key, (size_t)(stop - at) - key) || value.length >= sizes[i])
			return false;
		memcpy(values[i], text_string(&value), value.length + 1);
		at = stop + (i < 3);
	}
	return line->ended && number_parse(id, "slot", 0, UINT64_MAX, &ret_slot->id, &ignored) == 0;
}

static int slots_parse(const char *bytes, size_t length, struct snapshot *s, struct fault *f)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(bytes, length, &at, &line); s->slot_count++) {
		if (!ARRAY_GROW(s->slots, s->slot_count))
			return fault_memory(f);
		s->slots[s->slot_count] = (struct hsm_slot){ .usable = true };
		if (!slot_read(&line, &s->slots[s->slot_count]))
			return fault_refused(f, "slots:%zu: not a line that okv-luna writes", s->slot_count + 1);
	}
	return 0;
}

static int slots_read(int dir, struct snapshot *s, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	const size_t head = sizeof(slots_head) - 1, start = head + SHA256_HEX_SIZE;
	char hex[SHA256_HEX_SIZE];

	if (part_read(dir, "slots", SLOTS_MAX, &file, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return -1;
		*f = (struct fault){ 0 };
		return 0;
	}
	const bool headed = file.length >= start && memcmp(file.bytes, slots_head, head) == 0;
	if (headed && digest_hex(file.bytes + start, file.length - start, hex, f) < 0)
		return -1;
	hex[SHA256_HEX_SIZE - 1] = '\n';
	if (!headed || memcmp(file.bytes + head, hex, SHA256_HEX_SIZE) != 0)
		return fault_refused(f, "the snapshot's slots were changed since it was taken");
	s->slots_known = true;
	return slots_parse(file.bytes + start, file.length - start, s, f);
}

static int manifest_read(int dir, const char *wanted_hex, struct snapshot *s, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	char hex[SHA256_HEX_SIZE];

	if (part_read(dir, SNAPSHOT_MANIFEST, MANIFEST_MAX, &file, f) < 0 ||
	    digest_hex(text_string(&file), file.length, hex, f) < 0)
		return -1;
	if (strcmp(hex, wanted_hex) != 0)
		return fault_refused(f, "the snapshot's manifest was changed since it was taken");
	return manifest_parse(&s->manifest, SNAPSHOT_MANIFEST, text_string(&file), file.length, f);
}

int snapshot_read(int root, const char *place, enum snapshot_part part, struct snapshot *ret_snapshot, struct fault *f)
{
	SNAPSHOT_AUTO s = { 0 };
	FS_AUTO int dir = -1;
	TEXT_AUTO system = { 0 };
	char hex[SHA256_HEX_SIZE];

	if (place_open(root, place, &dir, f) < 0)
		return -1;
	if (part_read(dir, "system", SMALL_FILE_MAX, &system, f) < 0)
		return fault_prefix(f, "the snapshot cannot be read: ");
	if (system_parse(&system, &s, hex, f) < 0 || (part == SNAPSHOT_WHOLE && manifest_read(dir, hex, &s, f) < 0) ||
	    (part != SNAPSHOT_HEAD && slots_read(dir, &s, f) < 0))
		return -1;
	*ret_snapshot = s;
	s = (struct snapshot){ 0 };
	return 0;
}

const struct hsm_slot *snapshot_slot_lost(const struct snapshot *old, const struct hsm_answer *now)
{
	for (const struct hsm_slot *was = old->slots; was < old->slots + old->slot_count; was++) {
		bool found = false;
		for (size_t i = 0; !found && i < now->slot_count; i++)
			found = now->slots[i].usable && hsm_slot_matches(&now->slots[i], was->label, was->serial);
		if (!found)
			return was;
	}
	return NULL;
}
