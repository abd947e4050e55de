#include "client/content.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/archive/judge.h"
#include "fs/root.h"

static const char *const kind_names[] = { "auto", "minimal", "cloud", "full" };
static const char *const libraries[] = { "libs/64/libCryptoki2_64.so", "libs/64/libCryptoki2.so" };

/*
 * Files that tell a minimal from a cloud client, the most reliable first.  Only the minimal client has a template; a
 * Chrystoki.conf may have been added by somebody, or be older than the client.
 */
enum { SIGNS = 4 };
static const char template[] = "Chrystoki-template.conf";
static const char *const signs[SIGNS] = { "setenv", "Chrystoki-base.conf", template, "Chrystoki.conf" };

static enum client_kind kind_by_sign(const char *sign)
{
	return sign == NULL || strcmp(sign, template) == 0 ? CLIENT_MINIMAL : CLIENT_CLOUD;
}

const char *client_kind_name(enum client_kind kind)
{
	return kind_names[kind];
}

/* Is the path `tail`, or does it end in "/tail"?  *ret_top is the length of what comes before. */
static bool ends_in(const char *path, const char *tail, size_t *ret_top)
{
	if (!text_ends(path, tail))
		return false;
	*ret_top = strlen(path) - strlen(tail);
	return *ret_top == 0 || path[*ret_top - 1] == '/';
}

const struct unpack_entry *client_content_entry(const struct client_content *content, const char *path)
{
	char whole[2 * LIMITS_PATH + 2];

	(void)snprintf(whole, sizeof(whole), "%s%s", content->top, path);
	return unpack_find(&content->unpacked, whole);
}

static int top_set(struct client_content *c, const char *path, size_t length, struct fault *f)
{
	if (strncmp(c->top, path, length) == 0 && c->top[length] == '\0' && c->kind != CLIENT_AUTO)
		return 0;
	if (c->kind != CLIENT_AUTO)
		return fault_refused(f, "it holds more than one client: in '%s' and in '%s'; pack one of them alone",
				     SHOWN(c->top), SHOWN_BYTES(path, length));
	memcpy(c->top, path, length);
	c->top[length] = '\0';
	return 0;
}

/* Digits and dots, a dash, digits: "LunaClient-Minimal-10.4.0-417.x86_64/", "LunaClient_10.9.4-122_Linux/". */
static void version_find(const char *name, struct client_content *c)
{
	for (const char *at = name; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || (at > name && at[-1] != '-' && at[-1] != '_'))
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

/* Resolves a link; an absolute one points into the client's own directory (client/archive/judge). */
static const struct unpack_entry *link_follow(const struct client_content *c, const struct unpack_entry *e)
{
	const char *own = c->unpacked.judge.own_place;
	char path[LIMITS_PATH + 1];

	if (e->target[0] == '/')
		return own != NULL && text_starts(e->target, own) ? client_content_entry(c, e->target + strlen(own) + 1)
								  : NULL;
	return judge_resolve(e->path, e->target, path) ? unpack_find(&c->unpacked, path) : NULL;
}

/* The library file: both names may be links, to each other or to a name with the version. */
static int library_find(struct client_content *c, struct fault *f)
{
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		const struct unpack_entry *e = client_content_entry(c, libraries[i]);
		for (unsigned passed = 0; e != NULL && e->type == UNPACK_LINK && passed < LIMITS_LINKS; passed++)
			e = link_follow(c, e);
		if (e != NULL && (e->type == UNPACK_FILE || e->type == UNPACK_HARD_LINK) &&
		    text_starts(e->path, c->top)) {
			(void)snprintf(c->library, sizeof(c->library), "%s", e->path + strlen(c->top));
			return 0;
		}
	}
	return fault_refused(f, "'%slibs/64' has no PKCS#11 library that is a regular file", SHOWN(c->top));
}

static bool is_file(int client, const char *path)
{
	struct fault absent = { 0 };
	struct stat status;

	return fs_status(client, path, FS_NOFOLLOW, &status, &absent) == 0 && S_ISREG(status.st_mode);
}

