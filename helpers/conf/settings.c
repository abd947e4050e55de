#include "conf/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/number.h"
#include "base/option.h"
#include "base/text.h"
#include "conf/assign.h"

enum setting_kind {
	SETTING_PATH,
	SETTING_ACCOUNT,
	SETTING_WORD,
	SETTING_ANY,
	SETTING_PROFILE,
	SETTING_COMMAND,
	SETTING_RELEASE,
	SETTING_KIND,
	SETTING_NUMBER,
	SETTING_MODE,
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset; /* into struct settings */
	const char *initial;
	uint64_t least, most;
};

#define AT(member) offsetof(struct settings, member)

static const struct setting table[] = {
	{ "VENDOR_NAME", SETTING_WORD, AT(vendor_name), "Thales_Luna", 0, 0 },
	{ "CLIENT_DIR", SETTING_PATH, AT(client_dir), "/usr/safenet/lunaclient", 0, 0 },
	{ "PKCS11_LIB", SETTING_PATH, AT(pkcs11_lib), NULL, 0, 0 },
	{ "CHRYSTOKI_CONF", SETTING_PATH, AT(chrystoki_conf), "/etc/Chrystoki.conf", 0, 0 },
	{ "HSM_GROUP", SETTING_ACCOUNT, AT(hsm_group), "hsmusers", 0, 0 },
	{ "OKV_USER", SETTING_ACCOUNT, AT(okv_user), "oracle", 0, 0 },
	{ "OKV_GROUP", SETTING_ACCOUNT, AT(okv_group), "oinstall", 0, 0 },
	{ "PROFILE", SETTING_PROFILE, AT(profile), "guide", 0, 0 },
	{ "TOKEN_LABEL", SETTING_ANY, AT(token_label), "", 0, 0 },
	{ "MIN_SLOTS", SETTING_NUMBER, AT(min_slots), "1", 0, 1000 },
	{ "SLOT_TIMEOUT", SETTING_NUMBER, AT(slot_timeout), "60", 1, 3600 },
	{ "BUNDLE_MODE", SETTING_MODE, AT(bundle_mode), "0600", 0, 0 },
	{ "UPGRADE_COMMAND", SETTING_COMMAND, AT(upgrade_command), "/usr/bin/ruby /images/upgrade.rb --confirm", 0, 0 },
	{ "OKV_RELEASE", SETTING_RELEASE, AT(okv_release), "", 0, 0 },
	{ "CLIENT_KIND", SETTING_KIND, AT(client_kind), "", 0, 0 },
};

enum { SETTING_COUNT = sizeof(table) / sizeof(table[0]) };

static void *member(struct settings *s, const struct setting *setting)
{
	return (char *)s + setting->offset;
}

/* User and group names as useradd(8) takes them. */
static bool account_name(const char *value)
{
	const size_t length = strlen(value);

	if (length == 0 || length > 32 || value[0] == '-')
		return false;
	return strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length &&
	       (value[0] < '0' || value[0] > '9');
}

static bool plain_path(const char *value)
{
	if (value[0] != '/' || strchr(value, ':') != NULL || strpbrk(value, "*?[]\\") != NULL)
		return false;
	for (const char *at = value; (at = strstr(at, "/.")) != NULL; at++) {
		const char *after = at + 2 + (at[2] == '.');
		if (*after == '/' || *after == '\0')
			return false;
	}
	return strlen(value) > 1 && strlen(value) < 1024;
}

static int value_check(const struct setting *setting, const char *value, struct fault *f)
{
	switch (setting->kind) {
	case SETTING_PATH:
		if (!plain_path(value))
			return fault_refused(f, "%s must be a full path without '..', ':' or wildcards, not '%s'",
					     setting->name, SHOWN(value));
		return 0;
	case SETTING_ACCOUNT:
		if (!account_name(value))
			return fault_refused(f, "%s must be a user or group name, not '%s'", setting->name,
					     SHOWN(value));
		return 0;
	case SETTING_WORD:
		if (value[0] == '\0' || strpbrk(value, " \t") != NULL)
			return fault_refused(f, "%s must be one word, not '%s'", setting->name, SHOWN(value));
		return 0;
	case SETTING_PROFILE:
		if (!option_choice_has(SETTINGS_PROFILES, value))
			return fault_refused(f, "%s must be one of %s, not '%s'", setting->name, SETTINGS_PROFILES,
					     SHOWN(value));
		return 0;
	case SETTING_COMMAND:
		if (value[0] != '/')
			return fault_refused(f, "%s must begin with the full path of a program, not '%s'",
					     setting->name, SHOWN(value));
		return 0;
	case SETTING_RELEASE:
		if (value[0] != '\0' && strspn(value, "0123456789.") != strlen(value))
			return fault_refused(f, "%s must be a release like 21.5, not '%s'", setting->name,
					     SHOWN(value));
		return 0;
	case SETTING_KIND:
		if (value[0] != '\0' && !option_choice_has(SETTINGS_KINDS, value))
			return fault_refused(f, "%s must be one of %s, not '%s'", setting->name, SETTINGS_KINDS,
					     SHOWN(value));
		return 0;
	case SETTING_ANY:
	case SETTING_NUMBER:
	case SETTING_MODE:
		return 0;
	}
	return 0;
}

