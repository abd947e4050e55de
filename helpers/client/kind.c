#include "client/kind.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const kind_names[] = { "auto", "minimal", "cloud", "full" };
static const char *const libraries[] = { "libs/64/libCryptoki2_64.so", "libs/64/libCryptoki2.so" };

const char *client_kind_name(enum client_kind kind)
{
	return kind_names[kind];
}

int client_kind_parse(const char *word, enum client_kind *ret_kind)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (strcmp(word, kind_names[i]) == 0) {
			*ret_kind = (enum client_kind)i;
			return 0;
		}
	}
	return -1;
}

/* Does the path end in `/tail`, or is it that?  *ret_top is then the length of what stands before. */
static bool ends_in(const char *path, const char *tail, size_t *ret_top)
{
	if (!text_ends(path, tail))
		return false;
	*ret_top = strlen(path) - strlen(tail);
	return *ret_top == 0 || path[*ret_top - 1] == '/';
}

static const struct unpack_entry *entry_below(const struct unpack *entries, const char *top, const char *name)
{
	char path[2 * LIMITS_PATH + 2];

	(void)snprintf(path, sizeof(path), "%s%s", top, name);
	return unpack_find(entries, path);
}

static int top_set(struct client_content *c, const char *path, size_t length, struct fault *f)
{
	if (strncmp(c->top, path, length) == 0 && c->top[length] == '\0' && c->kind != CLIENT_AUTO)
		return 0;
	if (c->kind != CLIENT_AUTO)
		return fault_refused(f, "it holds more than one client: in '%s' and in '%s'", SHOWN(c->top),
				     SHOWN_BYTES(path, length));
	memcpy(c->top, path, length);
	c->top[length] = '\0';
	return 0;
}

/* "LunaClient-Minimal-10.4.0-417.x86_64/", "LunaClient_10.9.4-122_Linux/": digits and dots, a dash, digits. */
static void version_find(struct client_content *c)
{
	for (const char *at = c->top; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || (at > c->top && at[-1] != '-' && at[-1] != '_'))
			continue;
		const size_t numbers = strspn(at, "0123456789.");
		const size_t build = at[numbers] == '-' ? strspn(at + numbers + 1, "0123456789") : 0;
		const size_t length = build > 0 ? numbers + 1 + build : numbers;
		if (memchr(at, '.', numbers) == NULL || length >= sizeof(c->version))
			continue;
		memcpy(c->version, at, length);
		c->version[length] = '\0';
		return;
	}
}

/* The one of both names that is the file. */
static int library_find(const struct unpack *entries, struct client_content *c, struct fault *f)
{
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		const struct unpack_entry *e = entry_below(entries, c->top, libraries[i]);
		if (e != NULL && (e->type == PIPE_ENTRY_FILE || e->type == PIPE_ENTRY_HARD_LINK)) {
			(void)snprintf(c->library, sizeof(c->library), "%s", libraries[i]);
			return 0;
		}
	}
	return fault_refused(f, "'%slibs/64' holds no PKCS#11 library that is a file", SHOWN(c->top));
}

/* "TOP64/libcryptoki-10.9.4-122.x86_64.rpm" */
static bool is_client_rpm(const char *path, size_t *ret_top)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL || slash - path < 2 || !text_starts(slash + 1, "libcryptoki-") ||
	    !text_ends(path, ".x86_64.rpm") || strncmp(slash - 2, "64", 2) != 0 ||
	    (slash - path > 2 && slash[-3] != '/'))
		return false;
	*ret_top = (size_t)(slash - path) - 2;
	return true;
}

int client_content_find(const struct unpack *entries, enum client_kind wanted, struct client_content *ret_content,
			struct fault *f)
{
	struct client_content c = { .kind = CLIENT_AUTO };
	size_t length;

	for (size_t i = 0; i < entries->count; i++) {
		const char *path = entries->entries[i].path;
		if (entries->entries[i].type == PIPE_ENTRY_DIRECTORY)
			continue;
		if (ends_in(path, libraries[0], &length) || ends_in(path, libraries[1], &length)) {
			if (top_set(&c, path, length, f) < 0)
				return -1;
			c.kind = CLIENT_MINIMAL;
		} else if (is_client_rpm(path, &length)) {
			if (top_set(&c, path, length, f) < 0)
				return -1;
			c.kind = CLIENT_FULL;
		}
	}
	if (c.kind == CLIENT_AUTO)
		return fault_refused(f, "no Luna client in it: neither libs/64/libCryptoki2.so nor "
					"64/libcryptoki-*.x86_64.rpm");
	version_find(&c);
	if (c.kind == CLIENT_MINIMAL) {
		if (entry_below(entries, c.top, "setenv") != NULL ||
		    entry_below(entries, c.top, "Chrystoki.conf") != NULL)
			c.kind = CLIENT_CLOUD;
		if (library_find(entries, &c, f) < 0)
			return -1;
	}
	if (wanted != CLIENT_AUTO && wanted != c.kind)
		return fault_refused(f, "it is a %s client, not a %s one", client_kind_name(c.kind),
				     client_kind_name(wanted));
	*ret_content = c;
	return 0;
}

const char *client_content_path(const struct client_content *content, const char *path)
{
	static const char *const foreign[] = { "cvclient-min.zip", "crystoki.ini", "crystoki-template.ini" };
	const size_t length = strlen(content->top);

	if (strncmp(path, content->top, length) != 0 || path[length] == '\0')
		return NULL;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (content->kind == CLIENT_CLOUD && strcmp(path + length, foreign[i]) == 0)
			return NULL;
	return path + length;
}
