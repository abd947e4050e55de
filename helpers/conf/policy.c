#include "conf/policy.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/number.h"
#include "conf/accounts.h"

enum { FIELDS_MAX = 7, WORD_BITS = 64, WORDS = POLICY_RULES_MAX / WORD_BITS, PERMISSION_BITS = 07777 };

enum field { FIELD_TYPE, FIELD_PATH, FIELD_MODE, FIELD_USER, FIELD_GROUP, FIELD_AGE, FIELD_ARGUMENT };

static void rule_done(struct policy_rule *rule)
{
	free(rule->path);
	free(rule->components);
	*rule = (struct policy_rule){ 0 };
}

void policy_done(struct policy *p)
{
	for (size_t i = 0; i < p->count; i++)
		rule_done(&p->rules[i]);
	free(p->rules);
	*p = (struct policy){ 0 };
}

/* --- one line to fields ---------------------------------------------------------------------------------------- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Splits in place; the fields are unquoted and point into `line`.  Missing fields are "-". */
static int fields_split(char *line, char *ret_fields[FIELDS_MAX], struct fault *f)
{
	static char missing[] = "-";
	size_t count = 0;
	char *at = line;

	for (size_t i = 0; i < FIELDS_MAX; i++)
		ret_fields[i] = missing;
	for (;;) {
		while (blank(*at))
			at++;
		if (*at == '\0')
			return 0;
		if (count == FIELDS_MAX)
			return fault_refused(f, "more than %d fields", FIELDS_MAX);

		char *to = at;
		char quote = '\0';
		ret_fields[count++] = to;
		for (; *at != '\0' && (quote != '\0' || !blank(*at)); at++) {
			if (quote != '\0' ? *at == quote : text_is_quote(*at))
				quote = quote != '\0' ? '\0' : *at;
			else if (*at == '\\')
				return fault_refused(f, "a backslash is not supported here");
			else
				*to++ = *at;
		}
		if (quote != '\0')
			return fault_refused(f, "a quote is not closed");
		if (*at != '\0')
			at++;
		*to = '\0';
	}
}

/* Replaces %{NAME} and %%. */
static int settings_expand(const char *field, const struct policy_setting *settings, struct text *out, struct fault *f)
{
	for (const char *at = field; *at != '\0';) {
		const size_t plain = strcspn(at, "%");
		text_add(out, at, plain);
		at += plain;
		if (*at == '\0')
			break;
		if (at[1] == '%') {
			text_add_char(out, '%');
			at += 2;
			continue;
		}
		const char *end = at[1] == '{' ? strchr(at, '}') : NULL;
		if (end == NULL)
			return fault_refused(f, "'%%' must be followed by '%%' or '{NAME}'");
		const char *name = at + 2;
		const struct policy_setting *setting = settings;
		while (setting->name != NULL && !text_equal(name, (size_t)(end - name), setting->name))
			setting++;
		if (setting->name == NULL)
			return fault_refused(f, "unknown setting '%s'", SHOWN_BYTES(name, (size_t)(end - name)));
		text_add_string(out, setting->value);
		at = end + 1;
	}
	return text_check(out, f);
}

/* --- fields to a rule ------------------------------------------------------------------------------------------ */

static int type_unknown(const char *field, struct fault *f)
{
	return fault_refused(f, "unknown type '%s'; z and Z are known, with f, d or k after them", SHOWN(field));
}

static int type_parse(const char *field, struct policy_rule *rule, struct fault *f)
{
	if (field[0] != 'z' && field[0] != 'Z')
		return type_unknown(field, f);
	rule->recursive = field[0] == 'Z';
	for (const char *letter = field + 1; *letter != '\0'; letter++) {
		bool *flag = *letter == 'f'   ? &rule->files_only
			     : *letter == 'd' ? &rule->directories_only
			     : *letter == 'k' ? &rule->keep_set_id
					      : NULL;
		if (flag == NULL || *flag)
			return type_unknown(field, f);
		*flag = true;
	}
	if (rule->files_only && rule->directories_only)
		return fault_refused(f, "type '%s' cannot apply to files only and to directories only", SHOWN(field));
	return 0;
}

