#include "hsm/needed.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fs/read.h"
#include "hsm/file.h"
#include "hsm/ldcache.h"

enum { LIBRARIES_MAX = 256 };

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#elif defined(__s390x__)
#define MULTIARCH "s390x-linux-gnu"
#else
#define MULTIARCH "powerpc64le-linux-gnu"
#endif

static const char *const system_directories[] = {
	"/lib64", "/usr/lib64", "/lib/" MULTIARCH, "/usr/lib/" MULTIARCH, "/lib", "/usr/lib",
};
enum { SYSTEM_DIRECTORY_COUNT = sizeof(system_directories) / sizeof(system_directories[0]) };

struct library {
	char *name; /* owned; as it was asked for */
	char *path; /* owned; below root, free of links */
	struct hsm_elf elf;
};

struct search {
	int root;
	struct text cache;
	const struct hsm_elf *first; /* the PKCS#11 library: an old RPATH of its serves all below */
	const char *first_path;
	struct library libraries[LIBRARIES_MAX];
	size_t count;
};

static void search_done(struct search *s)
{
	text_done(&s->cache);
	for (size_t i = 0; i < s->count; i++) {
		free(s->libraries[i].name);
		free(s->libraries[i].path);
		hsm_elf_done(&s->libraries[i].elf);
	}
}

/* The child inherits what this process has loaded, and ld.so asks there first. */
static bool is_loaded(const char *name)
{
	void *handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);

	if (handle != NULL)
		(void)dlclose(handle);
	return handle != NULL;
}

static bool is_known(const struct search *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->libraries[i].name, name) == 0)
			return true;
	return false;
}

/* "/a/b/../c/./d" becomes "/a/c/d": run paths are written relative to $ORIGIN. */
static void path_tidy(char *path)
{
	char *to = path;

	for (char *at = path; *at != '\0';) {
		at += strspn(at, "/");
		const size_t length = strcspn(at, "/");
		if (length == 0)
			break;
		if (length == 2 && at[0] == '.' && at[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (length != 1 || at[0] != '.') {
			*to++ = '/';
			memmove(to, at, length);
			to += length;
		}
		at += length;
	}
	*to = '\0';
}

/* One directory of a run path, $ORIGIN and $LIB put in, and the name behind it. */
static void candidate_build(const char *entry, size_t length, const char *origin, const char *name, struct text *out)
{
	const char *slash = strrchr(origin, '/');
	const size_t origin_length = slash != NULL ? (size_t)(slash - origin) : 0;

	text_reset(out);
	while (length > 0) {
		static const struct {
			const char *token;
			bool origin;
		} tokens[] = { { "$ORIGIN", true }, { "${ORIGIN}", true }, { "$LIB", false }, { "${LIB}", false } };
		size_t step = 0;
		for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]) && step == 0; i++) {
			const size_t size = strlen(tokens[i].token);
			if (length >= size && memcmp(entry, tokens[i].token, size) == 0) {
				step = size;
				text_add(out, tokens[i].origin ? origin : "lib64",
					 tokens[i].origin ? origin_length : 5);
			}
		}
		if (step == 0) {
			text_add_char(out, *entry);
			step = 1;
		}
		entry += step;
		length -= step;
	}
	text_add_format(out, "/%s", name);
	if (!out->failed)
		path_tidy(out->bytes);
}

