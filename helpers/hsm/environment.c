#include "hsm/environment.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/assign.h"
#include "conf/settings.h"
#include "fs/read.h"

/* An absent file is an empty one. */
static int assignments_read(int root, const char *path, struct assign *ret_assign, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct fault why = { 0 };

	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &file, NULL, &why) < 0 &&
	    why.kind != FAULT_ABSENT) {
		*f = why;
		return -1;
	}
	return assign_parse(ret_assign, text_string(&file), file.length, f);
}

void hsm_environment_done(struct hsm_environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->items[i]);
	free(environment->items);
	*environment = (struct hsm_environment){ 0 };
}

int hsm_environment_read(int root, struct report *report, struct hsm_environment *ret_environment, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };
	HSM_ENVIRONMENT_AUTO environment = { 0 };

	if (assignments_read(root, HSM_ENV_FILE, &lines, f) < 0)
		return -1;
	environment.items = calloc(lines.count + 1, sizeof(*environment.items));
	if (environment.items == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < lines.count; i++) {
		const struct assign_line *line = &lines.lines[i];
		if (line->kind == ASSIGN_FLAWED)
			report_say(report, REPORT_WARNING, "%s:%zu: line skipped, as OKV does: %s", HSM_ENV_FILE, i + 1,
				   assign_flaw_text(line->flaw));
		if (line->kind != ASSIGN_VALUE)
			continue;
		TEXT_AUTO item = { 0 };
		text_add(&item, line->bytes, line->name_length);
		text_add_char(&item, '=');
		text_add(&item, line->bytes + line->value_start, line->value_length);
		if (text_check(&item, f) < 0)
			return -1;
		environment.items[environment.count++] = text_take(&item);
	}
	*ret_environment = environment;
	environment = (struct hsm_environment){ 0 };
	return 0;
}

const char *hsm_environment_get(const struct hsm_environment *environment, const char *name)
{
	const char *value = NULL;
	const size_t length = strlen(name);

	/* The last one wins, as with setenv(3). */
	for (size_t i = 0; i < environment->count; i++)
		if (strncmp(environment->items[i], name, length) == 0 && environment->items[i][length] == '=')
			value = environment->items[i] + length + 1;
	return value;
}

int hsm_library_read(int root, char **ret_path, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };

	return assignments_read(root, HSM_CONF_FILE, &lines, f) < 0 ? -1
								    : assign_get(&lines, "PKCS11_LIB_LOC", ret_path, f);
}