/* Splits the path into components; `wild`: wildcards are allowed. */
static int path_split(const char *path, bool wild, struct policy_rule *rule, struct fault *f)
{
	if (path[0] != '/')
		return fault_refused(f, "path '%s' is not absolute", SHOWN(path));
	if (wild && strpbrk(path, "{}") != NULL)
		return fault_refused(f, "braces in path '%s' are not supported; write one line for each", SHOWN(path));
	rule->path = strdup(path);
	rule->components = calloc(POLICY_COMPONENTS_MAX, sizeof(*rule->components));
	if (rule->path == NULL || rule->components == NULL)
		return fault_memory(f);

	bool plain = true;
	for (char *at = rule->path; *at != '\0';) {
		while (*at == '/')
			*at++ = '\0';
		if (*at == '\0')
			break;
		if (rule->count == POLICY_COMPONENTS_MAX)
			return fault_refused(f, "path '%s' has more than %d components", SHOWN(path),
					     POLICY_COMPONENTS_MAX);
		rule->components[rule->count++] = at;
		char *end = at + strcspn(at, "/");
		const char kept = *end;
		*end = '\0';
		const bool dots = strcmp(at, ".") == 0 || strcmp(at, "..") == 0;
		plain = plain && (!wild || strpbrk(at, "*?[") == NULL);
		*end = kept;
		if (dots)
			return fault_refused(f, "path '%s' may not contain '.' or '..'", SHOWN(path));
		rule->plain += plain;
		at = end;
	}
	return 0;
}

static int mode_parse(const char *field, struct policy_rule *rule, struct fault *f)
{
	if (strcmp(field, "-") == 0)
		return 0;
	rule->masked = field[0] == '~';
	rule->has_mode = true;
	return number_parse_mode(field + rule->masked, "mode", &rule->mode, f);
}

static bool user_find(const struct policy_names *names, const char *name, uint32_t *ret_uid)
{
	struct accounts_user user;

	if (!accounts_user_find(names->passwd, name, &user))
		return false;
	*ret_uid = user.uid;
	return true;
}

static bool group_find(const struct policy_names *names, const char *name, uint32_t *ret_gid)
{
	if (accounts_group_find(names->group, name, ret_gid))
		return true;
	*ret_gid = names->gid_to_come;
	return names->to_come != NULL && strcmp(name, names->to_come) == 0;
}

/* Resolves a user or group; leaves *ret_id as it is for "-". */
static int account_parse(const char *field, const char *kind, const struct policy_names *names, uint32_t *ret_id,
			 struct fault *f)
{
	uint64_t number;

	if (strcmp(field, "-") == 0)
		return 0;
	if (field[0] >= '0' && field[0] <= '9') {
		if (number_parse(field, kind, 0, UINT32_MAX - 1, &number, f) < 0)
			return -1;
		*ret_id = (uint32_t)number;
		return 0;
	}
	return (kind[0] == 'u' ? user_find : group_find)(names, field, ret_id)
		       ? 0
		       : fault_refused(f, "unknown %s '%s'", kind, SHOWN(field));
}

_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t), "ids are 32 bits on Linux");

