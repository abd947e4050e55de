#include "conf/wiring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/midupgrade.h"
#include "conf/settings.h"

static const char preserved_key[] = "PRESERVED_FILES";
static const char *const conf_keys[] = { "VENDOR_NAME", "PKCS11_LIB_LOC", preserved_key, NULL };
static const char *const env_keys[] = { "ChrystokiConfigurationPath", NULL };

void wiring_record_done(struct wiring_record *r)
{
	text_done(&r->before);
	text_done(&r->after);
	r->known = false;
}

static const char *const *keys_of(enum wiring_file file)
{
	return file == WIRING_CONF ? conf_keys : env_keys;
}

/* What a key shall be; PRESERVED_FILES is no single wish. */
static const char *value_of(const char *key, const struct wiring_options *options)
{
	if (strcmp(key, "VENDOR_NAME") == 0)
		return options->vendor_name;
	if (strcmp(key, "PKCS11_LIB_LOC") == 0)
		return options->library;
	return options->config_directory;
}

static int keys_check(const struct assign *a, const char *const *keys, struct fault *f)
{
	for (; *keys != NULL; keys++)
		if (assign_check_only(a, *keys, f) < 0)
			return -1;
	return 0;
}

static int preserved_of(const struct assign *a, struct preserved *ret_preserved, struct fault *f)
{
	const struct assign_line *line = assign_find(a, preserved_key);

	if (line == NULL) {
		*ret_preserved = (struct preserved){ 0 };
		return 0;
	}
	return preserved_parse(ret_preserved, line->bytes + line->value_start, line->value_length, f);
}

static int preserved_set(struct assign *a, const struct preserved *p, struct fault *f)
{
	TEXT_AUTO value = { 0 };
	bool changed;

	preserved_print(p, &value);
	if (text_check(&value, f) < 0)
		return -1;
	if (strlen(preserved_key) + value.length + 3 >= ASSIGN_LINE_MAX)
		return fault_refused(
			f,
			"%s would have %zu characters, and OKV takes fewer than %d; list a directory instead of "
			"its files",
			preserved_key, strlen(preserved_key) + value.length + 3, ASSIGN_LINE_MAX);
	return assign_set(a, preserved_key, text_string(&value), &changed, f);
}

/* A unit of ours or a link that enables one; where it lies depends on the version, whether it is there on the node. */
static bool is_unit_of_ours(const char *path)
{
	return strstr(path, "/systemd/system/") != NULL && strstr(path, "okv-luna-") != NULL;
}

static int preserved_apply(struct assign *a, const struct preserved *more, struct fault *f)
{
	PRESERVED_AUTO here = { 0 }, p = { 0 };

	if (preserved_of(a, &here, f) < 0)
		return -1;
	for (size_t i = 0; i < here.count; i++)
		if ((!is_unit_of_ours(here.paths[i]) || preserved_has(more, here.paths[i])) &&
		    preserved_add(&p, here.paths[i], f) < 0)
			return -1;
	for (size_t i = 0; i < more->count; i++)
		if (preserved_add(&p, more->paths[i], f) < 0)
			return -1;
	preserved_reduce(&p);
	return preserved_set(a, &p, f);
}