static int value_store(struct settings *s, const struct setting *setting, const char *value, struct fault *f)
{
	if (value_check(setting, value, f) < 0)
		return -1;
	if (setting->kind == SETTING_NUMBER)
		return number_parse(value, setting->name, setting->least, setting->most, member(s, setting), f);
	if (setting->kind == SETTING_MODE)
		return number_parse_mode(value, setting->name, member(s, setting), f);

	char *copy = strdup(value);
	if (copy == NULL)
		return fault_memory(f);
	char **place = member(s, setting);
	free(*place);
	*place = copy;
	return 0;
}

/* PKCS11_LIB follows CLIENT_DIR. */
static int library_derive(struct settings *s, struct fault *f)
{
	char *path = NULL;

	if (asprintf(&path, "%s/lib/libCryptoki2_64.so", s->client_dir) < 0)
		return fault_memory(f);
	free(s->pkcs11_lib);
	s->pkcs11_lib = path;
	return 0;
}

int settings_init(struct settings *ret_settings, struct fault *f)
{
	SETTINGS_AUTO s = { 0 };

	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (table[i].initial != NULL && value_store(&s, &table[i], table[i].initial, f) < 0)
			return -1;
	if (library_derive(&s, f) < 0)
		return -1;
	*ret_settings = s;
	s = (struct settings){ 0 };
	return 0;
}

void settings_done(struct settings *s)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (table[i].kind != SETTING_NUMBER && table[i].kind != SETTING_MODE)
			free(*(char **)member(s, &table[i]));
	*s = (struct settings){ 0 };
}

static int unknown_refuse(const char *file, size_t number, const struct assign_line *line, struct fault *f)
{
	struct nearest nearest = { .word = line->bytes, .length = line->name_length };
	char hint[NEAREST_HINT_SIZE];

	for (size_t i = 0; i < SETTING_COUNT; i++)
		nearest_offer(&nearest, table[i].name);
	return fault_refused(f, "%s:%zu: unknown setting '%s'%s", SHOWN(file), number,
			     SHOWN_BYTES(line->bytes, line->name_length), nearest_hint(&nearest, "", "", hint));
}

int settings_parse(struct settings *s, const char *name, const char *bytes, size_t length, struct fault *f)
{
	ASSIGN_AUTO file = { 0 };
	if (assign_parse(&file, bytes, length, f) < 0)
		return -1;

	bool seen[SETTING_COUNT] = { false };
	bool library_set = false;
	for (size_t i = 0; i < file.count; i++) {
		const struct assign_line *line = &file.lines[i];

		if (line->kind == ASSIGN_BLANK || line->kind == ASSIGN_COMMENT)
			continue;
		if (line->kind == ASSIGN_FLAWED)
			return fault_refused(f, "%s:%zu: %s", SHOWN(name), i + 1, assign_flaw_text(line->flaw));

		size_t which = 0;
		while (which < SETTING_COUNT && !text_equal(line->bytes, line->name_length, table[which].name))
			which++;
		if (which == SETTING_COUNT)
			return unknown_refuse(name, i + 1, line, f);
		if (seen[which])
			return fault_refused(f, "%s:%zu: %s is set twice", SHOWN(name), i + 1, table[which].name);
		seen[which] = true;

		char *value = strndup(line->bytes + line->value_start, line->value_length);
		if (value == NULL)
			return fault_memory(f);
		const int r = value_store(s, &table[which], value, f);
		free(value);
		if (r < 0)
			return fault_prefix(f, "%s:%zu: ", SHOWN(name), i + 1);
		library_set = library_set || strcmp(table[which].name, "PKCS11_LIB") == 0;
	}
	return library_set ? 0 : library_derive(s, f);
}

bool settings_is_scratch(const struct settings *s, const char *path)
{
	static const char *const below[] = SETTINGS_SCRATCH;
	const char *client = s->client_dir + 1, *at = path + (path[0] == '/');
	const size_t length = strlen(client);

	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		const size_t end = length + strlen(below[i]);
		if (strncmp(at, client, length) == 0 && text_starts(at + length, below[i]) && at[end] == '/')
			return true;
	}
	return false;
}