static int rule_parse(char *line, const struct policy_names *names, struct policy_rule *rule, struct fault *f)
{
	char *fields[FIELDS_MAX];
	TEXT_AUTO path = { 0 };
	TEXT_AUTO user = { 0 };
	TEXT_AUTO group = { 0 };

	if (fields_split(line, fields, f) < 0 || type_parse(fields[FIELD_TYPE], rule, f) < 0 ||
	    settings_expand(fields[FIELD_PATH], names->settings, &path, f) < 0 ||
	    settings_expand(fields[FIELD_USER], names->settings, &user, f) < 0 ||
	    settings_expand(fields[FIELD_GROUP], names->settings, &group, f) < 0)
		return -1;
	if (path_split(text_string(&path), true, rule, f) < 0)
		return -1;
	if (rule->count == 0)
		return fault_refused(f, "a policy may not apply to '/' itself");
	if (mode_parse(fields[FIELD_MODE], rule, f) < 0 ||
	    account_parse(text_string(&user), "user", names, &rule->uid, f) < 0 ||
	    account_parse(text_string(&group), "group", names, &rule->gid, f) < 0)
		return -1;
	if (strcmp(fields[FIELD_AGE], "-") != 0 || strcmp(fields[FIELD_ARGUMENT], "-") != 0)
		return fault_refused(f, "age and argument are not supported here; write '-' or nothing");
	if (rule->keep_set_id && (!rule->has_mode || rule->masked))
		return fault_refused(f, "'k' needs a mode without '~'");
	return 0;
}

/* --- files to rules -------------------------------------------------------------------------------------------- */

static int rule_add(struct policy *p, struct policy_rule *rule, struct fault *f)
{
	if (p->count == POLICY_RULES_MAX)
		return fault_refused(f, "more than %d rules", POLICY_RULES_MAX);
	if (!ARRAY_GROW(p->rules, p->count))
		return fault_memory(f);
	p->rules[p->count++] = *rule;
	*rule = (struct policy_rule){ 0 };
	return 0;
}

static int line_check(const struct text_line *line, struct fault *f)
{
	if (line->length >= POLICY_LINE_MAX)
		return fault_refused(f, "the line has %zu bytes; fewer than %d are allowed", line->length,
				     POLICY_LINE_MAX);
	for (size_t i = 0; i < line->length; i++) {
		const unsigned char c = (unsigned char)line->bytes[i];
		if (c == '\r')
			return fault_refused(f, "a carriage return; lines end in a line feed alone");
		if (c == '\0')
			return fault_refused(f, "a NUL byte");
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return fault_refused(f, "a control byte");
	}
	return 0;
}

static int line_add(struct policy *p, const struct text_line *line, const struct policy_names *names, struct fault *f)
{
	struct policy_rule rule = { .uid = POLICY_ID_KEEP, .gid = POLICY_ID_KEEP };
	char copy[POLICY_LINE_MAX];

	if (line_check(line, f) < 0)
		return -1;
	memcpy(copy, line->bytes, line->length);
	copy[line->length] = '\0';
	const char *start = copy + strspn(copy, " \t");
	if (*start == '\0' || *start == '#')
		return 0;
	int r = rule_parse(copy, names, &rule, f);
	if (r == 0)
		r = rule_add(p, &rule, f);
	rule_done(&rule);
	return r;
}

int policy_parse(struct policy *p, const char *file, const struct text *bytes, const struct policy_names *names,
		 struct fault *f)
{
	const size_t before = p->count;
	struct text_line line;
	size_t number = 1;

	for (size_t at = 0; text_line_next(bytes->bytes, bytes->length, &at, &line); number++) {
		if (line_add(p, &line, names, f) == 0)
			continue;
		while (p->count > before)
			rule_done(&p->rules[--p->count]);
		return fault_prefix(f, "%s:%zu: ", SHOWN(file), number);
	}
	return 0;
}

int policy_mark(struct policy *p, const char *path, struct fault *f)
{
	struct policy_rule rule = { .recursive = true, .uid = POLICY_ID_KEEP, .gid = POLICY_ID_KEEP };

	int r = path_split(path, false, &rule, f);
	if (r == 0)
		r = rule_add(p, &rule, f);
	rule_done(&rule);
	return r;
}

/* --- matching ---------------------------------------------------------------------------------------------------- */

static void set_put(struct policy_set *set, size_t rule)
{
	set->words[rule / WORD_BITS] |= UINT64_C(1) << (rule % WORD_BITS);
}

bool policy_reaches(const struct policy_place *place)
{
	return policy_set_any(&place->partial) || policy_set_any(&place->applies) || policy_set_any(&place->covers);
}