static int assign_apply(const char *const *keys, const struct text *now, const struct wiring_options *options,
			struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	bool changed;

	if (assign_parse(&a, text_string(now), now->length, f) < 0 || keys_check(&a, keys, f) < 0)
		return -1;
	for (; *keys != NULL; keys++) {
		const int r = *keys == preserved_key ? preserved_apply(&a, options->preserved, f)
						     : assign_set(&a, *keys, value_of(*keys, options), &changed, f);
		if (r < 0)
			return -1;
	}
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

int wiring_apply(enum wiring_file file, const struct text *now, const struct wiring_options *options,
		 struct text *ret_text, struct fault *f)
{
	switch (file) {
	case WIRING_MID:
		return midupgrade_insert(text_string(now), now->length, options->hsm_group, ret_text, f);
	case WIRING_CONF:
	case WIRING_ENV:
		break;
	}
	return assign_apply(keys_of(file), now, options, ret_text, f);
}

/*
 * Entries that we had added go, those that we had dropped come back while what holds them is there; what others added
 * or removed since stays so.
 */
static int preserved_restore(struct assign *now, const struct assign *before, const struct assign *after,
			     struct fault *f)
{
	PRESERVED_AUTO here = { 0 }, old = { 0 }, ours = { 0 }, left = { 0 };

	if (preserved_of(now, &here, f) < 0 || preserved_of(before, &old, f) < 0 || preserved_of(after, &ours, f) < 0)
		return -1;
	for (size_t i = 0; i < old.count; i++)
		if ((preserved_has(&here, old.paths[i]) ||
		     (!preserved_has(&ours, old.paths[i]) && preserved_holder(&here, old.paths[i]) != NULL)) &&
		    preserved_add(&left, old.paths[i], f) < 0)
			return -1;
	for (size_t i = 0; i < here.count; i++)
		if (!preserved_has(&ours, here.paths[i]) && preserved_add(&left, here.paths[i], f) < 0)
			return -1;
	if (left.count == 0 && assign_find(before, preserved_key) == NULL) {
		return assign_unset(now, preserved_key, f);
	}
	return preserved_set(now, &left, f);
}

static bool same_value(const struct assign_line *a, const struct assign_line *b)
{
	return a != NULL && b != NULL && a->value_length == b->value_length &&
	       memcmp(a->bytes + a->value_start, b->bytes + b->value_start, a->value_length) == 0;
}

static int assign_restore(const char *const *keys, const struct text *now, const struct wiring_record *record,
			  struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	ASSIGN_AUTO before = { 0 };
	ASSIGN_AUTO after = { 0 };

	if (assign_parse(&a, text_string(now), now->length, f) < 0 ||
	    assign_parse(&before, text_string(&record->before), record->before.length, f) < 0 ||
	    assign_parse(&after, text_string(&record->after), record->after.length, f) < 0)
		return -1;
	for (; *keys != NULL; keys++) {
		const struct assign_line *here = assign_find(&a, *keys), *old = assign_find(&before, *keys);
		const struct assign_line *ours = assign_find(&after, *keys);

		if (here == NULL || ours == NULL || same_value(old, ours))
			continue;
		if (same_value(here, ours)) {
			char *value = NULL;
			bool changed;

			if (old == NULL) {
				if (assign_unset(&a, *keys, f) < 0)
					return -1;
				continue;
			}
			if (assign_get(&before, *keys, &value, f) < 0)
				return -1;
			const int r = assign_set(&a, *keys, value, &changed, f);
			free(value);
			if (r < 0)
				return -1;
		} else if (*keys == preserved_key && preserved_restore(&a, &before, &after, f) < 0) {
			return -1;
		}
	}
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

/* What nobody else can want: our own entries, but those that stood there before us. */
static int conf_withdraw(const struct text *now, const struct wiring_record *record,
			 const struct wiring_options *options, struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	ASSIGN_AUTO before = { 0 };
	PRESERVED_AUTO here = { 0 }, old = { 0 }, left = { 0 };

	if (assign_parse(&a, text_string(now), now->length, f) < 0 || preserved_of(&a, &here, f) < 0 ||
	    assign_parse(&before, text_string(&record->before), record->before.length, f) < 0 ||
	    preserved_of(&before, &old, f) < 0)
		return -1;
	for (size_t i = 0; i < here.count; i++) {
		const char *path = here.paths[i];
		const bool ours = preserved_within(path, SETTINGS_PREFIX) || is_unit_of_ours(path) ||
				  (strstr(path, "okv-luna") != NULL && preserved_has(options->preserved, path));
		if ((!ours || preserved_has(&old, path)) && preserved_add(&left, path, f) < 0)
			return -1;
	}
	if (left.count != here.count && preserved_set(&a, &left, f) < 0)
		return -1;
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

int wiring_remove(enum wiring_file file, const struct text *now, const struct wiring_record *record,
		  const struct wiring_options *options, struct text *ret_text, struct fault *f)
{
	const bool all = options->removal == WIRING_REMOVE_ALL || file == WIRING_MID;

	if (all && record->known && now->length == record->after.length &&
	    memcmp(text_string(now), text_string(&record->after), now->length) == 0) {
		text_add(ret_text, text_string(&record->before), record->before.length);
		return text_check(ret_text, f);
	}
	switch (file) {
	case WIRING_MID:
		return midupgrade_remove(text_string(now), now->length, ret_text, f);
	case WIRING_CONF:
	case WIRING_ENV:
		break;
	}
	if (all && record->known)
		return assign_restore(keys_of(file), now, record, ret_text, f);
	if (file == WIRING_CONF)
		return conf_withdraw(now, record, options, ret_text, f);
	text_add(ret_text, text_string(now), now->length);
	return text_check(ret_text, f);
}

#define RECORD_HEAD "okv-luna wiring 1"

void wiring_record_print(const struct wiring_record *r, struct text *out)
{
	text_add_format(out, RECORD_HEAD " before %zu after %zu\n", r->before.length, r->after.length);
	text_add(out, text_string(&r->before), r->before.length);
	text_add(out, text_string(&r->after), r->after.length);
}

int wiring_record_parse(struct wiring_record *ret_record, const char *bytes, size_t length, struct fault *f)
{
	const char *feed = memchr(bytes, '\n', length);
	const size_t head = feed != NULL ? (size_t)(feed - bytes) + 1 : 0;
	char line[128];
	size_t before, after;
	int end = 0;

	if (head == 0 || head >= sizeof(line))
		return fault_refused(f, "it is not a record of okv-luna");
	memcpy(line, bytes, head);
	line[head] = '\0';
	if (sscanf(line, RECORD_HEAD " before %9zu after %9zu\n%n", &before, &after, &end) != 2 ||
	    (size_t)end != head || length - head != before + after)
		return fault_refused(f, "it is not a record of okv-luna, or it was cut off");

	WIRING_RECORD_AUTO r = { 0 };
	text_add(&r.before, bytes + head, before);
	text_add(&r.after, bytes + head + before, after);
	if (text_check(&r.before, f) < 0 || text_check(&r.after, f) < 0)
		return -1;
	r.known = true;
	*ret_record = r;
	r = (struct wiring_record){ 0 };
	return 0;
}

int wiring_changes(enum wiring_file file, const struct text *now, const struct text *next, struct text *ret_lines,
		   struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	ASSIGN_AUTO b = { 0 };

	if (file == WIRING_MID)
		return 0;
	if (assign_parse(&a, text_string(now), now->length, f) < 0 ||
	    assign_parse(&b, text_string(next), next->length, f) < 0)
		return -1;
	for (const char *const *key = keys_of(file); *key != NULL; key++) {
		const struct assign_line *old = assign_find(&a, *key), *new = assign_find(&b, *key);
		if (same_value(old, new) || (old == NULL && new == NULL))
			continue;
		assign_change_format(*key, old, new, ret_lines);
		text_add_char(ret_lines, '\n');
	}
	return text_check(ret_lines, f);
}