int client_kind_find(int client, enum client_kind *ret_kind, struct fault *f)
{
	static const char *const full[] = { "lib/libCryptoki2_64.so" };
	const char *library = NULL, *sign = NULL;

	*ret_kind = CLIENT_AUTO;
	/* Packages may be installed over another kind's remains: links or copies of them, but no file of vtl's. */
	if (is_file(client, full[0]) && is_file(client, "bin/openssl.cnf")) {
		*ret_kind = CLIENT_FULL;
		return 0;
	}
	if (fs_first(client, libraries, sizeof(libraries) / sizeof(libraries[0]), &library, f) < 0 ||
	    fs_first(client, library != NULL ? signs : full, library != NULL ? SIGNS : 1, &sign, f) < 0)
		return -1;
	if (library == NULL)
		*ret_kind = sign != NULL ? CLIENT_FULL : CLIENT_AUTO;
	else
		*ret_kind = kind_by_sign(sign);
	return 0;
}

bool client_rpm_version(const char *file, const char *package, struct text_line *ret_version)
{
	static const char tail[] = ".x86_64.rpm";
	const size_t length = strlen(package);

	if (strncmp(file, package, length) != 0 || file[length] != '-' || file[length + 1] < '0' ||
	    file[length + 1] > '9' || !text_ends(file, tail))
		return false;
	ret_version->bytes = file + length + 1;
	ret_version->length = strlen(ret_version->bytes) - strlen(tail);
	return true;
}

/* "TOP64/libcryptoki-10.9.4-122.x86_64.rpm" */
static bool is_client_rpm(const char *path, size_t *ret_top)
{
	const char *slash = strrchr(path, '/');
	struct text_line version;

	if (slash == NULL || slash - path < 2 || strncmp(slash - 2, "64", 2) != 0 ||
	    (slash - path > 2 && slash[-3] != '/') || !client_rpm_version(slash + 1, "libcryptoki", &version))
		return false;
	*ret_top = (size_t)(slash - path) - 2;
	return true;
}

int client_content_find(struct client_content *content, const char *required, struct fault *f)
{
	struct client_content c = { .unpacked = content->unpacked, .kind = CLIENT_AUTO };
	size_t length;

	for (size_t i = 0; i < c.unpacked.count; i++) {
		const char *path = c.unpacked.entries[i].path;
		enum client_kind kind = CLIENT_AUTO;
		if (c.unpacked.entries[i].type == UNPACK_DIRECTORY)
			continue;
		if (ends_in(path, libraries[0], &length) || ends_in(path, libraries[1], &length))
			kind = CLIENT_MINIMAL;
		else if (is_client_rpm(path, &length))
			kind = CLIENT_FULL;
		if (kind != CLIENT_AUTO && top_set(&c, path, length, f) < 0)
			return -1;
		if (kind != CLIENT_AUTO)
			c.kind = kind;
	}
	if (c.kind == CLIENT_AUTO)
		return fault_refused(f, "no Luna client in it: neither libs/64/libCryptoki2.so nor "
					"64/libcryptoki-*.x86_64.rpm");
	version_find(c.top, &c);
	if (c.kind == CLIENT_MINIMAL) {
		const char *sign = NULL;
		for (size_t i = 0; i < SIGNS && sign == NULL; i++)
			sign = client_content_entry(&c, signs[i]) != NULL ? signs[i] : NULL;
		c.kind = kind_by_sign(sign);
		if (library_find(&c, f) < 0)
			return -1;
		/* The top directory has no version, but the library may: "libs/64/libCryptoki2.so.10.4.0". */
		const char *behind = strstr(c.library, ".so.");
		if (c.version[0] == '\0' && behind != NULL)
			version_find(behind + strlen(".so."), &c);
	}
	if (required != NULL && strcmp(required, kind_names[CLIENT_AUTO]) != 0 &&
	    strcmp(required, kind_names[c.kind]) != 0)
		return fault_refused(f, "it is a %s client, not a %s one", kind_names[c.kind], required);
	*content = c;
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
