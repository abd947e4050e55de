#include "okv/checking.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"

void okv_checking_done(struct checking *c)
{
	for (size_t i = 0; i < c->word_count; i++)
		free(c->words[i]);
	free(c->words);
	preserved_done(&c->preserved);
}

const char *okv_words(struct checking *c, const char *format, ...)
{
	char **grown = realloc(c->words, (c->word_count + 1) * sizeof(*grown));
	char *words = NULL;
	va_list arguments;

	if (grown != NULL)
		c->words = grown;
	va_start(arguments, format);
	const int length = vasprintf(&words, format, arguments);
	va_end(arguments);
	if (grown == NULL || length < 0) {
		if (length >= 0)
			free(words);
		c->failed = true;
		return "";
	}
	c->words[c->word_count++] = words;
	return words;
}

void okv_found(struct checking *c, enum okv_severity severity, const char *rule, const char *file, size_t line,
	       enum checking_safety safety, const char *what, const char *effect, const char *remedy)
{
	struct okv_finding *grown = realloc(c->findings->items, (c->findings->count + 1) * sizeof(*grown));
	if (grown == NULL) {
		c->failed = true;
		return;
	}
	c->findings->items = grown;
	const struct okv_finding finding = {
		.severity = severity,
		.rule = rule,
		.file = strdup(file),
		.line = line,
		.what = strdup(what),
		.effect = strdup(effect),
		.remedy = strdup(remedy),
		.safe = safety == SAFE_TO_FIX,
	};
	grown[c->findings->count++] = finding;
	c->failed = c->failed || finding.file == NULL || finding.what == NULL || finding.effect == NULL ||
		    finding.remedy == NULL;
}

bool okv_check_read(struct checking *c, const char *path, enum okv_severity severity, const char *effect,
		    const char *remedy, struct text *ret_text, struct stat *ret_status, struct fault *f)
{
	struct fault cause = { 0 };

	if (fs_read_file(c->job->root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, ret_text, ret_status, &cause) == 0)
		return true;
	if (cause.kind == FAULT_ABSENT)
		okv_found(c, severity, "file-missing", path, 0, NEEDS_A_PERSON, "the file is not there", effect,
			  remedy);
	else if (cause.kind == FAULT_REFUSED)
		okv_found(c, severity, "file-kind", path, 0, NEEDS_A_PERSON, cause.text,
			  "nothing here edits it, and what the readers make of it is not known",
			  "put a plain file in its place");
	else
		*f = cause;
	return false;
}

bool okv_check_follow(const struct checking *c, const char *path, void (*each)(void *context, const char *step),
		      void *context)
{
	enum { LINKS_MAX = 8 };
	char here[PATH_MAX], target[PATH_MAX], next[PATH_MAX];

	if (snprintf(here, sizeof(here), "%s", path) >= (int)sizeof(here))
		return false;
	for (unsigned links = 0; links <= LINKS_MAX; links++) {
		struct fault ignored = { 0 };
		FS_AUTO int dir = -1;
		char leaf[FS_NAME_SIZE];

		each(context, here);
		if (fs_parent_open(c->job->root, here, FS_FOLLOW_TRUSTED, &dir, leaf, &ignored) < 0)
			return false;
		const ssize_t length = readlinkat(dir, leaf, target, sizeof(target) - 1);
		if (length < 0) {
			struct stat status;
			return errno == EINVAL && fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) == 0;
		}
		target[length] = '\0';
		/* "../" is taken from the directory by name: its own links were resolved or refused on the way here. */
		char *slash = strrchr(here, '/');
		const char *rest = target;
		if (target[0] == '/') {
			here[0] = '\0';
			slash = here;
		}
		while (text_starts(rest, "../") && slash != NULL) {
			*slash = '\0';
			slash = strrchr(here, '/');
			if (slash == NULL)
				slash = here;
			rest += 3;
		}
		if (slash != NULL)
			*slash = '\0';
		rest += strspn(rest, "/");
		if (snprintf(next, sizeof(next), "%s/%s", here, rest) >= (int)sizeof(next))
			return false;
		memcpy(here, next, sizeof(here));
	}
	return false;
}
