#include "conf/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/number.h"
#include "base/option.h"
#include "base/text.h"
#include "conf/assign.h"
#include "conf/preserved.h"

/* As useradd(8) accepts. */
static bool is_account(const char *value)
{
	const size_t length = strlen(value);

	if (length == 0 || length > 32 || value[0] == '-')
		return false;
	return strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length &&
	       (value[0] < '0' || value[0] > '9');
}

static bool is_path(const char *value)
{
	return value[0] == '/' && strpbrk(value, ":*?[]\\") == NULL && !preserved_has_dots(value) &&
	       strlen(value) > 1 && strlen(value) < 1024;
}

static bool is_word(const char *value)
{
	return value[0] != '\0' && strpbrk(value, " \t") == NULL;
}

static bool is_profile(const char *value)
{
	return option_choice_has(SETTINGS_PROFILES, value);
}

static bool is_command(const char *value)
{
	return value[0] == '/';
}

static bool is_release(const char *value)
{
	return strspn(value, "0123456789.") == strlen(value);
}

static bool is_kind(const char *value)
{
	return value[0] == '\0' || option_choice_has(SETTINGS_KINDS, value);
}

/* How a string is checked, and how the fault says it.  Numbers and modes have parsers of their own. */
struct setting_kind {
	bool (*is_valid)(const char *value);
	const char *must;
};
static const struct setting_kind word_kind = { is_word, "be one word" };
static const struct setting_kind path_kind = { is_path, "be a full path without '..', ':' or wildcards" };
static const struct setting_kind account_kind = { is_account, "be a user or group name" };
static const struct setting_kind profile_kind = { is_profile, "be one of " SETTINGS_PROFILES };
static const struct setting_kind command_kind = { is_command, "begin with the full path of a program" };
static const struct setting_kind release_kind = { is_release, "be a release like 21.5" };
static const struct setting_kind client_kind = { is_kind, "be one of " SETTINGS_KINDS };
static const struct setting_kind any_kind, number_kind, mode_kind;

struct setting {
	const char *name;
	const struct setting_kind *kind;
	size_t offset; /* into struct settings */
	const char *initial;
	uint64_t least, most;
};

#define AT(member) offsetof(struct settings, member)

static const struct setting table[] = {
	{ "VENDOR_NAME", &word_kind, AT(vendor_name), "Thales_Luna", 0, 0 },
	{ "CLIENT_DIR", &path_kind, AT(client_dir), "/usr/safenet/lunaclient", 0, 0 },
	{ "PKCS11_LIB", &path_kind, AT(pkcs11_lib), NULL, 0, 0 },
	{ "CHRYSTOKI_CONF", &path_kind, AT(chrystoki_conf), "/etc/Chrystoki.conf", 0, 0 },
	{ "HSM_GROUP", &account_kind, AT(hsm_group), "hsmusers", 0, 0 },
	{ "OKV_USER", &account_kind, AT(okv_user), "oracle", 0, 0 },
	{ "OKV_GROUP", &account_kind, AT(okv_group), "oinstall", 0, 0 },
	{ "PROFILE", &profile_kind, AT(profile), "guide", 0, 0 },
	{ "TOKEN_LABEL", &any_kind, AT(token_label), "", 0, 0 },
	{ "MIN_SLOTS", &number_kind, AT(min_slots), "1", 0, 1000 },
	{ "SLOT_TIMEOUT", &number_kind, AT(slot_timeout), "60", 1, 3600 },
	{ "BUNDLE_MODE", &mode_kind, AT(bundle_mode), "0600", 0, 0 },
	{ "UPGRADE_COMMAND", &command_kind, AT(upgrade_command), "/usr/bin/ruby /images/upgrade.rb --confirm", 0, 0 },
	{ "OKV_RELEASE", &release_kind, AT(okv_release), "", 0, 0 },
	{ "CLIENT_KIND", &client_kind, AT(client_kind), "", 0, 0 },
};

enum { SETTING_COUNT = sizeof(table) / sizeof(table[0]) };

static void *member(struct settings *s, const struct setting *setting)
{
	return (char *)s + setting->offset;
}

static int value_store(struct settings *s, const struct setting *setting, const char *value, struct fault *f)
{
	if (setting->kind == &number_kind)
		return number_parse(value, setting->name, setting->least, setting->most, member(s, setting), f);
	if (setting->kind == &mode_kind)
		return number_parse_mode(value, setting->name, member(s, setting), f);
	if (setting->kind->is_valid != NULL && !setting->kind->is_valid(value))
		return fault_refused(f, "%s must %s, not '%s'", setting->name, setting->kind->must, SHOWN(value));

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
		if (table[i].kind != &number_kind && table[i].kind != &mode_kind)
			free(*(char **)member(s, &table[i]));
	*s = (struct settings){ 0 };
}

static int unknown_refuse(const char *file, size_t number, const struct assign_line *line, struct fault *f)
{
	struct nearest nearest = { .word = line->name, .length = strlen(line->name) };
	char hint[NEAREST_HINT_SIZE];

	for (size_t i = 0; i < SETTING_COUNT; i++)
		nearest_offer(&nearest, table[i].name);
	return fault_refused(f, "%s:%zu: unknown setting '%s'%s", SHOWN(file), number, SHOWN(line->name),
			     nearest_hint(&nearest, "", "", hint));
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
		while (which < SETTING_COUNT && strcmp(line->name, table[which].name) != 0)
			which++;
		if (which == SETTING_COUNT)
			return unknown_refuse(name, i + 1, line, f);
		if (seen[which])
			return fault_refused(f, "%s:%zu: %s is set twice", SHOWN(name), i + 1, table[which].name);
		seen[which] = true;

		if (value_store(s, &table[which], line->value, f) < 0)
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