void policy_root(const struct policy *p, struct policy_place *ret_place)
{
	*ret_place = (struct policy_place){ .depth = 0 };
	for (size_t i = 0; i < p->count; i++) {
		if (p->rules[i].count > 0) {
			set_put(&ret_place->partial, i);
		} else {
			/* Only policy_mark can add a rule for "/". */
			set_put(&ret_place->covers, i);
			set_put(&ret_place->applies, i);
		}
	}
}

void policy_step(const struct policy *p, const struct policy_place *from, const char *name,
		 struct policy_place *ret_place)
{
	*ret_place = (struct policy_place){ .depth = from->depth + 1, .covers = from->covers, .applies = from->covers };
	for (size_t word = 0; word < WORDS; word++) {
		for (uint64_t left = from->partial.words[word]; left != 0; left &= left - 1) {
			const size_t which = word * WORD_BITS + (size_t)__builtin_ctzll(left);
			const struct policy_rule *rule = &p->rules[which];
			const char *component = rule->components[from->depth];
			/* fnmatch(3) from the first wildcard on; plain components match themselves there, too. */
			const bool match = from->depth < rule->plain
						   ? strcmp(component, name) == 0
						   : fnmatch(component, name, FNM_PERIOD | FNM_NOESCAPE) == 0;
			if (!match)
				continue;
			if (rule->count > from->depth + 1) {
				set_put(&ret_place->partial, which);
				continue;
			}
			set_put(&ret_place->applies, which);
			if (rule->recursive)
				set_put(&ret_place->covers, which);
		}
	}
}

/* Applies one rule to a mode. */
static mode_t mode_apply(const struct policy_rule *rule, mode_t now)
{
	mode_t mode = rule->mode;

	if (rule->masked) {
		if ((now & 0111) == 0)
			mode &= ~(mode_t)0111;
		if ((now & 0222) == 0)
			mode &= ~(mode_t)0222;
		if ((now & 0444) == 0)
			mode &= ~(mode_t)0444;
		if (!S_ISDIR(now))
			mode &= ~(mode_t)07000;
	}
	if (rule->keep_set_id && S_ISDIR(now))
		mode |= now & (S_ISUID | S_ISGID);
	return (now & ~(mode_t)PERMISSION_BITS) | mode;
}

bool policy_target(const struct policy *p, const struct policy_place *place, const struct policy_state *state,
		   struct policy_state *ret_target)
{
	bool sets_mode = false;

	*ret_target = *state;
	if (!S_ISREG(state->mode) && !S_ISDIR(state->mode))
		return false;
	for (size_t word = 0; word < WORDS; word++) {
		for (uint64_t left = place->applies.words[word]; left != 0; left &= left - 1) {
			const struct policy_rule *rule = &p->rules[word * WORD_BITS + (size_t)__builtin_ctzll(left)];
			if (S_ISDIR(state->mode) ? rule->files_only : rule->directories_only)
				continue;
			if (rule->uid != POLICY_ID_KEEP)
				ret_target->uid = rule->uid;
			if (rule->gid != POLICY_ID_KEEP)
				ret_target->gid = rule->gid;
			if (rule->has_mode) {
				ret_target->mode = mode_apply(rule, ret_target->mode);
				sets_mode = true;
			}
		}
	}
	return sets_mode;
}

void policy_target_of(const struct policy *p, const char *path, const struct policy_state *state,
		      struct policy_state *ret_target)
{
	struct policy_place place, below;
	char name[NAME_MAX + 1];

	*ret_target = *state;
	policy_root(p, &place);
	for (const char *at = path; at[0] == '/' && at[1] != '\0';) {
		const size_t length = strcspn(at + 1, "/");
		if (length >= sizeof(name))
			return;
		memcpy(name, at + 1, length);
		name[length] = '\0';
		policy_step(p, &place, name, &below);
		place = below;
		at += 1 + length;
	}
	(void)policy_target(p, &place, state, ret_target);
}
