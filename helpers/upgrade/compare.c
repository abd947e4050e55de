#include "upgrade/compare.h"

#include <string.h>

enum { LINES_MAX = 8 * 1024 };

enum difference {
	MISSING,
	OTHER_TYPE,
	OTHER_BYTES,
	OTHER_TARGET,
	UNPROVEN, /* one of the two could not be read */
	NEW,
};

void compare_result_done(struct compare_result *result)
{
	text_done(&result->lost.lines);
	text_done(&result->others.lines);
}

static bool attributes_differ(const struct manifest_entry *old, const struct manifest_entry *now)
{
	return old->has_attributes && now->has_attributes && old->type != MANIFEST_LINK &&
	       (old->uid != now->uid || old->gid != now->gid || old->mode != now->mode);
}

/* true and *ret_what where the two are not the same. */
static bool entries_differ(const struct manifest_entry *old, const struct manifest_entry *now,
			   enum difference *ret_what)
{
	if (old->type != now->type) {
		*ret_what = OTHER_TYPE;
		return true;
	}
	if (old->type == MANIFEST_LINK) {
		*ret_what = OTHER_TARGET;
		return strcmp(old->target, now->target) != 0;
	}
	if (old->type != MANIFEST_FILE || !old->has_attributes)
		return false;
	if (now->has_attributes && old->size != now->size) {
		*ret_what = OTHER_BYTES;
		return true;
	}
	if (!old->has_digest || !now->has_digest) {
		*ret_what = UNPROVEN;
		return true;
	}
	*ret_what = OTHER_BYTES;
	return memcmp(old->digest, now->digest, sizeof(old->digest)) != 0;
}

static bool is_below(const char *path, const char *directory, const char *more)
{
	/* Settings have a leading slash, manifests have none. */
	const size_t length = strlen(directory + 1);

	if (strncmp(path, directory + 1, length) != 0)
		return false;
	const size_t extra = strlen(more);
	return strncmp(path + length, more, extra) == 0 &&
	       (path[length + extra] == '/' || path[length + extra] == '\0');
}

static enum step_severity severity_of(const struct settings *settings, enum difference what, const char *path)
{
	if (what == NEW || is_below(path, settings->client_dir, "/data"))
		return STEP_INFO;
	if (text_ends(path, "/token.db"))
		return STEP_LOW;
	if (is_below(path, SETTINGS_PREFIX, ""))
		return is_below(path, SETTINGS_PREFIX, "/etc") ? STEP_MEDIUM : STEP_LOW;
	return STEP_HIGH;
}

static void digest_add(const struct manifest_entry *entry, struct text *out)
{
	text_add_format(out, "%llu bytes", (unsigned long long)entry->size);
	if (!entry->has_digest)
		return;
	text_add_string(out, " with SHA-256 ");
	for (size_t i = 0; i < 6; i++)
		text_add_format(out, "%02x", entry->digest[i]);
	text_add_string(out, "...");
}

static void difference_add(enum difference what, const struct manifest_entry *old_entry,
			   const struct manifest_entry *now_entry, struct text *out)
{
	static const char *const types[] = { "a file", "a directory", "a link", "something else" };

	text_add_format(out, "'/%s' ", SHOWN((old_entry != NULL ? old_entry : now_entry)->path));
	switch (what) {
	case MISSING:
		text_add_format(out, "is missing (%s before)", types[old_entry->type]);
		return;
	case OTHER_TYPE:
		text_add_format(out, "is %s, before %s", types[now_entry->type], types[old_entry->type]);
		return;
	case OTHER_BYTES:
		text_add_string(out, "has other bytes: ");
		digest_add(now_entry, out);
		text_add_string(out, ", before ");
		digest_add(old_entry, out);
		return;
	case OTHER_TARGET:
		text_add_format(out, "leads to '%s', before to '%s'", SHOWN(now_entry->target),
				SHOWN(old_entry->target));
		return;
	case UNPROVEN:
		text_add_format(out, "could not be read %s", old_entry->has_digest ? "now" : "before the upgrade");
		return;
	case NEW:
		text_add_format(out, "is new (%s)", types[now_entry->type]);
		return;
	}
}

static void list_add(struct compare_list *list, enum step_severity severity, const struct text *line)
{
	list->count++;
	if (severity > list->severity)
		list->severity = severity;
	if (list->lines.length + line->length < LINES_MAX)
		text_add_format(&list->lines, "%s\n", text_string(line));
}

void compare_manifests(const struct manifest *old, const struct manifest *now, const struct settings *settings,
		       enum step_severity most, struct compare_result *result)
{
	size_t i = 0, k = 0;

	while (i < old->count || k < now->count) {
		const struct manifest_entry *left = i < old->count ? &old->entries[i] : NULL;
		const struct manifest_entry *right = k < now->count ? &now->entries[k] : NULL;
		const int order = left == NULL ? 1 : right == NULL ? -1 : text_path_compare(left->path, right->path);
		enum difference what = order < 0 ? MISSING : NEW;

		if (order == 0 && !entries_differ(left, right, &what)) {
			result->same++;
			result->attributes += attributes_differ(left, right);
		} else {
			TEXT_AUTO line = { 0 };
			enum step_severity severity = severity_of(settings, what, (order <= 0 ? left : right)->path);
			if (severity > most)
				severity = most;
			difference_add(what, order <= 0 ? left : NULL, order >= 0 ? right : NULL, &line);
			list_add(severity == STEP_HIGH ? &result->lost : &result->others, severity, &line);
		}
		i += order <= 0;
		k += order >= 0;
	}
}

const struct snapshot_slot *compare_slots(const struct snapshot_slots *old, const struct snapshot_slots *now)
{
	for (size_t i = 0; i < old->count; i++) {
		bool found = false;
		for (size_t k = 0; !found && k < now->count; k++)
			found = strcmp(old->items[i].label, now->items[k].label) == 0 &&
				strcmp(old->items[i].serial, now->items[k].serial) == 0;
		if (!found)
			return &old->items[i];
	}
	return NULL;
}
