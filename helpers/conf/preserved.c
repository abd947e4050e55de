#include "conf/preserved.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void preserved_done(struct preserved *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->paths[i]);
	free(p->paths);
	*p = (struct preserved){ 0 };
}

static int append(struct preserved *p, const char *path, size_t length, struct fault *f)
{
	if (!ARRAY_GROW(p->paths, p->count) || (p->paths[p->count] = strndup(path, length)) == NULL)
		return fault_memory(f);
	p->count++;
	return 0;
}

int preserved_parse(struct preserved *ret_preserved, const char *value, struct fault *f)
{
	PRESERVED_AUTO p = { 0 };

	for (size_t length; value != NULL && *value != '\0'; value += length + (value[length] == ':')) {
		length = strcspn(value, ":");
		if (length > 0 && append(&p, value, length, f) < 0)
			return -1;
	}
	*ret_preserved = p;
	p = (struct preserved){ 0 };
	return 0;
}

void preserved_print(const struct preserved *p, struct text *out)
{
	for (size_t i = 0; i < p->count; i++)
		text_add_format(out, "%s%s", i > 0 ? ":" : "", p->paths[i]);
}

bool preserved_within(const char *path, const char *entry)
{
	const bool rooted = path[0] == '/';

	if (rooted != (entry[0] == '/'))
		return false;
	for (;;) {
		path += strspn(path, "/");
		entry += strspn(entry, "/");
		if (entry[0] == '\0')
			return true;
		const size_t length = strcspn(entry, "/");
		if (strcspn(path, "/") != length || memcmp(path, entry, length) != 0)
			return false;
		path += length;
		entry += length;
	}
}

bool preserved_same(const char *a, const char *b)
{
	return preserved_within(a, b) && preserved_within(b, a);
}

/* An old one must not come over that of a new release.  Equal: software that was added later may lie below it. */
static bool is_system(const char *path)
{
	static const char *const places[] = {
		"/",
		"/bin",
		"/etc",
		"/etc/fstab",
		"/etc/group",
		"/etc/gshadow",
		"/etc/ld.so.cache",
		"/etc/machine-id",
		"/etc/nsswitch.conf",
		"/etc/os-release",
		"/etc/pam.d",
		"/etc/passwd",
		"/etc/shadow",
		"/etc/systemd",
		"/etc/systemd/system",
		"/lib",
		"/lib64",
		"/sbin",
		"/tmp",
		"/usr",
		"/usr/bin",
		"/usr/lib",
		"/usr/lib/modules",
		"/usr/lib/systemd",
		"/usr/lib64",
		"/usr/libexec",
		"/usr/local",
		"/usr/sbin",
		"/usr/share",
		"/var",
		"/var/lib",
		"/var/lib/rpm",
	};
	static const char *const trees[] = { "/boot", "/dev", "/proc", "/run", "/sys" };
	bool is = false;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		is = is || preserved_same(path, places[i]);
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
		is = is || preserved_within(path, trees[i]);
	return is;
}

const char *preserved_holder(const struct preserved *p, const char *path)
{
	for (size_t i = 0; i < p->count; i++)
		if (preserved_within(path, p->paths[i]) && !is_system(p->paths[i]))
			return p->paths[i];
	return NULL;
}

bool preserved_has(const struct preserved *p, const char *path)
{
	for (size_t i = 0; i < p->count; i++)
		if (preserved_same(p->paths[i], path))
			return true;
	return false;
}

int preserved_add(struct preserved *p, const char *path, struct fault *f)
{
	return preserved_has(p, path) ? 0 : append(p, path, strlen(path), f);
}

const char *preserved_holder_of(const struct preserved *p, size_t index)
{
	const char *path = p->paths[index];

	for (size_t i = 0; i < p->count; i++)
		if (i != index && preserved_within(path, p->paths[i]) &&
		    (i < index || !preserved_same(path, p->paths[i])) && !is_system(p->paths[i]))
			return p->paths[i];
	return NULL;
}

void preserved_reduce(struct preserved *p)
{
	for (size_t i = p->count; i-- > 0;) {
		if (p->paths[i][0] != '\0' && preserved_holder_of(p, i) == NULL)
			continue;
		free(p->paths[i]);
		memmove(p->paths + i, p->paths + i + 1, (--p->count - i) * sizeof(*p->paths));
	}
}

bool preserved_trim(struct preserved *p)
{
	bool trimmed = false;

	for (size_t i = 0; i < p->count; i++) {
		char *path = p->paths[i];
		const size_t first = strspn(path, " ");
		size_t end = strlen(path);
		while (end > first && path[end - 1] == ' ')
			end--;
		trimmed = trimmed || first > 0 || path[end] != '\0';
		memmove(path, path + first, end - first);
		path[end - first] = '\0';
	}
	return trimmed;
}

bool preserved_has_dots(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/.")) != NULL; at++) {
		const char *after = at + 2 + (at[2] == '.');
		if (*after == '/' || *after == '\0')
			return true;
	}
	return false;
}

enum preserved_flaw preserved_judge(const char *path)
{
	const size_t length = strlen(path);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)path[i] < 0x20 || (unsigned char)path[i] >= 0x7f)
			return PRESERVED_FLAW_BYTES;
	if (length > 0 && (path[0] == ' ' || path[length - 1] == ' '))
		return PRESERVED_FLAW_BYTES;
	if (path[0] != '/')
		return PRESERVED_FLAW_RELATIVE;
	if (is_system(path))
		return PRESERVED_FLAW_SYSTEM;
	if (strpbrk(path, "*?[") != NULL)
		return PRESERVED_FLAW_WILDCARD;
	return preserved_has_dots(path) ? PRESERVED_FLAW_DOTS : PRESERVED_FLAW_NONE;
}

const char *preserved_flaw_text(enum preserved_flaw flaw)
{
	static const char *const texts[] = {
		[PRESERVED_FLAW_NONE] = "nothing is wrong with it",
		[PRESERVED_FLAW_RELATIVE] = "it is not a full path",
		[PRESERVED_FLAW_WILDCARD] = "it holds a wildcard, and wildcards are not expanded",
		[PRESERVED_FLAW_DOTS] = "it passes through '.' or '..'",
		[PRESERVED_FLAW_SYSTEM] = "it is the operating system's own",
		[PRESERVED_FLAW_BYTES] =
			"it holds blanks at an end, control characters or characters that are not ASCII",
	};

	return texts[flaw];
}