/* 1: taken; 0: not there, or for another machine, so ld.so goes on; -1. */
static int candidate_try(struct search *s, const char *name, const char *path, struct fault *f)
{
	HSM_FILE_AUTO file = HSM_FILE_INIT;
	HSM_ELF_AUTO elf = { 0 };
	struct fault why = { 0 };

	if (path[0] != '/')
		return 0;
	if (hsm_file_open(s->root, path, &file, &why) < 0) {
		if (why.kind == FAULT_ABSENT)
			return 0;
		*f = why;
		return -1;
	}
	if (hsm_elf_read(file.fd, path, "C_GetFunctionList", &elf, &why) < 0) {
		if (why.kind == FAULT_REFUSED)
			return 0;
		*f = why;
		return -1;
	}
	if (s->count == LIBRARIES_MAX)
		return fault_refused(f, "it needs more than %d libraries", LIBRARIES_MAX);

	struct library *library = &s->libraries[s->count];
	*library = (struct library){ .name = strdup(name), .path = strdup(file.place.path) };
	s->count++;
	if (library->name == NULL || library->path == NULL)
		return fault_memory(f);
	library->elf = elf;
	elf = (struct hsm_elf){ 0 };
	return 1;
}

static int runpath_try(struct search *s, const char *runpath, const char *origin, const char *name, struct fault *f)
{
	TEXT_AUTO candidate = { 0 };
	int r = 0;

	for (const char *at = runpath; r == 0 && at != NULL && *at != '\0';) {
		const size_t length = strcspn(at, ":");
		candidate_build(at, length, origin, name, &candidate);
		if (text_check(&candidate, f) < 0)
			return -1;
		r = candidate_try(s, name, text_string(&candidate), f);
		at += length + (at[length] == ':');
	}
	return r;
}

static int system_try(struct search *s, const char *name, struct fault *f)
{
	TEXT_AUTO candidate = { 0 };
	const char *cached;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (cached = hsm_ldcache_next(text_string(&s->cache), s->cache.length, name, &at)) != NULL)
		r = candidate_try(s, name, cached, f);
	for (size_t i = 0; r == 0 && i < SYSTEM_DIRECTORY_COUNT; i++) {
		text_reset(&candidate);
		text_add_format(&candidate, "%s/%s", system_directories[i], name);
		if (text_check(&candidate, f) < 0)
			return -1;
		r = candidate_try(s, name, text_string(&candidate), f);
	}
	return r;
}

static int one_find(struct search *s, const char *name, const char *path, const struct hsm_elf *elf, struct fault *f)
{
	if (name[0] == '\0' || is_known(s, name) || is_loaded(name))
		return 0;

	int r;
	if (strchr(name, '/') != NULL) {
		r = candidate_try(s, name, name, f);
	} else {
		r = runpath_try(s, elf->runpath, path, name, f);
		if (r == 0 && elf != s->first)
			r = runpath_try(s, s->first->runpath, s->first_path, name, f);
		if (r == 0)
			r = system_try(s, name, f);
	}
	if (r < 0)
		return fault_prefix(f, "'%s' is needed by '%s': ", SHOWN(name), SHOWN(path));
	if (r == 0)
		return fault_absent(f, "library '%s', which '%s' needs, is not installed", SHOWN(name), SHOWN(path));
	return 0;
}

int hsm_needed_check(int root, const char *path, const struct hsm_elf *elf, struct fault *f)
{
	struct search *s = calloc(1, sizeof(*s));
	struct fault no_cache = { 0 };
	int r = 0;

	if (s == NULL)
		return fault_memory(f);
	s->root = root;
	s->first = elf;
	s->first_path = path;
	/* Without a cache ld.so looks in its directories, and so do we. */
	(void)fs_read_file(root, "/etc/ld.so.cache", FS_FOLLOW_TRUSTED, 16U * FS_READ_CONFIG_MAX, &s->cache, NULL,
			   &no_cache);
	for (size_t i = 0; r == 0 && i < elf->needed_count; i++)
		r = one_find(s, elf->needed[i], path, elf, f);
	/* The list grows while it is walked. */
	for (size_t at = 0; r == 0 && at < s->count; at++)
		for (size_t i = 0; r == 0 && i < s->libraries[at].elf.needed_count; i++)
			r = one_find(s, s->libraries[at].elf.needed[i], s->libraries[at].path, &s->libraries[at].elf,
				     f);
	search_done(s);
	free(s);
	return r;
}
